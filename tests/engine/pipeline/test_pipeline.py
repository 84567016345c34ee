"""The pipeline does what calling its parts one after the other does, and never hangs."""

import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.synthetic import write_avi
from engine.inference import PoseModel
from engine.pipeline.median import MedianFilter
from engine.pipeline.pipeline import Lane, Pipeline, buffer_count
from engine.pipeline.prediction import Prediction
from readers import FrameStatus, MovieReader, inspect_movie, open_movie
from sinks import PoseBatch
from tests.batches import frame_batch


class MeanModel(PoseModel):
    """Poses made of the image's mean: different for every frame, dependent on nothing else."""

    body_parts = ("a", "b")
    runtime = "none"

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        means = images.mean(axis=(1, 2, 3))
        return np.stack([np.stack([means, -means, means / 255], axis=-1)] * 2, axis=1)

    def close(self) -> None: ...


class Recorder:
    """A sink that keeps what it saw, and a diary shared with others."""

    def __init__(self, name: str, diary: list[str], fail_at: str = "") -> None:
        self.name, self.diary, self.fail_at = name, diary, fail_at
        self.rows: list[tuple[int, list[float], int]] = []
        self.failed_with: BaseException | None = None

    def _do(self, what: str) -> None:
        if self.fail_at == what:
            raise RuntimeError(f"{self.name} failed to {what}")

    def __enter__(self) -> Self:
        self._do("enter")
        self.diary.append(f"enter {self.name}")
        return self

    def write(self, batch: PoseBatch) -> None:
        self._do("write")
        for index in range(len(batch)):
            frame = batch.frames.first_frame_index + index
            self.rows.append(
                (frame, batch.poses[index].ravel().tolist(), int(batch.frames.images[index].sum()))
            )

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        self.diary.append(f"exit {self.name}")
        self.failed_with = exc
        if exc is None:
            self._do("exit")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    images = (random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(53))
    write_avi(tmp_path / "movie.avi", images, 10)
    return tmp_path / "movie.avi"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if "posestream" in thread.name] == []


def pipeline(
    reader: MovieReader,
    lanes: Sequence[Lane],
    *,
    model: MeanModel | None = None,
    window_length: int = 7,
    batch_size: int = 4,
    on_progress: Callable[[int], None] = lambda _: None,
    on_stop: Callable[[], None] = lambda: None,
    cancel_work: Callable[[], None] = lambda: None,
) -> Pipeline:
    predict, median = Prediction(model or MeanModel()), MedianFilter(window_length)
    return Pipeline(
        reader=reader,
        predict=predict,
        stages=[median],
        lanes=lanes,
        batch_size=batch_size,
        num_held_batches=predict.num_held_batches(batch_size, reader.image_shape)
        + median.num_held_batches(batch_size),
        on_progress=on_progress,
        on_stop=on_stop,
        cancel_work=cancel_work,
    )


def run_in_sequence(reader: MovieReader, sinks: Sequence[Recorder], window_length: int) -> None:
    """Do without threads what the pipeline does with them."""
    predict, median = Prediction(MeanModel()), MedianFilter(window_length)
    batches = []
    while (frames := reader.read(np.empty((4, *reader.image_shape), np.uint8))) is not None:
        for batch in predict.push(frames):
            batches += median.push(batch)
    for batch in batches + median.flush():
        for sink in sinks:
            sink.write(batch)


@pytest.mark.parametrize("window_length", [1, 7, 101])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_every_sink_sees_what_it_sees_in_a_synchronous_run(
    movie: Path, batch_size: int, window_length: int
) -> None:
    expected = Recorder("expected", [])
    with open_movie(inspect_movie(movie)) as reader:
        run_in_sequence(reader, [expected], window_length)
    sinks = [Recorder(name, []) for name in "abc"]

    with open_movie(inspect_movie(movie)) as reader:
        lanes = [Lane("one", sinks[:2]), Lane("two", sinks[2:])]
        pipeline(reader, lanes, batch_size=batch_size, window_length=window_length).run()

    assert len(expected.rows) == 53
    for sink in sinks:
        assert sink.rows == expected.rows


def test_progress_ends_at_the_number_of_frames(movie: Path) -> None:
    told: list[int] = []
    with open_movie(inspect_movie(movie)) as reader:
        lanes = [Lane("one", [Recorder("a", [])]), Lane("two", [Recorder("b", [])])]
        pipeline(reader, lanes, on_progress=told.append).run()

    assert told == sorted(told)
    assert told[-1] == 53


def test_sinks_are_opened_in_order_and_closed_in_reverse(movie: Path) -> None:
    diary: list[str] = []
    with open_movie(inspect_movie(movie)) as reader:
        sinks = [Recorder(name, diary) for name in "abc"]
        pipeline(reader, [Lane("one", sinks[:2]), Lane("two", sinks[2:])]).run()

    assert diary == ["enter a", "enter b", "enter c", "exit c", "exit b", "exit a"]


@pytest.mark.parametrize("fail_at", ["enter", "write", "exit"])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_of_a_sink_reaches_the_caller_and_the_sinks_opened_before(
    movie: Path, failing: int, fail_at: str
) -> None:
    diary: list[str] = []
    sinks = [Recorder(name, diary, fail_at * (i == failing)) for i, name in enumerate("abc")]
    with (
        open_movie(inspect_movie(movie)) as reader,
        pytest.raises(RuntimeError, match=f"{'abc'[failing]} failed to {fail_at}") as raised,
    ):
        pipeline(reader, [Lane("one", sinks[:2]), Lane("two", sinks[2:])]).run()

    for sink in sinks[:failing]:
        assert sink.failed_with is raised.value


class Broken(MeanModel):
    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        raise RuntimeError(f"no memory left for {len(images)} images")


def test_an_error_of_the_model_reaches_the_caller(movie: Path) -> None:
    sink = Recorder("a", [])
    with (
        open_movie(inspect_movie(movie)) as reader,
        pytest.raises(RuntimeError, match="no memory left"),
    ):
        pipeline(reader, [Lane("one", [sink])], model=Broken()).run()
    assert isinstance(sink.failed_with, RuntimeError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_ends_also_where_its_work_cannot_be_called_off(movie: Path) -> None:
    def cancel() -> None:
        raise OSError("closing fails, too")

    lanes = [Lane("one", [Recorder("a", [])])]
    with (
        open_movie(inspect_movie(movie)) as reader,
        pytest.raises((RuntimeError, OSError), match=r"no memory left|closing fails"),
    ):
        pipeline(reader, lanes, model=Broken(), cancel_work=cancel).run()


def test_an_error_of_the_reader_reaches_the_caller(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_movie(inspect_movie(movie)) as reader:
        monkeypatch.setattr(reader, "read", lambda _: (_ for _ in ()).throw(OSError("disk gone")))
        with pytest.raises(OSError, match="disk gone"):
            pipeline(reader, [Lane("one", [Recorder("a", [])])]).run()


class Keeper:
    """A first stage, as the journal is: notes the frames whose poses it saw."""

    def __init__(self) -> None:
        self.num_frames = 0

    def push(self, batch: PoseBatch) -> list[PoseBatch]:
        assert batch.frames.first_frame_index == self.num_frames
        self.num_frames += len(batch)
        return [batch]

    def flush(self) -> list[PoseBatch]:
        pytest.fail("the movie has not ended")


def test_an_interrupt_lets_the_batch_in_hand_reach_the_stages(movie: Path) -> None:
    predicting, stopping = threading.Event(), threading.Event()

    class Slow(MeanModel):
        num_images = 0

        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            predicting.set()
            assert stopping.wait(30)
            self.num_images += len(images)
            return super().predict(images)

    def interrupt(_: int) -> None:
        if not stopping.is_set():
            assert predicting.wait(30)
            signal.raise_signal(signal.SIGINT)

    model, keeper, sink = Slow(), Keeper(), Recorder("a", [])
    with open_movie(inspect_movie(movie)) as reader:
        run = pipeline(
            reader,
            [Lane("one", [sink])],
            model=model,
            on_progress=interrupt,
            on_stop=stopping.set,
        )
        run.stages = [keeper, *run.stages]
        with pytest.raises(KeyboardInterrupt):
            run.run()

    assert keeper.num_frames == model.num_images == 4
    assert isinstance(sink.failed_with, KeyboardInterrupt)


def test_an_interrupt_waits_for_a_reader_that_is_reading(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main_thread = threading.get_ident()
    waiting, stopping, closed = threading.Event(), threading.Event(), threading.Event()
    closed_too_early = []

    class Closing(Recorder):
        def __exit__(self, *error: object) -> None:
            closed.set()

    def read(_: object) -> None:
        assert waiting.wait(30)
        signal.pthread_kill(main_thread, signal.SIGINT)
        assert stopping.wait(30)
        closed_too_early.append(closed.wait(0.2))

    with open_movie(inspect_movie(movie)) as reader:
        monkeypatch.setattr(reader, "read", read)
        run = pipeline(
            reader,
            [Lane("one", [Closing("a", [])])],
            on_progress=lambda _: waiting.set(),
            on_stop=stopping.set,
        )
        with pytest.raises(KeyboardInterrupt):
            run.run()
    assert closed_too_early == [False]


def test_a_second_interrupt_does_not_wait_for_a_model_that_cannot_stop(movie: Path) -> None:
    main_thread = threading.get_ident()
    waiting, stop, cancelled = threading.Event(), threading.Event(), threading.Event()
    threads = []

    def interrupt() -> None:
        signal.pthread_kill(main_thread, signal.SIGINT)

    class Stubborn(MeanModel):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            threads.append(threading.current_thread())
            assert waiting.wait(30)
            interrupt()
            assert stop.wait(30)
            return super().predict(images)

    sink = Recorder("a", [])
    with open_movie(inspect_movie(movie)) as reader, pytest.raises(KeyboardInterrupt):
        pipeline(
            reader,
            [Lane("one", [sink])],
            model=Stubborn(),
            on_progress=lambda _: waiting.set(),
            on_stop=interrupt,
            cancel_work=cancelled.set,
        ).run()

    assert cancelled.is_set()
    assert isinstance(sink.failed_with, KeyboardInterrupt)
    (thread,) = threads
    assert thread.is_alive()
    stop.set()
    thread.join()
    assert sink.rows == []


def test_an_interrupt_after_the_last_pose_does_not_wait_for_the_sinks(movie: Path) -> None:
    main_thread = threading.get_ident()
    posed, cancelled = threading.Event(), threading.Event()

    class Last(Recorder):
        def write(self, batch: PoseBatch) -> None:
            if batch.frames.first_frame_index == 0:
                assert posed.wait(30)
                signal.pthread_kill(main_thread, signal.SIGINT)
                assert cancelled.wait(30)

    def on_progress(_: int) -> None:
        if not any(thread.name == "posestream pose" for thread in threading.enumerate()):
            posed.set()

    with open_movie(inspect_movie(movie)) as reader, pytest.raises(KeyboardInterrupt):
        pipeline(
            reader,
            [Lane("one", [Last("a", [])])],
            batch_size=100,
            on_progress=on_progress,
            cancel_work=cancelled.set,
        ).run()


def test_images_live_in_as_many_buffers_as_documented(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers: set[int] = set()
    with open_movie(inspect_movie(movie)) as reader:
        read = reader.read

        def noting(images: NDArray[np.uint8]) -> object:
            buffers.add(images.__array_interface__["data"][0])
            return read(images)

        monkeypatch.setattr(reader, "read", noting)
        run = pipeline(reader, [Lane("one", [Recorder("a", [])])], window_length=7, batch_size=2)
        run.run()

    assert len(buffers) <= buffer_count(run.num_held_batches)


def test_no_buffer_is_held_while_sinks_finish(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers: list[weakref.ref[NDArray[np.uint8]]] = []
    held: list[bool] = []

    class Finisher(Recorder):
        def __exit__(self, *_: object) -> None:
            held.extend(buffer() is not None for buffer in buffers)

    with open_movie(inspect_movie(movie)) as reader:
        read = reader.read

        def noting(images: NDArray[np.uint8]) -> object:
            buffers.append(weakref.ref(images))
            return read(images)

        monkeypatch.setattr(reader, "read", noting)
        pipeline(reader, [Lane("one", [Finisher("a", [])])], window_length=7, batch_size=2).run()

    assert held
    assert not any(held)


def test_frames_without_a_picture_get_no_pose() -> None:
    batch = frame_batch(0, 4)
    batch.status[1:3] = FrameStatus.DROPPED, FrameStatus.UNDECODABLE

    (poses,) = Prediction(MeanModel()).push(batch)

    is_missing = np.isnan(poses.poses[..., :2]).all(axis=(1, 2))
    np.testing.assert_array_equal(is_missing, [False, True, True, False])
    np.testing.assert_array_equal(poses.poses[1:3, :, 2], 0)
    assert poses.poses[3, 0, 0] == 3.0
