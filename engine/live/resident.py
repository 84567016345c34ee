"""How much memory this process holds now."""

from __future__ import annotations

import math
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_BYTES_PER_MIB = 1 << 20


def resident_mib() -> float:
    """Tell the memory that the process holds at the moment, in MiB; NaN where nobody tells.

    Unlike the peak it goes down again, and shows whether a run of hours grows.
    """
    if not _STATM.exists():
        return math.nan
    num_pages = int(_STATM.read_text().split()[1])
    return num_pages * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_MIB
