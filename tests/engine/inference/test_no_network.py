"""Nothing speaks to a network: neither a run nor a library that it imports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.builtin import MODEL_DIR
from tests.small_movies import small_movie

RUNTIMES = ("openvino", "tensorflow")
COMMAND = [sys.executable, "-c", "import sys, engine.cli; sys.exit(engine.cli.main())", "run"]
STRACE = ["strace", "-f", "-qq", "-e", "trace=%network"]
LOAD = """
import sys
events = []
sys.addaudithook(lambda event, arguments: events.append(event))
from engine.inference import load_model, read_export
from pathlib import Path
load_model(read_export(Path(sys.argv[1])), "openvino")
starts = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "_winapi.CreateProcess")
print([event for event in events if event.startswith(starts)], sys.modules["openvino_telemetry"])
"""


def environment(home: Path) -> dict[str, str]:
    """Give the environment of a user, in whose home nothing is; CI would keep libraries quiet."""
    home.mkdir()
    quiet = ("CI", "TF_BUILD", "JENKINS_URL")
    kept = {name: value for name, value in os.environ.items() if name not in quiet}
    return kept | {"HOME": str(home), "LOCALAPPDATA": str(home)}


def can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*STRACE, "true"], capture_output=True, check=False).returncode == 0  # noqa: S603 -- this file's own command


@pytest.mark.often(1)
@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may trace nothing here")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_run_opens_no_socket(runtime: str, tmp_path: Path) -> None:
    movie, trace = small_movie(tmp_path / "movie.avi"), tmp_path / "trace"
    options = ["--output-dir", str(tmp_path / "output"), "--runtime", runtime]

    subprocess.run(  # noqa: S603 -- this project's own command
        [*STRACE, "-o", str(trace), *COMMAND, str(movie), *options],
        env=environment(tmp_path / "home"),
        capture_output=True,
        check=True,
    )

    assert (tmp_path / "output" / "output_metadata.json").exists()
    calls = [line for line in trace.read_text().splitlines() if "(" in line]
    assert calls == []
    assert not (tmp_path / "home" / "intel").exists()


def test_loading_a_model_opens_no_socket_and_starts_no_process(tmp_path: Path) -> None:
    loading = subprocess.run(  # noqa: S603 -- the program above
        [sys.executable, "-c", LOAD, str(MODEL_DIR)],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=True,
    )

    assert loading.stdout == "[] None\n"
    assert list((tmp_path / "home").iterdir()) == []
