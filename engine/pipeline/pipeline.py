"""The threads of one movie: its reader, stages and sinks, overlapped.

One thread reads, one runs the stages, one each writes to a slow sink and one to all the others;
bounded channels connect them. The calling thread opens the sinks, waits, and closes them. Readers,
stages and sinks are plain synchronous objects: calling them one after the other gives the same
bytes (see ``run_in_sequence`` in the tests).

Memory does not depend on the movie's length: images live in a fixed pool of buffers, and a batch's
buffer goes back when the last sink has written it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator, ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.inference import Cancelled
from engine.pipeline.channel import Channel
from readers import FrameBatch
from sinks import PoseBatch, Sink

_CHANNEL_CAPACITY = 2
_POLL_S = 0.1  # between two looks for an interrupt, and two refreshes of the caller's progress
_PATIENCE_S = 0.5  # for a model that cannot stop in the middle of a batch, after an interrupt


class FrameSource(Protocol):
    """Gives a movie's frames, as a `readers.MovieReader` does."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Fill `images` with the next frames, or give none of them; None at the end."""


Batch_contra = TypeVar("Batch_contra", contravariant=True)


class Stage(Protocol[Batch_contra]):
    """Turns frames into poses, or changes poses, holding back batches where it has to wait."""

    def push(self, batch: Batch_contra) -> list[PoseBatch]:
        """Take the next batch; return the batches that are ready."""

    def flush(self) -> list[PoseBatch]:
        """Return what is held back, at the end of the movie.

        Of the stage that runs the model, called until there is nothing.
        """


PoseStage = Stage[PoseBatch]


@dataclass(frozen=True)
class Lane:
    """Sinks that share a thread."""

    name: str
    sinks: Sequence[Sink]


@dataclass(frozen=True)
class Live:
    """The differences of a movie that is being recorded.

    The model's poses are waited for, rather than held back, as soon as no further frame is there.
    The first interrupt ends the movie: what has arrived is worked off, and the sinks end well.
    """

    receive: Callable[[], None]
    """Takes in what arrives until the movie ends or is ended; has a thread of its own. Where it
    does not return once all frames are read, that thread is left behind."""
    end: Callable[[], None]
    """Called at the first interrupt, from the calling thread: nothing more is taken in."""
    reads_on_demand: bool
    """Frames are read when the model waits for them, not before: the newest there are."""


@dataclass
class Pipeline:
    """One movie's way from the reader to its sinks, each of which is given every batch, in order.

    `on_progress` and `on_stop` are called from the calling thread.
    """

    reader: FrameSource  # open for reading
    predict: Stage[FrameBatch]
    """The stage that runs the model; `stages` are those behind it, in order."""
    stages: Sequence[PoseStage]
    lanes: Sequence[Lane]
    batch_size: int
    num_held_batches: int  # the most batches that the stages hold back
    on_progress: Callable[[int], None]
    """Told the number of frames that are through, several times a second and at the end."""
    on_stop: Callable[[], None]
    """Called when an interrupt has come and the batch in hand is still being worked on."""
    cancel_work: Callable[[], None]
    """Called when the run is called off, from any thread and perhaps more than once: cuts short
    what is running, and returns at once."""
    live: Live | None = None

    def __post_init__(self) -> None:
        self._error: BaseException | None = None
        self._is_stopping = False
        self._interrupt: KeyboardInterrupt | None = None
        self._lock = threading.Lock()
        self._frames = Channel[FrameBatch](_CHANNEL_CAPACITY)
        self._lane_channels = [Channel[PoseBatch](_CHANNEL_CAPACITY) for _ in self.lanes]
        # Made when they are needed: a wide window asks for many, a short movie needs few.
        self._num_unmade_buffers = buffer_count(self.num_held_batches)
        self._free_buffers = Channel[NDArray[np.uint8]](self._num_unmade_buffers)
        self._lent: dict[int, tuple[NDArray[np.uint8], int]] = {}
        self._num_frames_done = 0

    def run(self) -> None:
        """Take the whole movie through.

        Sinks are opened in order and closed in reverse, after every thread that touches them or
        the reader has ended. A first interrupt lets the model end what it has begun, so that the
        stages see it, and nothing else; with a second one, the model's thread may still be in its
        last batch afterwards.

        Raises the first error of any part, or the interrupt of the calling thread.
        """
        posing = _Worker(self, "pose", self._pose)
        lanes = zip(self.lanes, self._lane_channels, strict=True)
        writing = [_Worker(self, lane.name, self._write, lane, channel) for lane, channel in lanes]
        workers = [_Worker(self, "read", self._read), posing, *writing]
        receivers = [] if self.live is None else [_Worker(self, "receive", self.live.receive)]
        with ExitStack() as sinks:
            for sink in chain.from_iterable(lane.sinks for lane in self.lanes):
                sinks.enter_context(sink)
            try:
                for worker in [*receivers, *workers]:
                    worker.start()
                for worker in workers:
                    self._wait_for(worker, posing)
            except BaseException as error:  # an interrupt, most likely
                self.fail(error)
            for worker in workers:
                can_be_left = worker is posing and isinstance(self._error, KeyboardInterrupt)
                worker.outlast(_PATIENCE_S if can_be_left else None)
            for worker in receivers:  # a camera's driver may not let go of it
                worker.outlast(_PATIENCE_S)
            if self._error is not None:
                raise self._error
            self._free_buffers.cancel()  # what sinks do at their end needs memory too

    def _wait_for(self, worker: _Worker, posing: _Worker) -> None:
        while True:
            try:
                # All of the loop stands in here: an interrupt may come between two rounds of it.
                is_over = False
                while not is_over:
                    is_over = worker.ended.wait(_POLL_S)
                    self.on_progress(self._num_frames_done)
            except KeyboardInterrupt as interrupt:
                if self._is_stopping or (self.live is None and posing.ended.is_set()):
                    raise
                self._is_stopping = True
                if self.live is not None:
                    self.live.end()
                else:
                    self._interrupt = interrupt
                self.on_stop()
            else:
                return

    def fail(self, error: BaseException) -> None:
        """Call everything off; the first error is raised by the calling thread. From any thread."""
        with self._lock:
            if self._error is None:
                self._error = error
        self._frames.cancel()
        self._free_buffers.cancel()
        for channel in self._lane_channels:
            channel.cancel()
        self.cancel_work()

    def _read(self) -> None:
        while self._interrupt is None:
            if self._num_unmade_buffers and self._free_buffers.is_empty:
                self._num_unmade_buffers -= 1
                buffer = np.empty((self.batch_size, *self.reader.image_shape), np.uint8)
            else:
                buffer = self._free_buffers.get()
            if self.live is not None and self.live.reads_on_demand:
                self._frames.wait_until_wanted()
            batch = self.reader.read(buffer)
            if batch is None:
                break
            with self._lock:
                self._lent[batch.first_frame_index] = buffer, len(self.lanes)
            self._frames.put(batch)
        self._frames.end()

    def _pose(self) -> None:
        for batch in self._frames:
            self._advance(self.predict.push(batch), 0)
            if self._interrupt is not None:
                break
            if self.live is not None and self._frames.is_empty:
                self._advance(self.predict.flush(), 0)
        while ready := self.predict.flush():
            self._advance(ready, 0)
        if self._interrupt is not None:
            raise self._interrupt
        for number, stage in enumerate(self.stages):
            self._advance(stage.flush(), number + 1)
        for channel in self._lane_channels:
            channel.end()

    def _advance(self, batches: Sequence[PoseBatch], number: int) -> None:
        """Take batches through the stages from `number` on, and to the sinks."""
        for batch in batches:
            if number < len(self.stages):
                self._advance(self.stages[number].push(batch), number + 1)
            else:
                for channel in self._lane_channels:
                    channel.put(batch)

    def _write(self, lane: Lane, channel: Channel[PoseBatch]) -> None:
        for batch in channel:
            for sink in lane.sinks:
                sink.write(batch)
            first = batch.frames.first_frame_index
            with self._lock:
                buffer, num_writing = self._lent[first]
                self._lent[first] = buffer, num_writing - 1
                if num_writing > 1:
                    continue
                del self._lent[first]
                self._num_frames_done += len(batch)
            self._free_buffers.put(buffer)


class _Work(ContextDecorator):
    """The work of a pipeline's thread; an error in it ends the run."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.ended = threading.Event()
        self._pipeline = pipeline

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        try:
            if error is not None and not isinstance(error, Cancelled):
                self._pipeline.fail(error)
        finally:
            self.ended.set()  # whatever happens: the calling thread waits for it
        return True


class _Worker(threading.Thread):
    """A thread of a pipeline, whose end can be waited for also when interrupts come.

    An interrupted `Thread.join` of Python 3.11 takes a thread that is still running for ended.
    """

    def __init__(
        self, pipeline: Pipeline, name: str, work: Callable[..., None], *args: object
    ) -> None:
        whole_work = _Work(pipeline)
        self.ended = whole_work.ended
        # As a daemon it does not keep the process where it had to be left behind.
        super().__init__(target=whole_work(work), args=args, name=f"posestream {name}", daemon=True)

    def outlast(self, timeout_s: float | None) -> None:
        """Wait for the end of the work if it was begun, through all interrupts."""
        if self.ident is None:
            return
        while not self.ended.is_set():
            with suppress(KeyboardInterrupt):
                if not self.ended.wait(timeout_s):
                    return
        self.join()


def buffer_count(num_held_batches: int) -> int:
    """Give the number of batches of images that exist at a time.

    One each is being filled, predicted and written; channels hold some on both sides of the
    model; and the stages hold `num_held_batches` back.
    """
    return num_held_batches + 3 + 2 * _CHANNEL_CAPACITY
