"""Batches check themselves, and what a sink opened is unwound."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from readers import FrameBatch
from sinks import PoseBatch
from sinks.base import ResourceHolder
from tests.batches import frame_batch


@pytest.mark.parametrize("shape", [(3, 2, 3), (4, 2, 2), (4, 3), (4, 2, 3, 1)])
def test_poses_of_another_shape_than_the_frames_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(4, body parts, 3\)"):
        PoseBatch(frame_batch(0, 4), np.zeros(shape))


def test_frames_whose_lengths_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="leading dimensions"):
        FrameBatch(
            0, np.zeros((2, 1, 1, 3), np.uint8), np.zeros(2), np.zeros(3), np.zeros(2, np.uint8)
        )


class Holder(ResourceHolder):
    def __init__(self, diary: list[str], *, fails: bool = False) -> None:
        self.diary, self.fails = diary, fails

    @contextmanager
    def _resource(self, name: str) -> Iterator[None]:
        self.diary.append(f"open {name}")
        try:
            yield
        finally:
            self.diary.append(f"close {name}")

    def open(self, resources: ExitStack) -> None:
        resources.enter_context(self._resource("a"))
        if self.fails:
            raise RuntimeError
        resources.enter_context(self._resource("b"))

    def finish(self) -> None:
        self.diary.append("finish")


def test_resources_are_finished_and_closed_in_reverse() -> None:
    diary: list[str] = []
    with Holder(diary):
        diary.append("work")

    assert diary == ["open a", "open b", "work", "finish", "close b", "close a"]


def test_after_an_error_nothing_is_finished() -> None:
    diary: list[str] = []
    with pytest.raises(RuntimeError), Holder(diary):
        raise RuntimeError

    assert diary == ["open a", "open b", "close b", "close a"]


def test_what_was_opened_before_opening_failed_is_closed() -> None:
    diary: list[str] = []
    with pytest.raises(RuntimeError), Holder(diary, fails=True):
        pass

    assert diary == ["open a", "close a"]
