"""Memory is told as the system counts it, of this program alone."""

import errno
import math
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.machine import system as memory
from engine.machine.system import (
    OutOfMemoryError,
    available_mib,
    naming_lack_of_memory,
    peak_mib,
    resident_mib,
)

STATUS, MEM_INFO = Path("/proc/self/status"), Path("/proc/meminfo")
needs_linux = pytest.mark.skipif(not STATUS.exists(), reason="only Linux has /proc")


def field_in_kib(path: Path, name: str) -> int:
    (line,) = (line for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
    _, number, unit = line.split()
    assert unit == "kB"
    return int(number)


def numbers_of(code: str) -> list[float]:
    """Run Python code in a process of its own; return the numbers that it prints."""
    code = f"import os, subprocess, sys\nfrom engine.machine.system import peak_mib\n{code}"
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return [float(number) for number in done.stdout.split()]


@needs_linux
def test_what_is_resident_grows_and_shrinks_with_what_is_allocated() -> None:
    before, held, freed = numbers_of(
        "from engine.machine.system import resident_mib\n"
        "print(resident_mib())\n"
        "block = b'x' * (64 << 20)\n"
        "print(resident_mib())\n"
        "del block\n"
        "print(resident_mib())"
    )

    assert held - before == pytest.approx(64, abs=4)
    assert held - freed == pytest.approx(64, abs=4)


def test_what_is_resident_is_not_known_where_the_system_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_field", lambda *_: None)

    assert math.isnan(resident_mib())


def test_the_peak_grows_by_what_is_allocated_and_stays_when_that_is_freed() -> None:
    before, held, freed = numbers_of(
        "print(peak_mib())\n"
        "block = b'x' * (64 << 20)\n"
        "print(peak_mib())\n"
        "del block\n"
        "print(peak_mib())"
    )

    assert held - before == pytest.approx(64, abs=4)
    assert freed == pytest.approx(held, abs=1)


@needs_linux
def test_the_memory_of_the_program_that_started_this_one_does_not_count() -> None:
    parent, child = numbers_of(
        "block = b'x' * (256 << 20)\n"
        "print(peak_mib(), flush=True)\n"
        "code = 'from engine.machine.system import peak_mib; print(peak_mib())'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)"
    )

    assert parent > 256
    assert 0 < child < 128


@needs_linux
def test_the_peak_is_the_kernels() -> None:
    before_kib = field_in_kib(STATUS, "VmHWM")
    peak = peak_mib()
    after_kib = field_in_kib(STATUS, "VmHWM")

    assert before_kib - 1024 <= peak * 1024 <= after_kib + 1024  # the kernel's sum is not exact


@pytest.mark.parametrize(("platform", "units_per_mib"), [("linux", 2**10), ("darwin", 2**20)])
def test_without_a_proc_file_system_the_peak_is_that_of_getrusage(
    monkeypatch: pytest.MonkeyPatch, platform: str, units_per_mib: int
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(memory, "_field", lambda *_: None)
    monkeypatch.setattr(sys, "platform", platform)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak_mib()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert before <= peak * units_per_mib <= after


def test_where_nobody_tells_the_peak_is_unknown_and_memory_is_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_field", lambda *_: None)
    monkeypatch.setitem(sys.modules, "resource", None)

    assert math.isnan(peak_mib())
    assert available_mib() == math.inf


@needs_linux
def test_available_memory_is_part_of_the_machines() -> None:
    assert 0 < available_mib() <= field_in_kib(MEM_INFO, "MemTotal") / 1024


def test_a_table_of_the_kernels_is_read_by_name(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemAvailableElsewhere: 1 kB\nMemAvailable:   2097152 kB\nMemFree:  3 kB\n")

    assert memory._field(table, "MemAvailable") == 2097152
    assert memory._field(table, "MemNowhere") is None
    assert memory._field(tmp_path / "none", "MemAvailable") is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("x.so: failed to map segment from shared object"),
        RuntimeError("Check failed\nstd::bad_alloc"),
    ],
)
def test_a_lack_of_memory_is_one_line_whatever_it_is_raised_as(error: Exception) -> None:
    rule = r"^out of memory: .*--batch-size"
    with pytest.raises(OutOfMemoryError, match=rule) as raised, naming_lack_of_memory():
        raise error

    assert isinstance(raised.value, RunError)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError(), KeyError("a")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, naming_lack_of_memory():
        raise error
    assert raised.value is error


def test_a_lack_of_memory_that_caused_an_error_is_found() -> None:
    error = ValueError("not a model")
    error.__cause__ = MemoryError()

    with pytest.raises(OutOfMemoryError), naming_lack_of_memory():
        raise error
