"""The time and memory that a command takes, measured from outside, to its end.

Only the standard library is imported here: on Linux the peak memory of a process begins with
that of the process that started it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import IO, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10
_TAIL_BYTES = 4000


@dataclass(frozen=True)
class Measured:
    """The time and memory of one run of a command.

    Attributes
    ----------
    wall_s
        Seconds from its start to its end.
    core_s
        Seconds of processor cores, the program's and the kernel's for it, with those of its
        children that have ended.
    peak_mib
        Most memory it had resident at any time; of its children, the one that had most counts if
        that is more.
    exit_code
        0.
    """

    wall_s: float
    core_s: float
    peak_mib: float
    exit_code: int


class CommandError(Exception):
    """A command failed; the message ends with the last lines that it printed."""


def measure(command: Sequence[str]) -> Measured:
    """Run a command to its end and measure it.

    What it prints is kept from the terminal. An interrupt ends the command, too.

    Raises
    ------
    CommandError
        If it ends with another exit code than 0.
    OSError
        If it cannot be started.
    """
    with tempfile.TemporaryFile() as output:
        begun_s = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 -- running what it is given is what this is for
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_s = time.perf_counter() - begun_s
        process.returncode = os.waitstatus_to_exitcode(status)  # else Popen believes it runs on
        if process.returncode != 0:
            raise CommandError(
                f"exit code {process.returncode} of {shlex.join(command)}\n{_tail(output)}"
            )
    return Measured(
        wall_s=wall_s,
        core_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / _MAXRSS_PER_MIB,
        exit_code=process.returncode,
    )


def taking_turns(
    commands: Mapping[str, Sequence[str]],
    repeats: int,
    after_each: Callable[[str, Measured], None] = lambda _name, _measured: None,
) -> dict[str, list[Measured]]:
    """Measure named commands in turns, A B A B, so that a machine's drift strikes all alike.

    Parameters
    ----------
    commands
        What to run, by name, in order.
    repeats
        How often each of them runs.
    after_each
        Is called with a name and what was measured whenever a command has ended.

    Returns
    -------
    dict
        `repeats` measurements by name; those of one index were made one after the other.
    """
    measurements: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            measured = measure(command)
            measurements[name].append(measured)
            after_each(name, measured)
    return measurements


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL_BYTES))
    return output.read().decode(errors="replace").strip()


def in_a_child(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a new process, which takes along all the memory that it needed."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
