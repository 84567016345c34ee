"""Inscopix nVision movies are read as Inscopix's own package reads them."""

import json
from pathlib import Path

import isx
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import MouseMovie, write_isxb
from readers import CropRectangle, FrameBatch, FrameStatus, MovieError, inspect_movie, open_movie
from tests.shared import INSCOPIX

SHARED_MOVIE = INSCOPIX / "2023-01-27-10-34-22-camera-1_trimmed_1s.isxb"
HEADER_FIELDS = 12


def record(path: Path, num_frames: int = 12, seed: int = 1, **options: object) -> Path:
    movie = MouseMovie(seed=seed, width=128, height=96, num_frames=num_frames)
    write_isxb(path, (image for image, _ in movie.frames()), 20, **options)  # type: ignore[arg-type]  # options differ in type
    return path


def read_whole(path: Path) -> FrameBatch:
    info = inspect_movie(path)
    with open_movie(info) as reader:
        batch = reader.read(np.empty((1000, *reader.image_shape), np.uint8))
    assert batch is not None
    return batch


def assert_same_picture(image: NDArray[np.uint8], grey: NDArray[np.uint8]) -> None:
    """Equal but for a rounding in the inverse DCT, which isx's older FFmpeg does otherwise."""
    difference = np.abs(image.astype(int) - grey[..., np.newaxis])
    assert difference.max() <= 1
    assert np.count_nonzero(difference) < 1e-3 * difference.size


def assert_equals_isx(path: Path) -> None:
    oracle = isx.Movie.read(str(path))
    info = inspect_movie(path)
    batch = read_whole(path)

    assert (info.height, info.width) == oracle.spacing.num_pixels
    assert float(info.frame_period_s) == pytest.approx(oracle.timing.period.secs_float, rel=1e-9)
    assert len(batch) == oracle.timing.num_samples
    dropped = np.flatnonzero(batch.status == FrameStatus.DROPPED)
    assert dropped.tolist() == list(oracle.timing.dropped)
    for index in range(len(batch)):
        if index in dropped:
            assert np.isnan(batch.hardware_counter_us[index])
            assert not batch.images[index].any()
            continue
        assert batch.hardware_counter_us[index] == oracle.get_frame_timestamp(index)
        assert_same_picture(batch.images[index], oracle.get_frame_data(index))


@pytest.mark.parametrize("timing_in_session", [True, False])
@pytest.mark.parametrize("dropped", [(), (4,), (3, 4, 8)])
def test_pixels_counters_and_timing_equal_isx(
    tmp_path: Path, dropped: tuple[int, ...], timing_in_session: bool
) -> None:
    path = record(tmp_path / "a.isxb", dropped=dropped, timing_in_session=timing_in_session)

    assert_equals_isx(path)


@pytest.mark.skipif(not SHARED_MOVIE.exists(), reason="needs the shared recordings")
def test_a_real_recording_equals_isx() -> None:
    assert_equals_isx(SHARED_MOVIE)


def test_a_colour_recording_is_read_as_its_luma_as_isx_does(tmp_path: Path) -> None:
    movie = MouseMovie(seed=1, width=128, height=96, num_frames=3, look="white light")
    path = tmp_path / "a.isxb"
    write_isxb(path, (image for image, _ in movie.frames()), 20, grey=False)

    assert_equals_isx(path)


def test_time_runs_on_the_hardware_counter_and_over_dropped_frames_by_the_period(
    tmp_path: Path,
) -> None:
    path = record(tmp_path / "a.isxb", dropped=(3, 4))

    batch = read_whole(path)

    counters = batch.hardware_counter_us
    recorded = ~np.isnan(counters)
    np.testing.assert_array_equal(batch.time_s[recorded], (counters[recorded] - counters[0]) / 1e6)
    period_s = float(inspect_movie(path).frame_period_s)
    np.testing.assert_allclose(batch.time_s[3:5] - batch.time_s[2], [period_s, 2 * period_s])


def test_frames_dropped_at_both_ends_keep_their_rows(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb", dropped=(0, 1, 11))

    batch = read_whole(path)

    period_s = float(inspect_movie(path).frame_period_s)
    assert len(batch) == 12
    np.testing.assert_allclose(batch.time_s[:3], [-2 * period_s, -period_s, 0])
    assert batch.status[[0, 1, 11]].tolist() == [FrameStatus.DROPPED] * 3
    assert batch.status[10] == FrameStatus.DECODED


def test_newer_files_with_tracker_boxes_are_read(tmp_path: Path) -> None:
    boxes = [(1.0, 2.0, 3.0, 4.0, 0.9)] * 12
    path = record(tmp_path / "a.isxb", tracker_boxes=boxes)

    assert_equals_isx(path)


def test_the_trackers_boxes_come_with_their_frames(tmp_path: Path) -> None:
    boxes = [(index + 0.5, 2.0, 30.0, 4.0 + index, 0.9) for index in range(12)]
    path = record(tmp_path / "a.isxb", tracker_boxes=boxes, dropped=(3,))

    batch = read_whole(path)

    assert batch.tracker_boxes is not None
    assert np.isnan(batch.tracker_boxes[3]).all()
    others = np.delete(np.arange(12), 3)
    np.testing.assert_array_equal(batch.tracker_boxes[others], np.array(boxes)[others, :4])


def test_a_crop_moves_the_trackers_boxes(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb", tracker_boxes=[(40.0, 30.0, 60.0, 50.0, 0.9)] * 12)

    with open_movie(inspect_movie(path), CropRectangle(8, 16, 64, 48)) as reader:
        batch = reader.read(np.empty((5, *reader.image_shape), np.uint8))

    assert batch is not None
    assert batch.tracker_boxes is not None
    assert batch.tracker_boxes.tolist() == [[32, 14, 52, 34]] * 5


def test_a_movie_without_a_tracker_has_no_boxes(tmp_path: Path) -> None:
    assert read_whole(record(tmp_path / "a.isxb")).tracker_boxes is None


@pytest.mark.parametrize(
    "tracker",
    [
        "7",
        "null",
        "{}",
        '{"box":7}',
        '{"box":[1,2,3]}',
        '{"box":[1,2,3,"x"]}',
        '{"box":[1,2,3,null]}',
    ],
)
def test_what_is_no_box_is_none(tmp_path: Path, tracker: str) -> None:
    path = record(tmp_path / "a.isxb", tracker_boxes=[(1.5, 2.5, 3.5, 4.5, 0.25)] * 12)
    written = b'{"box":[1.5,2.5,3.5,4.5],"conf":0.25}'
    data = path.read_bytes()
    assert written in data
    path.write_bytes(data.replace(written, tracker.encode().ljust(len(written)), 1))

    batch = read_whole(path)

    assert batch.tracker_boxes is not None
    assert np.isnan(batch.tracker_boxes[0]).all()
    assert batch.tracker_boxes[1:].tolist() == [[1.5, 2.5, 3.5, 4.5]] * 11


def test_what_a_recording_says_about_itself(tmp_path: Path) -> None:
    path = record(
        tmp_path / "a.isxb", dropped=(5,), start_time_ms=1_234_567, first_counter_us=1_000
    )

    info = inspect_movie(path)

    assert (info.width, info.height, info.format) == (128, 96, "isxb")
    assert (info.num_frames_from_header, info.num_dropped_from_header) == (12, 1)
    assert info.start_time_ms == 1_234_567
    assert info.hardware_counters_us is not None
    assert info.hardware_counters_us[0] == 1_000


def test_a_broken_picture_keeps_its_row_and_counter(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb")
    data = bytearray(path.read_bytes())
    start = [index for index in range(len(data)) if data.startswith(b"\xff\xd8\xff", index)][4]
    tables = data.index(b"\xff\xc0", start)
    data[tables + 4] = 77  # a JPEG of 77 bits a sample
    path.write_bytes(data)

    batch = read_whole(path)

    np.testing.assert_array_equal(np.flatnonzero(batch.status), [4])
    assert batch.status[4] == FrameStatus.UNDECODABLE
    assert batch.hardware_counter_us[4] > batch.hardware_counter_us[3]


@pytest.mark.parametrize("damage", ["missing", "extra"])
def test_pictures_that_are_not_as_many_as_their_metadata_says_are_refused(
    tmp_path: Path, damage: str
) -> None:
    path = record(tmp_path / "a.isxb")
    data, header = path.read_bytes(), header_of(path)
    video_end = int(header[8])
    starts = [i for i in range(96, video_end) if data.startswith(b"\xff\xd8\xff", i)]
    fifth = slice(starts[5], starts[6])
    picture = data[fifth]
    replaced = {"missing": b"", "extra": 2 * picture}[damage]
    path.write_bytes(data[: fifth.start] + replaced + data[fifth.stop :])
    header[[7, 8, 10]] += len(replaced) - len(picture)
    with_header(path, header)

    with pytest.raises(MovieError, match=r"counts 12 frames, its pictures 1[13]"):
        inspect_movie(path)


def header_of(path: Path) -> NDArray[np.int64]:
    return np.frombuffer(path.read_bytes()[: 8 * HEADER_FIELDS], "<i8").copy()


def with_header(path: Path, header: NDArray[np.int64]) -> Path:
    path.write_bytes(header.tobytes() + path.read_bytes()[8 * HEADER_FIELDS :])
    return path


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (1, 95, "no .isxb file"),
        (4, 13, "counts 13 frames, its metadata 12"),
        (4, -1, "negative"),
        (5, 2, "counts 2 dropped frames, its metadata 0"),
        (6, 2**40, "the file ends at byte"),
        (9, 2**50, "the file ends at byte"),
        (4, 0, "counts no frames"),
        (7, 10**15, "the file ends at byte"),
        (6, -1, "the file ends at byte"),
        (10, 96, "overlap"),
        (8, 2**63 - 1, "the file ends at byte"),
    ],
)
def test_a_header_that_contradicts_the_file_is_refused(
    tmp_path: Path, field: int, value: int, message: str
) -> None:
    path = record(tmp_path / "a.isxb")
    header = header_of(path)
    header[field] = value

    with pytest.raises(MovieError, match=message):
        inspect_movie(with_header(path, header))


def test_metadata_of_another_size_than_the_pictures_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb")
    data = path.read_bytes()
    assert data.count(b'"x":128') == 1
    path.write_bytes(data.replace(b'"x":128', b'"x":136'))

    with pytest.raises(MovieError, match="136 x 96 pixels, its first picture has 128 x 96"):
        inspect_movie(path)


def test_frame_metadata_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb")
    header = header_of(path)
    data = bytearray(path.read_bytes())
    data[header[8] + 20] = ord("}")
    path.write_bytes(data)

    with pytest.raises(MovieError, match="frame metadata cannot be read"):
        inspect_movie(path)


def test_session_metadata_without_a_size_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.isxb")
    header = header_of(path)
    session = json.dumps({"cameraName": "camera-1"}).encode()
    path.write_bytes(path.read_bytes()[: header[10]] + session)
    header[11] = len(session)

    with pytest.raises(MovieError, match="session metadata cannot be read"):
        inspect_movie(with_header(path, header))
