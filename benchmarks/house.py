"""The measures of the house: size, files, helpers, imports and words of the product's code.

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
from collections.abc import Iterator, Sequence
from importlib import import_module
from io import BytesIO, RawIOBase
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "readers", "sinks")
LEVELS = {"readers": 0, "sinks": 1, "engine": 2, "engine.bench": 3, "engine.cli": 4}
LEVELS |= {"benchmarks": 5, "tests": 5}
"""No import goes up; a room that is not named here is on the level of the one around it."""
_NUM_PICTURES = 20
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class House:
    """The Python files of the tree in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = self._parsed(*PACKAGES)
        self.modules = {_module_name(path): tree for path, tree in self._inside.items()}
        self.imports = {name: self._imports_of(tree) for name, tree in self.modules.items()}
        self.texts = [(root / path).read_text(encoding="utf-8") for path in self._inside]
        nodes = ((name, node) for name, tree in self.modules.items() for node in ast.walk(tree))
        self.functions = [
            (f"{name}.{node.name}", node) for name, node in nodes if isinstance(node, _Function)
        ]

    def arrows(self) -> set[tuple[str, str]]:
        """Give the imports from room to room; a room is a folder."""
        folders = {_module_name(path): ".".join(path.parts[:-1]) for path in self._inside}
        pairs = ((module, to) for module, targets in self.imports.items() for to in targets)
        return {(folders[module], folders.get(to, to)) for module, to in pairs}

    def arrows_up(self) -> list[str]:
        """List the imports from room to room that lead to a higher level."""
        return [f"{a} -> {b}" for a, b in sorted(self.arrows()) if _level(a) < _level(b)]

    def circles_of_engine_rooms(self) -> list[str]:
        """List the folders right in ``engine`` that import themselves, by way of others."""
        graph: dict[str, set[str]] = {}
        for names in self.arrows():
            room, to = (".".join(name.split(".")[:2]) for name in names)
            if room != to and room.startswith("engine.") and to.startswith("engine."):
                graph.setdefault(room, set()).add(to)
        return in_circles(graph)

    def test_only(self) -> list[str]:
        """List the functions and properties that tests use, and neither product nor benchmarks."""
        used = {*_used(self._inside), *_used(self._parsed("benchmarks")), *dir(RawIOBase)}
        only = {*_used(self._parsed("tests"))} - used
        return [name for name, node in self.functions if node.name in only]

    def copied_lists(self) -> list[str]:
        """List the comparisons of an ``__all__`` with a list that tests write out again."""
        texts = (path.read_text(encoding="utf-8") for path in (self.root / "tests").rglob("*.py"))
        return [name for text in texts for name in re.findall(r"(\w+\.__all__) == \[", text)]

    def _imports_of(self, tree: ast.Module) -> set[str]:
        pairs = [(home, f"{home}.{name}") for home, name in _imported(tree.body)]
        targets = {whole if whole in self.modules else home for home, whole in pairs}
        return {to for to in targets if to.partition(".")[0] in LEVELS}

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


def measures(house: House) -> dict[str, float | list[str]]:
    """Measure a tree, which runs its command; a list stands for the number of its names."""
    num_files, num_lines = len(house.texts), sum(len(text.splitlines()) for text in house.texts)
    num_private = sum(re.match("_(?!_)", node.name) is not None for _, node in house.functions)
    asking = re.compile(r"(What|How|Where|Which|Whether)\b")
    docstrings = {module: ast.get_docstring(tree) or "" for module, tree in house.modules.items()}
    riddles = re.findall(r"\b(?:nobody|somebody|whoever)\b", "\n".join(house.texts), re.I)
    return {
        "product lines": num_lines,
        "files": num_files,
        "files per 1,000 lines": round(1000 * num_files / num_lines, 1),
        "private helpers, % of all functions": round(100 * num_private / len(house.functions), 1),
        "files at the top of engine/": len([*(house.root / "engine").glob("*.py")]),
        "calls from main to the decoder's": way_of_a_frame(house.root)[1:],
        "import arrows that run up": house.arrows_up(),
        "modules in circles of imports": in_circles(house.imports),
        "rooms of engine/ in circles of imports": house.circles_of_engine_rooms(),
        "functions and properties for tests alone": house.test_only(),
        "copied __all__ lists in tests": house.copied_lists(),
        "functions above 30 lines": [name for name, node in house.functions if _is_long(node)],
        "docstrings that ask": [name for name, text in docstrings.items() if asking.match(text)],
        "nobody, somebody, whoever": len(riddles),
    }


def way_of_a_frame(root: Path) -> list[str]:
    """List the functions from `main` to the one that asks FFmpeg for a picture, the caller first.

    A tree's command runs on its built-in ``.isxb``. These are the product's functions on the stack
    as it asks for the twentieth time, each once; what a thread does counts as called by the
    function that started it.
    """
    movie = root / "engine/builtin/demo.isxb"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", __file__, "--run", str(movie), folder]
        surroundings = {**os.environ, "PYTHONPATH": str(root)}
        told = subprocess.check_output(command, cwd=root, env=surroundings, text=True)  # noqa: S603
    return told.splitlines()[-1].split(", ")


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
        is_decoding = event == "c_call" and called.__name__ == "decode"
        if is_decoding and type(called.__self__).__module__.startswith("av."):
            names = way(frame)
            seen[names] += 1
            if seen[names] == _NUM_PICTURES:
                os.write(1, f"\n{', '.join(names)}\n".encode())
                os._exit(0)

    scripts = tomllib.loads(Path("pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["posestream"].split(":")
    main = getattr(import_module(module), name)
    threading.Thread.start = starting  # type: ignore[method-assign, assignment]
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
    for path, tree in trees.items():
        for node in ast.walk(tree):
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
    """Tell whether a body, its docstring aside, has more than 30 lines."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return bool(body) and (node.end_lineno or 0) - body[0].lineno >= 30


def _measures_of_revision(revision: str) -> dict[str, float | list[str]]:
    command = ["git", "-C", str(ROOT), "archive", revision]
    packed = subprocess.check_output(command)  # noqa: S603
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return measures(House(Path(folder)))


def main() -> None:
    """Print the table, and the names that are counted in its last column."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs="*", metavar="REVISION")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        _run_until_decoded(*given.run)
    here = measures(House(ROOT))
    columns = [*map(_measures_of_revision, given.revisions), here]
    lines = [f"| | {' | '.join([*given.revisions, 'here'])} |", f"|{' --- |' * (len(columns) + 1)}"]
    for row in here:
        cells = (column[row] for column in columns)
        numbers = [len(cell) if isinstance(cell, list) else cell for cell in cells]
        lines.append(f"| {row} | {' | '.join(f'{number:,}' for number in numbers)} |")
    for row, cell in here.items():
        if isinstance(cell, list) and cell:
            lines += ["", f"{row}:", *(f"  {name}" for name in cell)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
