"""The memory that this process uses and has used, and a lack of memory as an error."""

from __future__ import annotations

import errno
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import RunError
from engine.untrusted.quoting import reason

_KIB_PER_MIB = 1024
_WORDS = (
    *("bad_alloc", "cannot allocate memory", "failed to allocate"),
    *("failed to map segment", "can't start new thread"),
)
"""Of C++, the system, OpenVINO, the loader of libraries, and Python, whose threads need stacks."""


class OutOfMemoryError(RunError, MemoryError):
    """The system gives no more memory; the message is one line, for the user."""

    def __init__(
        self,
        what: str,
        remedy: str = "take a smaller --batch-size or a --crop-rect, or close other programs",
    ) -> None:
        super().__init__(f"out of memory: the system gives no more for {what}; {remedy}")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or one that it comes from, is a lack of memory."""
    while error is not None:
        has_words = any(words in str(error).lower() for words in _WORDS)
        has_number = isinstance(error, OSError) and error.errno == errno.ENOMEM
        if isinstance(error, MemoryError) or has_words or has_number:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def naming_lack_of_memory() -> Iterator[None]:
    """Raise every lack of memory within the block as an `OutOfMemoryError`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, RunError) or not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"the run ({reason(error)})") from error


def peak_mib() -> float:
    """Tell the most memory that the process has held so far, in MiB.

    On Linux, that of this program alone (``VmHWM``): ``getrusage`` counts the memory of the program
    that started it, too. NaN where the system does not tell.
    """
    in_kib = _field(Path("/proc/self/status"), "VmHWM")
    if in_kib is not None:
        return in_kib / _KIB_PER_MIB
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _KIB_PER_MIB / (_KIB_PER_MIB if sys.platform == "darwin" else 1)


def resident_mib() -> float:
    """Tell the memory that the process holds at the moment, in MiB; NaN where the system is silent.

    Unlike the peak it goes down again, and shows whether a run of hours grows.
    """
    in_kib = _field(Path("/proc/self/status"), "VmRSS")
    return math.nan if in_kib is None else in_kib / _KIB_PER_MIB


def available_mib() -> float:
    """Tell how much memory programs can still get, in MiB; infinite where the system is silent."""
    in_kib = _field(Path("/proc/meminfo"), "MemAvailable")
    return math.inf if in_kib is None else in_kib / _KIB_PER_MIB


def limit_memory(more_mib: float) -> None:
    """Let this process take no more than so much memory, in MiB, beyond what it has.

    On Linux alone: other systems have no such limit that they keep.
    """
    has_kib = _field(Path("/proc/self/status"), "VmData")
    if has_kib is None:
        return
    import resource

    most = int((has_kib / _KIB_PER_MIB + more_mib) * 2**20)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):  # where memory is short, this process is the one that must go
        Path("/proc/self/oom_score_adj").write_text("1000")


def _field(path: Path, name: str) -> int | None:
    """Read ``name:  value kB`` from a table of the kernel's."""
    if not path.exists():
        return None
    with path.open() as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
