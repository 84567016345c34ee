"""The output directory: the reference tool's names, and what may be written where."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from readers import InputError, MovieInfo
from sinks import PreviewPaths, flush_folder

_RESULT = re.compile(
    r"dlc_pose_estimates\.\d+\.h5|dlc_annotations\.(parquet|csv)|dlc_labeled_movie\.\d+\.mp4"
    r"|(hist|plot|plot-likelihood)\.\d+\.svg|trajectory\.\d+\.png|output_metadata\.json"
)


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
        present = {path.resolve() for path in results}
        for movie in movies:
            if movie.path.resolve() in present:
                raise InputError(
                    f"{movie.path}: is a movie to read and would be overwritten as a result; "
                    "choose another output directory"
                )

    def remove_results_except(self, written: Collection[Path]) -> None:
        """Remove results that an earlier run left and this one has not replaced."""
        for path in self.results():
            if path not in written:
                path.unlink()
