"""The ratios of DeepLabCut's time and memory to those of posestream, and their table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.processes import Measured
from benchmarks.same_job import SIDES


def ratios(measured: Mapping[str, Sequence[Measured]], quantity: str) -> dict[str, object]:
    """Divide DeepLabCut's by posestream's, pair by pair: above 1, posestream takes less."""
    pairs = [
        getattr(theirs, quantity) / getattr(ours, quantity)
        for theirs, ours in zip(measured["deeplabcut"], measured["posestream"], strict=True)
    ]
    return {
        "median": statistics.median(pairs),
        "min": min(pairs),
        "max": max(pairs),
        "pairs": pairs,
    }


def table(name: str, result: Mapping[str, object]) -> str:
    """Lay a scenario's measurements out for reading: medians, and the range of the ratios."""
    lines = [
        f"{name}: {result['num_frames']} frames of {result['width']} × {result['height']}, "
        f"poses within {result['largest_difference_px']:.1e} px",
        f"{'':12}{'wall s':>18}{'core s':>18}{'peak MiB':>18}",
    ]
    for side, side_name in SIDES.items():
        runs = result[side]
        assert isinstance(runs, list)
        medians = [
            statistics.median(run[quantity] for run in runs)
            for quantity in ("wall_s", "core_s", "peak_mib")
        ]
        lines.append("".join([f"{side_name:12}", *(f"{median:18.1f}" for median in medians)]))
    wall, memory = (_ratio_as_text(result[key]) for key in ("wall_ratio", "memory_ratio"))
    lines.append(f"{'ratio':12}{wall:>18}{'':18}{memory:>18}")
    return "\n".join(lines)


def _ratio_as_text(ratio: object) -> str:
    assert isinstance(ratio, dict)
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})"
