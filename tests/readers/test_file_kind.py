"""The kind of a file is told by its content, not by its name."""

import io
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic import write_isxb
from readers import InputError, MovieError, inspect_movie, inspect_movies
from readers.file_kind import what_is_no_movie
from tests.readers.damaged import encode, read_all
from tests.small_movies import pictures

NUM_FRAMES = 8
KINDS = [
    ("a.mp4", "libx264", "mp4"),
    ("a.mov", "libx264", "mov"),
    ("a.m4v", "libx264", "mp4"),
    ("a.3gp", "libx264", "mp4"),
    ("a.avi", "mjpeg", "avi"),
    ("a.mkv", "libx264", "mkv"),
    ("a.webm", "libvpx-vp9", "webm"),
    ("a.ts", "libx264", "ts"),
    ("a.m2ts", "libx264", "ts"),
    ("a.mts", "libx264", "ts"),
    ("a.mpg", "mpeg2video", "mpg"),
    ("a.m2v", "mpeg2video", "mpg"),
    ("a.wmv", "wmv2", "wmv"),
    ("a.flv", "flv", "flv"),
    ("a.mjpeg", "mjpeg", "mjpeg"),
    ("a.h264", "libx264", "h264"),
    ("a.nut", "libx264", "nut"),
    ("a.gif", "gif", "gif"),
]


def movie(path: Path, codec: str) -> Path:
    formats = {"mjpeg": "yuvj420p", "gif": "rgb8"}
    options = {"mpegts_m2ts_mode": "1"} if path.suffix in (".m2ts", ".mts") else None
    return encode(path, codec, formats.get(codec, "yuv420p"), range(NUM_FRAMES), options)


@pytest.mark.often(8)
@pytest.mark.parametrize(("name", "codec", "kind"), KINDS)
@pytest.mark.parametrize("given_name", ["A.AVI", "a", "a.txt"])
def test_a_movie_is_read_whatever_its_name_is(
    tmp_path: Path, name: str, codec: str, kind: str, given_name: str
) -> None:
    path = movie(tmp_path / name, codec)
    expected = read_all(path)
    renamed = path.rename(tmp_path / given_name)

    rate = 25 if kind == "mjpeg" else 20  # which raw pictures do not tell
    assert inspect_movie(renamed).format == kind
    assert expected.time_s == pytest.approx(np.arange(NUM_FRAMES) / rate, abs=0.001)
    np.testing.assert_array_equal(read_all(renamed).images, expected.images)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.ts"])
def test_a_movie_that_is_named_isxb_is_read_for_what_it_is(tmp_path: Path, name: str) -> None:
    movie(tmp_path / name, "libx264").rename(tmp_path / "a.isxb")
    assert inspect_movie(tmp_path / "a.isxb").format == name[2:]


@pytest.mark.parametrize("name", ["a.mp4", "a", "a.ISXB"])
def test_an_isxb_is_one_under_any_name(tmp_path: Path, name: str) -> None:
    write_isxb(tmp_path / "0.isxb", pictures(), 20, dropped=[1])
    (tmp_path / "0.isxb").rename(tmp_path / name)

    assert inspect_movie(tmp_path / name).format == "isxb"
    assert len(read_all(tmp_path / name)) == len(pictures())


def test_movies_of_a_run_may_be_of_several_kinds_but_for_isxb(tmp_path: Path) -> None:
    paths = [movie(tmp_path / "a.mp4", "libx264"), movie(tmp_path / "b.avi", "mjpeg")]
    write_isxb(tmp_path / "c.mp4", pictures(), 20)

    assert [info.format for info in inspect_movies(paths)] == ["mp4", "avi"]
    with pytest.raises(InputError, match=r"must be \.isxb if one is, got .*c\.mp4.*\.mp4"):
        inspect_movies([*paths, tmp_path / "c.mp4"])


def picture(codec: str, pixel_format: str) -> bytes:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 64, 48, pixel_format
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    return b"".join(map(bytes, [*context.encode(frame.reformat(format=pixel_format))]))


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("movie.mp4", b"pictures")
    return buffer.getvalue()


def sound(name: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=name) as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=8000))
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


NO_MOVIES: dict[str, Callable[[], bytes]] = {
    "a PNG picture": lambda: picture("png", "rgb24"),
    "a JPEG picture": lambda: picture("mjpeg", "yuvj420p"),
    "a BMP picture": lambda: picture("bmp", "bgr24"),
    "a TIFF picture": lambda: picture("tiff", "rgb24"),
    "a sound file": lambda: sound("wav", "pcm_s16le"),
    "a zip archive": archive,
    "a web page": lambda: b"\xef\xbb\xbf<!DOCTYPE html>\n<html><body>Not found</body></html>",
    "a playlist": lambda: b"#EXTM3U\n#EXTINF:1,\nother.ts\n",
    "a text": lambda: "Zeit;x;y\n0,1;3,5;7,25 µm\n".encode("latin-1") * 20,
    "an HDF5 file": lambda: b"\x89HDF\r\n\x1a\n" + bytes(200),
    "what macOS keeps beside": lambda: b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(4000),
}


@pytest.mark.parametrize("kind", NO_MOVIES)
@pytest.mark.parametrize("name", ["a.mp4", "a.isxb", "a"])
def test_what_is_no_movie_is_told_for_what_it_is(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / name).write_bytes(NO_MOVIES[kind]())

    with pytest.raises(MovieError, match=f"cannot be read as a movie: it is {kind}"):
        inspect_movie(tmp_path / name)


@given(st.binary(max_size=300))
def test_any_bytes_are_some_kind_of_file_or_may_be_a_movie(data: bytes) -> None:
    assert what_is_no_movie(data) != ""
