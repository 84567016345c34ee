"""Frames of a movie that is still being recorded, each as soon as it can be decoded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from readers.base import DecodedFrame, fill_image
from readers.container.frames import PacketFrames
from readers.container.parts import cut_off
from readers.errors import MovieError, joined, movie_errors
from readers.formats import format_named
from readers.frame_times import frame_period_s
from readers.frames import CropRectangle, FrameBatch, FrameStatus, MovieInfo
from readers.growing.growing_file import ArrivedPacket, EndedBy, Feed
from readers.pixels import orientation_of

_MOST_QUEUED_BYTES = 2**25
_LOOK_EVERY_S = 0.001


class LiveMovie:
    """A movie that is still being recorded, from its first frame to its end, once.

    A context manager; entering waits for the first picture. One thread runs `receive`, which takes
    in what arrives; another one reads. Rows, and their pixels, are those that a reader of the
    finished file gives, without the frames that the recorder dropped, which only that file tells.

    Memory is bounded: 32 MiB of packets, and the pictures inside the decoder. What goes beyond
    waits in the file.

    Parameters
    ----------
    feed
        Gives the packets.
    crop
        The part of each frame that is read; None for all of it.
    newest_only
        Look at the newest of the frames that wait and at none of the others: these are rows with
        the status `SKIPPED`. Where pictures stand alone, they are not decoded either.
    """

    def __init__(self, feed: Feed, crop: CropRectangle | None, *, newest_only: bool) -> None:
        self._feed = feed
        self._crop = crop
        self._newest_only = newest_only
        self._resources = ExitStack()
        self._queue: SimpleQueue[ArrivedPacket | None] = SimpleQueue()
        self._packets: Iterator[ArrivedPacket] = iter(())
        self._ready: deque[DecodedFrame] = deque()
        self._stands_alone = False
        self._next_frame_index = 0
        self._num_received = self._num_received_bytes = 0  # written by the thread that receives
        self._num_taken = self._num_taken_bytes = 0  # written by the one that reads
        self._receiving = Lock()
        self._cancelled = Event()
        self._is_over = False

    info: MovieInfo
    """The description of the movie, as its first picture tells it."""

    def __enter__(self) -> Self:
        """Wait for the first picture.

        Raises `MovieError` if it never comes, or the source cannot be read as it grows;
        `InputError` if the crop rectangle does not lie inside the pictures.
        """
        with self._resources:  # unless all goes well
            self._resources.callback(self._feed.close)
            self._feed.open()
            self._begin()
            if self._crop is not None:
                self._crop.check_inside(self.info)
            reader = format_named(self.info.format).reader
            self._converter = reader.converter(self.info, self._crop)
            self._resources = self._resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        with self._receiving:  # FFmpeg's own state must not go while it is at work
            self._resources.close()

    @property
    def path(self) -> Path:
        """The file that the movie is in, or is being recorded to."""
        return self._feed.path

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that `read` fills."""
        area = self._crop or self.info
        return area.height, area.width, 3

    @property
    def ended_by(self) -> EndedBy | None:
        """Why nothing more arrives; None while it may. Frames may still wait to be read."""
        return self._feed.ended_by

    @property
    def damage(self) -> str | None:
        """What is wrong with the source, in one line without the path; None for nothing."""
        return joined(self._rows.stretches.damage, self._feed.damage, self.size_change)

    @property
    def size_change(self) -> str | None:
        """Both sizes, and where the pictures' size changed, in one line; None where it did not."""
        return self._rows.sizes.change

    @property
    def num_arrived(self) -> int:
        """Frames that have arrived, those that are still in the file estimated by their size."""
        num_received, num_bytes = self._num_received, self._num_received_bytes
        num_waiting_bytes = self._feed.num_waiting_bytes if num_bytes else 0
        return num_received + num_waiting_bytes * num_received // max(1, num_bytes)

    def receive(self) -> None:
        """Take in what arrives, until the source ends or `stop`; for a thread of its own."""
        try:
            with self._receiving:
                for arrived in self._packets:
                    while (
                        self._num_received - self._num_taken > 1  # one that is too large goes alone
                        and self._num_received_bytes - self._num_taken_bytes > _MOST_QUEUED_BYTES
                        and not self._cancelled.wait(_LOOK_EVERY_S)
                    ):
                        self._feed.watch()
                    if self._cancelled.is_set():
                        break
                    self._queue.put(arrived)
        finally:
            self._queue.put(None)

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Wait for a frame, and fill `images` with those that are there.

        Parameters
        ----------
        images
            uint8, shape (capacity, height, width, 3) with this movie's `image_shape`. Frames
            without a picture are left black.

        Returns
        -------
        FrameBatch or None
            At least one frame, at most as many as there is room for; its images are a view of
            `images`, of shape (frames, 0, 0, 3) where all of them are skipped. None at the end.
        """
        rows = self._next_rows(len(images), look=True)
        if not rows:
            return None
        first_frame_index = self._next_frame_index
        self._next_frame_index += len(rows)
        status = np.array([row.status for row in rows], np.uint8)
        are_skipped = bool((status == FrameStatus.SKIPPED).all())
        if not are_skipped:
            for index, row in enumerate(rows):
                status[index] = fill_image(images[index], row, self._converter, self.info)
        return FrameBatch(
            first_frame_index,
            images[: len(rows), :0, :0] if are_skipped else images[: len(rows)],
            np.array([row.time_s for row in rows]),
            np.full(len(rows), math.nan),
            status,
            np.array([row.arrival_time_s for row in rows]),
        )

    def skip(self, num_frames: int) -> int:
        """Pass over frames that were done before, not decoding them where pictures stand alone.

        Waits for them, as `read` does. Returns how many there were: fewer at the end of the movie.
        """
        count = 0
        while count < num_frames:
            rows = self._next_rows(num_frames - count, look=False)
            if not rows:
                break
            count += len(rows)
            self._next_frame_index += len(rows)
        return count

    def stop(self) -> None:
        """Take nothing that arrives from now on; what has arrived can be read. From any thread."""
        self._feed.stop()

    def cancel(self) -> None:
        """Stop, and let `read` give None at once, whatever waits. From any thread."""
        self._cancelled.set()
        self._feed.stop()
        self._queue.put(None)

    def _begin(self) -> None:
        """Decode up to the first picture; what comes out is kept to be read."""
        feed = self._feed
        self._packets = feed.packets()
        self._stands_alone = feed.stream.codec_context.codec.intra_only
        period_s = frame_period_s(feed.path, feed.stream)
        self._rows = PacketFrames(feed.stream, period_s, tells_times=feed.tells_times)
        self._packets = self._received(self._packets)
        for arrived in self._packets:  # not all are used up here
            self._ready += self._rows.put(arrived.packet, arrived.arrival_time_s)
            if any(row.picture is not None for row in self._ready):
                break
        else:
            self._end()
        self._num_taken, self._num_taken_bytes = self._num_received, self._num_received_bytes
        picture = next((row.picture for row in self._ready if row.picture is not None), None)
        if picture is None:
            raise MovieError(feed.path, feed.damage or "holds no frame that can be decoded")
        orientation = orientation_of(picture)
        width, height = orientation.size(picture.width, picture.height)
        self.info = MovieInfo(
            path=feed.path,
            format=feed.format,
            width=width,
            height=height,
            frame_period_s=period_s,
            times_are_known=feed.tells_times,
            notes=feed.notes,
            orientation=orientation,
        )

    def _received(self, packets: Iterable[ArrivedPacket]) -> Iterator[ArrivedPacket]:
        for arrived in packets:
            self._num_received += 1
            self._num_received_bytes += arrived.packet.size
            yield arrived

    def _next_rows(self, most: int, *, look: bool) -> list[DecodedFrame]:
        """Take the rows that are there, at most `most`; wait for the first."""
        while len(self._ready) < most and not (self._cancelled.is_set() or self._is_over):
            if self._ready and self._num_received == self._num_taken:
                break
            arrived = self._queue.get()
            if arrived is None:
                self._end()
                break
            self._num_taken += 1
            self._num_taken_bytes += arrived.packet.size
            is_unwanted = not look or (self._newest_only and self._is_behind)
            is_skipped = is_unwanted and self._stands_alone
            self._ready += self._rows.put(
                arrived.packet, arrived.arrival_time_s, is_skipped=is_skipped
            )
        if self._cancelled.is_set():
            return []
        if self._newest_only or not look:
            keep_newest = look and not self._is_behind
            for index in reversed(range(len(self._ready))):
                row = self._ready[index]
                if row.picture is not None and not keep_newest:
                    self._ready[index] = replace(row, picture=None, status=FrameStatus.SKIPPED)
                keep_newest = keep_newest and row.picture is None
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    @property
    def _is_behind(self) -> bool:
        """Whether another frame waits already; bytes may be a part of one only."""
        return self._num_received > self._num_taken or self.num_arrived > self._num_received + 1

    def _end(self) -> None:
        """Take what is inside the decoder."""
        self._is_over = True
        # A reader of the file will find that its end is missing.
        is_cut_off = not self._feed.is_recorded_here and self.ended_by != "closed"
        if is_cut_off and self.ended_by == "silent" and self.path.exists():
            with movie_errors(self.path):
                is_cut_off = cut_off(self.path) is not None
        self._ready += self._rows.rest(is_cut_off=is_cut_off)
