"""How many images are worth having in hand at a time."""

from __future__ import annotations

MOST_IMAGES = 8
"""At a time."""
_MOST_BYTES = 8 * 2**20
_MOST_BATCH_BYTES = 2 * 2**20


def images_at_a_time(image_shape: tuple[int, ...]) -> int:
    """Choose as many images as fit into 8 MiB, 1 to 8: more are not faster, only larger.

    Parameters
    ----------
    image_shape
        Height, width and channels of 8-bit images.
    """
    return _fitting(image_shape, _MOST_BYTES)


def usual_batch_size(image_shape: tuple[int, ...]) -> int:
    """Choose as many images as fit into 2 MiB, 1 to 8.

    A run holds some ten batches; larger ones were not faster with OpenVINO on a CPU.

    Parameters
    ----------
    image_shape
        Height, width and channels of 8-bit images.
    """
    return _fitting(image_shape, _MOST_BATCH_BYTES)


def _fitting(image_shape: tuple[int, ...], most_bytes: int) -> int:
    height, width, channels = image_shape
    return max(1, min(MOST_IMAGES, most_bytes // (height * width * channels)))
