"""The oracle is DeepLabCut's formula, one body part at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.builtin import MODEL_DIR
from engine.inference.deeplabcut import poses_from_score_maps, read

STRIDE_PX, LOCREF_STDEV_PX = 8.0, 7.2801


def poses_one_by_one(
    scores: NDArray[np.float32], offsets: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Follow `argmax_pose_predict`: position × stride + stride / 2 + offset × deviation."""
    frames, _, columns, parts = scores.shape
    poses = np.empty((frames, parts, 3))
    for frame in range(frames):
        for part in range(parts):
            row, column = divmod(int(np.argmax(scores[frame, :, :, part])), columns)
            x_offset, y_offset = offsets[frame, row, column, 2 * part : 2 * part + 2].astype(float)
            poses[frame, part] = (
                column * STRIDE_PX + 0.5 * STRIDE_PX + x_offset * LOCREF_STDEV_PX,
                row * STRIDE_PX + 0.5 * STRIDE_PX + y_offset * LOCREF_STDEV_PX,
                scores[frame, row, column, part],
            )
    return poses


def found(scores: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float64]:
    return poses_from_score_maps(
        scores, offsets, stride_px=STRIDE_PX, locref_stdev_px=LOCREF_STDEV_PX
    )


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 9), st.integers(1, 5)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 2**20]),
)
def test_equals_the_formula(shape: tuple[int, ...], seed: int, num_scores: int) -> None:
    random = np.random.default_rng(seed)  # few distinct scores make many ties
    scores = (random.integers(0, num_scores, shape) / num_scores).astype(np.float32)
    offsets = random.normal(size=(*shape[:3], 2 * shape[3])).astype(np.float32)

    poses = found(scores, offsets)

    assert poses.dtype == np.float64
    np.testing.assert_allclose(poses, poses_one_by_one(scores, offsets), rtol=1e-6, atol=1e-5)


def test_the_first_of_equal_scores_wins() -> None:
    scores = np.zeros((1, 3, 4, 1), np.float32)
    scores[0, 1, 2] = scores[0, 2, 0] = 0.5

    ((x, y, likelihood),) = found(scores, np.zeros((1, 3, 4, 2), np.float32))[0]

    assert (x, y, likelihood) == (2 * 8 + 4, 1 * 8 + 4, 0.5)


@pytest.mark.parametrize("frames", [1, 3])
def test_rows_are_y_x_likelihood_of_one_body_part_after_the_other(frames: int) -> None:
    rows = np.arange(frames * 2 * 3, dtype=np.float32).reshape(-1, 3)

    poses = read(MODEL_DIR).poses([rows], frames)

    assert poses.shape == (frames, 2, 3)
    assert poses.dtype == np.float64
    assert poses[-1, -1].tolist() == rows[-1, [1, 0, 2]].tolist()
    assert poses[0, 1].tolist() == [4, 3, 5]
