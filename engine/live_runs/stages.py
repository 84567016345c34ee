"""The stage that gives poses away at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from readers.live import now_s
from sinks import PoseBatch, Sink


class Publication:
    """Hands unfiltered poses to whoever waits for them, before anything else is done with them.

    Parameters
    ----------
    publishers
        Open. They never wait for anybody.
    on_published
        Told of each batch, with the time (`readers.live.now_s`) when all of them had it.
    num_known_frames
        Frames that an earlier live run has published: they pass by.
    """

    def __init__(
        self,
        publishers: Sequence[Sink],
        on_published: Callable[[PoseBatch, float], None],
        num_known_frames: int,
    ) -> None:
        self._publishers = publishers
        self._on_published = on_published
        self._num_known_frames = num_known_frames

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Give the batch away; return it."""
        if batch.frames.first_frame_index >= self._num_known_frames:
            for publisher in self._publishers:
                publisher.write(batch)
            self._on_published(batch, now_s())
        return [batch]

    def flush(self) -> list[PoseBatch]:
        """Return nothing: nothing is held back."""
        return []
