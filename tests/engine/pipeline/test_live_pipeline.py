"""While a movie is recorded, the pipeline waits for the camera alone."""

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Queue

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.inference import CutSides, PendingPoses, PoseModel
from engine.pipeline.pipeline import Lane, Live, Pipeline
from engine.pipeline.prediction import Prediction
from readers import FrameBatch
from sinks import PoseBatch
from tests.batches import frame_batch
from tests.engine.pipeline.test_pipeline import MeanModel, Recorder

GUARD_S = 30


class AheadModel(MeanModel):
    """Wants images ahead, as OpenVINO does: poses are there when they are waited for."""

    @dataclass
    class Pending:
        find: Callable[[], NDArray[np.float64]]
        is_ready = False

        def result(self) -> NDArray[np.float64]:
            return self.find()

    def start(self, images: NDArray[np.uint8], cut: CutSides | None = None) -> PendingPoses:  # noqa: ARG002 -- a model
        return self.Pending(lambda: self.predict(images))

    def images_ahead(self, image_shape: tuple[int, ...]) -> int:  # noqa: ARG002 -- as all models
        return 4


@dataclass
class Camera:
    """Frames of 4 x 6 pixels that come when a test says so."""

    image_shape: tuple[int, int, int] = (4, 6, 3)
    arrived: Queue[int | None] = field(default_factory=Queue)
    num_read: int = 0
    on_read: Callable[[], None] = lambda: None

    def read(self, images: NDArray[np.uint8]) -> FrameBatch | None:
        self.on_read()
        num_frames = self.arrived.get(timeout=GUARD_S)
        if num_frames is None:
            return None
        batch = frame_batch(self.num_read, num_frames)
        images[:num_frames] = batch.images
        self.num_read += num_frames
        return batch

    def end(self) -> None:
        self.arrived.put(None)


class Tap:
    """A stage that calls back with the frames that pass."""

    def __init__(self, on_frames: Callable[[list[int]], None]) -> None:
        self._on_frames = on_frames

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        first = batch.frames.first_frame_index
        self._on_frames(list(range(first, first + len(batch))))
        return [batch]

    def flush(self) -> list[PoseBatch]:
        return []


def pipeline(
    camera: Camera,
    tap: Callable[[list[int]], None],
    *,
    sink: Recorder | None = None,
    model: PoseModel | None = None,
    receive: Callable[[], None] = lambda: None,
    end: Callable[[], None] | None = None,
    reads_on_demand: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
    on_stop: Callable[[], None] = lambda: None,
) -> Pipeline:
    return Pipeline(
        reader=camera,
        predict=Prediction(model or AheadModel()),
        stages=[Tap(tap)],
        lanes=[Lane("one", [sink or Recorder("a", [])])],
        batch_size=8,
        num_held_batches=5,
        on_progress=on_progress,
        on_stop=on_stop,
        cancel_work=camera.end,
        live=Live(receive=receive, end=end or camera.end, reads_on_demand=reads_on_demand),
    )


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if "posestream" in thread.name] == []


def test_a_pose_does_not_wait_for_the_next_frame() -> None:
    camera = Camera()
    camera.arrived.put(1)
    passed: list[int] = []

    def tap(frames: list[int]) -> None:
        passed.extend(frames)
        if len(passed) < 5:
            camera.arrived.put(1)  # the next frame comes only when this one is through
        else:
            camera.end()

    pipeline(camera, tap).run()

    assert passed == [0, 1, 2, 3, 4]


def test_frames_that_wait_share_a_batch_and_none_is_lost() -> None:
    camera, sink = Camera(), Recorder("a", [])
    for num_frames in (1, 5, 8, 2, 1):
        camera.arrived.put(num_frames)
    camera.end()
    passed: list[int] = []

    pipeline(camera, passed.extend, sink=sink).run()

    assert passed == list(range(17))
    assert [row[0] for row in sink.rows] == passed


def test_on_demand_no_frame_is_read_while_the_model_works() -> None:
    is_working = threading.Event()
    read_while_working: list[bool] = []

    class Slow(MeanModel):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            is_working.set()
            # Time for a reader that would not wait; one that waits is not held up by it.
            assert not threading.Event().wait(0.01)
            is_working.clear()
            return super().predict(images)

    camera = Camera(on_read=lambda: read_while_working.append(is_working.is_set()))
    for _ in range(5):
        camera.arrived.put(1)
    camera.end()

    pipeline(camera, lambda _: None, model=Slow(), reads_on_demand=True).run()

    assert read_while_working == [False] * 6


def test_the_first_interrupt_ends_the_recording_and_the_sinks_end_well() -> None:
    main_thread = threading.get_ident()
    waiting = threading.Event()
    camera, sink = Camera(), Recorder("a", [])
    camera.arrived.put(3)
    told: list[str] = []

    def end() -> None:
        camera.arrived.put(2)  # what had arrived by then
        camera.end()

    def tap(frames: list[int]) -> None:
        if frames[0] == 0:
            assert waiting.wait(GUARD_S)
            signal.pthread_kill(main_thread, signal.SIGINT)

    pipeline(
        camera,
        tap,
        sink=sink,
        end=end,
        on_progress=lambda _: waiting.set(),
        on_stop=lambda: told.append("stop"),
    ).run()

    assert [row[0] for row in sink.rows] == [0, 1, 2, 3, 4]
    assert sink.failed_with is None
    assert told == ["stop"]


def test_a_second_interrupt_stops_the_run() -> None:
    main_thread = threading.get_ident()
    waiting = threading.Event()
    camera, sink = Camera(), Recorder("a", [])
    camera.arrived.put(3)

    def interrupt() -> None:
        signal.pthread_kill(main_thread, signal.SIGINT)

    def tap(_: list[int]) -> None:
        assert waiting.wait(GUARD_S)
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        pipeline(
            camera,
            tap,
            sink=sink,
            end=lambda: None,
            on_progress=lambda _: waiting.set(),
            on_stop=interrupt,
        ).run()

    assert isinstance(sink.failed_with, KeyboardInterrupt)


def test_what_arrives_is_taken_in_by_a_thread_of_its_own() -> None:
    camera = Camera()
    names = []

    def receive() -> None:
        names.append(threading.current_thread().name)
        camera.arrived.put(2)
        camera.end()

    passed: list[int] = []
    pipeline(camera, passed.extend, receive=receive).run()

    assert passed == [0, 1]
    assert names == ["posestream receive"]


def test_an_error_of_the_source_ends_the_run() -> None:
    def receive() -> None:
        raise OSError("the camera is gone")

    sink = Recorder("a", [])
    with pytest.raises(OSError, match="the camera is gone"):
        pipeline(Camera(), lambda _: None, sink=sink, receive=receive).run()

    assert isinstance(sink.failed_with, OSError)


def test_a_driver_that_does_not_let_go_is_left_behind() -> None:
    released = threading.Event()
    threads = []

    def receive() -> None:
        threads.append(threading.current_thread())
        assert released.wait(GUARD_S)

    camera = Camera()
    camera.arrived.put(2)
    camera.end()
    passed: list[int] = []
    pipeline(camera, passed.extend, receive=receive).run()

    assert passed == [0, 1]
    (thread,) = threads
    assert thread.is_alive()
    assert thread.daemon
    released.set()
    thread.join()
