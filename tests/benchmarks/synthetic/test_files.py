from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.synthetic import MouseMovie, write_avi, write_mp4


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001)])
@pytest.mark.parametrize(("write", "suffix"), [(write_mp4, ".mp4"), (write_avi, ".avi")])
def test_every_frame_comes_back_at_its_time(
    write: Callable[..., int], suffix: str, rate: Fraction, tmp_path: Path
) -> None:
    movie = MouseMovie(4, 160, 120, rate, num_frames=12, look="white light")
    path = tmp_path / f"movie{suffix}"
    assert write(path, movie.images(), movie.frame_rate) == 12
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        frames = list(container.decode(stream))
    assert len(frames) == 12
    for index, frame in enumerate(frames):
        assert frame.time == pytest.approx(float(index / rate), abs=1e-4)
        off = frame.to_ndarray(format="rgb24").astype(int) - movie.image(index)
        assert np.abs(off).mean() < 6


def test_a_movie_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        write_mp4(tmp_path / "movie.mp4", iter(()), 25)
