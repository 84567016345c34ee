"""The system under a run: its memory and the lack of it, its processor, the user's cache folder."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile

import av

from engine.errors import RunError
from engine.untrusted.quoting import reason

_KIB_PER_MIB = 1024
_MOST_ENTRIES = 500
_PACKAGES = ("posestream", "av", "numpy", "openvino", "tensorflow", "pandas", "tables", "pyarrow")
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


def num_cores() -> int:
    """Count the processor cores that this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, object]:
    """Describe all that decides speed, without names of users or machines, by plain JSON values.

    Packages are looked up, not imported: TensorFlow alone takes seconds. One that is not
    installed is None, and so is the memory where the system does not tell it.
    """
    try:
        memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):  # as on Windows, which has no sysconf
        memory_mib = None
    cpu_info = Path("/proc/cpuinfo")  # has the processor's model, where there is one
    lines = cpu_info.read_text().splitlines() if cpu_info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages: dict[str, str | None] = dict.fromkeys(_PACKAGES)
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            packages[package] = version(package)
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "num_cores": num_cores(),
        "memory_mib": memory_mib,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": packages,
        "ffmpeg_libraries": {
            library: ".".join(map(str, numbers))
            for library, numbers in sorted(av.library_versions.items())
        },
    }


class Cache:
    """A set of texts, in small files of a folder of this name; the oldest go when there are many.

    A folder that cannot be read or written, and damaged files, are no errors: the set then holds
    less.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __contains__(self, text: str) -> bool:
        with suppress(OSError, RuntimeError):
            path = self._file(text)
            with path.open("rb") as file:
                return file.read(len(path.name) + 1) == path.name.encode()
        return False

    def add(self, text: str) -> None:
        """Add a text."""
        with suppress(OSError, RuntimeError):
            path = self._file(text)
            folder = path.parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
                file.write(path.name.encode())
            Path(file.name).replace(path)
            ages = sorted((path.stat().st_mtime_ns, path) for path in folder.iterdir())
            for _, old in ages[:-_MOST_ENTRIES]:
                old.unlink(missing_ok=True)

    def _file(self, text: str) -> Path:
        """Name the file that stands for a text, and holds its own name to show that it is whole."""
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        return user_cache_folder() / "posestream" / self._name / digest


def user_cache_folder() -> Path:
    """Name the folder for what can be made again; raises `RuntimeError` if the user has no home."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"
