"""How one movie's run tells how far it is."""

from __future__ import annotations

from contextlib import ExitStack

from engine.watch.progress import Progress
from readers import MovieInfo
from sinks import ResourceHolder


class MovieProgress(ResourceHolder):
    """Tells first of the frames that a stopped run has done, then of the others.

    They are two pieces of work: the first goes so much faster that time left could not be told.
    """

    def __init__(self, progress: Progress, movie: MovieInfo, num_known_frames: int) -> None:
        self._progress = progress
        self._name = movie.path.name
        self._num_frames = movie.num_frames_from_header
        self._num_known_frames = num_known_frames
        self._is_known = num_known_frames > 0

    def open(self, resources: ExitStack) -> None:
        """Begin the movie."""
        if self._is_known:
            self._progress.begin(f"{self._name}, what is done", self._num_known_frames)
        else:
            self._progress.begin(self._name, self._num_frames)
        resources.callback(self._progress.end)

    def advance(self, num_frames: int) -> None:
        """Tell how many frames are through."""
        if self._is_known and num_frames > self._num_known_frames:
            self._is_known = False
            self._progress.advance(self._num_known_frames)
            self._progress.end()
            self._progress.begin(self._name, self._num_frames, done=self._num_known_frames)
        self._progress.advance(num_frames)

    def tell_of_stop(self) -> None:
        """Say that an interrupt was heard."""
        self._progress.note("stopping after the batch in hand; once more stops at once")
