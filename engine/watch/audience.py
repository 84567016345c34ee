"""The audience of a live run: subscribers, line, file and page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from engine.inference import ModelExport
from engine.job.job import LiveOptions
from engine.untrusted.quoting import printable
from engine.watch.page.preview import PreviewPage
from engine.watch.page.server import find_token
from engine.watch.progress import Progress
from engine.watch.status import Status, StatusFile
from readers import InputError
from readers.live import LiveMovie, now_s
from sinks import OutputError, OverlayStyle, PoseBatch, ResourceHolder, Sink
from sinks.publishing import make_publisher


class Audience(ResourceHolder):
    """Publishers of poses, and the views of how the run does: line, file and page.

    `in_saved_coordinates` lets a sink have poses from where saved ones are counted: published ones
    are, too. `style` is the one in which the page draws them, and `progress` shows the line.

    Raises `InputError` if the token cannot be used; on entering, if a port is taken or the status
    file cannot be written.
    """

    def __init__(
        self,
        options: LiveOptions,
        export: ModelExport,
        style: OverlayStyle,
        in_saved_coordinates: Callable[[Sink], Sink],
        progress: Progress,
    ) -> None:
        self._progress = progress
        self._publishers = [make_publisher(spec, export.body_parts) for spec in options.publish]
        self._sinks = [in_saved_coordinates(publisher) for publisher in self._publishers]
        self._status = Status(
            num_unsent=lambda: sum(publisher.num_unsent or 0 for publisher in self._publishers)
        )
        self._file = None if options.status is None else StatusFile(options.status, self.warn)
        self._page = None
        if options.preview is not None:
            try:
                token = find_token(options.preview_token, options.preview_token_file)
                self._page = PreviewPage(
                    options.preview, export.body_parts, style, self._status, token=token
                )
            except ValueError as error:
                raise InputError(str(error)) from error

    def open(self, resources: ExitStack) -> None:
        """Open the publishers and the page."""
        for sink in self._sinks:
            resources.enter_context(sink)
        if self._page is not None:
            resources.enter_context(self._page)
            self._progress.note(f"preview: {self._page.url}")
        try:
            self.show()
        except OutputError as error:
            raise InputError(str(error)) from error
        resources.callback(self.show)
        resources.callback(self._status.end)  # before it is shown a last time

    def begin_movie(self, movie: LiveMovie, number: int, num_known_frames: int) -> None:
        """Begin a movie, of which a run before has published the first frames."""
        for publisher in self._publishers:
            publisher.begin_movie(number)
        self._status.begin_movie(printable(movie.path.name), number, movie, num_known_frames)
        if self._page is not None:
            self._page.begin_movie()

    def publish(self, batch: PoseBatch) -> None:
        """Give a batch to all subscribers, none of which is waited for, and show it."""
        for sink in self._sinks:
            sink.write(batch)
        self._status.published(batch, now_s())
        if self._page is not None:
            self._page.write(batch)

    def end_movie(self) -> None:
        """End the movie."""
        self._status.end_movie()
        self.show()

    def show(self) -> None:
        """Tell how the run does, where that is due; to be called several times a second."""
        snapshot = self._status.snapshot()
        self._progress.show(snapshot)
        if self._file is not None:
            self._file.show(snapshot)

    def note(self, message: str) -> None:
        """Say what happens now, in one line."""
        self._progress.note(message)

    def warn(self, message: str) -> None:
        """Say what the user should know, in one line."""
        self._status.warn(printable(message))
        self._progress.warn(message)
