"""Whether the pictures of a movie keep the size of the first."""

from __future__ import annotations

import av


class PictureSizes:
    """Looks at every frame of a movie, in order, for a change of the pictures' size.

    Attributes
    ----------
    change
        Both sizes, and the first frame of another one, in one line; None where there is none.
    """

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        self._num_frames = 0
        self.change: str | None = None

    def look(self, picture: av.VideoFrame | None) -> None:
        """Look at the next frame."""
        index = self._num_frames
        self._num_frames += 1
        if picture is None or self.change is not None:
            return
        size = picture.width, picture.height
        self._first = self._first or size
        if size == self._first:
            return
        self.change = (
            f"changes its size at frame {index}, from {_in_words(self._first)} to "
            f"{_in_words(size)} pixels; frames that are not of the first size are not looked at, "
            "and their poses are NaN"
        )


def _in_words(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
