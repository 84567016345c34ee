"""The distances between the poses of a followed animal and those of whole frames.

    python -m benchmarks.follow --model EXPORT_DIR [--movie MOVIE ...] [--size 1280x1024]
        [--body-length 0.13] [--frames 400] [--follow auto] [--json follow.json]

Without movies, on generated ones that make it hard (see `benchmarks.hard_movies`). Each frame is
estimated twice: whole and followed. A point counts where it is likely in the whole one. How much is
spared is what `posestream bench --follow` tells.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.hard_movies import HARD_MOVIES, Stage
from engine.follow.animal import LIKELY
from engine.follow.settings import FollowSettings, calibrate, follow_settings
from engine.follow.stage import FollowingPrediction
from engine.follow.tally import FollowTally
from engine.inference import PoseModel, load_model, read_export
from engine.job.job import Job
from readers import FrameBatch, FrameStatus, inspect_movie, open_movie
from sinks import PoseBatch

SEED = 500_100

log = logging.getLogger(__name__)


@dataclass
class Comparison:
    """The results on one movie.

    Attributes
    ----------
    errors_px
        Of every point that is likely in the whole frame.
    longest_loss
        Most consecutive frames in which a point was more than a pixel off.
    """

    errors_px: list[float] = field(default_factory=list)
    longest_loss: int = 0
    num_frames: int = 0
    _loss: int = 0

    def add(self, followed: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
        """Compare poses of consecutive frames, shape (frames, body parts, 3)."""
        for pose, wanted in zip(followed, whole, strict=True):
            is_likely = wanted[:, 2] >= LIKELY
            error_px = np.hypot(*(pose[is_likely, :2] - wanted[is_likely, :2]).T)
            self.errors_px += error_px.tolist()
            self._loss = self._loss + 1 if np.any(error_px > 1) else 0
            self.longest_loss = max(self.longest_loss, self._loss)
            self.num_frames += 1

    def as_json(self) -> dict[str, Any]:
        """Tell it by number."""
        errors_px = np.array(self.errors_px or [np.nan])
        return {
            "num_frames": self.num_frames,
            "num_points": len(self.errors_px),
            "median_px": float(np.median(errors_px)),
            "p99_px": float(np.percentile(errors_px, 99)),
            "share_within_1_px": float(np.mean(errors_px <= 1)),
            "longest_loss_frames": self.longest_loss,
        }


def compare(
    pictures: Iterable[NDArray[np.uint8]], model: PoseModel, follow: FollowSettings
) -> tuple[Comparison, FollowTally]:
    """Estimate pictures, shape (height, width, 3), both ways."""
    stage = FollowingPrediction(model, follow, lag=follow.batch_size)
    tally, found = FollowTally(follow, None), Comparison()
    remaining = iter(pictures)
    whole: deque[NDArray[np.float64]] = deque()
    first = 0
    while images := list(islice(remaining, follow.batch_size)):
        batch = _batch(np.stack(images), first)
        whole.append(model.predict(batch.images))
        _add(found, tally, stage.push(batch), whole)
        first += len(images)
    _add(found, tally, stage.flush(), whole)
    return found, tally


def _add(
    found: Comparison,
    tally: FollowTally,
    followed: list[PoseBatch],
    whole: deque[NDArray[np.float64]],
) -> None:
    for batch in followed:
        found.add(batch.poses, whole.popleft())
        tally.push(batch)


class Pictures:
    """Gives pictures, shape (height, width, 3), one at a time, as a reader gives a movie's."""

    def __init__(self, pictures: Iterator[NDArray[np.uint8]]) -> None:
        first = next(pictures)
        self._pictures = chain([first], pictures)
        self.image_shape = (first.shape[0], first.shape[1], first.shape[2])
        self._num_read = 0

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        """Fill `images`, which has room for one, with the next picture."""
        picture = next(self._pictures, None)
        if picture is None:
            return None
        images[0] = picture
        self._num_read += 1
        return _batch(images, self._num_read - 1)

    def skip(self, num_frames: int) -> int:
        """Pass over the next pictures."""
        num_skipped = sum(1 for _ in islice(self._pictures, num_frames))
        self._num_read += num_skipped
        return num_skipped


def _batch(images: NDArray[np.uint8], first: int) -> FrameBatch:
    unknown = np.full(len(images), np.nan)
    status = np.full(len(images), FrameStatus.DECODED, np.uint8)
    return FrameBatch(first, images, unknown, unknown, status)


def recorded(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Give the pictures of a movie."""
    with open_movie(inspect_movie(path)) as reader:
        images = np.empty((1, *reader.image_shape), np.uint8)
        while reader.read(images) is not None:
            yield images[0].copy()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--movie", type=Path, action="append", default=[])
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--body-length", type=float)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--context-px", type=int)
    parser.add_argument("--follow", choices=("poses", "auto"), default="poses")
    parser.add_argument("--only", action="append", choices=HARD_MOVIES)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    export = read_export(args.model)
    follow = follow_settings(Job([Path("movie.mp4")], Path("outputs"), follow=args.follow), export)
    if follow is None:
        raise SystemExit(f"{args.model}: this model cannot be followed")
    if args.context_px:
        follow = replace(follow, context_px=args.context_px)
    model = load_model(
        export,
        num_sizes=1 + follow.most_sizes,
        is_prompt=True,
        continues_windows=follow.is_heavy,
    )
    width, height = (int(side) for side in args.size.split("x"))
    stage = Stage(SEED, width, height, args.body_length)
    sources = {path.name: partial(recorded, path) for path in args.movie} or {
        name: partial(make, stage)
        for name, make in HARD_MOVIES.items()
        if not args.only or name in args.only
    }
    told: dict[str, Any] = {"model": args.model.name, "follow": asdict(follow), "movies": {}}
    log.info(f"{'movie':>12} {'median':>8} {'99 %':>8} {'<= 1 px':>8} {'loss':>5}")
    for name, pictures in sources.items():
        used = follow
        if args.follow == "auto":
            frames = Pictures(islice(pictures(), args.frames))
            used = replace(follow, context_px=calibrate(frames, model, follow).context_px)
        found, tally = compare(islice(pictures(), args.frames), model, used)
        row = found.as_json()
        told["movies"][name] = row | {"follow": tally.as_json()}
        log.info(
            f"{name[-12:]:>12} {row['median_px']:8.3f} {row['p99_px']:8.2f} "
            f"{100 * row['share_within_1_px']:6.2f} % {row['longest_loss_frames']:5d} "
            f" {tally.as_text()}",
        )
    if args.json:
        args.json.write_text(json.dumps(told, indent=4))


if __name__ == "__main__":
    main()
