"""Names of files may hold any bytes: such movies, models and folders work as others do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from benchmarks.synthetic import write_avi
from engine.builtin import MODEL_DIR
from engine.cli import main
from engine.inference.deeplabcut import read
from engine.inference.tensorflow import TensorFlowModel
from engine.untrusted.quoting import path_as_text
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import pictures

NAME = os.fsdecode(b"caf\xe9")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes all bytes")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a folder of that name, with a movie, a model, inputs and a skeleton of that name."""
    folder = tmp_path / NAME
    folder.mkdir()
    write_avi(folder / f"{NAME}.avi", pictures(), 30)
    shutil.copytree(MODEL_DIR, folder / f"model {NAME}")
    (folder / f"{NAME}.yaml").write_text("skeleton:\n- [nose, neck]\n")
    (folder / f"{NAME}.json").write_text('{"p_cutoff": 0.1}')
    return folder


def path_of(text: str) -> str:
    """Turn back what `path_as_text` has written."""
    return os.fsdecode(unquote_to_bytes(text.removeprefix("file://")))


def plain_json(text: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(text)
    json.dumps(content, ensure_ascii=False).encode()  # no halves of characters
    return content


@pytest.mark.often(1)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_run(place: Path, kind: str) -> None:
    arguments = [
        *("run", f"{place}/{NAME}.avi", "--output-dir", f"{place}/out"),
        *("--model", f"{place}/model {NAME}", "--inputs", f"{place}/{NAME}.json"),
        *("--draw-skeleton", "--skeleton", f"{place}/{NAME}.yaml"),
        *("--experiment-annotations-format", kind),
    ]
    assert main(arguments) == 0

    names = {path.name for path in (place / "out").iterdir()}
    assert names == {name.replace(".parquet", f".{kind}") for name in OUTPUTS_OF_ONE_MOVIE}
    told = plain_json((place / "out/output_metadata.json").read_text())["posestream"]
    assert isinstance(told, dict)
    assert path_of(told["movies"][0]["path"]) == f"{place}/{NAME}.avi"
    assert path_of(told["model"]["path"]) == f"{place}/model {NAME}"
    assert path_of(told["parameters"]["skeleton"]) == f"{place}/{NAME}.yaml"
    assert main([*arguments, "--resume"]) == 0


def test_a_live_run(place: Path) -> None:
    arguments = ["live", f"{place}/{NAME}.avi", "--output-dir", f"{place}/{NAME}"]
    told = ["--status", f"{place}/status {NAME}", "--publish", f"unix:{place}/socket {NAME}"]
    assert main([*arguments, *told]) == 0

    assert {path.name for path in (place / NAME).iterdir()} == OUTPUTS_OF_ONE_MOVIE
    status = plain_json((place / f"status {NAME}").read_text())
    assert status["movie"] == r"caf\udce9.avi"


@pytest.mark.parametrize("name", [f"{NAME}.avi", f"model {NAME}"])
def test_an_inspection(place: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["inspect", f"{place}/{name}"]) == 0
    capsys.readouterr().out.encode()
    assert main(["inspect", f"{place}/{name}", "--json"]) == 0
    told = plain_json(capsys.readouterr().out)
    assert path_of(str(told.get("movie") or told.get("model"))) == f"{place}/{name}"


def test_paths_are_printed_as_they_are() -> None:
    """Whatever the terminal's settings: a program may read them."""
    program = (
        "import sys; from engine.cli.standard_streams import put_out, set_up_streams; "
        "set_up_streams(); put_out(sys.argv[1])"
    )
    for encoding, expected in (("utf-8", b"caf\xe9\n"), ("ascii", b"caf\\udce9\n")):
        done = subprocess.run(  # noqa: S603 -- this test's own program
            [sys.executable, "-c", program, NAME],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
            check=True,
        )
        assert done.stdout == expected


def test_tensorflow_runs_a_model_under_any_name(place: Path) -> None:
    model = TensorFlowModel(read(place / f"model {NAME}"))

    assert model.predict(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 8, 3)


@pytest.mark.parametrize("name", ["mouse", "mäuse", "鼠", "a%20b", "file:x"])
def test_a_path_that_is_text_stays_as_it_is(name: str) -> None:
    assert path_as_text(Path(name)) == name
