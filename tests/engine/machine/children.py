"""Stands in for the processes of a benchmark, which then measures nothing and ends at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import Job
from engine.bench.costs import BATCH_SIZES, InferenceCost
from engine.bench.measurement import measure
from engine.bench.report import Report
from engine.pipeline.batch_size import Cost
from engine.watch.progress import Progress
from tests.engine.bench.reports import STAGES, WHOLE_JOB

Speeds = dict[int, float]


class Children:
    """Stands in for the processes: made-up costs, and errors where they are wanted.

    A runtime's speeds are frames/s by batch size; what it returns or raises comes after these.
    """

    def __init__(self, num_frames: int = 1000) -> None:
        self.num_frames = num_frames
        self.speeds: dict[str, Speeds] = {
            "tensorflow": dict.fromkeys(BATCH_SIZES, 50),
            "openvino": dict.fromkeys(BATCH_SIZES, 100),
        }
        self.ends: dict[str, str | Exception] = {}
        self.given: dict[str, list[tuple[Any, ...]]] = {}

    def __call__(
        self, function: Callable[..., Any], *arguments: Any, tell: Callable[[Any], None]
    ) -> Any:
        name = function.__name__
        self.given.setdefault(name, []).append(arguments)
        if name == "measure_stages":
            tell(10)
            return STAGES
        if name == "measure_inference":
            _, runtime, _, sizes, _ = arguments
            return self._inference(tell, runtime, sizes)
        assert name == "measure_whole_job"
        if isinstance(end := self.ends.get("whole job"), Exception):
            raise end
        _, most_frames, *_ = arguments
        total = replace(WHOLE_JOB.total, num_frames=min(most_frames, self.num_frames))
        return replace(WHOLE_JOB, total=total)

    def _inference(self, tell: Callable[[Any], None], runtime: str, sizes: Iterable[int]) -> str:
        for size in sizes:
            if size not in self.speeds[runtime]:
                break
            speed = self.speeds[runtime][size]
            tell(InferenceCost(runtime, size, Cost(100, 100 / speed, 200 / speed), 300.0))
        end = self.ends.get(runtime, "")
        if isinstance(end, Exception):
            raise end
        return end

    @property
    def job(self) -> Job:
        """The whole job's."""
        ((job, *_),) = self.given["measure_whole_job"]
        assert isinstance(job, Job)
        return job

    @property
    def most_frames(self) -> int:
        """The whole job's."""
        (arguments,) = self.given["measure_whole_job"]
        most_frames = arguments[1]
        assert isinstance(most_frames, int)
        return most_frames

    @property
    def tried(self) -> dict[str, tuple[int, ...]]:
        """Batch sizes that were asked for, by runtime."""
        return {runtime: sizes for _, runtime, _, sizes, _ in self.given["measure_inference"]}


def measured(
    movie: Path, *, is_null: bool = False, most_frames: int | None = None, **options: Any
) -> Report:
    job = Job([movie], Path("unused"), **options)
    return measure(job, Progress(), is_null=is_null, most_frames=most_frames)
