"""The speed that following the animal gains: whole frames and windows, taking turns.

    python -m benchmarks.follow_gain --model EXPORT_DIR --body-length 0.1
    python -m benchmarks.follow_gain --model EXPORT_DIR --movie SHORT.mp4

Whole jobs with all outputs, each in a process of its own, on a generated .isxb or on a short movie
that is shown forwards and backwards again and again. What counts is the speed once a run runs: a
followed run has more frames, since it gets ready for its windows in the first hundreds. Ratios
are of a followed run over the mean of those before and after it.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.follow import recorded
from benchmarks.synthetic import MouseMovie, write_isxb, write_mp4
from engine import Job
from engine.bench.costs import WholeJob, measure_whole_job
from engine.machine.workers import run_in_child

SEED = 500_200
FRAME_RATE = 25

log = logging.getLogger(__name__)


def back_and_forth(pictures: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Show pictures forwards and backwards for ever, so that nothing jumps."""
    return cycle([*pictures, *pictures[-2:0:-1]])


def make_movie(folder: Path, args: argparse.Namespace) -> Path:
    """Write the movie, and tell how much of it the animal covers."""
    num_frames = max(args.frames, args.whole_frames)
    if args.movie is not None:
        path = folder / "back-and-forth.mp4"
        write_mp4(path, islice(back_and_forth(list(recorded(args.movie))), num_frames), 30)
        return path
    width, height = (int(side) for side in args.size.split("x"))
    movie = MouseMovie(
        SEED, width, height, FRAME_RATE, num_frames, look="infrared", body_length=args.body_length
    )
    path = folder / "mouse.isxb"
    write_isxb(path, movie.images(), FRAME_RATE)
    points = np.stack([movie.key_points(index) for index in range(0, num_frames, 10)])
    share = np.ptp(points, axis=1).prod(axis=1).mean() / (width * height)
    log.info(f"the box of the animal covers {100 * share:.1f} % of the picture")
    return path


def measured(job: Job, most_frames: int) -> WholeJob:
    """Run a job in a process of its own."""
    found: WholeJob = run_in_child(
        measure_whole_job, job, most_frames, False, time.time(), tell=lambda _: None
    )
    log.info(
        f"{job.follow:>8} {found.steady.frames_per_s:8.2f} frames/s "
        f"{1e3 * found.steady.core_s_per_frame:8.1f} core-ms a frame, {found.peak_mib:5.0f} MiB  "
        f"{found.follow or ''}"
    )
    return found


def as_json(job: WholeJob) -> dict[str, Any]:
    """Tell by number what a run has cost."""
    return {
        "frames_per_s": job.steady.frames_per_s,
        "core_s_per_frame": job.steady.core_s_per_frame,
        "num_frames": job.total.num_frames,
        "peak_mib": job.peak_mib,
        "follow": job.follow,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--movie", type=Path)
    parser.add_argument("--size", default="1280x1024")
    parser.add_argument("--body-length", type=float, default=0.1)
    parser.add_argument("--follow", choices=("poses", "tracker", "auto"), default="auto")
    parser.add_argument("--frames", type=int, default=1500, help="of a followed run")
    parser.add_argument("--whole-frames", type=int, default=40, help="of a run of whole frames")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with TemporaryDirectory() as name:
        folder = Path(name)
        movie = make_movie(folder, args)
        job = Job([movie], folder / "outputs", model=args.model, runtime="openvino", overwrite=True)
        whole = [measured(job, args.whole_frames)]
        followed: list[WholeJob] = []
        for _ in range(args.rounds):
            followed.append(measured(replace(job, follow=args.follow), args.frames))
            whole.append(measured(job, args.whole_frames))
    ratios = [
        run.steady.frames_per_s
        / statistics.mean([before.steady.frames_per_s, after.steady.frames_per_s])
        for run, before, after in zip(followed, whole, whole[1:], strict=False)
    ]
    log.info("times as fast: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    if args.json:
        told = {
            "model": args.model.name,
            "ratios": ratios,
            "whole": [as_json(run) for run in whole],
            "followed": [as_json(run) for run in followed],
        }
        args.json.write_text(json.dumps(told, indent=4))


if __name__ == "__main__":
    main()
