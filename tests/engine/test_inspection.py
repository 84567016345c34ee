"""What `inspect` tells of movies and of exports."""

import json
from pathlib import Path

import pytest

from engine.builtin import DEMO_MOVIE, MODEL_DIR
from engine.inspection import as_text, inspect
from engine.synthetic import BODY_PARTS
from readers import InputError
from tests.shared import AVI_MOVIE, ISXB_MOVIE, MODELS, needs_shared
from tests.small_movies import small_movie


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
        "num_dropped": 2,
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
        "num_dropped": 0,
        "duration_s": 0.4,
    }


def test_a_movie_that_is_turned_is_told_with_its_upright_size() -> None:
    description = inspect(Path(__file__).parents[1] / "cases/rotated_phone.mp4")

    assert (description["width_px"], description["height_px"]) == (240, 320)
    assert description["orientation"] == "turned by 90° anticlockwise"


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
