"""A movie whose pictures change their size says so, with both sizes and the frame."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from readers import FrameStatus, inspect_movie, open_movie
from readers.live.movie import LiveMovie
from tests.cases import CASES
from tests.readers.live.recordings import Recorder, Write, batches_of

CASE = CASES / "size_changes.ts"
CHANGE = "changes its size at frame 10, from 320 x 240 to 640 x 480 pixels"


@pytest.mark.parametrize("num_skipped", [0, 5, 15])
def test_a_change_of_size_is_named_however_the_movie_is_read(num_skipped: int) -> None:
    with open_movie(inspect_movie(CASE)) as reader:
        assert reader.damage is None
        reader.skip(num_skipped)
        batch = reader.read(np.empty((100, *reader.image_shape), np.uint8))

    assert batch is not None
    assert (batch.status[10 - num_skipped :] == FrameStatus.UNDECODABLE).all() or num_skipped > 10
    assert reader.damage is not None
    assert reader.damage.startswith(CHANGE)


def test_frames_before_the_change_are_opencvs() -> None:
    capture = cv2.VideoCapture(str(CASE))
    expected = [capture.read()[1][..., ::-1] for _ in range(10)]

    with open_movie(inspect_movie(CASE)) as reader:
        batch = reader.read(np.empty((10, *reader.image_shape), np.uint8))

    assert batch is not None
    np.testing.assert_array_equal(batch.images, expected)


def test_a_change_of_size_is_named_while_the_movie_is_recorded(tmp_path: Path) -> None:
    data = CASE.read_bytes()
    writes = [Write(place, data[place : place + 1880]) for place in range(0, len(data), 1880)]

    def size_change(movie: LiveMovie) -> tuple[str | None, str | None]:
        with movie:
            movie.receive()
            before = movie.size_change
            batches_of(movie)
            return before, movie.damage

    before, damage = size_change(Recorder(tmp_path / "growing.ts", iter(writes)).movie())

    assert before is None
    assert damage is not None
    assert damage.startswith(CHANGE)
