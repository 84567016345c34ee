"""A description of the machine: all that decides speed, without names of users or machines."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av

_PACKAGES = ("posestream", "av", "numpy", "openvino", "tensorflow", "pandas", "tables", "pyarrow")


def describe_machine() -> dict[str, object]:
    """Describe this machine by plain JSON values.

    Packages are looked up, not imported: TensorFlow alone takes seconds. One that is not
    installed is None, and so is the memory where the system does not tell it.
    """
    try:
        memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):  # as on Windows, which has no sysconf
        memory_mib = None
    return {
        "processor": _processor(),
        "num_cores": num_cores(),
        "memory_mib": memory_mib,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "ffmpeg_libraries": {
            library: ".".join(map(str, numbers))
            for library, numbers in sorted(av.library_versions.items())
        },
    }


def num_cores() -> int:
    """Count the processor cores that this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """Name the processor by its model where Linux tells it, else by its kind."""
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
