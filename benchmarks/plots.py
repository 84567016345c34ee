"""Draw what the benchmarks measured, for the README.

    python -m benchmarks.plots [--peer peer.json] [--bench bench.json] [--live live.json] DEST_DIR

draws ``peer.svg`` from what ``python -m benchmarks.peer --json`` wrote, ``stages.svg`` from what
``posestream bench --json`` wrote, and ``live.svg`` from what ``python -m benchmarks.live --json``
wrote.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

_WIDTH_INCHES = 7.2
_BLUE, _GREY, _INK, _FAINT_INK = "#2f6fb0", "#b4bac2", "#24292f", "#636c76"
_SIDES = (("deeplabcut", "DeepLabCut", _GREY), ("posestream", "posestream", _BLUE))
_NETWORKS = {"openfield": "MobileNetV2-0.35", "resnet50": "ResNet-50"}
_ROOM_BESIDE_BARS = 1.4
"""Width of the axes in lengths of the longest bar: numbers stand right of the bars."""


def draw_peer(path: Path, report: Mapping[str, Any]) -> None:
    """Draw wall time and peak memory of both sides, a row for each scenario.

    Bars and numbers are medians, each scenario and quantity on a scale of its own. The ratio is
    the median of the pairs' ratios.

    Parameters
    ----------
    path
        The .svg file.
    report
        What ``benchmarks.peer`` writes.
    """
    scenarios = report["scenarios"]
    figure = Figure(figsize=(_WIDTH_INCHES, 1.25 * len(scenarios)), layout="constrained")
    rows = figure.subfigures(len(scenarios), 1, squeeze=False)[:, 0]
    for row, (name, result) in zip(rows, scenarios.items(), strict=True):
        _heading(
            row,
            f"{_NETWORKS.get(name, name)}, {result['num_frames']:,} frames of "
            f"{result['width']} × {result['height']} pixels",
        )
        wall, memory = row.subplots(1, 2)
        _draw_sides(wall, "wall time", "s", result, "wall_s", result["wall_ratio"])
        _draw_sides(memory, "peak memory", "MiB", result, "peak_mib", result["memory_ratio"])
        memory.set_yticks([])
    _save(figure, path)


def draw_stages(path: Path, stages: Sequence[tuple[str, float]]) -> None:
    """Draw how long processor cores work on a frame in each stage, from above in this order.

    Parameters
    ----------
    path
        The .svg file.
    stages
        Names, and milliseconds of processor cores a frame; at least one.

    Raises
    ------
    ValueError
        If there is no stage.
    """
    if not stages:
        raise ValueError("there must be at least one stage, got none")
    names, times_ms = zip(*stages, strict=True)
    figure = Figure(figsize=(_WIDTH_INCHES, 0.5 + 0.28 * len(stages)), layout="constrained")
    _heading(figure, f"{sum(times_ms):.3g} core milliseconds a frame")
    axes = figure.add_subplot()
    _draw_bars(
        axes, names, times_ms, [_BLUE] * len(stages), [f"{time:.3g} ms" for time in times_ms]
    )
    axes.set_xlim(0, 1.15 * max(times_ms) or 1)
    _save(figure, path)


def draw_live(path: Path, report: Mapping[str, Any]) -> None:
    """Draw latency and memory of a live run, minute by minute.

    Minutes without a measurement, such as those in which the run was stopped, are left out.

    Parameters
    ----------
    path
        The .svg file.
    report
        What ``benchmarks.live`` writes.

    Raises
    ------
    ValueError
        If it does not cover a whole minute.
    """
    latency_ms = report["latency"]["writing_to_publication"]["minutes_ms"]
    if not latency_ms:
        raise ValueError("there must be at least one whole minute, got none")
    figure = Figure(figsize=(_WIDTH_INCHES, 2.3), layout="constrained")
    _heading(
        figure,
        f"live, .{report['kind']}, {report['width']} × {report['height']} pixels, "
        f"{report['frame_rate']:g} frames/s",
    )
    times, host, memory = figure.subplots(1, 3)
    own_ms = report["own_time_ms"]["before"]["paced"]["sum"]["p50"]
    times.axhline(own_ms, color=_INK, linewidth=1, linestyle=":", label="decode and model alone")
    for name, color in (("p99", _GREY), ("p50", _BLUE)):
        _draw_minutes(times, [minute and minute[name] for minute in latency_ms], color, name)
    times.set_title("from written to published, ms", loc="left", fontsize=9, color=_INK)
    times.set_yscale("log")
    bottom, top = times.get_ylim()
    times.set_ylim(bottom, top * (top / bottom) ** 0.5)  # the legend stands above the lines
    times.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=_INK)
    _draw_minutes(host, report["stolen_cores"], _BLUE, "stolen")
    host.set_title("cores that the host took away", loc="left", fontsize=9, color=_INK)
    _draw_minutes(memory, report["memory"]["minutes_mib"], _BLUE, "resident")
    memory.set_title("memory, MiB", loc="left", fontsize=9, color=_INK)
    memory.set_ylim(0, 1.15 * memory.get_ylim()[1])
    _save(figure, path)


def _draw_minutes(axes: Axes, values: Sequence[float | None], color: str, name: str) -> None:
    """Draw a line over minutes, with a gap where there is no value."""
    numbers = range(1, len(values) + 1)
    known = [math.nan if value is None else value for value in values]
    axes.plot(numbers, known, color=color, linewidth=1.5, marker=".", label=name)
    axes.set_xlabel("minute", fontsize=8, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=8, labelcolor=_INK, color=_FAINT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT_INK)


def _draw_sides(
    axes: Axes,
    title: str,
    unit: str,
    result: Mapping[str, Any],
    quantity: str,
    ratio: Mapping[str, float],
) -> None:
    medians = [statistics.median(run[quantity] for run in result[side]) for side, _, _ in _SIDES]
    _, names, colors = zip(*_SIDES, strict=True)
    _draw_bars(axes, names, medians, colors, [f"{median:,.0f} {unit}" for median in medians])
    axes.set_title(f"{title}: {_as_words(ratio)}", loc="left", fontsize=9, color=_INK)
    axes.set_xlim(0, _ROOM_BESIDE_BARS * max(medians))


def _as_words(ratio: Mapping[str, float]) -> str:
    """Tell by what factor posestream takes less or more: the median, and the range of the pairs."""
    if ratio["median"] >= 1:
        return f"{ratio['median']:.1f} × less ({ratio['min']:.1f}–{ratio['max']:.1f})"
    return f"{1 / ratio['median']:.1f} × more ({1 / ratio['max']:.1f}–{1 / ratio['min']:.1f})"


def _draw_bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float],
    colors: Sequence[str],
    labels: Sequence[str],
) -> None:
    bars = axes.barh(names, values, height=0.72, color=colors)
    axes.bar_label(bars, labels, padding=4, fontsize=9, color=_INK)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params("y", length=0, labelsize=9, labelcolor=_INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(_FAINT_INK)


def _heading(figure: Figure | SubFigure, text: str) -> None:
    figure.suptitle(
        text, x=0.01, horizontalalignment="left", fontsize=10, fontweight="bold", color=_INK
    )


def _save(figure: Figure, path: Path) -> None:
    """Save on white, so that the same numbers give the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "posestream"}):
        figure.savefig(path, facecolor="white", metadata={"Date": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peer", type=Path, help="results of benchmarks.peer")
    parser.add_argument("--bench", type=Path, help="results of posestream bench")
    parser.add_argument("--live", type=Path, help="results of benchmarks.live")
    parser.add_argument("destination", type=Path, metavar="DEST_DIR", help="where pictures go")
    options = parser.parse_args(arguments)
    options.destination.mkdir(parents=True, exist_ok=True)
    if options.peer:
        draw_peer(options.destination / "peer.svg", json.loads(options.peer.read_text()))
    if options.bench:
        stages = json.loads(options.bench.read_text())["stages"]
        draw_stages(
            options.destination / "stages.svg",
            [(stage["name"], stage["core_ms_per_frame"]) for stage in stages],
        )
    if options.live:
        draw_live(options.destination / "live.svg", json.loads(options.live.read_text()))


if __name__ == "__main__":
    main()
