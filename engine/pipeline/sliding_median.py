"""Centred medians of all windows of a table: windows next to each other share their sorting.

A group of g windows in a row, each of w values, shares its core: the w - g + 1 values that all of
them hold. Each window adds g - 1 values of its own, so its median lies among the middle g of the
sorted core, and the rest of the core never has to be looked at again. So the core of a group is
sorted once and its middle kept; the core of a quarter of the group is this plus 3/4 g values,
which are sorted together, and the middle g / 4 kept; and so on until groups of four, where the
median of the four kept values and the three of a window's own takes minima and maxima only. Each
step does all groups and all columns in one call of numpy: a window costs a few short sorts, and
hardly more if it is longer.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]

LAST_GROUP = 4
# Short rows numpy sorts faster than it finds their middle, on a processor with AVX-512; without,
# sorting long ones would take several times as long.
LONGEST_SORTED = 256
# What is done at a time stays in the processor's cache, and memory does not follow the batch size.
BLOCK = 256


def medians(rows: Array, half: int, num_before: int = 0, num_behind: int = 0) -> Array:
    """Centred median along the first axis, where all `half` neighbours on both sides are there.

    Parameters
    ----------
    rows
        float64, shape (n + 2 × half, columns).
    half
        Half the window's length, rounded down; at least 1.
    num_before, num_behind
        So many of the first and of the last rows, at most `half` each, are padding: values like
        others, but not where a window holds NaN.

    Returns
    -------
    float64, shape (n, columns)
        NaN where the middle of the window is NaN; where other values of it are, the median of
        those present that are no padding (the mean of the middle two where their number is even).
        Which zero comes of windows that hold both 0.0 and -0.0 is left open.
    """
    num_windows = len(rows) - 2 * half
    if num_windows > BLOCK:
        blocks = []
        for first in range(0, num_windows, BLOCK):
            last = min(first + BLOCK + 2 * half, len(rows))
            padding = max(0, num_before - first), max(0, num_behind - (len(rows) - last))
            blocks.append(medians(rows[first:last], half, *padding))
        return np.concatenate(blocks)
    missing = np.isnan(rows)
    result = _of_short_windows(rows, half) if half <= 2 else _of_long_windows(rows, half)
    if np.count_nonzero(missing):
        real = slice(num_before, len(rows) - num_behind)
        _mend(result, rows, missing, half, real)
    return result


def _mend(result: Array, rows: Array, missing: NDArray[np.bool_], half: int, real: slice) -> None:
    """Replace the medians of windows that hold NaN by those of the other `real` values."""
    length = 2 * half + 1
    present = ~missing[half : len(rows) - half]
    gappy = sliding_window_view(missing, length, axis=0).any(axis=-1) & present
    result[~present] = np.nan
    if gappy.any():
        there = np.full_like(rows, np.nan)
        there[real] = rows[real]
        windows = sliding_window_view(there, length, axis=0)
        result[gappy] = np.nanmedian(windows[gappy], axis=-1)


def _of_short_windows(rows: Array, half: int) -> Array:
    """Medians of three and of five values."""
    if half == 1:
        return _of_three(rows[:-2], rows[1:-1], rows[2:])
    low, high = np.minimum(rows[:-1], rows[1:]), np.maximum(rows[:-1], rows[1:])
    # Of two pairs, the lower low and the higher high lie on either side of the median.
    return _of_three(np.maximum(low[:-3], low[3:]), np.minimum(high[:-3], high[3:]), rows[2:-2])


def _of_three(a: Array, b: Array, c: Array) -> Array:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _of_long_windows(rows: Array, half: int) -> Array:
    """Medians of seven values and more, by groups of windows."""
    num_windows, num_columns = len(rows) - 2 * half, rows.shape[1]
    rows = np.ascontiguousarray(rows)
    if num_windows == 1:
        return _middle_of_cores(rows, half, 1)[..., 0].T
    group = LAST_GROUP
    while 4 * group <= min(num_windows, half + 1):
        group *= 4
    if surplus := -num_windows % group:
        rows = np.concatenate([rows, np.zeros((surplus, num_columns))])
    kept = _middle_of_cores(rows, half, group)
    while group > LAST_GROUP:
        kept = _middle_of_quarters(rows, half, group, kept)
        group //= 4
    return _of_fours(rows, half, kept)[:num_windows]


def _middle_of_cores(rows: Array, half: int, group: int) -> Array:
    """Sort each group's core; return the middle, shape (columns, groups, group)."""
    num_groups, num_columns = (len(rows) - 2 * half) // group, rows.shape[1]
    num_shared = 2 * half + 2 - group
    shape = (num_columns, num_groups, num_shared)
    steps = (1, group * num_columns, num_columns)
    core = _strided(rows, (group - 1) * num_columns, shape, steps).copy()
    first = (num_shared - group) // 2
    if num_shared > LONGEST_SORTED:
        core.partition((first, first + group - 1))
        core = core[..., first : first + group]
        first = 0
    core.sort()
    return core[..., first : first + group]


def _middle_of_quarters(rows: Array, half: int, group: int, kept: Array) -> Array:
    """From each group's kept values to those of its quarters, in the same form."""
    num_columns, num_groups, _ = kept.shape
    quarter, num_added = group // 4, group - group // 4
    # What the quarters have besides the core lies before it and behind it: the next quarter
    # has `quarter` fewer of the values before, and as many more of those behind.
    shape = (num_columns, num_groups, 2, num_added)
    steps = (1, group * num_columns, (2 * half + 2 - quarter) * num_columns, num_columns)
    beside = _strided(rows, (quarter - 1) * num_columns, shape, steps).copy()
    shape = (num_columns, num_groups, 4, num_added)
    added = _strided(beside, 0, shape, (num_groups * 2 * num_added, 2 * num_added, quarter, 1))
    values = np.empty((num_columns, num_groups, 4, group + num_added))
    values[..., :group] = kept[:, :, None]
    values[..., group:] = added
    values.sort()
    return values[..., num_added:group].reshape(num_columns, 4 * num_groups, quarter)


def _of_fours(rows: Array, half: int, kept: Array) -> Array:
    """Medians of groups of four windows from the four kept values of each, in order.

    A window's own three values are neighbours among the three before the core and the three
    behind it. Its median is the fourth of seven values, of which four (a) and three (b) are in
    order: the least of max(a0, b2), max(a1, b1), max(a2, b0) and a3.
    """
    num_columns, num_groups, _ = kept.shape
    num_each = num_groups * num_columns
    shape = (2, 3, num_groups, num_columns)
    steps = ((2 * half + 1) * num_columns, num_columns, LAST_GROUP * num_columns, 1)
    beside = _strided(rows, 0, shape, steps).reshape(6, num_each)
    a = kept.transpose(2, 1, 0).reshape(4, 1, num_each)
    low, high = np.minimum(beside[:4], beside[1:5]), np.maximum(beside[:4], beside[1:5])
    third = beside[2:]
    b = np.empty((3, *third.shape))
    np.maximum(high, third, out=b[0])
    np.maximum(low, np.minimum(high, third), out=b[1])
    np.minimum(low, third, out=b[2])
    np.maximum(b, a[:3], out=b)
    least: Array = np.minimum(np.minimum(b[0], b[1]), np.minimum(b[2], a[3]))
    by_group = least.reshape(LAST_GROUP, num_groups, num_columns).swapaxes(0, 1)
    return by_group.reshape(LAST_GROUP * num_groups, num_columns)


def _strided(values: Array, first: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> Array:
    """View contiguous values from `first` on, with steps counted in values; bounds are checked."""
    size = values.itemsize
    strides = [size * step for step in steps]
    view: Array = np.ndarray(shape, np.float64, values, size * first, strides)
    return view
