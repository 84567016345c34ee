"""A recorder's file can be followed; FFmpeg tells what is in it, and our readers what it became."""

import json
import struct
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.recorder import EncodedPicture, encoded_walk, main, open_recorder, play
from benchmarks.synthetic import MouseMovie, write_isxb
from readers import FrameStatus, inspect_movie, open_movie

WIDTH, HEIGHT, FRAME_RATE, NUM_FRAMES = 96, 64, 10, 12
KINDS = [
    (".isxb", None),
    (".avi", None),
    (".mp4", "h264"),
    (".mp4", "mjpeg"),
    (".mkv", "h264"),
    (".mkv", "mjpeg"),
    (".ts", None),
]


@cache
def images() -> list[NDArray[np.uint8]]:
    return list(MouseMovie(1, WIDTH, HEIGHT, FRAME_RATE, NUM_FRAMES, "infrared").images())


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """Give the pictures that FFmpeg finds in what is in a file by now."""
    is_isxb = path.suffix == ".isxb"
    options = {"skip_initial_bytes": "96"} if is_isxb else {}
    try:
        container = av.open(str(path), format="mjpeg" if is_isxb else None, options=options)
    except (av.EOFError, av.InvalidDataError):  # there is no frame yet
        return []
    with container:
        frames = container.decode(video=0)
        return [frame.to_ndarray(format="gray").astype(np.uint8) for frame in frames]


@pytest.mark.often(3)
@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_all_frames_but_those_that_the_muxer_holds_back_are_in_the_file_after_each_write(
    suffix: str, codec: str | None, tmp_path: Path
) -> None:
    path = tmp_path / f"movie{suffix}"
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE, codec=codec) as recorder:
        assert recorder.lag == (1 if suffix in (".mp4", ".mkv") else 0)
        for count, image in enumerate(images(), start=1):
            recorder.write(image)
            assert len(decoded(path)) == recorder.num_in_file == count - recorder.lag
    assert len(decoded(path)) == recorder.num_in_file == NUM_FRAMES


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_pictures_are_those_that_were_written(
    suffix: str, codec: str | None, tmp_path: Path
) -> None:
    path = tmp_path / f"movie{suffix}"
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE, codec=codec) as recorder:
        for image in images():
            recorder.write(image)
    pictures = decoded(path)
    for image, picture in zip(images(), pictures, strict=True):
        assert np.abs(picture.astype(int) - image[..., 0]).mean() < 4


@pytest.mark.often(3)
@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_encoded_pictures_can_be_repeated(suffix: str, codec: str | None, tmp_path: Path) -> None:
    size = WIDTH, HEIGHT, FRAME_RATE
    walk = encoded_walk(suffix, *size, 4, codec=codec)
    path = tmp_path / f"movie{suffix}"
    with open_recorder(path, *size, codec=codec) as recorder:
        for picture in walk * 3:
            recorder.write(picture)
    pictures = decoded(path)
    assert len(pictures) == 12
    assert np.array_equal(pictures[:4] * 3, pictures)
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_key_frames_are_marked_by_the_container(suffix: str, tmp_path: Path) -> None:
    """FFmpeg also recognises key frames by what is in them; its index is the container's own."""
    size = WIDTH, HEIGHT, FRAME_RATE
    walk = encoded_walk(suffix, *size, 4)
    path = tmp_path / f"movie{suffix}"
    with open_recorder(path, *size) as recorder:
        for picture in walk * 2:
            recorder.write(picture)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        time_base = float(stream.time_base or 0)
        assert sum(packet.size > 0 for packet in container.demux(stream)) == 8
        marked_s = [one.timestamp * time_base for one in stream.index_entries if one.is_keyframe]
    assert marked_s == pytest.approx([0, 4 / FRAME_RATE])


def test_an_isxb_is_that_of_the_generator_with_its_header_last(tmp_path: Path) -> None:
    path, whole = tmp_path / "movie.isxb", tmp_path / "whole.isxb"
    write_isxb(whole, images(), FRAME_RATE, dropped=(3, 4))
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE) as recorder:
        assert path.read_bytes() == bytes(96)
        for index, image in enumerate(images()):
            if index in (3, 4):
                recorder.drop()
            else:
                recorder.write(image)
        growing = path.read_bytes()
        assert growing[:96] == bytes(96)
        assert recorder.num_frames == NUM_FRAMES
    assert path.read_bytes() == whole.read_bytes()
    assert whole.read_bytes()[96:].startswith(growing[96:])


def record_and_fail(path: Path) -> None:
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE) as recorder:
        recorder.write(images()[0])
        raise ZeroDivisionError


def test_an_error_leaves_an_isxb_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    with pytest.raises(ZeroDivisionError):
        record_and_fail(path)
    assert path.read_bytes()[:96] == bytes(96)
    assert len(decoded(path)) == 1


@pytest.mark.parametrize("suffix", [".isxb", ".avi", ".mp4"])
def test_our_reader_finds_every_frame_at_its_time(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"movie{suffix}"
    size = WIDTH, HEIGHT, FRAME_RATE
    with open_recorder(path, *size) as recorder:
        for picture in encoded_walk(suffix, *size, NUM_FRAMES):
            recorder.write(picture)
    movie = inspect_movie(path)
    with open_movie(movie) as reader:
        batch = reader.read(np.empty((2 * NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8))
    assert batch is not None
    assert batch.time_s == pytest.approx(np.arange(NUM_FRAMES) / FRAME_RATE, abs=1e-4)
    assert np.all(batch.status == FrameStatus.DECODED)


def test_an_avi_tells_its_size_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "movie.avi"

    def riff_size() -> int:
        return int(struct.unpack_from("<I", path.read_bytes(), 4)[0])

    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE) as recorder:
        recorder.write(images()[0])
        assert riff_size() + 8 != path.stat().st_size
        assert b"idx1" not in path.read_bytes()
    assert riff_size() + 8 == path.stat().st_size
    assert b"idx1" in path.read_bytes()


def test_an_mp4_has_one_frame_in_each_fragment_and_an_index_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE) as recorder:
        assert b"mvex" in path.read_bytes()
        for image in images():
            recorder.write(image)
        assert b"mfra" not in path.read_bytes()
    assert path.read_bytes().count(b"moof") == NUM_FRAMES
    assert b"mfra" in path.read_bytes()


def test_an_mkv_tells_its_size_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "movie.mkv"
    segment = bytes.fromhex("18538067")
    with open_recorder(path, WIDTH, HEIGHT, FRAME_RATE) as recorder:
        recorder.write(images()[0])
        assert segment + b"\x01" + b"\xff" * 7 in path.read_bytes()
    assert segment + b"\x01" + b"\xff" * 7 not in path.read_bytes()
    assert segment in path.read_bytes()


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".ts"])
def test_only_an_isxb_loses_frames(suffix: str, tmp_path: Path) -> None:
    with (
        open_recorder(tmp_path / f"movie{suffix}", WIDTH, HEIGHT, FRAME_RATE) as recorder,
        pytest.raises(ValueError, match=r"only an \.isxb"),
    ):
        recorder.drop()


@pytest.mark.parametrize(
    ("name", "codec"), [("movie.mov", None), ("movie.avi", "h264"), ("movie.isxb", "h264")]
)
def test_other_kinds_are_refused(name: str, codec: str | None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed are"):
        open_recorder(tmp_path / name, WIDTH, HEIGHT, FRAME_RATE, codec=codec)
    assert not [*tmp_path.iterdir()]


class Time:
    """Passes when somebody waits, and a little too long; and when a picture is written."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def wait(self, duration_s: float) -> None:
        self.waits.append(duration_s)
        self.now_s += duration_s + 0.001


@pytest.mark.parametrize("suffix", [".isxb", ".mp4"])
def test_every_frame_is_written_at_its_own_time_after_the_first(
    suffix: str, tmp_path: Path
) -> None:
    """Neither the waits, each a little too long, nor one slow picture add up."""
    passing = Time()
    walk = encoded_walk(suffix, WIDTH, HEIGHT, FRAME_RATE, NUM_FRAMES)

    def slow_at_6() -> Iterator[EncodedPicture]:
        for index, picture in enumerate(walk):
            if index == 6:
                passing.now_s += 0.25
            yield picture

    with open_recorder(tmp_path / f"m{suffix}", WIDTH, HEIGHT, FRAME_RATE) as recorder:
        times_s = [*play(recorder, slow_at_6(), FRAME_RATE, passing.clock, passing.wait)]
    late_s = np.array(times_s) - 100 - (np.arange(len(times_s)) + recorder.lag) / FRAME_RATE
    assert len(times_s) == NUM_FRAMES - recorder.lag
    due = [0.001] * NUM_FRAMES
    due[0], due[6], due[7] = 0, 0.151, 0.051
    assert late_s == pytest.approx(due[recorder.lag :])
    assert min(passing.waits) > 0


@pytest.mark.parametrize("suffix", [".isxb", ".mp4"])
def test_the_command_logs_a_time_for_each_frame(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, log = tmp_path / f"movie{suffix}", tmp_path / "times.bin"
    size = ("--width", str(WIDTH), "--height", str(HEIGHT))
    # So fast a camera never has to be waited for.
    main([str(out), *size, "--frame-rate", "100000", "--seconds", "0.0001", "--log", str(log)])
    times_s = np.fromfile(log)
    assert len(times_s) == len(decoded(out)) == json.loads(capsys.readouterr().out)["num_frames"]
    assert len(times_s) == 10
    assert all(before <= after for before, after in pairwise(times_s))
