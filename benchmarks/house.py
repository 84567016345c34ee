"""The measures of the house: how much code there is, in how many rooms, on how many levels.

``python -m benchmarks.house [REVISION ...]`` prints one column for each revision of this repository
and one for the files as they are. Product code is each `.py` of ``engine``, ``readers``, ``sinks``.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from io import BytesIO, RawIOBase
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "readers", "sinks")
LEVELS = {"readers": 0, "sinks": 1, "engine": 2, "engine.live": 3, "engine.bench": 3}
LEVELS |= {"engine.cli": 4, "benchmarks": 5, "tests": 5}
"""No import goes up; a room that is not named here is on the level of the one around it."""
MOST_LINES = 30
_NUM_PICTURES = 20
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class House:
    """The Python files of the tree in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = self._parsed(*PACKAGES)
        self.modules = {_module_name(path): tree for path, tree in self._inside.items()}
        self.texts = [(root / path).read_text(encoding="utf-8") for path in self._inside]
        self.functions = [
            (module, node)
            for module, tree in self.modules.items()
            for node in ast.walk(tree)
            if isinstance(node, _Function)
        ]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """What each module imports of this tree when it is loaded."""
        graph = {}
        for module, tree in self.modules.items():
            pairs = [(home, f"{home}.{name}") for home, name in _imported(tree.body)]
            targets = {whole if whole in self.modules else home for home, whole in pairs}
            graph[module] = {to for to in targets if to.partition(".")[0] in LEVELS}
        return graph

    def arrows(self) -> set[tuple[str, str]]:
        """Give the imports from room to room; a room is a folder."""
        folders = {_module_name(path): ".".join(path.parts[:-1]) for path in self._inside}
        pairs = ((module, to) for module, targets in self.imports.items() for to in targets)
        return {(folders[module], folders.get(to, to)) for module, to in pairs}

    def arrows_up(self) -> list[str]:
        """List the imports from room to room that lead to a higher level."""
        return [
            f"{room} -> {to}" for room, to in sorted(self.arrows()) if _level(room) < _level(to)
        ]

    def circles(self) -> list[str]:
        """List the modules that import themselves, by way of others."""
        return in_circles(self.imports)

    def circles_of_engine_rooms(self) -> list[str]:
        """List the folders right in ``engine`` that import themselves, by way of others."""
        graph: dict[str, set[str]] = {}
        for names in self.arrows():
            room, to = (".".join(name.split(".")[:2]) for name in names)
            if room != to and room.startswith("engine.") and to.startswith("engine."):
                graph.setdefault(room, set()).add(to)
        return in_circles(graph)

    def long_functions(self) -> list[str]:
        """List the functions whose body, its docstring aside, has more than 30 lines."""
        return [f"{module}.{node.name}" for module, node in self.functions if _is_long(node)]

    def test_only(self) -> list[str]:
        """List the functions and properties that tests use, and neither product nor benchmarks."""
        used = {*_used(self._inside), *_used(self._parsed("benchmarks")), *dir(RawIOBase)}
        only = {*_used(self._parsed("tests"))} - used
        return [f"{module}.{node.name}" for module, node in self.functions if node.name in only]

    def copied_lists(self) -> list[str]:
        """List the comparisons of an ``__all__`` with a list that tests write out again."""
        compared = (
            ast.unparse(node)
            for tree in self._parsed("tests").values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare) and isinstance(node.comparators[0], ast.List)
        )
        return [text.partition(" ")[0] for text in compared if re.match(r"\w+\.__all__ ", text)]

    def _parsed(self, *folders: str) -> dict[Path, ast.Module]:
        paths = sorted(path for folder in folders for path in (self.root / folder).rglob("*.py"))
        return {path.relative_to(self.root): ast.parse(path.read_bytes()) for path in paths}


def in_circles(graph: dict[str, set[str]]) -> list[str]:
    """List the nodes of a graph from which arrows lead back to themselves."""
    reached = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for targets in reached.values():
            if middle in targets:
                targets |= reached[middle]
    return sorted(name for name, targets in reached.items() if name in targets)


def measures(house: House) -> dict[str, float]:
    """Measure a tree, which runs its command on the built-in movie."""
    num_files, num_lines = len(house.texts), sum(len(text.splitlines()) for text in house.texts)
    num_private = sum(re.match("_(?!_)", node.name) is not None for _, node in house.functions)
    documented = [ast.get_docstring(tree) or "" for tree in house.modules.values()]
    asking = [text for text in documented if re.match(r"(What|How|Where|Which|Whether)\b", text)]
    riddles = re.findall(r"\b(?:nobody|somebody|whoever)\b", "\n".join(house.texts), re.I)
    return {
        "product lines": num_lines,
        "files": num_files,
        "files per 1,000 lines": round(1000 * num_files / num_lines, 1),
        "private helpers, % of all functions": round(100 * num_private / len(house.functions), 1),
        "files at the top of engine/": len([*(house.root / "engine").glob("*.py")]),
        "calls from main to the decoder's": len(way_of_a_frame(house.root)) - 1,
        "import arrows that run up": len(house.arrows_up()),
        "modules in circles of imports": len(house.circles()),
        "functions and properties for tests alone": len(house.test_only()),
        "copied __all__ lists in tests": len(house.copied_lists()),
        f"functions above {MOST_LINES} lines": len(house.long_functions()),
        "module docstrings that begin with What, How, Where, Which, Whether": len(asking),
        "nobody, somebody, whoever": len(riddles),
    }


def way_of_a_frame(root: Path, movie: Path | None = None) -> list[str]:
    """List the functions from `main` to the one that asks FFmpeg for a picture, the caller first.

    A tree's command runs on a movie, the built-in ``.isxb`` unless another is given. These are the
    product's functions on the stack as it asks for the twentieth time, each once; what a thread
    does counts as called by the function that started it.
    """
    movie = movie or root / "engine/builtin/demo.isxb"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", __file__, "--run", str(movie), folder]
        surroundings = {**os.environ, "PYTHONPATH": str(root)}
        child = subprocess.run(command, cwd=root, env=surroundings, capture_output=True, text=True)  # noqa: S603, PLW1510
    *_, last = child.stdout.splitlines() or [""]
    if child.returncode:
        raise RuntimeError(f"{root}: {child.stderr}")
    return last.split(", ")


def _run_until_decoded(movie: str, folder: str) -> None:
    """Run the command of the tree in the working directory; end by printing a frame's way."""
    inside = tuple(str(Path.cwd() / package) for package in PACKAGES)
    seen: Counter[tuple[str, ...]] = Counter()
    start = threading.Thread.start

    def way(frame: FrameType | None) -> tuple[str, ...]:
        names: list[str] = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(inside):
                path = Path(frame.f_code.co_filename).relative_to(Path.cwd())
                names.insert(0, f"{_module_name(path)}.{frame.f_code.co_qualname}")
            frame = frame.f_back
        return tuple(dict.fromkeys((*getattr(threading.current_thread(), "way", ()), *names)))

    def starting(thread: Any) -> None:
        thread.way = way(sys._getframe())
        start(thread)

    def look(frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call" or called.__name__ != "decode":
            return
        if type(called.__self__).__module__.startswith("av."):
            names = way(frame)
            seen[names] += 1
            if seen[names] == _NUM_PICTURES:
                os.write(1, f"\n{', '.join(names)}\n".encode())
                os._exit(0)

    scripts = tomllib.loads(Path("pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["posestream"].split(":")
    main = getattr(import_module(module), name)
    threading.Thread.start = starting  # type: ignore[method-assign]
    threading.setprofile(look)
    sys.setprofile(look)
    sys.exit(main(["run", movie, "--output-dir", f"{folder}/outputs"]) or "no pictures")


def _imported(body: Sequence[ast.AST]) -> Iterator[tuple[str, str]]:
    """Give module and name of each import that runs when a module is loaded."""
    for node in body:
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imported(node.orelse)
        elif not isinstance(node, _Function):
            yield from _imported([*ast.iter_child_nodes(node)])


def _used(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """Give each name that is used; what a package passes on is not used by that."""
    nodes: Iterable[tuple[Path, ast.AST]]
    nodes = ((path, node) for path, tree in trees.items() for node in ast.walk(tree))
    for path, node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias) and path.name != "__init__.py":
            yield node.name


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _level(room: str) -> int:
    return LEVELS[room] if room in LEVELS else _level(room.rpartition(".")[0])


def _is_long(node: _Function) -> bool:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return bool(body) and (node.end_lineno or 0) - body[0].lineno >= MOST_LINES


def _measures_of_revision(revision: str) -> dict[str, float]:
    command = ["git", "-C", str(ROOT), "archive", revision]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return measures(House(Path(folder)))


def _table(columns: dict[str, dict[str, float]]) -> Iterator[str]:
    yield f"| | {' | '.join(columns)} |"
    yield f"| --- |{' --- |' * len(columns)}"
    for row in columns["here"]:
        yield f"| {row} | {' | '.join(f'{column[row]:,}' for column in columns.values())} |"


def main() -> None:
    """Print the table, and what is behind the numbers of the files as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs="*", metavar="REVISION")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        _run_until_decoded(*given.run)
    here = House(ROOT)
    columns = {revision: _measures_of_revision(revision) for revision in given.revisions}
    lines = [*_table({**columns, "here": measures(here)})]
    for title, names in (
        ("import arrows that run up", here.arrows_up()),
        ("in circles of imports", here.circles() + here.circles_of_engine_rooms()),
        ("for tests alone", here.test_only()),
        (f"above {MOST_LINES} lines", here.long_functions()),
        ("from main to the decoder's", way_of_a_frame(ROOT)),
    ):
        lines += ["", f"{title}:", *(f"  {name}" for name in names or ["none"])]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
