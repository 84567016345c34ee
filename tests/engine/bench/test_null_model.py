"""The null model gives every image one pose that all outputs can show."""

import numpy as np
import pytest

from engine.bench.costs import NullModel, load_null_model
from engine.builtin import MODEL_DIR
from engine.inference import read_export

PARTS = ("nose", "neck", "tail")


@pytest.mark.parametrize("num_images", [1, 5])
def test_body_parts_stand_on_the_diagonal_and_are_certain(num_images: int) -> None:
    poses = NullModel(PARTS).predict(np.zeros((num_images, 80, 200, 3), np.uint8))

    assert poses.dtype == np.float64
    pose = [[50, 20, 1], [100, 40, 1], [150, 60, 1]]
    np.testing.assert_array_equal(poses, [pose] * num_images)


def test_poses_do_not_depend_on_the_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 30, 40, 3), np.uint8)

    np.testing.assert_array_equal(
        NullModel(PARTS).predict(images), NullModel(PARTS).predict(np.zeros_like(images))
    )


@pytest.mark.parametrize("runtime", ["auto", "tensorflow"])
def test_it_stands_in_for_an_export_on_any_runtime(runtime: str) -> None:
    export = read_export(MODEL_DIR)

    model = load_null_model(export, runtime)

    assert model.body_parts == export.body_parts
    assert model.runtime == "none"
    model.close()
