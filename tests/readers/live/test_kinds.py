"""A growing file is read by what it holds, whatever its name is."""

from pathlib import Path

import numpy as np
import pytest

from readers import MovieError
from readers.formats import check_live
from tests.readers.damaged import encode
from tests.readers.live.recordings import Recorder, Write, batches_of, finished, together

FRAGMENTED = {"movflags": "frag_every_frame+empty_moov"}
KINDS = {
    "mp4": ("mp4", "libx264", FRAGMENTED),
    "mov": ("mov", "libx264", FRAGMENTED),
    "webm": ("webm", "libvpx", {}),
    "m2ts": ("ts", "libx264", {"mpegts_m2ts_mode": "1"}),
    "mpg": ("mpg", "mpeg2video", {}),
    "flv": ("flv", "flv", {}),
    "wmv": ("wmv", "wmv2", {}),
    "mjpeg": ("mjpeg", "mjpeg", {}),
}


def in_pieces(data: bytes, size: int = 700) -> list[Write]:
    return [Write(place, data[place : place + size]) for place in range(0, len(data), size)]


@pytest.mark.often(4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["growing", "growing.MOV"])
def test_a_movie_of_any_kind_is_read_live(tmp_path: Path, kind: str, name: str) -> None:
    known_as, codec, options = KINDS[kind]
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = encode(tmp_path / f"a.{kind}", codec, pixel_format, container=options)
    recorder = Recorder(tmp_path / name, iter(in_pieces(path.read_bytes())))

    with recorder.movie() as movie:
        movie.receive()
        batch = together(batches_of(movie))

    expected = finished(recorder.path)
    assert movie.info.format == known_as
    np.testing.assert_array_equal(batch.images, expected.images)
    np.testing.assert_array_equal(batch.time_s, expected.time_s)


@pytest.mark.parametrize("size", [5, 700])
def test_what_is_no_movie_is_not_read_live(tmp_path: Path, size: int) -> None:
    recorder = Recorder(tmp_path / "a.mkv", iter(in_pieces(b"12:00 recording\n" * 100, size)))

    with pytest.raises(MovieError, match="cannot be read as a movie: it is a text"):
        recorder.movie().__enter__()
    (tmp_path / "a.mkv").write_bytes(b"12:00 recording\n" * 100)
    with pytest.raises(MovieError, match="cannot be read as a movie: it is a text"):
        check_live(tmp_path / "a.mkv")


def test_a_plain_mov_cannot_be_read_live(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.mov", times=range(4)).read_bytes()

    with pytest.raises(MovieError, match=r"is a plain \.mov, which cannot be read before its end"):
        Recorder(tmp_path / "b", iter(in_pieces(data))).movie().__enter__()
