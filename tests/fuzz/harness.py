"""Runs mutated inputs in a process of their own, and keeps those that break it.

A target is a function of a module (the worker imports it by name, so no lambda) that takes the
bytes of one input and returns nothing. It may raise `InputError`. Everything else is a failure:
another exception, a crash, a hang, memory above the limit, also where an `InputError` was only
what came of it.
"""

from __future__ import annotations

import errno
import multiprocessing
import resource
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from readers import InputError

Target = Callable[[bytes], None]
Mutation = Callable[[Random, bytes], bytes]

MOST_SECONDS = 10.0
MOST_EXTRA_BYTES = 2**30
_FAR_ABOVE = 16
_START_SECONDS = 120.0  # TensorFlow alone takes ten to import


@dataclass(frozen=True)
class Failure:
    """An input that broke the target; `path` is where it was kept."""

    seed: int
    problem: str
    path: Path

    def __str__(self) -> str:
        return f"seed {self.seed} ({self.path}): {self.problem}"


def fuzz(
    target: Target,
    intact: Sequence[bytes],
    mutate: Mutation,
    seeds: Iterable[int],
    failed: Path,
    most_seconds: float = MOST_SECONDS,
) -> list[Failure]:
    """Give the target one mutated input per seed and return the failures.

    Parameters
    ----------
    target
        See above; a function of a module, or a `functools.partial` of one.
    intact
        Inputs that the target accepts. They are what is mutated, and the worker's address space
        behind all of them is the baseline of the memory limit.
    mutate
        Makes a mutated input of an intact one, from nothing but the random numbers given.
    seeds
        One input each; the same seed gives the same input.
    failed
        A folder for the inputs that fail, one file each, named by seed.
    most_seconds
        An input that takes longer is a hang.
    """
    failures = []
    worker: _Worker | None = None
    try:
        for seed in seeds:
            data = input_of(seed, intact, mutate)
            worker = worker or _Worker(target, intact)
            problem = worker.problem_with(data, most_seconds)
            if problem is None:
                continue
            worker.stop()  # it may have been left in any state
            worker = None
            failed.mkdir(parents=True, exist_ok=True)
            path = failed / f"{_name(target)}-{seed}"
            path.write_bytes(data)
            failures.append(Failure(seed, problem, path))
    finally:
        if worker is not None:
            worker.stop()
    return failures


def input_of(seed: int, intact: Sequence[bytes], mutate: Mutation) -> bytes:
    """Make the input of a seed."""
    random = Random(seed)  # noqa: S311 - an attacker knows the seeds
    return mutate(random, random.choice(intact))


def problem_of(
    target: Target, intact: Sequence[bytes], data: bytes, most_seconds: float = MOST_SECONDS
) -> str | None:
    """Give the target one input, for example one that once failed; None where all is well."""
    with _worker(target, intact) as worker:
        return worker.problem_with(data, most_seconds)


@contextmanager
def _worker(target: Target, intact: Sequence[bytes]) -> Iterator[_Worker]:
    worker = _Worker(target, intact)
    try:
        yield worker
    finally:
        worker.stop()


def _name(target: Target) -> str:
    function = getattr(target, "func", target)  # of a functools.partial
    return str(function.__name__)


class _Worker:
    """A process that runs the target on one input after another."""

    def __init__(self, target: Target, intact: Sequence[bytes]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share our memory's baseline
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, target, intact), daemon=True)
        self._process.start()
        theirs.close()
        problem = self._answer(_START_SECONDS)
        if problem is not None:
            self.stop()
            raise RuntimeError(f"the target does not accept an intact input: {problem}")

    def problem_with(self, data: bytes, most_seconds: float) -> str | None:
        """Run the target once; tell what went wrong, None if nothing."""
        self._connection.send_bytes(data)
        return self._answer(most_seconds)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()

    def _answer(self, most_seconds: float) -> str | None:
        if not self._connection.poll(most_seconds):
            return f"hung for more than {most_seconds:g} s"
        try:
            answer: str = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return f"crashed (exit code {self._process.exitcode})"
        return answer or None


def _work(connection: Connection, target: Target, intact: Sequence[bytes]) -> None:
    """Answer each input with a problem, empty where there is none."""
    problems = [problem for data in intact if (problem := _run(target, data, may_refuse=False))]
    _limit_memory(_address_space_bytes() + MOST_EXTRA_BYTES)
    connection.send("".join(problems))
    while True:
        connection.send(_run(target, connection.recv_bytes(), may_refuse=True))


def _run(target: Target, data: bytes, *, may_refuse: bool) -> str:
    try:
        target(data)
    except InputError as error:
        if not may_refuse:
            return traceback.format_exc()
        if any(map(_is_out_of_memory, _chain(error))) and _takes_too_much(target, data):
            return f"took more memory than allowed:\n{traceback.format_exc()}"
        if "\n" in str(error):
            return f"a message of more than one line: {error}"
    except Exception:  # whatever comes is what is looked for
        return traceback.format_exc()
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def _takes_too_much(target: Target, data: bytes) -> bool:
    """Tell a lack of memory from a number that a library refuses at sight, in the same words."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    _limit_memory(_FAR_ABOVE * limit)
    with suppress(Exception):
        target(data)
    is_above = _peak_address_space_bytes() > limit
    _limit_memory(limit)
    return is_above


def _peak_address_space_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmPeak:")[1].split()[0])


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _limit_memory(num_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (num_bytes, resource.RLIM_INFINITY))
