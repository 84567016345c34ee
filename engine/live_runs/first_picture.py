"""The stage that notes how a movie begins."""

from __future__ import annotations

from collections.abc import Callable

from engine.run_folder.identity import picture_digest
from readers import FrameStatus
from sinks import PoseBatch


class FirstPicture:
    """Tells the digest of a movie's first frame, by which it is known again.

    Parameters
    ----------
    on_first_picture
        Told once; not at all where the frame is not looked at.
    """

    def __init__(self, on_first_picture: Callable[[dict[str, str]], None]) -> None:
        self._on_first_picture = on_first_picture

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Look at the batch; return it."""
        frames = batch.frames
        is_first = frames.first_frame_index == 0 and frames.images[0].size
        if is_first and frames.status[0] != FrameStatus.SKIPPED:
            self._on_first_picture(picture_digest(frames.images[0]))
        return [batch]

    def flush(self) -> list[PoseBatch]:
        """Return nothing: nothing is held back."""
        return []
