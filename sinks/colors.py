"""The colours of body parts and of the skeleton, as 8-bit RGB."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import to_rgba
from numpy.typing import NDArray


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
    rgba = matplotlib.colormaps[color_map](np.linspace(0, 1, num_body_parts))
    colors: NDArray[np.uint8] = (rgba[:, :3] * 255).astype(np.uint8)
    return colors


def rgb(color: str) -> NDArray[np.uint8]:
    """Turn a matplotlib color ("black", "#ff8800") into uint8 RGB, shape (3,)."""
    return (np.array(to_rgba(color)[:3]) * 255).astype(np.uint8)
