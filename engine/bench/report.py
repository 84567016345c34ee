"""The report of a benchmark, in numbers and as text: what bounds, and how long a movie takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.bench.costs import CONVERSION, DECODE, FILTER, InferenceCost, StageCosts, WholeJob
from engine.pipeline.batch_size import Cost
from engine.runs.job_sinks import OUTPUTS
from engine.untrusted.quoting import printable
from readers import MovieInfo

INFERENCE = "inference"
_READING = "reading, which runs on one thread"
_DRAWING = "drawing and encoding, which runs on one thread"


@dataclass(frozen=True)
class Report:
    """Everything that was measured."""

    movie: MovieInfo
    image_shape: tuple[int, int, int]
    """Height, width and channels of its frames, cropped where a crop was asked for."""
    model: str
    num_cores: int  # cores that this process may use
    stages: StageCosts
    inference: Sequence[InferenceCost]  # by runtime and batch size; none for the null model
    chosen: InferenceCost | None  # runtime and batch size of the whole job; None for the null model
    whole_job: WholeJob | None  # on whole frames; None if the system stopped it
    notes: Sequence[str]  # what could not be measured, a line each
    followed: WholeJob | None = None
    """The whole job where the animal is followed; None where it is not."""

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

    @property
    def limits(self) -> Mapping[str, float]:
        """Frames per second that the processor allows, and each thread: idle cores do not help it.

        A thread is named by its stages, which wait for each other; the processor by "".
        """
        stages = self.by_stage
        threads = {
            _READING: [DECODE, CONVERSION],
            "inference and median filter": [INFERENCE, FILTER],
            _DRAWING: [output.name for output in OUTPUTS if output.needs_pictures],
            "data, which runs on one thread": [
                output.name for output in OUTPUTS if not output.needs_pictures
            ],
        }
        return {"": self.num_cores / self.core_s_per_frame} | {
            thread: 1 / sum(1 / stages[name].frames_per_s for name in names if name in stages)
            for thread, names in threads.items()
        }

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
        limits = self.limits
        return min(limits[_READING], limits[_DRAWING]) / job.steady.frames_per_s

    def gain(self, followed: WholeJob) -> float | None:
        """Speed of a followed job over that of whole frames, once it runs."""
        if self.whole_job is None:
            return None
        return followed.steady.frames_per_s / self.whole_job.steady.frames_per_s

    def bound(self) -> str:
        """Say what keeps the job from being faster."""
        stages, limits = self.by_stage, self.limits
        slowest = min(limits, key=lambda name: limits[name])
        speed = three_digits(limits[slowest])
        if slowest:
            return f"{slowest}, at {speed} frames/s"
        name = max(stages, key=lambda name: stages[name].core_s_per_frame)
        share = stages[name].core_s_per_frame / self.core_s_per_frame
        return (
            f"the processor, all {self.num_cores} cores of it, at {speed} frames/s; "
            f"{name} takes {share:.0%} of its time"
        )

    def seconds_for(self, movie_s: float) -> float:
        """Predict how long a movie of the same kind takes, in seconds.

        By the whole job where it was measured, else by what bounds it.
        """
        speed, start_s = min(self.limits.values()), 0.0
        if self.whole_job is not None:
            speed, start_s = self.whole_job.steady.frames_per_s, self.whole_job.first_pose_s
        num_frames = movie_s * float(self.movie.frame_rate)
        return start_s + num_frames / speed + self.stages.closing.wall_s

    def as_json(self) -> dict[str, object]:
        """Give all numbers, in plain JSON values."""
        followed = self.followed
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
            "stages": [{"name": name, **cost.as_json()} for name, cost in self.by_stage.items()],
            "inference": [cost.as_json() for cost in self.inference],
            "whole_job": self.whole_job and self._whole_job_as_json(self.whole_job),
            "followed": None
            if followed is None
            else {
                **followed.total.as_json(),
                "steady_frames_per_s": followed.steady.frames_per_s,
                "peak_mib": followed.peak_mib,
                "over_whole_frames": self.gain(followed),
                "follow": followed.follow,
            },
            "bound": self.bound(),
            "predicted_s": {"1 h": self.seconds_for(3600), "24 h": self.seconds_for(86400)},
            "recommended": self.chosen and self.chosen.as_json(),
            "notes": list(self.notes),
        }

    def _whole_job_as_json(self, job: WholeJob) -> dict[str, object]:
        return {
            **job.total.as_json(),
            "wall_s": job.total.wall_s,
            "steady_frames_per_s": job.steady.frames_per_s,
            "startup_s": job.startup.wall_s,
            "startup_core_s": job.startup.core_s,
            "first_pose_s": job.first_pose_s,
            "peak_mib": job.peak_mib,
            "wall_times_cores_over_own_core_s": self.overhead(job),
            "wall_over_slower_codec": self.over_codec(job),
        }


def three_digits(number: float) -> str:
    """Write a number with as many digits as can be trusted."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def as_text(report: Report) -> str:
    """Lay a report out as lines of text."""
    lines = [*_tables(report), ""]
    if (job := report.whole_job) is not None:
        overhead, over_codec = report.overhead(job), report.over_codec(job)
        lines += [
            f"whole job, {job.total.num_frames} frames, all outputs",
            f"  speed once it runs    {three_digits(job.steady.frames_per_s)} frames/s",
            f"  first poses after     {job.first_pose_s:.1f} s",
            f"  peak memory           {job.peak_mib:.0f} MiB",
            f"  wall time x cores     {overhead:.2f} of the stages' own, with start and end",
            f"  wall time a frame     {over_codec:.2f} of the slower of reading and encoding",
            "",
        ]
    if (job := report.followed) is not None:
        gain, speed = report.gain(job), f"{three_digits(job.steady.frames_per_s)} frames/s"
        over = "" if gain is None else f", {gain:.2f} times that of whole frames"
        lines += [f"the same, following the animal, {job.total.num_frames} frames"]
        lines += [f"  speed once it runs    {speed}{over}"]
        lines += [f"  peak memory           {job.peak_mib:.0f} MiB"]
        lines += [*([] if job.follow is None else [f"  {job.follow}"]), ""]
    lines.append(f"bound by: {report.bound()}")
    for hours in (1, 24):
        duration = _duration(report.seconds_for(3600 * hours))
        lines.append(f"a movie of {hours} h takes about {duration}")
    if (best := report.chosen) is not None:
        lines.append(f"recommended: --runtime {best.runtime} --batch-size {best.batch_size}")
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(map(printable, lines))


def _tables(report: Report) -> Iterator[str]:
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
    if not report.inference:
        return
    speeds: dict[str, dict[int, str]] = {}
    for one in report.inference:
        speeds.setdefault(one.runtime, {})[one.batch_size] = three_digits(one.cost.frames_per_s)
    sizes = sorted({one.batch_size for one in report.inference})
    yield ""
    yield f"{'inference, frames/s':<24}" + "".join(f"{f'batch {size}':>10}" for size in sizes)
    for runtime, by_size in speeds.items():
        yield f"{runtime:<24}" + "".join(f"{by_size.get(size, '-'):>10}" for size in sizes)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
