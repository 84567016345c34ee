"""Measure an exported model on generated movies that it never saw, whole frames.

    python -m benchmarks.training.evaluate engine/builtin/model

Prints, for each look, the distance in pixels from every body part to where it truly is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS, MouseMovie
from benchmarks.synthetic.movies import LOOKS
from benchmarks.synthetic.scene import Look
from engine.inference import read_export

FIRST_SEED = 500_000  # training takes 1,000,000 and up
FRAMES_APART = 37
HEADINGS = (
    f"{'body part':>10} {'median':>7} {'95 %':>7} {'> 20 px':>8} {'p > 0.6':>8} {'sure+off':>8}"
)


def load(folder: Path, height: int, width: int) -> Any:
    """Compile the export of `folder` for one picture of this size at a time, in float32."""
    from engine.inference.openvino import cpu_core

    core = cpu_core()
    model = core.read_model(read_export(folder).graph_path)
    model.reshape([1, height, width, 3])
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def measure(
    model: Any, look: Look, num_movies: int, frames_per_movie: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors in pixels and likelihoods, each of shape (frames, body parts)."""
    errors, likelihoods = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + num_movies):
        movie = MouseMovie(seed, look=look)
        for index in range(0, frames_per_movie * FRAMES_APART, FRAMES_APART):
            found = model([movie.image(index)[None].astype(np.float32)])[0]
            offset = found[:, 1::-1] - movie.key_points(index)
            errors.append(np.hypot(offset[:, 0], offset[:, 1]))
            likelihoods.append(found[:, 2])
    return np.array(errors), np.array(likelihoods)


def table(errors: NDArray[np.float64], likelihoods: NDArray[np.float64]) -> str:
    """Give one line for each body part, and one for all.

    The last column: likelihood above 0.6, and yet more than 20 px off.
    """
    lines = [HEADINGS]
    for i, name in enumerate([*BODY_PARTS, "all"]):
        error = errors[:, i] if i < len(BODY_PARTS) else errors
        sure = (likelihoods[:, i] if i < len(BODY_PARTS) else likelihoods) > 0.6
        lines.append(
            f"{name:>10} {np.median(error):7.2f} {np.percentile(error, 95):7.2f} "
            f"{np.mean(error > 20):8.1%} {np.mean(sure):8.1%} {np.mean(sure & (error > 20)):8.1%}"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the export")
    parser.add_argument("--movies", type=int, default=30)
    parser.add_argument("--frames-per-movie", type=int, default=10)
    args = parser.parse_args()
    model = load(args.model, 480, 640)
    for look in LOOKS:
        measured = measure(model, look, args.movies, args.frames_per_movie)
        sys.stdout.write(f"{look}, {len(measured[0])} frames of {args.movies} movies\n")
        sys.stdout.write(table(*measured) + "\n")


if __name__ == "__main__":
    main()
