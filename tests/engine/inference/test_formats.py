"""A model format of one's own is one row of a table, and runs as the others do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine import Job, run
from engine.builtin import MODEL_DIR
from engine.cli.inspection import inspect
from engine.inference import ModelExport, PoseModel, read_export
from engine.inference.load import FORMATS, ModelFormat
from engine.inference.model import Loading
from engine.machine.workers import Child
from tests.engine.inference.trials import Steady
from tests.small_movies import small_movie

NAME = "middle"


def recognise(path: Path) -> bool:
    return (path / "middle.txt").exists()


def read(directory: Path) -> ModelExport:
    path = directory / "middle.txt"
    return ModelExport(
        format=NAME,
        directory=directory,
        graph_path=path,
        body_parts=tuple(path.read_text().split()),
        network="none",
        scorer="middle",
        task="middle",
        experimenter="me",
        date="Jan1",
        iterations=0,
        depends_on_batch=False,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def choose(runtime: str) -> str:
    return "numpy" if runtime == "auto" else runtime


def load(runtime: str) -> Callable[[ModelExport, Loading], PoseModel]:
    assert runtime == "numpy"
    return Steady


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a model of a format that is registered meanwhile."""
    row = ModelFormat(NAME, recognise, read, choose, load)
    monkeypatch.setattr("engine.inference.load.FORMATS", [row, *FORMATS])
    (tmp_path / "model").mkdir()
    (tmp_path / "model/middle.txt").write_text("nose tail")
    return tmp_path / "model"


def test_a_format_of_ones_own_runs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class Watched(Child):
        def __init__(self, *arguments: Any) -> None:
            tried.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr("engine.inference.trial.Child", Watched)
    movie = small_movie(tmp_path / "movie.avi")

    run(Job([movie], tmp_path / "output", model=model))

    poses = pd.read_hdf(tmp_path / "output/dlc_pose_estimates.0.h5")
    assert list(poses["middle"].columns.unique("bodyparts")) == ["nose", "tail"]
    assert poses["middle"]["nose"]["x"].nunique() == 1
    assert len(tried) == 1
    assert inspect(model)["body_parts"] == ["nose", "tail"]


@pytest.mark.usefixtures("model")
def test_other_formats_are_read_as_before() -> None:
    assert read_export(MODEL_DIR).format == "DeepLabCut"
