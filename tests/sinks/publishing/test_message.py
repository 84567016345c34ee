"""What a subscriber is told of one frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from readers import FrameStatus
from readers.growing.growing_file import now_s
from sinks import PoseBatch
from sinks.publishing.publisher import json_messages
from tests.batches import frame_batch
from tests.sinks.publishing.live import BODY_PARTS, FIRST_ARRIVAL_S, live_batch, read_message


def lines_of(batch: PoseBatch, movie_number: int = 0) -> list[bytes]:
    return list(json_messages(batch, movie_number=movie_number, body_parts=BODY_PARTS))


def test_a_message_tells_frame_times_and_poses() -> None:
    before_s = now_s()
    (line,) = lines_of(live_batch(12), movie_number=3)
    after_s = now_s()

    message = read_message(line)
    assert before_s <= message.pop("publish_time_s") <= after_s
    assert message == {
        "movie": 3,
        "frame": 12,
        "status": "decoded",
        "capture_time_s": 1.2,
        "arrival_time_s": FIRST_ARRIVAL_S + 1.2,
        "body_parts": {
            "nose": [12, 12 + 1 / 7, 12 + 2 / 7],
            "tail base": [12 + 3 / 7, 12 + 4 / 7, 12 + 5 / 7],
        },
    }


def test_every_frame_of_a_batch_has_a_line_of_its_own() -> None:
    lines = lines_of(live_batch(5, 3))

    assert [read_message(line)["frame"] for line in lines] == [5, 6, 7]
    assert [line.count(b"\n") for line in lines] == [1, 1, 1]


@given(arrays(np.float64, (2, 2, 3), elements=st.floats()))
def test_numbers_are_the_same_float64_when_read_back_and_null_where_they_are_not_finite(
    poses: NDArray[np.float64],
) -> None:
    lines = lines_of(replace(live_batch(0, 2), poses=poses))

    read = [list(read_message(line)["body_parts"].values()) for line in lines]
    expected = np.where(np.isfinite(poses), poses, np.nan)
    np.testing.assert_array_equal(np.array(read, dtype=np.float64), expected)


def test_a_time_that_nobody_knows_is_null() -> None:
    batch = live_batch(0)
    frames = replace(batch.frames, time_s=np.array([np.nan]))

    (line,) = lines_of(replace(batch, frames=frames))

    assert read_message(line)["capture_time_s"] is None


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (FrameStatus.DECODED, "decoded"),
        (FrameStatus.DROPPED, "dropped"),
        (FrameStatus.UNDECODABLE, "undecodable"),
        (FrameStatus.SKIPPED, "skipped"),
    ],
)
def test_a_message_says_why_there_is_no_pose(status: FrameStatus, name: str) -> None:
    batch = live_batch(0)
    frames = replace(batch.frames, status=np.array([status], np.uint8))

    (line,) = lines_of(replace(batch, frames=frames))

    assert read_message(line)["status"] == name


def test_names_of_body_parts_cannot_break_a_line() -> None:
    names = ['left "ear"\n', "Öhr"]
    (line,) = json_messages(live_batch(0), movie_number=0, body_parts=names)

    assert line.count(b"\n") == 1
    assert list(read_message(line)["body_parts"]) == names


def test_a_movie_that_is_not_being_recorded_is_not_published() -> None:
    batch = PoseBatch(frame_batch(0, 1), np.zeros((1, 2, 3)))

    with pytest.raises(ValueError, match="being recorded"):
        lines_of(batch)


def test_poses_of_another_model_are_not_published() -> None:
    batch = replace(live_batch(0), poses=np.zeros((1, 3, 3)))

    with pytest.raises(ValueError, match="zip"):
        lines_of(batch)
