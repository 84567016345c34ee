"""Matplotlib without the settings that lie about on a machine.

When it is imported, matplotlib reads a ``matplotlibrc`` of the working directory or of the user.
Such a file may change every picture, start LaTeX, or end the import. Modules that need matplotlib
get it from here, where the file is passed over. A program that has imported matplotlib before keeps
its settings, and pictures are drawn with `own_settings` all the same.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLES = {"MATPLOTLIBRC": os.devnull, "MPLBACKEND": None}


@contextmanager
def _settings_passed_over() -> Iterator[None]:
    """Import matplotlib within the block as if there were no settings but its own."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # as of caches that cannot be written
    before = {name: os.environ.get(name) for name in _VARIABLES}
    _set_variables(_VARIABLES)
    try:
        if os.path.lexists("matplotlibrc"):  # the working directory's comes before any variable
            with _other_directory():
                yield
        else:
            yield
    finally:
        _set_variables(before)


def _set_variables(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@contextmanager
def _other_directory() -> Iterator[None]:
    # By descriptor: the way to a directory may be closed to those who are in it.
    by_descriptor = os.chdir in os.supports_fd
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY)) if by_descriptor else Path.cwd()
    try:
        os.chdir(Path(__file__).parent)
        yield
    finally:
        os.chdir(here)
        if isinstance(here, int):
            os.close(here)


if "matplotlib" in sys.modules:
    import matplotlib
else:
    with _settings_passed_over():
        import matplotlib

__all__ = ["matplotlib", "own_settings"]


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw within the block with matplotlib's own settings and ours, and without its warnings.

    The same poses give the same bytes on every machine: the font is the one that comes with
    matplotlib, which shows a box for a letter that it lacks, and texts stand as they are.
    """
    # `rcdefaults` would read the user's styles.
    settings = {
        name: value
        for name, value in dict.items(matplotlib.rcParamsDefault)
        if not name.startswith("backend")
    }
    settings |= {
        "font.sans-serif": ["DejaVu Sans"],
        "svg.hashsalt": "posestream",
        "text.parse_math": False,
    }
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.simplefilter("ignore", UserWarning)
        yield
