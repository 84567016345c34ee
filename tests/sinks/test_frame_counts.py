"""Frames are counted by whether they have a picture, and those without are named."""

import numpy as np

from readers import FrameStatus
from sinks import FrameCounts
from tests.batches import pose_batches


def test_frames_are_counted_by_status() -> None:
    with FrameCounts() as counts:
        for batch in pose_batches(np.zeros((10, 1, 3)), 4):
            batch.frames.status[0] = FrameStatus.DROPPED
            batch.frames.status[1] = FrameStatus.UNDECODABLE
            batch.frames.status[2:4] = FrameStatus.SKIPPED
            counts.write(batch)

    assert counts.num_frames == 10
    assert counts.dropped.num_frames == 3
    assert counts.undecodable.num_frames == 3
    assert counts.skipped.ranges == [(2, 3), (6, 7)]


def test_frames_without_a_picture_are_named_by_their_index_in_the_movie() -> None:
    status = np.full(12, FrameStatus.DECODED, np.uint8)
    status[[0, 3, 4, 5, 11]] = FrameStatus.DROPPED
    status[[1, 6, 7, 8]] = FrameStatus.UNDECODABLE
    with FrameCounts() as counts:
        for batch in pose_batches(np.zeros((12, 1, 3)), 4):
            first = batch.frames.first_frame_index
            batch.frames.status[:] = status[first : first + 4]
            counts.write(batch)

    assert counts.dropped.ranges == [(0, 0), (3, 5), (11, 11)]
    assert counts.undecodable.ranges == [(1, 1), (6, 8)]


def test_of_very_many_ranges_the_first_are_named_and_the_others_counted() -> None:
    with FrameCounts() as counts:
        for batch in pose_batches(np.zeros((1000, 1, 3)), 100):
            batch.frames.status[0::4] = FrameStatus.DROPPED
            batch.frames.status[2::4] = FrameStatus.UNDECODABLE
            counts.write(batch)

    assert counts.dropped.ranges[-1] == (4 * 99, 4 * 99)
    assert counts.dropped.num_left_out == 150
    assert counts.undecodable.ranges[-1] == (4 * 99 + 2, 4 * 99 + 2)
    assert counts.undecodable.num_left_out == 150
