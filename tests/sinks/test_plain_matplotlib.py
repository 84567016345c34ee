"""Pictures are the same, whatever settings of matplotlib lie about, and nobody's are changed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from sinks.plain_matplotlib import body_part_colors, own_settings
from tests.sinks.drawing import draw

SETTINGS: dict[Any, Any] = {
    "text.usetex": True,
    "savefig.dpi": 10,
    "savefig.bbox": "standard",
    "lines.linewidth": 30,
    "font.family": "fantasy",
    "figure.facecolor": "red",
    "svg.fonttype": "none",
    "image.lut": 3,
}
HOSTILE = "\n".join(f"{name}: {value}" for name, value in SETTINGS.items()).encode()
DRAW = "import sys; from tests.sinks.drawing import draw; draw(sys.argv[1])"
ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("usual")
    draw(folder)
    return contents(folder)


@pytest.mark.often(1)
@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("directory", b"\nnosuchkey: 1\nno colon\n"),
        ("directory", b"\xff\xfe"),
        ("home", b""),
        ("variable", b"\xff\xfe"),
    ],
)
def test_files_of_settings_are_passed_over_in_silence(
    tmp_path: Path, usual: dict[str, bytes], place: str, more: bytes
) -> None:
    folders = {name: tmp_path / name for name in ("directory", "home", "variable", "out")}
    for folder in folders.values():
        folder.mkdir()
    styles = folders["home"] / "stylelib"
    styles.mkdir()
    (styles / "mine.mplstyle").write_bytes(b"\xff")
    (folders[place] / "matplotlibrc").write_bytes(HOSTILE + more)

    process = subprocess.run(  # noqa: S603 -- Python itself
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", DRAW, "../out"],
        cwd=folders["directory"],  # which "../out" is relative to, also after the import
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MPLCONFIGDIR": str(folders["home"]),
            "MATPLOTLIBRC": str(folders["variable"]),
            "MPLBACKEND": "no backend",
        },
        capture_output=True,
        check=False,
    )

    assert (process.returncode, process.stderr) == (0, b"")
    assert contents(folders["out"]) == usual


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe in the file system")
def test_a_pipe_in_the_place_of_settings_keeps_no_program_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "matplotlibrc")

    subprocess.run(
        [sys.executable, "-c", "import sinks.plain_matplotlib"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )


def test_a_programs_own_settings_stay_and_do_not_count(
    tmp_path: Path, usual: dict[str, bytes]
) -> None:
    (tmp_path / "out").mkdir()
    with matplotlib.rc_context(SETTINGS):
        before = dict(matplotlib.rcParams)

        draw(tmp_path / "out")

        assert dict(matplotlib.rcParams) == before
    assert contents(tmp_path / "out") == usual


def test_color_maps_have_matplotlibs_steps_whatever_a_program_has_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = body_part_colors("jet", 200)
    coarse = {"jet": matplotlib.colormaps["jet"].resampled(3)}
    monkeypatch.setattr(matplotlib, "colormaps", coarse)

    np.testing.assert_array_equal(body_part_colors("jet", 200), expected)


def test_texts_are_drawn_as_they_stand() -> None:
    with own_settings():
        assert not matplotlib.rcParams["text.parse_math"]
        assert matplotlib.rcParams["font.sans-serif"] == ["DejaVu Sans"]
    assert matplotlib.rcParams["text.parse_math"]


def test_a_program_that_imports_the_public_names_keeps_its_settings(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7\n")
    program = "from engine import Job; import matplotlib as m; print(m.rcParams['lines.linewidth'])"

    told = subprocess.check_output(  # noqa: S603 -- Python itself
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )

    assert told.strip() == "7.0"
