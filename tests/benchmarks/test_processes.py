"""A command is measured as a whole, from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import CommandError, Measured, measure, taking_turns


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def measured_by_a_small_process(code: str) -> Measured:
    """Measure from a process that has imported nothing else: this one is large."""
    script = (
        "import dataclasses, json, sys\n"
        "from benchmarks.processes import measure\n"
        "print(json.dumps(dataclasses.asdict(measure([sys.executable, '-c', sys.argv[1]]))))"
    )
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        python(script, code), check=True, capture_output=True, text=True
    )
    return Measured(**json.loads(done.stdout))


def test_peak_memory_is_the_command_s_own() -> None:
    small = measured_by_a_small_process("pass")
    large = measured_by_a_small_process("block = bytearray(200 * 2**20); del block")

    assert 0 < small.peak_mib < 30
    assert 200 < large.peak_mib < 230


def test_processor_time_and_wall_time_cover_what_the_command_saw_of_them() -> None:
    measured = measure(python("import time\nwhile time.process_time() < 0.2: pass"))

    assert measured.core_s >= 0.2
    assert measured.exit_code == 0

    measured = measure(
        python("import time\nend = time.monotonic() + 0.1\nwhile time.monotonic() < end: pass")
    )

    assert measured.wall_s >= 0.1


def test_threads_count_for_processor_time_of_their_own() -> None:
    burn = (
        "import hashlib, threading, time\n"
        "def burn():\n"
        "    while time.thread_time() < 0.2: hashlib.sha256(bytes(10**6))\n"
        "threads = [threading.Thread(target=burn) for _ in range(3)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )

    assert measure(python(burn)).core_s >= 0.6


def test_a_failing_command_tells_the_end_of_what_it_printed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "print('first'); print('x' * 10_000); print('second', flush=True)\n"
        "sys.exit('the reason')"
    )

    with pytest.raises(CommandError, match=r"exit code 1 of .*script\.py\n") as caught:
        measure([sys.executable, str(script)])

    printed = str(caught.value).partition("\n")[2]
    assert printed.endswith("x\nsecond\nthe reason")
    assert len(printed) <= 4000


def test_a_command_that_was_killed_failed() -> None:
    with pytest.raises(CommandError, match="exit code -9"):
        measure(python("import os; os.kill(os.getpid(), 9)"))


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        measure(["no-such-command"])


def test_a_command_may_print_more_than_a_pipe_holds() -> None:
    measure(python("print('x' * 10**6)"))


def test_an_interrupt_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupt(pid: int, _options: int) -> None:
        started.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "wait4", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(python("import signal; signal.pause()"))

    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_commands_take_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    told: list[tuple[str, Measured]] = []

    measured = taking_turns(
        {name: python(append, str(log), name) for name in "ab"},
        repeats=3,
        after_each=lambda name, one: told.append((name, one)),
    )

    assert log.read_text() == "ababab"
    assert [name for name, _ in told] == list("ababab")
    assert measured == {name: [one for named, one in told if named == name] for name in "ab"}


def test_the_first_failure_ends_the_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    commands = {
        "a": python("raise SystemExit(1)"),
        "b": python("import sys; open(sys.argv[1], 'w')", str(log)),
    }

    with pytest.raises(CommandError):
        taking_turns(commands, repeats=2)

    assert not log.exists()
