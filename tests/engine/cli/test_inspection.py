"""What `inspect` tells of movies and of exports."""

import json
from pathlib import Path

import pytest

from benchmarks.synthetic import BODY_PARTS
from engine import Job, run
from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.cli import inspection
from engine.cli.inspection import as_text, inspect
from readers import InputError
from tests.cases import CASES
from tests.engine.stopping import Loader
from tests.readers.damaged import encode
from tests.shared import AVI_MOVIE, ISXB_MOVIE, MODELS, needs_shared
from tests.small_movies import small_movie

TIMES = range(24)


def test_an_isxb_movie(tmp_path: Path) -> None:
    path = small_movie(
        tmp_path / "movie.isxb",
        num_frames=6,
        dropped=(2, 3),
        start_time_ms=1_674_815_662_938,
        first_counter_us=1_000_000,
    )

    description = inspect(path)

    last_us = description.pop("last_hardware_counter_us")
    assert isinstance(last_us, int)
    assert last_us == pytest.approx(1_500_000, abs=40)  # the recorder's clock jitters
    assert description == {
        "movie": str(path),
        "format": "isxb",
        "width_px": 128,
        "height_px": 96,
        "frame_rate": 10.0,
        "frame_period_s": 0.1,
        "num_frames": 6,
        "num_frames_is_estimated": False,
        "num_dropped": 2,
        "num_not_decodable": 0,
        "damage": None,
        "notes": [],
        "duration_s": 0.6,
        "start_time": "2023-01-27T10:34:22.938+00:00",
        "first_hardware_counter_us": 1_000_000,
    }


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_other_movies_have_neither_start_nor_counters(tmp_path: Path, suffix: str) -> None:
    path = small_movie(tmp_path / f"movie{suffix}")

    assert inspect(path) == {
        "movie": str(path),
        "format": suffix[1:],
        "width_px": 128,
        "height_px": 96,
        "frame_rate": 10.0,
        "frame_period_s": 0.1,
        "num_frames": 4,
        "num_frames_is_estimated": False,
        "num_dropped": 0 if suffix == ".avi" else None,
        "num_not_decodable": 0,
        "damage": None,
        "notes": [],
        "duration_s": 0.4,
    }


def test_a_movie_that_is_turned_is_told_with_its_upright_size() -> None:
    description = inspect(CASES / "rotated_phone.mp4")

    assert (description["width_px"], description["height_px"]) == (240, 320)
    assert description["orientation"] == "turned by 90° anticlockwise"


FOUND = {
    "cut_off.avi": (8, 0, 1, "was cut off"),
    "trimmed_edit_list.mp4": (7, None, 0, None),
    "size_changes.ts": (20, None, 10, "changes its size at frame 10"),
    "short.ts": (2, None, 0, None),
    "two_video_streams.mp4": (30, None, 0, None),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_a_run_would_find(tmp_path: Path, name: str) -> None:
    path = CASES / name
    num_frames, num_dropped, num_not_decodable, damage = FOUND[name]

    description = inspect(path)
    run(Job([path], tmp_path), load=Loader())

    told = json.loads((tmp_path / "output_metadata.json").read_text())["posestream"]["movies"][0]
    assert description["num_frames"] == told["num_frames"] == num_frames
    assert description["num_dropped"] == num_dropped
    assert description["num_not_decodable"] == told["num_not_decodable"] == num_not_decodable
    assert description["damage"] == told["damage"]
    assert (damage or "") in (told["damage"] or "")
    assert description["notes"] == told["notes"]


def test_frames_that_an_avi_dropped_are_counted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "mjpeg", "yuvj420p", times=[0, 1, 4, 5, 6, 8])

    assert inspect(path)["num_dropped"] == 3
    assert inspect(path)["num_frames"] == 9


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi", ".mp4"])
def test_of_a_long_movie_the_number_of_frames_is_about_what_the_file_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    codec = ("mjpeg", "yuvj420p") if suffix == ".avi" else ("libx264", "yuv420p")
    path = encode(tmp_path / f"a{suffix}", *codec, times=TIMES)
    monkeypatch.setattr(inspection, "_MOST_PIXELS", 128 * 96 * 5)

    description = inspect(path)

    assert description["num_frames"] == pytest.approx(len(TIMES), abs=1)
    assert description["num_frames_is_estimated"] is True
    assert description["num_dropped"] == (0 if suffix == ".avi" else None)
    text = as_text(description)
    assert f"num frames         about {description['num_frames']}" in text
    assert "num not decodable  not looked at: the movie is long" in text
    assert "damage             none" in text


def test_a_long_isxb_is_counted_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_movie(tmp_path / "a.isxb", num_frames=9, dropped=(2, 3))
    monkeypatch.setattr(inspection, "_MOST_PIXELS", 128 * 96 * 5)

    description = inspect(path)

    assert (description["num_frames"], description["num_dropped"]) == (9, 2)
    assert description["num_frames_is_estimated"] is False


def test_a_start_that_is_on_no_calendar(tmp_path: Path) -> None:
    path = small_movie(tmp_path / "movie.isxb", start_time_ms=2**62)
    assert inspect(path)["start_time"] is None


def test_an_export() -> None:
    description = inspect(MODEL_DIR)

    assert description["body_parts"] == list(BODY_PARTS)
    assert description["network"] == "mobilenet_v2_0.35"
    assert description["flavour"] == "poses"
    assert description["depends_on_batch"] is False
    assert description["stride_px"] == 8.0


@needs_shared
def test_real_files() -> None:
    assert inspect(ISXB_MOVIE)["num_frames"] == 20
    assert inspect(ISXB_MOVIE)["frame_rate"] == pytest.approx(19.98, abs=0.01)
    assert inspect(AVI_MOVIE)["frame_rate"] == 20.0
    assert inspect(MODELS / "openfield-mobilenet-scoremaps")["flavour"] == "score maps"
    assert inspect(MODELS / "openfield-mobilenet-batch-statistics")["depends_on_batch"] is True


@pytest.mark.parametrize("path", [DEMO_MOVIE, MODEL_DIR])
def test_descriptions_are_plain_json(path: Path) -> None:
    description = inspect(path)
    assert json.loads(json.dumps(description)) == description


def test_text_has_a_line_for_each_thing_and_aligned_values() -> None:
    description = {
        "width_px": 128,
        "body_parts": ["nose", "neck"],
        "num_frames": None,
        "depends_on_batch": False,
    }
    assert as_text(description).splitlines() == [
        "width px          128",
        "body parts        nose, neck",
        "num frames        not told by the file",
        "depends on batch  no",
    ]


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        inspect(tmp_path / "none")
    with pytest.raises(InputError, match=r"exactly one \.pb file, found none"):
        inspect(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        inspect(tmp_path / ("n" * 300))
