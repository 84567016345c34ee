"""Counts of the ways in which frames were looked at, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import numpy as np

from engine.follow.calibration import Calibration
from engine.follow.settings import FollowSettings
from engine.follow.stage import LARGEST_ERROR_PX
from engine.pipeline.prediction import FollowedBatch, Look, Looks
from sinks import PoseBatch

_MOST_SIZES = 64
"""Different sizes of windows that are counted one by one."""
_BINS_PX = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 281)])
"""Forty a factor of ten: a percentile is told up to 6 % too high."""
_WORDS = {
    Look.CHECK: "check",
    Look.LOST: "animal not found",
    Look.LARGE: "window nearly as large",
    Look.EDGE: "near the window's edge",
    Look.UNSEEN: "part perhaps outside",
    Look.JUMP: "jump",
    Look.DISTRUST: "beside a failed check",
}


class FollowTally:
    """Counts how frames were looked at; a stage that leaves every batch as it is.

    `follow` is None where no animal is followed, `calibration` where nothing was measured for it.
    """

    def __init__(self, follow: FollowSettings | None, calibration: Calibration | None) -> None:
        self._follow = follow
        self._calibration = calibration
        self._num_frames = dict.fromkeys(Look, 0)
        self._num_tracked = 0
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._num_errors = np.zeros(len(_BINS_PX), np.int64)
        self._num_failed = 0
        self._largest_error_px = 0.0

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        """Count a batch; return it."""
        if isinstance(batch, FollowedBatch):
            self._count(batch.looks)
        return [batch]

    def flush(self) -> list[PoseBatch]:
        """Return nothing: nothing is held back."""
        return []

    @property
    def share_whole(self) -> float:
        """Share of the frames the model looked at as a whole, of those it looked at."""
        num_whole = sum(self._num_frames[look] for look in _WORDS)
        return num_whole / max(1, num_whole + self._num_frames[Look.WINDOW])

    @property
    def lacks_tracker(self) -> bool:
        """Whether windows were to be led by a tracker, and none was."""
        wants_tracker = self._follow is not None and self._follow.uses_tracker
        return wants_tracker and bool(self._sizes) and not self._num_tracked

    def as_json(self) -> dict[str, object]:
        """Describe it by plain JSON values."""
        return {
            **({} if self._follow is None else asdict(self._follow)),
            "calibration": None if self._calibration is None else asdict(self._calibration),
            "num_frames": {look.name.lower(): num for look, num in self._num_frames.items()},
            "share_whole": round(self.share_whole, 6),
            "num_tracked_frames": self._num_tracked,
            "windows": [
                {"width": width, "height": height, "num_frames": count}
                for (width, height), count in self._sizes.most_common()
            ],
            "checks": {
                "num_frames": int(self._num_errors.sum()),
                "num_failed": self._num_failed,
                "median_error_px": self._percentile_px(50),
                "p99_error_px": self._percentile_px(99),
                "largest_error_px": round(self._largest_error_px, 4),
            },
        }

    def as_text(self) -> str:
        """Describe it in one line."""
        num_of = self._num_frames
        reasons = [f"{words}: {num_of[look]}" for look, words in _WORDS.items() if num_of[look]]
        text = f"followed: {100 * self.share_whole:.1f} % of frames whole"
        if reasons:
            text += f" ({', '.join(reasons)})"
        if self._sizes:
            (width, height), _ = self._sizes.most_common(1)[0]
            text += f"; windows of {width} x {height}, most often"
        num_checks = int(self._num_errors.sum())
        if num_checks:
            text += (
                f"; of {num_checks} checks half within {self._percentile_px(50):.2g} px, "
                f"99 % within {self._percentile_px(99):.2g} px, {self._num_failed} failed"
            )
        return text

    def _count(self, looks: Looks) -> None:
        for look, num_frames in Counter(looks["look"].tolist()).items():
            self._num_frames[Look(look)] += num_frames
        self._num_tracked += int(looks["is_tracked"].sum())
        in_window = looks[looks["width"] > 0]
        for size in zip(in_window["width"].tolist(), in_window["height"].tolist(), strict=True):
            if size in self._sizes or len(self._sizes) < _MOST_SIZES:
                self._sizes[size] += 1
        errors_px = looks["check_error_px"][~np.isnan(looks["check_error_px"])]
        if len(errors_px):
            np.add.at(self._num_errors, np.searchsorted(_BINS_PX[1:], errors_px), 1)
            self._num_failed += int((errors_px > LARGEST_ERROR_PX).sum())
            self._largest_error_px = max(self._largest_error_px, float(errors_px.max()))

    def _percentile_px(self, percent: float) -> float | None:
        num_errors = self._num_errors.sum()
        if not num_errors:
            return None
        place = np.searchsorted(np.cumsum(self._num_errors), np.ceil(percent / 100 * num_errors))
        edge_px = float(np.append(_BINS_PX[1:], np.inf)[place])
        return round(min(edge_px, self._largest_error_px), 4)
