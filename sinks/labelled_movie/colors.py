"""The colours of body parts and of the skeleton, as 8-bit RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sinks.plain_matplotlib import matplotlib

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

_NUM_STEPS = 256


def body_part_colors(color_map: str, num_body_parts: int) -> NDArray[np.uint8]:
    """Give each body part of a model its colour, evenly spread over a color map.

    Parameters
    ----------
    color_map
        Name of a matplotlib color map.
    num_body_parts
        How many body parts the model has, shown or not: a part keeps its colour whichever
        others are shown.

    Returns
    -------
    uint8, shape (body parts, 3), RGB, in the model's order. Cut down to 8 bits rather than
    rounded, as DeepLabCut 2.3 does in `CreateVideo`.

    Raises
    ------
    ValueError
        If matplotlib knows no such color map.
    """
    if color_map not in matplotlib.colormaps:
        raise ValueError(f"color map must be the name of a matplotlib color map, got {color_map!r}")
    rgba = color_map_of(color_map)(np.linspace(0, 1, num_body_parts))
    colors: NDArray[np.uint8] = (rgba[:, :3] * 255).astype(np.uint8)
    return colors


def color_map_of(name: str) -> Colormap:
    """Give a color map in matplotlib's own 256 steps, whatever its setting ``image.lut`` says."""
    color_map = matplotlib.colormaps[name]
    is_computed = isinstance(color_map, matplotlib.colors.LinearSegmentedColormap)
    return color_map.resampled(_NUM_STEPS) if is_computed else color_map


def rgb(color: str) -> NDArray[np.uint8]:
    """Turn a matplotlib color ("black", "#ff8800") into uint8 RGB, shape (3,)."""
    return (np.array(matplotlib.colors.to_rgba(color)[:3]) * 255).astype(np.uint8)
