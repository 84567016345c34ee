"""Everybody who is told of a live run while it goes on."""

from __future__ import annotations

from contextlib import ExitStack

from engine.inference import ModelExport
from engine.live_runs.options import LiveOptions
from engine.runs.job_sinks import JobSinks
from engine.untrusted.quoting import printable
from engine.watch.page import PreviewPage, find_token
from engine.watch.status import Status
from engine.watch.status_file import StatusFile
from engine.watch.status_line import LiveProgress
from readers import InputError
from readers.live import LiveMovie
from sinks import OutputError, OverlayStyle, PoseBatch, ResourceHolder, Sink
from sinks.publishing import make_publisher


class Audience(ResourceHolder):
    """Subscribers of poses, and those who watch how the run does: line, file and page.

    Parameters
    ----------
    options
        Who is to be told.
    export
        The model, as it was exported.
    style
        How the page draws poses.
    sinks
        Knows where saved poses are counted from: published ones are, too.
    progress
        Shows the line.

    Attributes
    ----------
    publishers
        Who gets each pose at once; open within the block.

    Raises
    ------
    InputError
        On entering, if a port is taken or the status file cannot be written.
    """

    def __init__(
        self,
        options: LiveOptions,
        export: ModelExport,
        style: OverlayStyle,
        sinks: JobSinks,
        progress: LiveProgress,
    ) -> None:
        self._progress = progress
        self._publishers = [make_publisher(spec, export.body_parts) for spec in options.publish]
        self.publishers: list[Sink] = [
            sinks.in_saved_coordinates(publisher) for publisher in self._publishers
        ]
        self._status = Status(num_unsent=self._num_unsent)
        self._file = None if options.status is None else StatusFile(options.status, self.warn)
        self._page = None
        if options.preview is not None:
            self._page = _page(options, options.preview, export, style, self._status)

    def open(self, resources: ExitStack) -> None:
        """Open the publishers and the page."""
        for publisher in self.publishers:
            resources.enter_context(publisher)
        if self._page is not None:
            resources.enter_context(self._page)
            self._progress.note(f"preview: {self._page.url}")
        try:
            self._show()
        except OutputError as error:
            raise InputError(str(error)) from error
        resources.callback(self._end)

    def begin_movie(self, movie: LiveMovie, number: int, num_known_frames: int) -> None:
        """Begin a movie, of which a run before has published the first frames."""
        for publisher in self._publishers:
            publisher.begin_movie(number)
        self._status.begin_movie(printable(movie.path.name), number, movie, num_known_frames)
        if self._page is not None:
            self._page.begin_movie()

    def published(self, batch: PoseBatch, publish_time_s: float) -> None:
        """Take note of a batch that all publishers have."""
        self._status.published(batch, publish_time_s)
        if self._page is not None:
            self._page.write(batch)

    def end_movie(self) -> None:
        """End the movie."""
        self._status.end_movie()
        self._show()

    def show(self) -> None:
        """Tell how the run does, where that is due; to be called several times a second."""
        self._show()

    def note(self, message: str) -> None:
        """Say what happens now, in one line."""
        self._progress.note(message)

    def warn(self, message: str) -> None:
        """Say what the user should know, in one line."""
        self._status.warn(printable(message))
        self._progress.warn(message)

    def _show(self) -> None:
        snapshot = self._status.snapshot()
        self._progress.show(snapshot)
        if self._file is not None:
            self._file.show(snapshot)

    def _end(self) -> None:
        self._status.end()
        self._show()

    def _num_unsent(self) -> int:
        return sum(publisher.num_unsent or 0 for publisher in self._publishers)


def _page(
    options: LiveOptions, address: str, export: ModelExport, style: OverlayStyle, status: Status
) -> PreviewPage:
    try:
        token = find_token(options.preview_token, options.preview_token_file)
        return PreviewPage(address, export.body_parts, style, status, token=token)
    except ValueError as error:
        raise InputError(str(error)) from error
