"""What a subscriber is told of one frame."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readers import FrameStatus
from readers.growing.clock import now_s
from sinks.base import PoseBatch

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_STATUS_NAMES = {int(status): status.name.lower() for status in FrameStatus}


def arrival_times_s(batch: PoseBatch) -> NDArray[np.float64]:
    """Tell when the frames of a batch arrived, float64, shape (frames,).

    Raises
    ------
    ValueError
        If the batch is of a movie that is not being recorded.
    """
    if batch.frames.arrival_time_s is None:
        raise ValueError("only frames of a movie that is being recorded can be published")
    return batch.frames.arrival_time_s


def json_messages(
    batch: PoseBatch, *, movie_number: int, body_parts: Sequence[str]
) -> Iterator[bytes]:
    r"""Write each frame of a batch as a JSON object on a line of its own.

    The object has these members, in this order:

    ``movie``, ``frame``
        The movie's number within the run and the frame's within the movie, both from 0.
    ``status``
        ``"decoded"``, ``"dropped"``, ``"undecodable"`` or ``"skipped"``.
    ``capture_time_s``
        Seconds since the movie's first frame, as the recording tells; null where it does not.
    ``arrival_time_s``, ``publish_time_s``
        Seconds since 1970-01-01 UTC, by `readers.live.now_s`: when all that is needed to decode
        the frame was there, and when its message was written.
    ``body_parts``
        For each name x and y in pixels, as in the batch, and the likelihood.

    Numbers have the shortest digits that read back as the same float64, so that they can be
    compared with what is in the files; those that are not finite, for which JSON has no words,
    are null.

    Parameters
    ----------
    batch
        Poses, with the times at which their frames arrived.
    movie_number
        The movie's number within the run.
    body_parts
        Names in the order of the poses.

    Yields
    ------
    bytes
        UTF-8, in fact ASCII, ending with ``\n``, which is nowhere else.

    Raises
    ------
    ValueError
        If the batch has no arrival times, or another number of body parts.
    """
    frames = batch.frames
    poses = _numbers_or_none(batch.poses)
    capture_times_s = _numbers_or_none(frames.time_s)
    arrivals_s = _numbers_or_none(arrival_times_s(batch))
    for row, status in enumerate(frames.status.tolist()):
        message = {
            "movie": movie_number,
            "frame": frames.first_frame_index + row,
            "status": _STATUS_NAMES[status],
            "capture_time_s": capture_times_s[row],
            "arrival_time_s": arrivals_s[row],
            "publish_time_s": now_s(),
            "body_parts": dict(zip(body_parts, poses[row], strict=True)),
        }
        yield _ENCODER.encode(message).encode() + b"\n"


def _numbers_or_none(values: NDArray[np.float64]) -> list[Any]:
    """Make nested lists of an array, with None for what is not finite."""
    finite = np.isfinite(values)
    numbers = values
    if not finite.all():
        numbers = values.astype(object)
        numbers[~finite] = None
    lists: list[Any] = numbers.tolist()
    return lists
