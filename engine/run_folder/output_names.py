"""The output directory: the reference tool's names, and what may be written where."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.untrusted.quoting import printable
from readers import InputError, MovieInfo
from sinks import PreviewPaths, flush_folder

_RESULT = re.compile(
    r"dlc_pose_estimates\.\d+\.h5|dlc_annotations\.(parquet|csv)|dlc_labeled_movie\.\d+\.mp4"
    r"|(hist|plot|plot-likelihood)\.\d+\.svg|trajectory\.\d+\.png|output_metadata\.json"
)
_NEVER_READ = ("", ".json", ".sock")
"""Suffixes of files that are part of no model and no series of movies."""
_RECORDING = re.compile(r"recording\.\d+\.mkv")
UNFINISHED = "unfinished-run"
"""The folder where a run works, within the output directory."""


@dataclass(frozen=True)
class OutputDirectory:
    """Names of a run's outputs; movies are counted from 0."""

    path: Path

    def pose_estimates(self, movie_number: int) -> Path:
        """Poses of one movie."""
        return self.path / f"dlc_pose_estimates.{movie_number}.h5"

    def labelled_movie(self, movie_number: int) -> Path:
        """One movie with its poses drawn on it."""
        return self.path / f"dlc_labeled_movie.{movie_number}.mp4"

    def annotations(self, kind: str) -> Path:
        """Poses of all movies, in a file of `kind`."""
        return self.path / f"dlc_annotations.{kind}"

    def previews(self, movie_number: int) -> PreviewPaths:
        """Four pictures of one movie's poses."""
        return PreviewPaths(
            histogram=self.path / f"hist.{movie_number}.svg",
            likelihood=self.path / f"plot-likelihood.{movie_number}.svg",
            coordinates=self.path / f"plot.{movie_number}.svg",
            trajectory=self.path / f"trajectory.{movie_number}.png",
        )

    @property
    def metadata(self) -> Path:
        """What the outputs are and how they were made."""
        return self.path / "output_metadata.json"

    def results(self) -> list[Path]:
        """List the outputs of this or an earlier run that are there now, sorted."""
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if _RESULT.fullmatch(path.name))

    def check(self, movies: Sequence[MovieInfo], *, overwrite: bool) -> None:
        """Check, leaving nothing behind, that outputs can be written here.

        Raises
        ------
        InputError
            If there are results that may not be overwritten, or the directory cannot be written.
        """
        with self._errors():
            self._check_writable()
            self._check_results(movies, overwrite=overwrite)

    def make(self) -> list[Path]:
        """Make the directory, durably; return those directories, innermost first, that are new.

        Raises
        ------
        InputError
            If it cannot be made.
        """
        with self._errors():
            missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            for path in missing:
                flush_folder(path.parent)
            return missing

    def check_apart(self, inputs: Iterable[Path], named: Iterable[Path] = ()) -> None:
        """Check that nothing here takes the place of what is read, or of another file.

        Parameters
        ----------
        inputs
            Files and folders that are read, which need not exist yet.
        named
            Files that are made elsewhere, where the user says.

        Raises
        ------
        InputError
            If a path may be replaced by a result, lies in the folder of an unfinished run or is
            given twice, or a file would be made that may be taken for one of a folder that is read.
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
        with self._errors():
            led_to = {_place(result) for result in self.results()}
        return (
            own / UNFINISHED in (place, *place.parents)
            or any(name.parent == own and _RESULT.fullmatch(name.name) for name in names)
            or place in led_to
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"output directory {self.path}: cannot be written to ({error.strerror}); "
                "choose another"
            ) from error

    def _check_writable(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"output directory {self.path}: is a file; choose another")
        nearest = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        # Permissions do not tell: the superuser has all of them, also where nothing can be made.
        with tempfile.TemporaryFile(dir=nearest):
            pass

    def _check_results(self, movies: Sequence[MovieInfo], *, overwrite: bool) -> None:
        results = self.results()
        for path in results:
            if not path.is_file():
                raise InputError(f"output directory {self.path}: {path.name} there is no file")
        if results and not overwrite:
            raise InputError(
                f"output directory {self.path}: already holds results ({results[0].name}"
                f"{', …' if len(results) > 1 else ''}); choose another, or overwrite them"
            )
        self.check_apart([movie.path for movie in movies])

    def remove_results_except(self, written: Collection[Path]) -> None:
        """Remove results that an earlier run left and this one has not replaced."""
        for path in self.results():
            if path not in written:
                path.unlink()


def _place(path: Path) -> Path:
    """Tell where a path leads; unlike `Path.resolve`, without an error for links in a circle."""
    return Path(os.path.realpath(path))
