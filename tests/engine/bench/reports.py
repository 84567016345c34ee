"""A made-up benchmark, with numbers that can be checked by hand."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.bench.costs import InferenceCost, StageCosts, WholeJob
from engine.bench.report import Report
from engine.pipeline.batch_size import Cost
from readers import MovieInfo

MOVIE = MovieInfo(Path("/data/mouse.mp4"), "mp4", 640, 480, Fraction(1, 20), 5000)
STAGES = StageCosts(
    by_stage={
        "decode": Cost(200, wall_s=0.2, core_s=0.2),  # 1 ms a frame
        "colour conversion": Cost(100, wall_s=0.1, core_s=0.1),  # 1 ms
        "median filter": Cost(100, wall_s=0.05, core_s=0.05),  # 0.5 ms
        "labelled movie": Cost(100, wall_s=0.4, core_s=0.5),  # 4 ms, on more than a core
        "pose estimates": Cost(100, wall_s=0.05, core_s=0.05),  # 0.5 ms
        "annotations": Cost(100, wall_s=0.05, core_s=0.05),  # 0.5 ms
        "previews": Cost(100, wall_s=0.05, core_s=0.05),  # 0.5 ms
    },
    opening=Cost(100, wall_s=0.1, core_s=0.5),
    closing=Cost(100, wall_s=2.0, core_s=1.5),
)
CHOSEN = InferenceCost("openvino", 8, Cost(80, wall_s=0.48, core_s=0.88), 400.0)
INFERENCE = [
    InferenceCost("tensorflow", 1, Cost(10, wall_s=0.4, core_s=0.6), 900.0),
    InferenceCost("tensorflow", 8, Cost(80, wall_s=1.6, core_s=3.0), 950.5),
    InferenceCost("openvino", 1, Cost(10, wall_s=0.1, core_s=0.1), 300.0),
    CHOSEN,
]
WHOLE_JOB = WholeJob(
    total=Cost(1000, wall_s=20.0, core_s=30.0),
    steady=Cost(900, wall_s=9.0, core_s=18.0),
    startup=Cost(1000, wall_s=2.0, core_s=4.0),
    first_pose_s=3.0,
    peak_mib=512.4,
)


def report(**changes: Any) -> Report:
    """Make a report of a machine with two cores."""
    made = Report(
        movie=MOVIE,
        image_shape=(480, 640, 3),
        model="model",
        num_cores=2,
        stages=STAGES,
        inference=INFERENCE,
        chosen=CHOSEN,
        whole_job=WHOLE_JOB,
        notes=[],
    )
    return replace(made, **changes)


def report_of_null_model(**changes: Any) -> Report:
    """Make a report without inference."""
    return report(inference=[], chosen=None, model="null (constant poses)", **changes)


def stages(**costs: Cost) -> StageCosts:
    """Change the costs of some stages, named with underscores."""
    changed = {name.replace("_", " "): cost for name, cost in costs.items()}
    return replace(STAGES, by_stage={**STAGES.by_stage, **changed})
