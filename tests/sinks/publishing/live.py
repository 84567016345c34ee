"""Batches of movies that are being recorded, and what subscribers make of their messages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinks import PoseBatch
from tests.batches import frame_batch

BODY_PARTS = ["nose", "tail base"]
FIRST_ARRIVAL_S = 1_700_000_000.25


def poses_of(frame_indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Make poses with digits to lose, which tell their frame."""
    values = np.arange(len(BODY_PARTS) * 3).reshape(1, -1, 3)
    return frame_indices[:, None, None] + values / 7


def live_batch(first_frame_index: int, num_frames: int = 1) -> PoseBatch:
    """Frames that arrived 0.1 s apart."""
    frames = frame_batch(first_frame_index, num_frames)
    arrivals_s = FIRST_ARRIVAL_S + frames.time_s
    indices = np.arange(first_frame_index, first_frame_index + num_frames)
    return PoseBatch(replace(frames, arrival_time_s=arrivals_s), poses_of(indices))


def read_message(line: bytes | str) -> dict[str, Any]:
    """Read a message as the standard says: JSON has no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    message: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return message


def frame_numbers(lines: bytes) -> list[int]:
    """Tell which frames' messages there are; each must be whole."""
    assert lines.endswith(b"\n")
    return [read_message(line)["frame"] for line in lines.splitlines()]
