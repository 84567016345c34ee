"""A run whose model gives what no pose can be ends at that frame, and keeps those before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import RunError, run
from engine.inference import ModelExport, PoseModel
from engine.inference.trial import GuardedModel
from tests.engine.stopping import (
    DROPPED,
    NUM_FRAMES,
    CountingModel,
    Loader,
    contents,
    job_for,
    segments_are_short,
)

SEEN = [frame for frame in range(NUM_FRAMES) if frame not in DROPPED]


class Fails(CountingModel):
    """Gives a likelihood that is no number from one image on."""

    def __init__(self, body_parts: tuple[str, ...], first: int) -> None:
        super().__init__(body_parts, lambda _: None)
        self._first = first

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        number = self.num_images + np.arange(len(images))
        poses = super().predict(images)
        poses[number >= self._first, 2, 2] = np.nan
        return poses


class FailsAhead(Fails):
    """The same, begun with eight images before the first is waited for."""

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- of any size
        return 8


@pytest.mark.often(2)
@pytest.mark.parametrize("kind", [Fails, FailsAhead])
@pytest.mark.parametrize(("first", "batch_size"), [(0, 3), (31, 3), (9, 1)])
def test_frames_before_an_impossible_pose_are_kept(
    recording: Path,
    whole_run: dict[str, bytes],
    tmp_path: Path,
    kind: type[Fails],
    first: int,
    batch_size: int,
) -> None:
    def load(export: ModelExport, runtime: str) -> PoseModel:  # noqa: ARG001 -- a loader
        return GuardedModel(kind(export.body_parts, first), export)

    job = job_for([recording], tmp_path / "output", batch_size=batch_size)
    frame = SEEN[first]
    loader = Loader()
    with segments_are_short():
        with pytest.raises(RunError, match=rf"^frame {frame}: the model places .* likelihood nan"):
            run(job, load=load)
        run(replace(job, resume=True), load=loader)

    assert loader.model is not None
    kept = frame - frame % batch_size  # whole batches
    assert loader.model.num_images == sum(seen >= kept for seen in SEEN)
    if batch_size == 3:
        assert contents(tmp_path / "output") == whole_run
