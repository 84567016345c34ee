"""A machine is described by what decides speed, and by nothing that names it or its user."""

import getpass
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from engine.machine import system as machine
from engine.machine.system import describe_machine, num_cores


def run_python(code: str) -> str:
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_it_is_plain_json() -> None:
    description = describe_machine()

    assert json.loads(json.dumps(description)) == description
    assert list(description) == [
        "processor",
        "num_cores",
        "memory_mib",
        "system",
        "python",
        "packages",
        "ffmpeg_libraries",
    ]


def test_versions_are_those_of_this_environment() -> None:
    description = describe_machine()
    packages, libraries = description["packages"], description["ffmpeg_libraries"]
    assert isinstance(packages, dict)
    assert isinstance(libraries, dict)

    assert description["python"] == platform.python_version()
    assert packages["numpy"] == np.__version__
    assert packages["posestream"] == version("posestream")
    assert {"openvino", "tensorflow", "av", "pandas", "tables", "pyarrow"} < packages.keys()
    assert {"libavcodec", "libavformat", "libswscale"} <= libraries.keys()


def test_a_missing_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_numpy(package: str) -> str:
        if package != "numpy":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(machine, "version", only_numpy)
    packages = describe_machine()["packages"]
    assert isinstance(packages, dict)

    assert packages["numpy"] == "1.0"
    assert packages["tensorflow"] is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux tells its memory there")
def test_memory_is_what_the_system_tells() -> None:
    total = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )

    assert describe_machine()["memory_mib"] == int(total.split()[1]) // 1024


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs cores to be taken away")
def test_cores_that_this_process_may_not_use_do_not_count() -> None:
    assert num_cores() == len(os.sched_getaffinity(0))

    bound = run_python(
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from engine.machine.system import num_cores; print(num_cores())"
    )

    assert bound == "1"


def test_nothing_names_the_machine_or_its_user() -> None:
    text = json.dumps(describe_machine())

    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    for name in (platform.node(), getpass.getuser()):
        assert f'"{name}"' not in text


def test_the_processor_has_a_name() -> None:
    assert describe_machine()["processor"]


def test_runtimes_are_not_imported() -> None:
    code = (
        "import sys; from engine.machine.system import describe_machine; describe_machine()\n"
        "print(sorted({'tensorflow', 'openvino'} & sys.modules.keys()))"
    )

    assert run_python(code) == "[]"
