"""Movies as a camera or a phone writes them, and what OpenCV sees of them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from readers import CropRectangle, FrameBatch, inspect_movie, open_movie

ONE, UNIT = 1 << 16, 1 << 30

Upright = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Upright]] = {
    # A pixel at (x, y) is shown at (a x + c y, b x + d y): a, b, c, d, and the same by numpy.
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "turned by 90° clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "turned by 90° anticlockwise": ((0, -1, 1, 0), np.rot90),
    "turned by 180°": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "mirrored, left to right": ((-1, 0, 0, 1), np.fliplr),
    "mirrored, top to bottom": ((1, 0, 0, -1), np.flipud),
    "turned by 90° clockwise, then mirrored, left to right": (
        (0, 1, 1, 0),
        lambda image: image.swapaxes(0, 1),
    ),
    "turned by 90° anticlockwise, then mirrored, left to right": (
        (0, -1, -1, 0),
        lambda image: np.rot90(image, 2).swapaxes(0, 1),
    ),
}


def display_matrix(kind: str) -> list[int]:
    a, b, c, d = ORIENTATIONS[kind][0]
    return [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, UNIT]


def pictures(count: int, width: int, height: int) -> list[NDArray[np.uint8]]:
    """Coloured blocks that move one pixel a frame."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
    return [np.ascontiguousarray(np.roll(picture, shift, axis=1)) for shift in range(count)]


def write(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    codec: str,
    pixel_format: str,
    *,
    rate: Fraction = Fraction(30),
    pts: Sequence[int] | None = None,
    matrix: Sequence[int] | None = None,
    movflags: str = "",
    **context: object,
) -> Path:
    options = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", options=options) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=rate))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        stream.set_display_matrix(matrix)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base, frame.pts = 1 / rate, index if pts is None else pts[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path, batch_size: int = 4, crop: CropRectangle | None = None) -> list[FrameBatch]:
    with open_movie(inspect_movie(path), crop) as reader:
        batches = []
        while (
            batch := reader.read(np.empty((batch_size, *reader.image_shape), np.uint8))
        ) is not None:
            batches.append(batch)
    return batches


def images_of(batches: Sequence[FrameBatch]) -> NDArray[np.uint8]:
    return np.concatenate([batch.images for batch in batches])


def read_by_opencv(path: Path) -> NDArray[np.uint8]:
    capture = cv2.VideoCapture(str(path))
    images = []
    while (result := capture.read())[0]:
        images.append(cv2.cvtColor(result[1], cv2.COLOR_BGR2RGB))
    return np.stack(images).astype(np.uint8)
