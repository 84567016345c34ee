"""How much memory this process uses and has used, and how much is left."""

from __future__ import annotations

import math
import sys
from pathlib import Path

_KIB_PER_MIB = 1024


def peak_mib() -> float:
    """Tell the most memory that the process has held so far, in MiB.

    On Linux of this program alone (``VmHWM``): what ``getrusage`` tells begins with what the
    program had that started it. NaN where the system does not tell.
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
    """Tell the memory that the process holds at the moment, in MiB; NaN where nobody tells.

    Unlike the peak it goes down again, and shows whether a run of hours grows.
    """
    in_kib = _field(Path("/proc/self/status"), "VmRSS")
    return math.nan if in_kib is None else in_kib / _KIB_PER_MIB


def available_mib() -> float:
    """Tell how much memory programs can still get, in MiB; infinite where the system is silent."""
    in_kib = _field(Path("/proc/meminfo"), "MemAvailable")
    return math.inf if in_kib is None else in_kib / _KIB_PER_MIB


def _field(path: Path, name: str) -> int | None:
    """Read ``name:  value kB`` from a table of the kernel's."""
    if not path.exists():
        return None
    with path.open() as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
