"""The journal gives back its rows, up to the last batch that is whole."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RunError
from engine.pipeline.prediction import FollowedBatch, KnownFrames, Look, Looks, new_looks
from engine.run_folder.journal import Journal, JournalContent, JournalCursor, read_journal
from readers import FrameBatch, FrameStatus
from sinks import OutputError, PoseBatch
from tests.batches import frame_batch

NUM_BODY_PARTS = 3
ROW_BYTES = 8 + 8 + 1 + 24 * NUM_BODY_PARTS


def pose_batch(first: int, num_frames: int) -> PoseBatch:
    frames = frame_batch(first, num_frames)
    random = np.random.default_rng(first)
    counters = random.integers(0, 2**52, num_frames).astype(float)
    counters[::3] = np.nan
    status = random.choice([FrameStatus.DECODED, FrameStatus.DROPPED], num_frames).astype(np.uint8)
    frames = FrameBatch(first, frames.images, frames.time_s, counters, status)
    poses = random.normal(0, 1e3, (num_frames, NUM_BODY_PARTS, 3))
    poses[::4] = np.nan
    return PoseBatch(frames, poses)


def batches(sizes: list[int], first: int = 0) -> Iterator[PoseBatch]:
    for size in sizes:
        yield pose_batch(first, size)
        first += size


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def journal(
    path: Path,
    content: JournalContent | None = None,
    clock: Clock | None = None,
    damage: str | None = None,
) -> Journal:
    return Journal(
        path,
        content or JournalContent(NUM_BODY_PARTS, 4),
        durable_every_s=30,
        durable_every_frames=10,
        damage=lambda: damage,
        clock_s=clock or Clock(),
    )


def write(path: Path, sizes: list[int], *, ended: bool = False) -> None:
    with journal(path) as stage:
        for batch in batches(sizes):
            assert stage.push(batch) == [batch]
        if ended:
            assert stage.flush() == []


def check_rows(path: Path, sizes: list[int], reads: list[int]) -> None:
    whole = list(batches(sizes))
    with JournalCursor(path) as cursor:
        read = [cursor.read(size) for size in reads]
    for name in ("time_s", "hardware_counter_us", "status"):
        expected = np.concatenate([getattr(batch.frames, name) for batch in whole])
        got = np.concatenate([rows[name] for rows in read])
        np.testing.assert_array_equal(got, expected[: len(got)])
    poses = np.concatenate([rows["poses"] for rows in read])
    np.testing.assert_array_equal(
        poses, np.concatenate([batch.poses for batch in whole])[: len(poses)]
    )


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def test_rows_tell_how_their_frames_were_looked_at_where_somebody_did(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    written = [
        FollowedBatch(batch.frames, batch.poses, looks_of(len(batch)))
        for batch in batches([3, 2, 4])
    ]
    with journal(path, JournalContent(NUM_BODY_PARTS, 4, has_looks=True)) as writer:
        for batch in written:
            writer.push(batch)
        writer.flush()

    content = read_journal(path)
    assert content is not None
    assert (content.has_looks, content.num_frames, content.is_ended) == (True, 9, True)
    with JournalCursor(path) as cursor:
        rows = cursor.read(5)
        rest = cursor.read(4)
    looks = np.concatenate([batch.looks for batch in written])
    assert np.concatenate([rows["looks"], rest["looks"]]).tobytes() == looks.tobytes()
    poses = np.concatenate([batch.poses for batch in written])
    np.testing.assert_array_equal(np.concatenate([rows["poses"], rest["poses"]]), poses)


def looks_of(num_frames: int) -> Looks:
    looks = new_looks(num_frames, Look.WINDOW)
    looks["width"] = np.arange(num_frames) + 100
    looks["check_error_px"] = np.arange(num_frames) / 3
    return looks


@given(sizes=SIZES, data=st.data())
def test_rows_come_back_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "poses.0.journal"
    write(path, sizes)
    content = read_journal(path)
    assert content == JournalContent(
        NUM_BODY_PARTS, 4, num_frames=sum(sizes), num_bytes=path.stat().st_size
    )
    cuts = data.draw(st.lists(st.integers(0, sum(sizes)), max_size=5).map(sorted))
    reads = [end - start for start, end in zip([0, *cuts], [*cuts, sum(sizes)], strict=True)]
    check_rows(path, sizes, [size for size in reads if size])


@given(sizes=SIZES, data=st.data())
def test_a_torn_end_counts_as_not_written_and_is_written_over(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "poses.0.journal"
    write(path, sizes)
    whole = path.read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="length")])
    if data.draw(st.booleans(), label="garbled"):
        # What a power cut leaves of blocks that were not on the disk yet: zeros, or old bytes.
        start = data.draw(st.integers(0, len(damaged)), label="from")
        damaged[start:] = bytes(len(damaged) - start)
    path.write_bytes(damaged)

    content = read_journal(path)
    num_frames = 0 if content is None else content.num_frames
    assert num_frames in np.cumsum([0, *sizes])
    if bytes(damaged) == whole:
        assert num_frames == sum(sizes)
    with journal(path, content) as stage:
        for batch in batches(sizes):
            stage.push(batch)
    assert path.read_bytes() == whole


def test_an_ended_journal_says_so_and_what_was_wrong_with_the_movie(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    with journal(path, damage="was cut off") as stage:
        for batch in batches([4, 2]):
            stage.push(batch)
        stage.flush()

    content = read_journal(path)
    assert content is not None
    assert (content.num_frames, content.is_ended, content.damage) == (6, True, "was cut off")
    before = path.read_bytes()
    with journal(path, content) as stage:  # a run that has only to be replayed
        for batch in batches([4, 2]):
            stage.push(batch)
        stage.flush()
    assert path.read_bytes() == before


def test_there_is_no_journal_before_its_start_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    assert read_journal(path) is None
    write(path, [4])
    zeroed = path.read_bytes()[:21] + bytes(8)  # the numbers behind its name, never written
    for content in (
        zeroed,
        b"",
        b"posestream jour",
        b"something else that is longer than the start",
    ):
        path.write_bytes(content)
        assert read_journal(path) is None


def test_a_journal_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    write(path, [4, 4])
    with JournalCursor(path) as cursor, pytest.raises(RunError, match="has lost frames"):
        cursor.read(9)


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many bytes were in the file whenever it was made durable."""
    sizes: list[int] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return sizes


def test_poses_are_durable_after_so_many_frames(tmp_path: Path, durable: list[int]) -> None:
    with journal(tmp_path / "poses.0.journal") as stage:
        durable.clear()
        for batch in batches([4, 4]):
            stage.push(batch)
        assert durable == []
        stage.push(pose_batch(8, 4))
        (size,) = durable
        assert size > 12 * ROW_BYTES
        stage.push(pose_batch(12, 4))
        assert len(durable) == 1


def test_poses_are_durable_after_so_many_seconds(tmp_path: Path, durable: list[int]) -> None:
    clock = Clock()
    with journal(tmp_path / "poses.0.journal", clock=clock) as stage:
        durable.clear()
        clock.now_s = 29.9
        stage.push(pose_batch(0, 1))
        assert durable == []
        clock.now_s = 30.0
        stage.push(pose_batch(1, 1))
        assert len(durable) == 1
        clock.now_s = 59.9
        stage.push(pose_batch(2, 1))
        assert len(durable) == 1


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, OSError])
def test_everything_is_durable_at_the_end_whatever_ends_it(
    tmp_path: Path, durable: list[int], error: type[BaseException] | None
) -> None:
    path = tmp_path / "poses.0.journal"
    try:
        with journal(path) as stage:
            stage.push(pose_batch(0, 3))
            if error is not None:
                raise error
    except (KeyboardInterrupt, OSError):
        pass
    assert durable[-1] == path.stat().st_size > 3 * ROW_BYTES


def test_every_batch_is_with_the_system_at_once(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    with journal(path) as stage:
        stage.push(pose_batch(0, 3))
        content = read_journal(path)
        assert content is not None
        assert content.num_frames == 3


def test_a_disk_that_cannot_be_written_on_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    message = r"poses\.0\.journal: cannot be written \(Input/output"
    with journal(tmp_path / "poses.0.journal") as stage:
        stage.push(pose_batch(0, 3))
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(OutputError, match=message):
                stage.push(pose_batch(3, 10))


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_what_fails_first_is_raised_and_not_what_fails_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    def run() -> None:
        with monkeypatch.context() as broken, journal(tmp_path / "poses.0.journal"):
            broken.setattr(os, "fsync", fail)
            if error is not None:
                raise error

    with pytest.raises(error or OutputError):
        run()


def test_columns_of_a_journal_are_of_the_right_types(tmp_path: Path) -> None:
    path = tmp_path / "poses.0.journal"
    write(path, [4])
    with JournalCursor(path) as cursor:
        rows = cursor.read(3)
    columns = [rows[name] for name in ("time_s", "hardware_counter_us", "status", "poses")]
    assert [column.dtype.name for column in columns] == ["float64", "float64", "uint8", "float64"]
    assert [column.shape for column in columns] == [(3,), (3,), (3,), (3, NUM_BODY_PARTS, 3)]


@given(
    skipped=st.lists(st.booleans(), min_size=1, max_size=12),
    num_filled=st.integers(0, 12),
    is_ended=st.booleans(),
)
def test_what_was_skipped_is_filled_in_from_the_first_frame_on(
    tmp_path_factory: pytest.TempPathFactory,
    skipped: list[bool],
    num_filled: int,
    is_ended: bool,
) -> None:
    path = tmp_path_factory.mktemp("journal") / "poses.0.journal"
    whole = pose_batch(0, len(skipped))
    status = np.where(skipped, FrameStatus.SKIPPED, FrameStatus.DECODED).astype(np.uint8)
    recorded = PoseBatch(replace(whole.frames, status=status), np.zeros_like(whole.poses))
    with journal(path) as stage:
        stage.push(recorded)
        if is_ended:
            stage.flush()
    content = read_journal(path)
    assert content is not None

    filled = np.cumsum(skipped) <= num_filled
    seen = np.where(filled, FrameStatus.DECODED, status).astype(np.uint8)
    with journal(path, content) as stage:
        for index in range(len(skipped)):
            if not filled[index]:
                break
            one = slice(index, index + 1)
            frames = KnownFrames(
                index,
                whole.frames.images[one],
                whole.frames.time_s[one],
                whole.frames.hardware_counter_us[one],
                seen[one],
                poses=recorded.poses[one],
                is_known=~np.array(skipped[one]),
            )
            stage.push(PoseBatch(frames, whole.poses[one]))

    after = read_journal(path)
    assert after is not None
    assert (after.num_frames, after.is_ended) == (len(skipped), is_ended)
    with JournalCursor(path) as cursor:
        rows = cursor.read(len(skipped))
    np.testing.assert_array_equal(rows["status"], seen)
    is_filled = filled & np.array(skipped)
    np.testing.assert_array_equal(rows["poses"][is_filled], whole.poses[is_filled])
    np.testing.assert_array_equal(rows["poses"][~is_filled], recorded.poses[~is_filled])
