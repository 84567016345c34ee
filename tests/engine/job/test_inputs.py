"""Input files of the reference tool, and what is wrong with files that are none."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from engine import InputError, Job
from engine.job.inputs import read_inputs
from readers import CropRectangle
from tests.shared import INSCOPIX, needs_shared


def write(folder: Path, content: object) -> Path:
    path = folder / "inputs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@needs_shared
@pytest.mark.parametrize(
    ("name", "crop_rect"),
    [
        ("inscopix_bottom_up_model__run.json", None),
        ("inscopix_bottom_up_model__run.2.json", CropRectangle(325, 125, 1000, 1000)),
    ],
)
def test_the_reference_tools_own_files(name: str, crop_rect: CropRectangle | None) -> None:
    content = json.loads((INSCOPIX / name).read_text())

    made = Job(output_dir=Path("output"), **read_inputs(INSCOPIX / name))

    assert [str(movie) for movie in made.movies] == content["movie_files"]
    for key in set(content) - {"movie_files", "crop_rect"}:
        assert getattr(made, key) == content[key]
    assert made.crop_rect == crop_rect


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    path = write(
        folder,
        {
            "movie_files": ["a.isxb", "/data/b.isxb"],
            "model": "../model",
            "output_dir": "output",
            "skeleton": "project/config.yaml",
        },
    )
    assert read_inputs(path) == {
        "movies": [folder / "a.isxb", Path("/data/b.isxb")],
        "model": folder / "../model",
        "output_dir": folder / "output",
        "skeleton": str(folder / "project/config.yaml"),
    }


def test_what_is_no_path_stays_as_it_is(tmp_path: Path) -> None:
    content = {"skeleton": "nose-neck", "model": None, "p_cutoff": 0.2, "output_frame_rate": None}
    assert read_inputs(write(tmp_path, content)) == content


@pytest.mark.parametrize(
    ("given", "rectangle"),
    [
        (None, None),
        ([], None),
        ([{"left": 1, "top": 2, "width": 3, "height": 4}], CropRectangle(1, 2, 3, 4)),
        ({"left": 1, "top": 2, "width": 3, "height": 4}, CropRectangle(1, 2, 3, 4)),
        ([{"left": 0.6, "top": 1.4, "width": 3.0, "height": 4.2}], CropRectangle(1, 1, 3, 4)),
        ([{"left": 1, "top": 2, "width": 3, "height": 4, "angle": 0}], CropRectangle(1, 2, 3, 4)),
    ],
)
def test_a_rectangle_is_one_drawn_in_the_reference_tools_window(
    tmp_path: Path, given: object, rectangle: CropRectangle | None
) -> None:
    assert read_inputs(write(tmp_path, {"crop_rect": given})) == {"crop_rect": rectangle}


RECTANGLE = {"left": 1, "top": 2, "width": 3, "height": 4}


@pytest.mark.parametrize(
    "given",
    [
        "1,2,3,4",
        5,
        [5],
        [[]],
        [RECTANGLE, RECTANGLE],
        {"left": 1},
        [RECTANGLE | {"left": None}],
        [RECTANGLE | {"left": "1"}],
        [RECTANGLE | {"width": float("nan")}],
        [RECTANGLE | {"width": float("inf")}],
        [RECTANGLE | {"width": True}],
        [RECTANGLE | {"width": 10**400}],
        [RECTANGLE | {"left": 1e300}],
    ],
)
def test_what_is_no_rectangle(tmp_path: Path, given: object) -> None:
    path = write(tmp_path, {"crop_rect": given})
    rule = f"{path}: crop_rect must be one rectangle with left, top, width, height, got "
    with pytest.raises(InputError, match=re.escape(rule)):
        read_inputs(path)


@pytest.mark.parametrize("content", ["", "window_length: 5", "{", "[" * 100_000, "{'a': 1}"])
def test_what_is_not_json(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=re.escape(f"{path}: is not JSON")):
        read_inputs(path)


@pytest.mark.parametrize("content", [[], 5, None, '"text"'])
def test_json_that_is_no_object(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="must hold a JSON object of parameters"):
        read_inputs(write(tmp_path, content))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match=re.escape(f"{path}: cannot be read (")):
            read_inputs(path)


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_bytes('{"color_map": "été"}'.encode("latin-1"))
    with pytest.raises(InputError, match="is not JSON"):
        read_inputs(tmp_path / "inputs.json")


def test_a_byte_order_mark_as_windows_writes_it(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_bytes(b'\xef\xbb\xbf{"dot_size": 3}')
    assert read_inputs(tmp_path / "inputs.json") == {"dot_size": 3}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("dot_sise", "did you mean dot_size?"),
        ("movies", "did you mean movie_files?"),
        ("zoom", "known are batch_size, color_map,"),
    ],
)
def test_an_unknown_parameter(tmp_path: Path, key: str, hint: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"unknown parameter '{key}'; {hint}")):
        read_inputs(write(tmp_path, {key: 5}))


ANY: dict[str, Any] = {
    "null": None,
    "number": 7.25,
    "true": True,
    "text": "a text",
    "empty": "",
    "list": [7.25],
    "object": {"a": 1},
}
ALLOWED = {
    "model": ("null", "text"),
    "output_dir": ("text",),
    "crop_rect": ("null",),
    "displayed_body_parts": ("text", "empty"),  # names, which the model will not know
    "keypoints_only": ("true",),
    "output_frame_rate": ("null", "number"),
    "draw_skeleton": ("true",),
    "skeleton": ("null", "text", "empty"),
    "batch_size": ("null",),
    "overwrite": ("true",),
}


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize(
    "key",
    [
        *ALLOWED,
        *("movie_files", "experiment_annotations_format", "window_length", "p_cutoff"),
        *("dot_size", "color_map", "trail_points", "runtime", "coordinates"),
    ],
)
def test_a_value_of_the_wrong_type(tmp_path: Path, key: str, kind: str) -> None:
    content = {"movie_files": ["a.avi"], "output_dir": "output"} | {key: ANY[kind]}
    path = write(tmp_path, content)
    if kind in ALLOWED.get(key, ()):
        Job(**read_inputs(path))
        return
    with pytest.raises(InputError) as raised:
        Job(**read_inputs(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[" * 1_000_000, "is not JSON (too deep)"),
        ('{"a":' * 1_000_000, "is not JSON (too deep)"),
        ('{"dot_size": ' + "9" * 5000 + "}", "is not JSON (Exceeds the limit (4300 digits)"),
        ('{"dot_size": 1, "dot_size": 2}', "has 'dot_size' twice"),
        ('{"crop_rect": {"left": 1, "left": 2}}', "has 'left' twice"),
        ('{"' + "x" * 1_000_000 + '": 1}', "unknown parameter 'xxxx"),
        ('{"a\\nb": 1}', r"unknown parameter 'a\nb'"),
        ('{"movie_files": "' + "x" * 1_000_000 + '"}', "must be a list of at most 100000 paths"),
        ('{"movie_files": [' + "1," * 100_000 + "1]}", "must be a list of at most 100000 paths"),
        ('{"movie_files": ["\\ud800.avi"]}', r"must be a path, got '\ud800.avi'"),
        ('{"model": [' + '"x",' * 100_000 + "1]}", "model must be a path, got ['x', 'x'"),
        ('{"crop_rect": ' + "[" * 900 + "]" * 900 + "}", "crop_rect must be one rectangle"),
    ],
    ids=range(12),
)
def test_hostile_files_are_refused_with_one_short_line(
    tmp_path: Path, text: str, rule: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        read_inputs(path)
    assert rule in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="is not a regular file"):
            read_inputs(path)


def test_a_file_of_terabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "inputs.json").open("wb") as file:
        file.truncate(5 * 2**40)
    with pytest.raises(InputError, match="is larger than 16384 KiB"):
        read_inputs(tmp_path / "inputs.json")
