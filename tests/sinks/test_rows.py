"""Rows come in chunks of one length, however the batches were cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sinks.base import RowBuffer, Rows
from tests.batches import pose_batches


@given(
    num_frames=st.integers(0, 60), batch_size=st.integers(1, 20), chunk_length=st.integers(1, 20)
)
def test_chunks_are_contiguous_full_and_complete(
    num_frames: int, batch_size: int, chunk_length: int
) -> None:
    poses = np.random.default_rng(0).normal(size=(num_frames, 2, 3))
    buffer = RowBuffer(chunk_length)
    chunks: list[Rows] = []
    for batch in pose_batches(poses, batch_size):
        chunks += buffer.add(batch)
    chunks += buffer.rest()

    lengths = [len(chunk) for chunk in chunks]
    assert all(length == chunk_length for length in lengths[:-1])
    assert sum(lengths) == num_frames
    assert [index for chunk in chunks for index in chunk["frame_index"]] == list(range(num_frames))
    if chunks:
        np.testing.assert_array_equal(np.concatenate([chunk["poses"] for chunk in chunks]), poses)
        times = np.concatenate([chunk["time_s"] for chunk in chunks])
        np.testing.assert_array_equal(times, np.arange(num_frames) / 10)


def test_nothing_is_left_after_the_rest() -> None:
    buffer = RowBuffer(10)
    for batch in pose_batches(np.zeros((5, 1, 3)), 5):
        list(buffer.add(batch))

    assert len(list(buffer.rest())) == 1
    assert list(buffer.rest()) == []
