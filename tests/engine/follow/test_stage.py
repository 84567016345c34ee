"""A followed animal has the poses that whole frames would have given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.follow.settings import FollowSettings
from engine.follow.stage import FollowingPrediction
from engine.inference import CutSides, PendingPoses
from engine.pipeline.prediction import FollowedBatch, KnownFrames, Look, Looks
from readers import FrameBatch, FrameStatus
from sinks import PoseBatch
from tests.engine.follow.markers import HEIGHT, STRIDE_PX, WIDTH, MarkerModel, frames

SETTINGS = FollowSettings(STRIDE_PX, 16, uses_tracker=False, is_calibrated=False, is_heavy=True)
TRACKED = FollowSettings(STRIDE_PX, 16, uses_tracker=True, is_calibrated=False, is_heavy=True)
BODY = np.array([[0.0, 0.0], [8.0, 3.0], [20.0, -6.0]])
"""A mouse of three parts, 21 pixels long."""
START = np.array([120.0, 100.0])


def walk(num_frames: int, step: tuple[float, float] = (2.0, 1.0)) -> NDArray[np.float64]:
    """Give the points of a mouse that walks straight on."""
    way = np.arange(num_frames)[:, np.newaxis, np.newaxis] * np.array(step)
    return np.asarray(np.rint(START + BODY + way))


def follow(
    points: NDArray[np.float64],
    batch_size: int = 4,
    settings: FollowSettings = SETTINGS,
    boxes: NDArray[np.float64] | None = None,
    lag: int = 0,
) -> tuple[list[FollowedBatch], MarkerModel]:
    """Run a movie of points through the stage."""
    model = MarkerModel()
    stage = FollowingPrediction(model, settings, lag=lag)
    done: list[PoseBatch] = []
    for first in range(0, len(points), batch_size):
        part = slice(first, first + batch_size)
        batch = frames(points[part], first, tracker_boxes=None if boxes is None else boxes[part])
        done += stage.push(batch)
        assert len(done) == first // batch_size + (0 if lag else 1)
    done += stage.flush()
    assert stage.flush() == []
    return [batch for batch in done if isinstance(batch, FollowedBatch)], model


def looks_of(followed: list[FollowedBatch]) -> list[Look]:
    return [Look(look) for batch in followed for look in batch.looks["look"]]


def poses_of(followed: list[FollowedBatch]) -> NDArray[np.float64]:
    return np.concatenate([batch.poses for batch in followed])


def whole_poses(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return MarkerModel().predict(frames(points).images)


def assert_as_whole(followed: list[FollowedBatch], points: NDArray[np.float64]) -> None:
    """Assert that what whole frames show is shown, where it is."""
    poses, whole = poses_of(followed), whole_poses(points)
    np.testing.assert_array_equal(poses[..., 2], whole[..., 2])
    is_likely = whole[..., 2] >= 0.6
    np.testing.assert_array_equal(poses[is_likely], whole[is_likely])


def test_a_walking_mouse_is_seen_in_windows_but_for_the_start_and_checks() -> None:
    points = walk(40)

    followed, model = follow(points)

    assert_as_whole(followed, points)
    assert looks_of(followed) == [Look.LOST] * 4 + [Look.WINDOW] * 36
    assert model.sizes.count((WIDTH, HEIGHT)) == 4
    assert max(width * height for width, height in model.sizes[4:]) < WIDTH * HEIGHT / 3


steps = st.tuples(st.integers(-12, 12), st.integers(-12, 12))


@given(
    walks=st.lists(st.tuples(steps, st.integers(1, 12)), min_size=1, max_size=5),
    events=st.lists(
        st.tuples(
            st.integers(0, 60),
            st.sampled_from(["jump", "gone", "hidden part", "hidden body"]),
            st.integers(1, 9),
        ),
        max_size=4,
    ),
    batch_size=st.integers(1, 7),
    is_overlapped=st.booleans(),
)
def test_every_frame_has_the_pose_of_the_whole_frame_whatever_happens(
    walks: list[tuple[tuple[int, int], int]],
    events: list[tuple[int, str, int]],
    batch_size: int,
    is_overlapped: bool,
) -> None:
    moves = np.concatenate([np.tile(step, (length, 1)) for step, length in walks])
    place = np.clip(START + np.cumsum(moves, axis=0), (5, 10), (WIDTH - 30, HEIGHT - 10))
    for frame, event, _ in events:
        if event == "jump" and frame < len(place):
            place[frame:] = (WIDTH - 30, HEIGHT - 10) - place[frame:] + (5, 10)
    points = np.rint(place[:, np.newaxis] + BODY)
    for frame, event, length in events:
        hidden = {"jump": [], "gone": [0, 1, 2], "hidden part": [0], "hidden body": [1, 2]}[event]
        points[frame : frame + length, hidden] = np.nan

    followed, _ = follow(points, batch_size, lag=batch_size if is_overlapped else 0)

    assert_as_whole(followed, points)


def test_a_lost_mouse_is_looked_for_in_whole_frames_until_it_is_found() -> None:
    points = walk(24, (0, 0))
    points[9:15] = np.nan

    followed, _ = follow(points)

    assert_as_whole(followed, points)
    looks = looks_of(followed)
    assert looks[4:9] == [Look.WINDOW] * 5
    assert looks[9:16] == [Look.LOST] * 7
    assert looks[16:] == [Look.WINDOW] * 8


def test_a_point_near_the_windows_edge_is_looked_at_again() -> None:
    points = walk(12, (0, 0))
    points[8:, :, 0] += [[11], [22], [33], [44]]

    followed, _ = follow(points, batch_size=6)

    assert_as_whole(followed, points)
    assert Look.EDGE in looks_of(followed)[9:]


def test_a_pose_that_jumps_within_its_window_is_looked_at_again() -> None:
    points = walk(12, (0, 0))
    points[9, 2] -= (0, 14)  # farther than a mouse of 21 pixels moves from frame to frame

    followed, _ = follow(points)

    assert_as_whole(followed, points)
    assert looks_of(followed)[9] == Look.JUMP


def test_a_part_that_may_be_outside_the_window_is_looked_for_in_the_whole_frame() -> None:
    points = walk(60, (6, 0))
    points[30:, 2] = np.nan

    followed, _ = follow(points, settings=replace(SETTINGS, context_px=4))

    assert_as_whole(followed, points)


def test_two_frames_in_four_hundred_are_checked() -> None:
    points = walk(501, (0, 0))

    followed, _ = follow(points, batch_size=7)

    checked = [index for index, look in enumerate(looks_of(followed)) if look == Look.CHECK]
    assert checked == [100, 101, 500]
    errors_px = np.concatenate([batch.looks["check_error_px"] for batch in followed])
    assert errors_px[checked].tolist() == [0, 0, 0]
    assert np.isnan(np.delete(errors_px, checked)).all()


def test_where_a_check_fails_no_frame_of_its_batch_is_believed() -> None:
    class MisledByEdges(MarkerModel):
        """In windows, everything is two pixels to the right."""

        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            poses = super().predict(images)
            if images.shape[1:3] != (HEIGHT, WIDTH):
                poses[..., 0] += 2
            return poses

    points = walk(104, (0, 0))
    stage = FollowingPrediction(MisledByEdges(), SETTINGS)
    for first in range(0, 104, 4):
        (done,) = stage.push(frames(points[first : first + 4], first))

    assert isinstance(done, FollowedBatch)
    assert done.looks["look"].tolist() == 2 * [Look.CHECK] + 2 * [Look.DISTRUST]
    assert done.looks["check_error_px"][:2].tolist() == [2, 2]
    np.testing.assert_array_equal(done.poses, whole_poses(points[100:]))


def test_frames_without_a_picture_have_no_pose_and_nobody_looks_at_them() -> None:
    points = walk(8)
    model = MarkerModel()
    stage = FollowingPrediction(model, SETTINGS)
    stage.push(frames(points[:4]))
    batch = frames(points[4:], 4)
    batch.status[:] = [FrameStatus.DECODED, FrameStatus.DROPPED, FrameStatus.UNDECODABLE, 0]

    (done,) = stage.push(batch)

    assert isinstance(done, FollowedBatch)
    assert done.looks["look"].tolist() == [Look.WINDOW, Look.NOTHING, Look.NOTHING, Look.WINDOW]
    assert np.isnan(done.poses[1:3, :, :2]).all()
    assert (done.poses[1:3, :, 2] == 0).all()
    assert len(model.sizes) == 4 + 2


def test_a_batch_without_any_picture_passes() -> None:
    model = MarkerModel()
    batch = frames(walk(3))
    batch.status[:] = FrameStatus.DROPPED

    FollowingPrediction(model, SETTINGS).push(batch)

    assert model.sizes == []


def test_a_movie_in_which_nothing_is_seen_is_looked_at_whole() -> None:
    points = np.full((9, 3, 2), np.nan)

    followed, model = follow(points)

    assert set(looks_of(followed)) == {Look.LOST}
    assert set(model.sizes) == {(WIDTH, HEIGHT)}


def known(
    batch: FrameBatch,
    poses: NDArray[np.float64],
    is_known: NDArray[np.bool_] | None = None,
    looks: Looks | None = None,
) -> KnownFrames:
    """Give frames that an earlier run has looked at; None for all of them."""
    is_known = np.ones(len(batch), np.bool_) if is_known is None else is_known
    return KnownFrames(**vars(batch), poses=poses, is_known=is_known, looks=looks)


@pytest.mark.slow
@given(
    num_known=st.integers(0, 11).map(lambda num_batches: 4 * num_batches),
    recalled_at_a_time=st.integers(1, 50),
    lag=st.sampled_from([0, 4]),
)
def test_what_was_done_before_leads_to_the_same_windows_as_in_one_go(
    num_known: int, recalled_at_a_time: int, lag: int
) -> None:
    points = walk(48, (3, 1))
    points[14:20] = np.nan
    points[30:] -= (50, 20)
    at_once, _ = follow(points, lag=lag)
    stage = FollowingPrediction(MarkerModel(), SETTINGS, lag=lag)
    poses, looks = poses_of(at_once), np.concatenate([batch.looks for batch in at_once])
    for first in range(0, num_known, recalled_at_a_time):
        part = slice(first, min(first + recalled_at_a_time, num_known))
        batch = known(frames(points[part], first), poses[part], looks=looks[part])
        assert len(stage.push(batch)) == 1

    rest = [frames(points[first : first + 4], first) for first in range(num_known, 48, 4)]
    resumed = [done for batch in rest for done in stage.push(batch)] + stage.flush()

    for again, before in zip(resumed, at_once[num_known // 4 :], strict=True):
        assert isinstance(again, FollowedBatch)
        assert again.poses.tobytes() == before.poses.tobytes()
        assert again.looks.tobytes() == before.looks.tobytes()


class SlowModel(MarkerModel):
    """Notes which images were begun with before the poses of others were waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:  # noqa: ARG002 -- a model
        self.events.append("begin")
        return NotedPoses(self.predict(images), self.events)


@dataclass
class NotedPoses:
    """Poses that note when they are waited for."""

    poses: NDArray[np.float64]
    events: list[str]
    is_ready = True

    def result(self) -> NDArray[np.float64]:
        self.events.append("wait")
        return self.poses


def test_with_a_lag_a_batch_is_begun_before_the_one_before_is_waited_for() -> None:
    points = walk(16, (0, 0))
    events = {}
    for lag in (0, 4):
        model = SlowModel()
        stage = FollowingPrediction(model, SETTINGS, lag=lag)
        for first in range(0, 16, 4):
            stage.push(frames(points[first : first + 4], first))
        events[lag] = model.events

    assert events[0] == ["begin", "wait"] * 4
    assert events[4] == ["begin"] + ["begin", "wait"] * 3


def test_a_mouse_that_was_lost_in_the_batch_before_is_looked_for_in_whole_frames() -> None:
    points = walk(24, (0, 0))
    points[11] = np.nan  # the window of frame 12 was begun before

    followed, _ = follow(points, lag=4)

    looks = looks_of(followed)
    assert looks[8:11] == [Look.WINDOW] * 3
    assert looks[11:16] == [Look.LOST] * 5
    assert_as_whole(followed, points)


def test_a_batch_longer_than_the_lag_is_not_lost() -> None:
    points = walk(24)
    stage = FollowingPrediction(MarkerModel(), SETTINGS, lag=2)
    done = [stage.push(frames(points[first : first + 4], first)) for first in range(0, 24, 4)]

    followed = [batch for batches in [*done, stage.flush()] for batch in batches]
    assert [batch.frames.first_frame_index for batch in followed] == list(range(0, 24, 4))


def test_poses_from_elsewhere_are_taken_as_they_are() -> None:
    model, is_odd = MarkerModel(), np.arange(4) % 2 == 1
    batch = known(frames(walk(4)), np.where(is_odd[:, None, None], whole_poses(walk(4)), 0), is_odd)

    (done,) = FollowingPrediction(model, SETTINGS).push(batch)

    assert isinstance(done, FollowedBatch)
    assert done.looks["look"].tolist() == [Look.LOST, Look.KNOWN, Look.LOST, Look.KNOWN]
    assert len(model.sizes) == 2
    assert_as_whole([done], walk(4))


def boxes_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give boxes as a tracker would, a little larger than the mouse."""
    return np.concatenate([points.min(axis=1) - 3, points.max(axis=1) + 3], axis=1)


def test_a_tracker_leads_to_a_mouse_that_has_jumped() -> None:
    points = walk(20, (0, 0))
    points[8:] += (60, 40)

    followed, _ = follow(points, settings=TRACKED, boxes=boxes_of(points))

    assert_as_whole(followed, points)
    assert Look.LOST not in looks_of(followed)[8:]
    assert all(batch.looks["is_tracked"].all() for batch in followed)


@pytest.mark.parametrize(
    "box",
    [
        (np.nan, np.nan, np.nan, np.nan),
        (-90, -90, -10, -10),
        (WIDTH, 0, WIDTH + 50, 50),
        (50, 50, 20, 20),
    ],
    ids=["missing", "above", "beside", "the wrong way round"],
)
def test_a_box_that_says_nothing_leaves_it_to_the_poses(box: tuple[float, ...]) -> None:
    points = walk(20)
    boxes = boxes_of(points)
    boxes[9] = box

    followed, _ = follow(points, settings=TRACKED, boxes=boxes)

    assert_as_whole(followed, points)
    is_tracked = [bool(batch.looks["is_tracked"].all()) for batch in followed]
    assert is_tracked == [True, True, False, True, True]


def test_the_model_is_told_which_sides_of_a_window_are_not_the_pictures() -> None:
    class ToldModel(MarkerModel):
        cut: CutSides | None = None

        def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:
            self.cut = cut
            return super().start(images, cut)

    model = ToldModel()
    stage = FollowingPrediction(model, SETTINGS)
    at_left_edge = walk(2, (0, 0)) - (118, 0)
    stage.push(frames(at_left_edge[:1]))
    stage.push(frames(at_left_edge[1:], 1))

    assert model.cut == CutSides(left=False, top=True, right=True, bottom=True)


def test_windows_have_few_different_sizes() -> None:
    _, model = follow(walk(80, (2, 1)))

    assert len(set(model.sizes)) <= 3
