"""A labelled movie that is left in its segments becomes whole in another sink, at any rate."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from readers import FrameStatus
from sinks import keep_segments, num_finished_frames, segments_dir
from tests.sinks.labelling import decode, make_batch, make_sink, soft_images

SHORT = 10


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.labelled_movie.segments.SEGMENT_LENGTH", SHORT)


@pytest.mark.parametrize("num_frames", [1, 2, 9, 10, 11, 25])
@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(15, 2)])
def test_segments_of_one_frame_rate_become_a_movie_of_another(
    tmp_path: Path, num_frames: int, rate: Fraction
) -> None:
    brighter = 5 * np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    images = soft_images(1, 32, 40) + brighter
    batch = make_batch(images)
    whole, path = tmp_path / "whole.mp4", tmp_path / "movie.mp4"
    with make_sink(whole, images, frame_rate=rate) as sink:
        sink.write(batch)

    with make_sink(path, images, frame_rate=Fraction(25), joins=False) as sink:
        sink.write(batch)
    assert not path.exists()
    assert num_finished_frames(path) == num_frames
    with make_sink(path, images, frame_rate=rate) as sink:
        sink.write(batch)

    assert not segments_dir(path).exists()
    with av.open(str(path)) as container:
        times_s = [frame.time for frame in container.decode(video=0)]
    assert times_s == [pytest.approx(float(index / rate), abs=1e-6) for index in range(num_frames)]
    np.testing.assert_allclose(decode(path).astype(int), decode(whole).astype(int), atol=6)


@pytest.mark.parametrize(
    ("num_frames", "num_kept"), [(25, 20), (20, 20), (19, 10), (9, 0), (0, 0), (99, 25)]
)
def test_segments_are_kept_that_lie_within_the_first_frames(
    tmp_path: Path, num_frames: int, num_kept: int
) -> None:
    images = soft_images(25, 32, 40)
    path = tmp_path / "movie.mp4"
    with make_sink(path, images, joins=False) as sink:
        sink.write(make_batch(images))

    keep_segments(path, num_frames)

    assert num_finished_frames(path) == num_kept


def test_frames_that_nobody_looked_at_need_no_image(tmp_path: Path) -> None:
    images = (soft_images(3, 96, 128) // 4 + 40).astype(np.uint8)
    path = tmp_path / "movie.mp4"
    skipped = make_batch(np.empty((2, 0, 0, 3), np.uint8), [FrameStatus.SKIPPED] * 2)
    with make_sink(path, images) as sink:
        sink.write(make_batch(images[:1]))
        sink.write(skipped)
        sink.write(make_batch(images[2:]))

    shown = decode(path).astype(int)
    assert len(shown) == 4
    difference = abs(shown[1] - shown[0])
    assert np.median(difference) < 8  # the last picture there was
    assert difference.max() > 60  # crossed out
