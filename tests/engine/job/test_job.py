"""A job checks what it is given, in Python as on the command line."""

import json
import re
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import CropRectangle, InputError, Job

MOVIE = Path("movie.mp4")
DEFAULTS = Job([MOVIE], Path("output"))


def job(**parameters: Any) -> Job:
    """Make a job, also of what its types forbid."""
    return Job(**{"movies": [MOVIE], "output_dir": Path("output"), **parameters})


def test_defaults_are_the_reference_tools() -> None:
    assert asdict(DEFAULTS) == {
        "movies": (MOVIE.absolute(),),
        "output_dir": Path("output").absolute(),
        "model": None,
        "experiment_annotations_format": "parquet",
        "crop_rect": None,
        "window_length": 5,
        "displayed_body_parts": "all",
        "p_cutoff": 0.6,
        "dot_size": 5,
        "color_map": "rainbow",
        "keypoints_only": False,
        "output_frame_rate": None,
        "draw_skeleton": False,
        "trail_points": 0,
        "skeleton": None,
        "batch_size": None,
        "runtime": "auto",
        "overwrite": False,
        "resume": False,
        "durable_every_s": 30.0,
        "durable_every_frames": 2000,
        "coordinates": "crop",
        "follow": "off",
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"window_length": 0},
        {"window_length": 1},
        {"window_length": 99_999},
        {"p_cutoff": 0},
        {"p_cutoff": 1},
        {"dot_size": 0},
        {"trail_points": 1},
        {"batch_size": 1},
        {"batch_size": None},
        {"batch_size": "auto"},
        {"output_frame_rate": 29.97},
        {"output_frame_rate": 1 / 600},
        {"output_frame_rate": 1_000_000},
        {"color_map": "viridis_r"},
        {"displayed_body_parts": ["nose", "neck"]},
        {"displayed_body_parts": []},
        {"crop_rect": CropRectangle(0, 0, 1, 1)},
        {"experiment_annotations_format": "csv"},
        {"runtime": "tensorflow"},
        {"coordinates": "movie"},
    ],
)
def test_values_at_the_edge_of_what_is_allowed(parameters: dict[str, Any]) -> None:
    made = job(**parameters)
    for name, value in parameters.items():
        assert getattr(made, name) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("parameter", "value", "rule"),
    [
        ("movies", "movie.mp4", "movies 'movie.mp4': must be a list of paths"),
        ("movies", MOVIE, "movies 'movie.mp4': must be a list of paths"),
        ("movies", None, "movies 'None': must be a list of paths"),
        ("movies", [5], "movie 5: must be a path"),
        ("movies", [""], "movie '': must be a path"),
        ("output_dir", None, "output directory None: must be a path"),
        ("output_dir", "", "output directory '': must be a path"),
        ("output_dir", "a\0b", "must be a path"),
        ("model", 5, "model 5: must be a path"),
        ("model", "", "model '': must be a path"),
        ("window_length", 2, "window length 2: must be odd"),
        ("window_length", -1, "window length -1: must be a whole number from 0 to 1000000"),
        ("window_length", 5.0, "window length 5.0: must be a whole number"),
        ("window_length", True, "window length True: must be a whole number"),
        ("window_length", 10**9 + 1, "window length 1000000001: must be a whole number"),
        ("p_cutoff", -0.001, "p-cutoff -0.001: must be a number from 0 to 1"),
        ("p_cutoff", 1.001, "p-cutoff 1.001: must be a number from 0 to 1"),
        ("p_cutoff", float("nan"), "p-cutoff nan: must be a number from 0 to 1"),
        ("p_cutoff", "0.6", "p-cutoff '0.6': must be a number from 0 to 1"),
        ("p_cutoff", True, "p-cutoff True: must be a number from 0 to 1"),
        ("p_cutoff", None, "p-cutoff None: must be a number from 0 to 1"),
        ("dot_size", -1, "dot size -1: must be a whole number"),
        ("dot_size", 2.5, "dot size 2.5: must be a whole number"),
        ("trail_points", -1, "trail points -1: must be a whole number"),
        ("trail_points", 10**20, "trail points 100000000000000000000: must be a whole number"),
        ("batch_size", 0, "batch size 0: must be a whole number from 1 to 1000000, or auto"),
        ("batch_size", "Auto", "batch size 'Auto': must be a whole number"),
        ("batch_size", "8", "batch size '8': must be a whole number from 1 to 1000000, or auto"),
        ("batch_size", 8.0, "batch size 8.0: must be a whole number from 1 to 1000000, or auto"),
        ("batch_size", True, "batch size True: must be a whole number"),
        ("output_frame_rate", 0, "output frame rate 0: must be a number of frames per second"),
        ("output_frame_rate", -25, "from 1/600 to 1000000"),
        ("output_frame_rate", float("nan"), "output frame rate nan: must be"),
        ("output_frame_rate", float("inf"), "output frame rate inf: must be"),
        ("output_frame_rate", 1e9, "output frame rate 1000000000.0: must be"),
        ("output_frame_rate", True, "output frame rate True: must be"),
        ("output_frame_rate", "25", "output frame rate '25': must be"),
        ("color_map", "virdis", "color map 'virdis': must be a name of matplotlib's color maps"),
        ("color_map", "virdis", "did you mean viridis"),
        ("color_map", None, "color map None: must be a name of matplotlib's color maps"),
        ("color_map", ["jet"], "color map ['jet']: must be a name of matplotlib's color maps"),
        ("keypoints_only", 1, "keypoints only 1: must be true or false"),
        ("draw_skeleton", "yes", "draw skeleton 'yes': must be true or false"),
        ("overwrite", None, "overwrite None: must be true or false"),
        ("crop_rect", (0, 0, 5, 5), "crop rect (0, 0, 5, 5): must be a CropRectangle"),
        ("displayed_body_parts", 5, "displayed body parts 5: must be all, or a list of names"),
        ("displayed_body_parts", None, "displayed body parts None: must be all, or a list"),
        ("displayed_body_parts", [1], "displayed body parts [1]: must be all, or a list"),
        ("displayed_body_parts", {"a": 1}, "displayed body parts {'a': 1}: must be all, or a list"),
        ("skeleton", 5, "skeleton 5: must be A-B,B-C, or a path of a config.yaml"),
        ("skeleton", [("a", "b")], "skeleton [('a', 'b')]: must be A-B,B-C, or a path"),
        ("runtime", "gpu", "runtime 'gpu': allowed are auto, tensorflow, openvino"),
        ("runtime", ["auto"], "runtime ['auto']: allowed are auto, tensorflow, openvino"),
        ("coordinates", "image", "coordinates 'image': allowed are crop, movie"),
        ("experiment_annotations_format", "json", "'json': allowed are parquet, csv"),
    ],
)
def test_a_value_that_breaks_its_rule(parameter: str, value: object, rule: str) -> None:
    with pytest.raises(InputError, match=re.escape(rule)) as raised:
        job(**{parameter: value})
    assert "\n" not in str(raised.value)
    assert str(raised.value).count("must be") <= 1


@given(st.integers(-10, 2_000))
def test_a_window_is_odd_or_none(window_length: int) -> None:
    if window_length == 0 or (window_length > 0 and window_length % 2 == 1):
        assert job(window_length=window_length).window_length == window_length
    else:
        with pytest.raises(InputError):
            job(window_length=window_length)


@given(st.floats())
def test_a_cutoff_is_a_probability(p_cutoff: float) -> None:
    if 0 <= p_cutoff <= 1:
        assert job(p_cutoff=p_cutoff).p_cutoff == p_cutoff
    else:
        with pytest.raises(InputError):
            job(p_cutoff=p_cutoff)


def test_values_become_plain_ones_that_fit_into_json() -> None:
    made = job(
        window_length=np.int64(7),
        dot_size=np.uint8(3),
        trail_points=np.int32(2),
        batch_size=np.int16(4),
        p_cutoff=np.float32(0.5),
        output_frame_rate=Fraction(30_000, 1001),
        displayed_body_parts=[np.str_("nose")],
        skeleton=Path("config.yaml"),
        crop_rect=CropRectangle(*np.arange(1, 5)),
    )
    parameters = asdict(replace(made, movies=[MOVIE]))
    for name in ("movies", "output_dir"):
        del parameters[name]

    assert json.loads(json.dumps(parameters)) == {
        **{k: v for k, v in asdict(DEFAULTS).items() if k not in ("movies", "output_dir")},
        "window_length": 7,
        "dot_size": 3,
        "trail_points": 2,
        "batch_size": 4,
        "p_cutoff": 0.5,
        "output_frame_rate": pytest.approx(29.97003),
        "displayed_body_parts": ["nose"],
        "skeleton": "config.yaml",
        "crop_rect": {"left": 1, "top": 2, "width": 3, "height": 4},
    }


def test_paths_may_be_texts_and_movies_any_iterable_and_become_absolute() -> None:
    made = Job((name for name in ["a.avi", "b.avi"]), "output", "model")  # type: ignore[arg-type]  # texts and a generator

    here = Path.cwd()
    assert made.movies == (here / "a.avi", here / "b.avi")
    assert (made.output_dir, made.model) == (here / "output", here / "model")


@pytest.mark.parametrize(
    ("sides", "rule"),
    [
        ((-1, 0, 5, 5), "crop rectangle -1,0,5,5: left and top must be 0 or more"),
        ((0, 0, 0, 5), "width and height 1 or more"),
        ((0, 0, 5.5, 5), "crop rectangle 0,0,5.5,5: width must be a whole number of pixels"),
        ((0, float("nan"), 5, 5), "top must be a whole number of pixels"),
        ((0, 0, 5, "5"), "height must be a whole number of pixels"),
        ((True, 0, 5, 5), "left must be a whole number of pixels"),
    ],
)
def test_a_crop_rectangle_has_whole_sides_and_an_area(sides: tuple[Any, ...], rule: str) -> None:
    with pytest.raises(InputError, match=re.escape(rule)):
        CropRectangle(*sides)
