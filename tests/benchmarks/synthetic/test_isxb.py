"""The oracle is isx, Inscopix's own reader."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import MouseMovie, write_isxb

isx = pytest.importorskip("isx")

NUM_FRAMES = 12
START_MS = 1_674_815_662_938


@pytest.fixture
def movie() -> MouseMovie:
    # isx takes its own padding for picture where the width is no multiple of 64.
    return MouseMovie(1, 320, 240, 20, num_frames=NUM_FRAMES, look="infrared")


def json_parts(path: Path) -> tuple[tuple[int, ...], dict[str, Any], dict[str, Any]]:
    content = path.read_bytes()
    header = struct.unpack("<12q", content[:96])
    frames_at, frames_size, session_at, session_size = header[8:]
    frames = json.loads(content[frames_at : frames_at + frames_size])
    session = json.loads(content[session_at : session_at + session_size])
    assert session_at + session_size == len(content)
    return header, frames, session


def decoded(path: Path, num_pictures: int) -> Iterator[NDArray[np.uint8]]:
    options = {"skip_initial_bytes": "96"}
    with av.open(str(path), format="mjpeg", options=options) as container:
        for _, frame in zip(range(num_pictures), container.decode(video=0), strict=False):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8)


@pytest.mark.parametrize("first_frame_count", [0, 250])
@pytest.mark.parametrize("dropped", [(), (4, 5, 9), (0, 11)])
def test_isx_reads_the_same_timing_counters_and_dropped_frames(
    dropped: tuple[int, ...], first_frame_count: int, movie: MouseMovie, tmp_path: Path
) -> None:
    path = tmp_path / "movie.isxb"
    count = write_isxb(
        path,
        movie.images(),
        20,
        dropped=dropped,
        first_frame_count=first_frame_count,
        start_time_ms=START_MS,
    )
    _, frames, _ = json_parts(path)
    counter = {s["fc"] - first_frame_count: s["tsc"] for s in frames["samples"]}
    reference = isx.Movie.read(str(path))
    assert count == reference.timing.num_samples == NUM_FRAMES
    assert list(reference.timing.dropped) == list(dropped)
    assert reference.timing.period.secs_float == pytest.approx(0.05)
    assert reference.timing.start.to_datetime().timestamp() == pytest.approx(START_MS / 1000)
    assert reference.spacing.num_pixels == (240, 320)
    for index in range(NUM_FRAMES):
        assert reference.get_frame_timestamp(index) == counter.get(index, 0)
    assert sorted(counter) == [i for i in range(NUM_FRAMES) if i not in dropped]


def test_isx_sees_the_same_pictures(movie: MouseMovie, tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    write_isxb(path, movie.images(), 20, dropped=(4, 5), quality=2)
    reference = isx.Movie.read(str(path))
    recorded = [i for i in range(NUM_FRAMES) if i not in (4, 5)]
    pictures = list(decoded(path, NUM_FRAMES))
    assert len(pictures) == len(recorded)
    for index, picture in zip(recorded, pictures, strict=True):
        # isx carries an older JPEG decoder, which rounds a pixel in ten thousand otherwise.
        theirs = reference.get_frame_data(index).astype(int)
        assert np.abs(theirs - picture[..., 0]).max() <= 1
        assert np.abs(theirs - movie.image(index)[..., 0]).mean() < 2
        assert np.all(picture == picture[..., :1])


def test_older_files_tell_period_and_size_otherwise(movie: MouseMovie, tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    write_isxb(path, movie.images(), 20, dropped=(4, 5), timing_in_session=False)
    _, frames, session = json_parts(path)
    assert not {"timingInfo", "spacingInfo"} & set(session)
    first, last = frames["samples"][0], frames["samples"][-1]
    period_s = (last["tsc"] - first["tsc"]) / (last["fc"] - first["fc"]) / 1e6
    reference = isx.Movie.read(str(path))
    assert reference.timing.period.secs_float == pytest.approx(period_s, rel=1e-9)
    assert reference.timing.num_samples == NUM_FRAMES
    assert list(reference.timing.dropped) == [4, 5]
    assert reference.spacing.num_pixels == (240, 320)


def test_header_counts_and_places_every_part(movie: MouseMovie, tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    write_isxb(path, movie.images(), 20, dropped=(3,), start_time_ms=7, utc_offset_min=-480)
    header, frames, session = json_parts(path)
    assert header[:8] == (100, 96, 7, -480, 11, 1, 96, header[8] - 96)
    assert path.read_bytes()[header[8] - 2 : header[8]] == b"\xff\xd9"  # the last JPEG's end
    assert frames["droppedFrames"] == [3]
    assert list(frames) == ["droppedFrames", "samples"]
    assert session["timingInfo"]["numTimes"] == 12
    assert session["timingInfo"]["start"]["utcOffset"] == -480 * 60


def test_counters_jitter_a_little_and_always_alike(movie: MouseMovie, tmp_path: Path) -> None:
    counters = []
    for name in ("a.isxb", "b.isxb"):
        write_isxb(tmp_path / name, movie.images(), 20)
        samples = json_parts(tmp_path / name)[1]["samples"]
        counters.append([sample["tsc"] for sample in samples])
    assert (tmp_path / "a.isxb").read_bytes() == (tmp_path / "b.isxb").read_bytes()
    late_us = np.diff(counters[0]) - 50_000
    assert np.abs(late_us).max() <= 80
    assert len(set(late_us)) > NUM_FRAMES / 2


def test_tracker_boxes_stand_beside_the_counters(movie: MouseMovie, tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    boxes = [(i, 2.5, 30.0, 40.0, 98.5) for i in range(NUM_FRAMES)]
    write_isxb(path, movie.images(), 20, dropped=(1,), tracker_boxes=boxes)
    samples = json_parts(path)[1]["samples"]
    assert samples[1]["tracker"] == {"box": [2.0, 2.5, 30.0, 40.0], "conf": 98.5}
    assert isx.Movie.read(str(path)).timing.num_samples == NUM_FRAMES


def test_colour_stays_colour(tmp_path: Path) -> None:
    movie = MouseMovie(2, 160, 120, 20, num_frames=2, look="white light")
    path = tmp_path / "movie.isxb"
    write_isxb(path, movie.images(), 20, grey=False)
    for index, picture in enumerate(decoded(path, 2)):
        assert np.abs(picture.astype(int) - movie.image(index)).mean() < 5


def test_a_recording_without_pictures_is_refused(movie: MouseMovie, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        write_isxb(tmp_path / "movie.isxb", movie.images(), 20, dropped=range(NUM_FRAMES))
