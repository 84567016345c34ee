"""A movie that ends before it should is read as far as it goes, and says so."""

import errno
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from readers import FrameStatus, MovieError, inspect_movie, inspect_movies, open_movie
from tests.readers.damaged import (
    NUM_FRAMES,
    assert_begins,
    encode,
    isxb_header,
    read_all,
    record,
)


def cut(path: Path, size: int) -> Path:
    copy = path.with_name(f"cut-{size}{path.suffix}")
    copy.write_bytes(path.read_bytes()[:size])
    return copy


CONTAINERS = {
    "index first": {"movflags": "faststart"},
    "fragments": {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_an_mp4_is_read_up_to_where_its_data_end(tmp_path: Path, container: str) -> None:
    path = encode(tmp_path / "a.mp4", container=CONTAINERS[container], codec_options={"g": "6"})
    whole, data = read_all(path), path.read_bytes()
    start = data.index(b"mdat")

    counts = []
    for share in (0.45, 0.6, 0.75, 0.85, 0.99):
        part_path = cut(path, start + int(share * (len(data) - start)))
        part = read_all(part_path)
        good = np.flatnonzero(part.status == FrameStatus.DECODED)
        counts.append(len(good))

        assert inspect_movie(part_path).damage is not None
        np.testing.assert_allclose(part.time_s, whole.time_s[: len(part)])
        np.testing.assert_array_equal(part.images[good], whole.images[good])
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] <= NUM_FRAMES


def test_an_mp4_without_its_index_cannot_be_read_and_says_why(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4")
    index = path.read_bytes().index(b"moov")

    for size in (index - 4, index + 50, index - 200):
        with pytest.raises(MovieError, match=r"its index \(moov\) is missing: .* cut off"):
            inspect_movie(cut(path, size))


def without_index_and_counts(data: bytes) -> bytes:
    """Give an .avi as it lies on the disk while it is recorded."""
    blank = bytearray(data[: data.rindex(b"idx1")])
    frames_in_header = blank.index(b"avih") + 24
    frames_in_stream = blank.index(b"strh") + 40
    for place in (4, frames_in_header, frames_in_stream, blank.index(b"movi") - 4):
        blank[place : place + 4] = bytes(4)
    return bytes(blank)


@pytest.mark.parametrize(("codec", "pixel_format"), [("mjpeg", "yuvj420p"), ("mpeg4", "yuv420p")])
@pytest.mark.parametrize("lost_bytes", [0, 20, 600])
def test_an_avi_without_index_and_counts_is_read_up_to_where_it_ends(
    tmp_path: Path, codec: str, pixel_format: str, lost_bytes: int
) -> None:
    path = encode(tmp_path / "a.avi", codec, pixel_format)
    whole = read_all(path)
    data = without_index_and_counts(path.read_bytes())
    path.write_bytes(data[: len(data) - lost_bytes])

    part = read_all(path)

    num_good = int((part.status == FrameStatus.DECODED).sum())
    assert num_good >= len(part) - 1
    assert (num_good == NUM_FRAMES) == (lost_bytes == 0)
    assert_begins(part, whole, num_good)
    info = inspect_movie(path)
    assert "cut off" in str(info.damage)
    assert info.num_frames_from_header is None


def test_whole_movies_have_no_damage(tmp_path: Path) -> None:
    paths = [
        encode(tmp_path / "a.mp4"),
        encode(tmp_path / "b.mp4", container=CONTAINERS["index first"]),
        encode(tmp_path / "c.mp4", container=CONTAINERS["fragments"]),
        encode(tmp_path / "a.avi", "mjpeg", "yuvj420p"),
        record(tmp_path / "a.isxb", dropped=(3,)),
    ]
    for path in paths:
        info = inspect_movie(path)
        assert info.damage is None
        assert info.times_are_known
        with open_movie(info) as reader:
            assert reader.skip(100) == NUM_FRAMES
            assert reader.damage is None


@pytest.mark.parametrize("header", ["blank", "without counts"])
def test_an_isxb_whose_recorder_lost_power_has_pictures_and_no_times(
    tmp_path: Path, header: str
) -> None:
    path = record(tmp_path / "a.isxb")
    whole, data = read_all(path), path.read_bytes()
    fields = isxb_header(data)
    blank = bytearray(96)
    if header == "without counts":
        blank[8:16] = (96).to_bytes(8, "little")
    path.write_bytes(blank + data[96 : fields[8]])

    info, part = inspect_movie(path), read_all(path)

    assert (info.width, info.height) == (128, 96)
    assert info.frame_period_s == Fraction(1, 25)
    assert not info.times_are_known
    assert info.num_frames_from_header is None
    assert info.hardware_counters_us is None
    assert info.start_time_ms is None
    assert "times and hardware counters are unknown" in str(info.damage)
    np.testing.assert_array_equal(part.images, whole.images)
    assert not part.status.any()
    assert np.isnan(part.time_s).all()
    assert np.isnan(part.hardware_counter_us).all()


def test_an_isxb_that_was_cut_within_a_picture_has_a_row_for_it(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb", dropped=(3, 4))
    whole, data = read_all(path), path.read_bytes()
    starts = [i for i in range(len(data)) if data.startswith(b"\xff\xd8\xff", i)]

    path.write_bytes(data[: (starts[10] + starts[11]) // 2])
    info, part = inspect_movie(path), read_all(path)

    assert part.status.tolist() == [0] * 10 + [FrameStatus.UNDECODABLE]
    recorded = np.flatnonzero(whole.status == 0)[:10]
    np.testing.assert_array_equal(part.images[:10], whole.images[recorded])
    assert info.num_frames_from_header == NUM_FRAMES
    assert info.start_time_ms is not None
    assert "where 2 dropped frames belong is unknown" in str(info.damage)


def test_an_isxb_that_was_cut_within_its_frame_metadata_knows_the_times_before(
    tmp_path: Path,
) -> None:
    path = record(tmp_path / "a.isxb", dropped=(3, 4))
    whole, data = read_all(path), path.read_bytes()
    fields = isxb_header(data)
    path.write_bytes(data[: fields[8] + fields[9] // 2])

    info, part = inspect_movie(path), read_all(path)

    num_known = int(np.isfinite(part.time_s).sum())
    assert 5 < num_known < NUM_FRAMES
    known = np.flatnonzero(whole.status[:num_known] == FrameStatus.DECODED)
    np.testing.assert_array_equal(part.time_s[known], whole.time_s[known])
    np.testing.assert_allclose(part.time_s[:num_known], whole.time_s[:num_known], atol=1e-3)
    np.testing.assert_array_equal(
        part.hardware_counter_us[:num_known], whole.hardware_counter_us[:num_known]
    )
    np.testing.assert_array_equal(part.images, whole.images)
    np.testing.assert_array_equal(part.status, whole.status)
    assert np.isnan(part.time_s[num_known:]).all()
    assert np.isnan(part.hardware_counter_us[num_known:]).all()
    assert not info.times_are_known
    assert f"ends after {num_known - 2} frames" in str(info.damage)
    assert float(info.frame_period_s) == pytest.approx(1 / 20, rel=0.01)


@pytest.mark.parametrize("is_unfinished", [True, False])
def test_an_isxb_without_session_metadata_knows_all_else(
    tmp_path: Path, is_unfinished: bool
) -> None:
    path = record(tmp_path / "a.isxb", dropped=(3, 4))
    whole, data = read_all(path), path.read_bytes()
    fields = isxb_header(data)
    kept = bytearray(data[: fields[10] + (0 if is_unfinished else 100)])
    if is_unfinished:
        kept[88:96] = bytes(8)
    path.write_bytes(kept)

    info, part = inspect_movie(path), read_all(path)

    recorded = whole.status == 0
    for name in ("images", "status", "hardware_counter_us"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
    np.testing.assert_array_equal(part.time_s[recorded], whole.time_s[recorded])
    assert info.times_are_known
    assert info.damage == "was cut off: its session metadata is missing"


def test_an_isxb_without_one_picture_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb")
    path.write_bytes(bytes(96) + b"\xff\xd8\xff" + bytes(50))

    with pytest.raises(MovieError, match="holds no frame that can be decoded"):
        inspect_movie(path)


def test_a_series_with_a_start_that_is_unknown_keeps_the_order_in_which_it_was_given(
    tmp_path: Path,
) -> None:
    paths = [record(tmp_path / f"{name}.isxb") for name in "ab"]
    data = paths[1].read_bytes()
    paths[1].write_bytes(bytes(96) + data[96 : isxb_header(data)[8]])

    assert [movie.path for movie in inspect_movies(paths)] == paths


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.isxb"])
@pytest.mark.parametrize("problem", ["error", "shorter"])
def test_a_disk_that_fails_is_never_taken_for_the_end_of_the_movie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    path = tmp_path / name
    if name == "a.isxb":
        record(path)
        monkeypatch.setattr("readers.isxb.pictures._READ_AHEAD_BYTES", 1024)
    else:
        codec = ("libx264", "yuv420p") if name == "a.mp4" else ("mjpeg", "yuvj420p")
        encode(path, *codec, container={"movflags": "faststart"} if name == "a.mp4" else None)
    info = inspect_movie(path)
    middle = path.stat().st_size // 2
    read = os.pread

    def failing_read(file: int, size: int, offset: int) -> bytes:
        if offset + size > middle:
            if problem == "shorter":
                return b""
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(file, size, offset)

    monkeypatch.setattr("readers.ffmpeg.os.pread", failing_read)
    with (
        open_movie(info) as reader,
        pytest.raises(MovieError, match=r"Input/output error|become shorter"),
    ):
        reader.read(np.empty((100, *reader.image_shape), np.uint8))
