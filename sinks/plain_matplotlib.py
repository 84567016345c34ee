"""Matplotlib and its colours, without the settings of a user or folder.

A ``matplotlibrc`` of the working directory or of the user may change every picture, start LaTeX,
or make the import of matplotlib fail. Modules that need matplotlib import it from here, where the
file is passed over. A program that has imported matplotlib before keeps its settings;
pictures are drawn with `own_settings` all the same.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

_VARIABLES = {"MATPLOTLIBRC": os.devnull, "MPLBACKEND": ""}
_NUM_STEPS = 256


@contextmanager
def _settings_passed_over() -> Iterator[None]:
    """Import matplotlib within the block as if there were no settings but its own."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # as of caches that cannot be written
    before = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    os.environ |= _VARIABLES
    try:
        # The working directory's settings come before any variable.
        with _other_directory() if os.path.lexists("matplotlibrc") else nullcontext():
            yield
    finally:
        for name in _VARIABLES:
            del os.environ[name]
        os.environ |= before


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

__all__ = ["body_part_colors", "color_map_of", "matplotlib", "own_settings", "rgb"]


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw within the block with matplotlib's own settings and ours, and without its warnings.

    The same poses give the same bytes on every machine: the font is matplotlib's own, which shows
    a box for a letter that it lacks, and texts stand as they are.
    """
    defaults = dict.items(matplotlib.rcParamsDefault)  # `rcdefaults` reads styles
    settings = {name: value for name, value in defaults if not name.startswith("backend")}
    settings["font.sans-serif"] = ["DejaVu Sans"]
    settings |= {"svg.hashsalt": "posestream", "text.parse_math": False}
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.simplefilter("ignore", UserWarning)
        yield


def color_map_of(name: str) -> Colormap:
    """Give a color map in matplotlib's own 256 steps, whatever its setting ``image.lut`` says."""
    color_map = matplotlib.colormaps[name]
    is_computed = isinstance(color_map, matplotlib.colors.LinearSegmentedColormap)
    return color_map.resampled(_NUM_STEPS) if is_computed else color_map


def body_part_colors(color_map: str, num_body_parts: int) -> NDArray[np.uint8]:
    """Spread the body parts of a model, shown or not, evenly over matplotlib's color map.

    The colors are uint8, shape (body parts, 3), RGB, in the model's order; cut down to 8 bits
    rather than rounded, as in DeepLabCut 2.3's `CreateVideo`. `ValueError` if matplotlib knows no
    such color map.
    """
    if color_map not in matplotlib.colormaps:
        raise ValueError(f"color map must be the name of a matplotlib color map, got {color_map!r}")
    rgba = color_map_of(color_map)(np.linspace(0, 1, num_body_parts))
    colors: NDArray[np.uint8] = (rgba[:, :3] * 255).astype(np.uint8)
    return colors


def rgb(color: str) -> NDArray[np.uint8]:
    """Turn a matplotlib color ("black", "#ff8800") into uint8 RGB, shape (3,)."""
    return (np.array(matplotlib.colors.to_rgba(color)[:3]) * 255).astype(np.uint8)
