"""The report of a benchmark, in numbers and as text: what bounds, and how long a movie takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.bench.inference import InferenceCost
from engine.bench.stages import (
    CONVERSION,
    DECODE,
    FILTER,
    StageCosts,
    data_stages,
    drawing_stages,
)
from engine.bench.whole_job import WholeJob
from engine.pipeline.batch_size import Cost
from engine.untrusted.quoting import printable
from readers import MovieInfo

INFERENCE = "inference"


@dataclass(frozen=True)
class Report:
    """Everything that was measured.

    Attributes
    ----------
    movie
        The movie.
    image_shape
        Height, width and channels of its frames, cropped where a crop was asked for.
    model
        Name of the model.
    num_cores
        Cores that this process may use.
    stages
        Costs of the stages around the model.
    inference
        Costs of the model, by runtime and batch size; none for the null model.
    chosen
        Runtime and batch size of the whole job; None for the null model.
    whole_job
        Cost of the whole job on whole frames; None if the system stopped it.
    followed
        Cost of the whole job where the animal is followed; None where it is not.
    notes
        What could not be measured, a line each.
    """

    movie: MovieInfo
    image_shape: tuple[int, int, int]
    model: str
    num_cores: int
    stages: StageCosts
    inference: Sequence[InferenceCost]
    chosen: InferenceCost | None
    whole_job: WholeJob | None
    notes: Sequence[str]
    followed: WholeJob | None = None

    @property
    def by_stage(self) -> Mapping[str, Cost]:
        """Cost of every stage alone, in the order of the data's way."""
        costs = dict(self.stages.by_stage)
        if self.chosen is None:
            return costs
        ordered = {name: costs.pop(name) for name in (DECODE, CONVERSION)}
        return ordered | {INFERENCE: self.chosen.cost} | costs

    @property
    def core_s_per_frame(self) -> float:
        """Seconds of processor time that all stages alone need for a frame."""
        return sum(cost.core_s_per_frame for cost in self.by_stage.values())

    def own_core_s(self, job: WholeJob) -> float:
        """Seconds of processor time of a whole job by its parts alone, with start and end."""
        fixed = (job.startup, self.stages.opening, self.stages.closing)
        frames = job.total.num_frames * self.core_s_per_frame
        return frames + sum(cost.core_s for cost in fixed)

    def overhead(self, job: WholeJob) -> float:
        """Wall time × cores of a whole job over `own_core_s`: 1 if no core was ever idle."""
        return job.total.wall_s * self.num_cores / self.own_core_s(job)

    def over_codec(self, job: WholeJob) -> float:
        """Wall time a frame of a whole job, once it runs, over that of the slowest codec.

        That is the slower of reading (decode and conversion) and drawing and encoding.
        """
        by_stage = self.stages.by_stage
        slowest_s = max(
            sum(by_stage[name].wall_s / by_stage[name].num_frames for name in names)
            for names in ((DECODE, CONVERSION), drawing_stages())
        )
        return 1 / slowest_s / job.steady.frames_per_s

    def bound(self) -> str:
        """Say what keeps the job from being faster."""
        stages, slowest = self.by_stage, self._slowest_worker
        if 1 / self._wall_s[slowest] < self._by_processor:
            return f"{slowest}, at {three_digits(1 / self._wall_s[slowest])} frames/s"
        name = max(stages, key=lambda name: stages[name].core_s_per_frame)
        share = stages[name].core_s_per_frame / self.core_s_per_frame
        return (
            f"the processor, all {self.num_cores} cores of it, at "
            f"{three_digits(self._by_processor)} frames/s; {name} takes {share:.0%} of its time"
        )

    @property
    def _by_processor(self) -> float:
        return self.num_cores / self.core_s_per_frame

    @property
    def _wall_s(self) -> Mapping[str, float]:
        """Seconds a frame of those stages that wait for each other: idle cores do not help them."""
        stages = self.by_stage
        workers = {
            "reading, which runs on one thread": (DECODE, CONVERSION),
            "inference and median filter": (INFERENCE, FILTER),
            "drawing and encoding, which runs on one thread": drawing_stages(),
            "data, which runs on one thread": data_stages(),
        }
        return {
            worker: sum(1 / stages[name].frames_per_s for name in names if name in stages)
            for worker, names in workers.items()
        }

    @property
    def _slowest_worker(self) -> str:
        return max(self._wall_s, key=lambda worker: self._wall_s[worker])

    def seconds_for(self, movie_s: float) -> float:
        """Predict how long a movie of the same kind takes, in seconds.

        By the whole job where it was measured, else by what bounds it.
        """
        num_frames = movie_s * float(self.movie.frame_rate)
        if self.whole_job is None:
            speed = min(self._by_processor, 1 / self._wall_s[self._slowest_worker])
            return num_frames / speed + self.stages.closing.wall_s
        speed, start_s = self.whole_job.steady.frames_per_s, self.whole_job.first_pose_s
        return start_s + num_frames / speed + self.stages.closing.wall_s

    def as_json(self) -> dict[str, object]:
        """Give all numbers, in plain JSON values."""
        job = self.whole_job
        return {
            "movie": {
                "name": printable(self.movie.path.name),
                "format": self.movie.format,
                "frame_height": self.image_shape[0],
                "frame_width": self.image_shape[1],
                "frame_rate": float(self.movie.frame_rate),
                "num_frames_in_header": self.movie.num_frames_from_header,
            },
            "model": self.model,
            "stages": [{"name": name, **_cost(cost)} for name, cost in self.by_stage.items()],
            "inference": [_inference(cost) for cost in self.inference],
            "whole_job": None if job is None else self._whole_job_as_json(job),
            "followed": self._followed_as_json(),
            "bound": self.bound(),
            "predicted_s": {"1 h": self.seconds_for(3600), "24 h": self.seconds_for(86400)},
            "recommended": None if self.chosen is None else _inference(self.chosen),
            "notes": list(self.notes),
        }

    def gain(self, followed: WholeJob) -> float | None:
        """Speed of a followed job over that of whole frames, once it runs."""
        if self.whole_job is None:
            return None
        return followed.steady.frames_per_s / self.whole_job.steady.frames_per_s

    def _followed_as_json(self) -> dict[str, object] | None:
        job = self.followed
        if job is None:
            return None
        return {
            **_cost(job.total),
            "steady_frames_per_s": job.steady.frames_per_s,
            "peak_mib": job.peak_mib,
            "over_whole_frames": self.gain(job),
            "follow": job.follow,
        }

    def _whole_job_as_json(self, job: WholeJob) -> dict[str, object]:
        return {
            **_cost(job.total),
            "wall_s": job.total.wall_s,
            "steady_frames_per_s": job.steady.frames_per_s,
            "startup_s": job.startup.wall_s,
            "startup_core_s": job.startup.core_s,
            "first_pose_s": job.first_pose_s,
            "peak_mib": job.peak_mib,
            "wall_times_cores_over_own_core_s": self.overhead(job),
            "wall_over_slower_codec": self.over_codec(job),
        }


def _cost(cost: Cost) -> dict[str, object]:
    return {
        "num_frames": cost.num_frames,
        "frames_per_s": cost.frames_per_s,
        "core_ms_per_frame": 1e3 * cost.core_s_per_frame,
    }


def _inference(cost: InferenceCost) -> dict[str, object]:
    return {
        "runtime": cost.runtime,
        "batch_size": cost.batch_size,
        **_cost(cost.cost),
        "peak_mib": cost.peak_mib,
    }


def three_digits(number: float) -> str:
    """Write a number with as many digits as can be trusted."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def as_text(report: Report) -> str:
    """Lay a report out as lines of text."""
    lines = [
        *_stages(report),
        "",
        *_speeds(report),
        *([] if report.whole_job is None else _whole_job(report, report.whole_job)),
        *([] if report.followed is None else _followed(report, report.followed)),
        *_conclusions(report),
    ]
    return "\n".join(map(printable, lines))


def _stages(report: Report) -> Iterator[str]:
    height, width, _ = report.image_shape
    rate = float(report.movie.frame_rate)
    yield f"{report.movie.path.name}: {width} x {height} pixels, {rate:.4g} frames/s"
    yield f"model: {report.model}; cores: {report.num_cores}"
    yield ""
    yield f"{'each stage alone':<24}{'frames/s':>12}{'core-ms a frame':>18}{'share':>8}"
    total_s = report.core_s_per_frame
    for name, cost in report.by_stage.items():
        speed, core_ms = three_digits(cost.frames_per_s), three_digits(1e3 * cost.core_s_per_frame)
        share = f"{100 * (cost.core_s_per_frame / total_s):.0f} %"
        yield f"{name:<24}{speed:>12}{core_ms:>18}{share:>8}"
    yield f"{'sum':<24}{'':>12}{three_digits(1e3 * total_s):>18}{'100 %':>8}"


def _speeds(report: Report) -> Iterator[str]:
    if not report.inference:
        return
    sizes = sorted({cost.batch_size for cost in report.inference})
    yield f"{'inference, frames/s':<24}" + "".join(f"{f'batch {size}':>10}" for size in sizes)
    for runtime in dict.fromkeys(cost.runtime for cost in report.inference):
        speeds = {
            cost.batch_size: three_digits(cost.cost.frames_per_s)
            for cost in report.inference
            if cost.runtime == runtime
        }
        yield f"{runtime:<24}" + "".join(f"{speeds.get(size, '-'):>10}" for size in sizes)
    yield ""


def _whole_job(report: Report, job: WholeJob) -> Iterator[str]:
    overhead, over_codec = report.overhead(job), report.over_codec(job)
    yield f"whole job, {job.total.num_frames} frames, all outputs"
    yield f"  speed once it runs    {three_digits(job.steady.frames_per_s)} frames/s"
    yield f"  first poses after     {job.first_pose_s:.1f} s"
    yield f"  peak memory           {job.peak_mib:.0f} MiB"
    yield f"  wall time x cores     {overhead:.2f} of the stages' own, with start and end"
    yield f"  wall time a frame     {over_codec:.2f} of the slower of reading and encoding"
    yield ""


def _followed(report: Report, job: WholeJob) -> Iterator[str]:
    yield f"the same, following the animal, {job.total.num_frames} frames"
    gain = report.gain(job)
    over = "" if gain is None else f", {gain:.2f} times that of whole frames"
    yield f"  speed once it runs    {three_digits(job.steady.frames_per_s)} frames/s{over}"
    yield f"  peak memory           {job.peak_mib:.0f} MiB"
    if job.follow is not None:
        yield f"  {job.follow}"
    yield ""


def _conclusions(report: Report) -> Iterator[str]:
    yield f"bound by: {report.bound()}"
    for hours in (1, 24):
        yield f"a movie of {hours} h takes about {_duration(report.seconds_for(3600 * hours))}"
    if report.chosen is not None:
        chosen = report.chosen
        yield f"recommended: --runtime {chosen.runtime} --batch-size {chosen.batch_size}"
    for note in report.notes:
        yield f"note: {note}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
