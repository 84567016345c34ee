"""A benchmark's report for people."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bench.report import Report, three_digits
from engine.bench.whole_job import WholeJob
from engine.machine.cost import Cost
from engine.untrusted.quoting import printable


def as_text(report: Report) -> str:
    """Lay a report out as lines of text."""
    lines = [
        *_head(report),
        "",
        *_stages(report),
        "",
        *_inference(report),
        *([] if report.whole_job is None else _whole_job(report, report.whole_job)),
        *([] if report.followed is None else _followed(report, report.followed)),
        *_conclusions(report),
    ]
    return "\n".join(map(printable, lines))


def _head(report: Report) -> Iterator[str]:
    height, width, _ = report.image_shape
    rate = float(report.movie.frame_rate)
    yield f"{report.movie.path.name}: {width} x {height} pixels, {rate:.4g} frames/s"
    yield f"model: {report.model}; cores: {report.num_cores}"


def _stages(report: Report) -> Iterator[str]:
    yield f"{'each stage alone':<24}{'frames/s':>12}{'core-ms a frame':>18}{'share':>8}"
    total_s = report.core_s_per_frame
    for name, cost in report.by_stage.items():
        yield _line(name, cost, cost.core_s_per_frame / total_s)
    yield f"{'sum':<24}{'':>12}{three_digits(1e3 * total_s):>18}{'100 %':>8}"


def _line(name: str, cost: Cost, share: float) -> str:
    speed, core_ms = three_digits(cost.frames_per_s), three_digits(1e3 * cost.core_s_per_frame)
    return f"{name:<24}{speed:>12}{core_ms:>18}{f'{100 * share:.0f} %':>8}"


def _inference(report: Report) -> Iterator[str]:
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
