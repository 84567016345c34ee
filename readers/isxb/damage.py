"""In words, what a recording that was cut off has lost."""

from __future__ import annotations

from readers.isxb.layout import IsxbLayout


def layout_damage(layout: IsxbLayout, num_samples: int, num_dropped: int) -> str | None:
    """Tell what is missing, in one line; None where the file is whole.

    Parameters
    ----------
    layout
        The parts that are there.
    num_samples
        Frames whose times the file tells.
    num_dropped
        Dropped frames that it lists.
    """
    if layout.is_whole:
        return None
    lost = "was cut off: " + _lost(layout, num_samples)
    unplaced = layout.header.num_dropped_frames - num_dropped
    if unplaced > 0:
        lost += f"; where {unplaced} dropped frames belong is unknown, numbers may be too small"
    return lost


def _lost(layout: IsxbLayout, num_samples: int) -> str:
    if layout.frame_metadata.is_whole and layout.frame_metadata.size:
        return "its session metadata is missing"
    if num_samples == 0:
        return "its frame metadata is missing; times and hardware counters are unknown"
    return (
        f"its frame metadata ends after {num_samples} frames; "
        "later times and hardware counters are unknown"
    )
