"""The checks of what may be written: in the output directory, and where options name a file.

Of JSON files that options name, only our own are replaced.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.job.job import ANNOTATION_FORMATS
from engine.untrusted.quoting import printable
from readers import InputError, MovieInfo
from sinks import flush_folder, output_errors

_NEVER_READ = ("", ".json", ".sock")
"""Suffixes of files that are part of no model and no series of movies."""
_RECORDING = re.compile(r"recording\.\d+\.mkv")
_METADATA = "output_metadata.json"
UNFINISHED = "unfinished-run"
"""The folder where a run works, within the output directory."""


@dataclass(frozen=True)
class OutputDirectory:
    """The directory of a run's outputs, known by their names.

    Attributes
    ----------
    path
        The directory, which need not exist.
    names
        Names of all outputs but the metadata; ``{movie}`` stands for a movie's number, from 0, and
        ``{format}`` for that of the experiment annotations.
    kept_names
        Those of `names` that a resumed run does not make again where they are whole.
    """

    path: Path
    names: tuple[str, ...]
    kept_names: tuple[str, ...] = ()

    @property
    def metadata(self) -> Path:
        """The file that says what the outputs are and how they were made."""
        return self.path / _METADATA

    def is_result(self, name: str) -> bool:
        """Tell whether a name is that of an output."""
        return name == _METADATA or _is_one_of(name, self.names)

    def is_kept(self, name: str) -> bool:
        """Tell whether a name is one of `kept_names`."""
        return _is_one_of(name, self.kept_names)

    def kept(self, movie_number: int) -> list[Path]:
        """Give the paths of those outputs of one movie that are kept."""
        return [self.path / name.format(movie=movie_number) for name in self.kept_names]

    def results(self) -> list[Path]:
        """List the outputs of this or an earlier run that are there now, sorted."""
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if self.is_result(path.name))

    def check(self, movies: Sequence[MovieInfo], *, overwrite: bool) -> None:
        """Check, leaving nothing behind, that outputs can be written here.

        Raises an `InputError` if there are results that may not be overwritten, or the directory
        cannot be written.
        """
        with self.errors():
            here = self.path
            if here.exists() and not here.is_dir():
                raise InputError(f"output directory {here}: is a file; choose another")
            nearest = next(path for path in (here, *here.absolute().parents) if path.exists())
            # Permissions do not tell: the superuser has all, also where nothing can be made.
            with tempfile.TemporaryFile(dir=nearest):
                pass
            results = self.results()
            for path in results:
                if not path.is_file():
                    raise InputError(f"output directory {here}: {path.name} there is no file")
            if results and not overwrite:
                raise InputError(
                    f"output directory {here}: already holds results ({results[0].name}"
                    f"{', …' if len(results) > 1 else ''}); choose another, or overwrite them"
                )
            self.check_apart([movie.path for movie in movies])

    def make(self) -> list[Path]:
        """Make the directory, durably; return those directories, innermost first, that are new.

        Raises an `InputError` if it cannot be made.
        """
        with self.errors():
            missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            for path in missing:
                flush_folder(path.parent)
            return missing

    def check_apart(self, inputs: Iterable[Path], named: Iterable[Path] = ()) -> None:
        """Check that nothing here takes the place of what is read, or of another file.

        `inputs` need not exist yet; `named` files are made where the user says.

        Raises an `InputError` if a path may be replaced by a result, lies in the folder of an
        unfinished run or is given twice, or a file would be made that may be taken for one of a
        folder that is read.
        """
        inputs = [*inputs]
        for path in inputs:
            if self._takes(path):
                raise InputError(
                    f"{printable(str(path))}: is to be read and would be overwritten as a result; "
                    "choose another output directory"
                )
        own = _place(self.path)
        seen = {_place(path) for path in inputs}
        for path in named:
            place = _place(path)
            is_recording = place.parent == own and _RECORDING.fullmatch(place.name)
            if is_recording or self._takes(path) or own.is_relative_to(place):
                raise InputError(
                    f"{printable(str(path))}: is a name of the run's own in the output directory; "
                    "give another"
                )
            if place in seen or (place.parent in seen and place.suffix not in _NEVER_READ):
                raise InputError(
                    f"{printable(str(path))}: is to be read, or is given twice; give another name"
                )
            seen.add(place)

    def _takes(self, path: Path) -> bool:
        """Tell whether a run may replace or remove what has this path."""
        own, place = _place(self.path), _place(path)
        names = {place, _place(path.parent) / path.name}
        with self.errors():
            led_to = {_place(result) for result in self.results()}
        return (
            own / UNFINISHED in (place, *place.parents)
            or any(name.parent == own and self.is_result(name.name) for name in names)
            or place in led_to
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the file system raises into an `InputError`."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"output directory {self.path}: cannot be written to ({error.strerror}); "
                "choose another"
            ) from error

    def remove_results_except(self, written: Collection[Path]) -> None:
        """Remove results that an earlier run left and this one has not replaced."""
        for path in self.results():
            if path not in written:
                path.unlink()


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    formats = "|".join(ANNOTATION_FORMATS)
    patterns = (
        re.escape(of).replace(r"\{movie\}", r"\d+").replace(r"\{format\}", f"({formats})")
        for of in names
    )
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _place(path: Path) -> Path:
    """Tell where a path leads; unlike `Path.resolve`, without an error for links in a circle."""
    return Path(os.path.realpath(path))


def check_replaceable(option: str, path: Path, made_by: str) -> None:
    """Check, leaving nothing behind, that a JSON file can be written without loss to the user.

    Messages name the `option`. A link stands for the file that it leads to. Only what the command
    `made_by` has written before may be replaced.

    Raises an `InputError` if there is anything else under its name, or that of its temporary file,
    or it cannot be written.
    """
    path = _place(path)
    name = f"{option} {printable(str(path))}"
    try:
        if not path.parent.is_dir():
            raise InputError(f"{name}: its directory does not exist")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"{name}: cannot be written")
        for present in (path, _temporary(path)):
            if not _may_be_replaced(present, made_by, may_be_cut=present != path):
                raise InputError(
                    f"{name}: would replace {printable(present.name)}, which posestream {made_by} "
                    "did not make; give another name, or remove it"
                )
    except OSError as error:
        raise InputError(f"{name}: cannot be written ({error.strerror})") from error


def write_marked(path: Path, made_by: str, content: Mapping[str, object]) -> None:
    """Write a JSON object with the mark of its command, in one step: no reader sees a part of it.

    Raises an `OutputError` if it cannot be written; what stood there before stays as it was.
    """
    path = _place(path)
    temporary = _temporary(path)
    text = json.dumps({"made_by": f"posestream {made_by}", **content}, indent=1, allow_nan=False)
    with output_errors(path):
        if path.exists() and not path.is_file():
            raise OSError("it exists and is not a file")  # a device or pipe would be replaced
        try:
            temporary.unlink(missing_ok=True)  # it may be a link that leads elsewhere
            with temporary.open("x", encoding="utf-8") as file:
                file.write(f"{text}\n")
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # what failed first is what matters
                temporary.unlink()
            raise


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _may_be_replaced(path: Path, made_by: str, *, may_be_cut: bool) -> bool:
    """Tell whether nothing is there, or what begins as `write_marked` begins it."""
    mark = f'{{\n "made_by": "posestream {made_by}"'.encode()
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return True
    with path.open("rb") as file:
        begin = file.read(len(mark))
    return begin == mark or (may_be_cut and mark.startswith(begin))
