"""Frames are counted by whether they have a picture."""

import numpy as np

from readers import FrameStatus
from sinks import FrameCounts
from tests.batches import pose_batches


def test_frames_are_counted_by_status() -> None:
    with FrameCounts() as counts:
        for batch in pose_batches(np.zeros((10, 1, 3)), 4):
            batch.frames.status[0] = FrameStatus.DROPPED
            batch.frames.status[1] = FrameStatus.UNDECODABLE
            counts.write(batch)

    assert (counts.num_frames, counts.num_dropped, counts.num_undecodable) == (10, 3, 3)
