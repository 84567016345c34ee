"""As many images as fit into 8 MiB, and into a batch as many as fit into 2 MiB, 1 to 8."""

import pytest

from engine.inference.model import images_at_a_time, usual_batch_size


@pytest.mark.parametrize(
    ("height", "width", "images"),
    [(64, 64, 8), (480, 640, 8), (1024, 1280, 2), (1200, 1600, 1), (4000, 4000, 1)],
)
def test_large_images_come_one_at_a_time_small_ones_eight(
    height: int, width: int, images: int
) -> None:
    assert images_at_a_time((height, width, 3)) == images


@pytest.mark.parametrize(
    ("height", "width", "frames"),
    [(64, 64, 8), (256, 320, 8), (480, 640, 2), (1024, 1280, 1), (4000, 4000, 1)],
)
def test_batches_of_large_frames_are_short(height: int, width: int, frames: int) -> None:
    assert usual_batch_size((height, width, 3)) == frames
