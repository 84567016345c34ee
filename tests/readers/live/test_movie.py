"""A movie that is being recorded gives the frames of the finished file, as they arrive."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers import CropRectangle, FrameBatch, FrameStatus, InputError, MovieError
from readers.growing.growing_file import ArrivedPacket
from readers.live.movie import LiveMovie
from tests.readers.live.recordings import (
    HEADER_BYTES,
    HEIGHT,
    WIDTH,
    Recorder,
    WeighedQueue,
    Write,
    batches_of,
    chopped,
    finished,
    isxb_recording,
    recording,
    together,
    written,
)

PER_FRAME = {
    "mkv": {"cluster_time_limit": "1"},
    "mp4": {"movflags": "frag_every_frame+empty_moov+default_base_moof"},
}
"""Lets FFmpeg's muxers write each frame on its own."""
NO_DELAY = {"tune": "zerolatency", "preset": "ultrafast"}
KINDS = [
    ("isxb", ""),
    ("avi", "mjpeg"),
    ("mkv", "mjpeg"),
    ("mp4", "mjpeg"),
    ("avi", "libx264"),
    ("mkv", "libx264"),
    ("mp4", "libx264"),
    ("ts", "libx264"),
]


@cache
def writes_of(kind: str, codec: str) -> list[Write]:
    if kind == "isxb":
        with TemporaryDirectory() as directory:
            return isxb_recording(Path(directory), dropped=(3, 4, 9))
    return recording(kind, codec, container_options=PER_FRAME.get(kind))


def follow(movie: LiveMovie, capacity: int = 4) -> FrameBatch:
    """Read while another thread receives."""
    with movie:
        thread = Thread(target=movie.receive)
        thread.start()
        try:
            return together(batches_of(movie, capacity))
        finally:
            movie.stop()
            thread.join()


def take_in(movie: LiveMovie) -> FrameBatch:
    """Receive all, then read."""
    with movie:
        movie.receive()
        return together(batches_of(movie))


def assert_same_rows(batch: FrameBatch, expected: FrameBatch) -> None:
    np.testing.assert_array_equal(batch.status, expected.status)
    np.testing.assert_array_equal(batch.images, expected.images)


@pytest.mark.often(4)
@pytest.mark.parametrize(("kind", "codec"), KINDS)
@settings(max_examples=8)
@given(lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=20), capacity=st.integers(1, 40))
def test_frames_are_those_of_the_finished_file_however_it_is_written(
    kind: str, codec: str, lengths: list[int], capacity: int
) -> None:
    writes = writes_of(kind, codec)
    with TemporaryDirectory() as directory:
        path = Path(directory) / f"movie.{kind}"
        recorder = Recorder(path, chopped(writes, itertools.cycle(lengths)))

        movie = recorder.movie()
        batch = follow(movie, capacity)

        expected = finished(path)
    assert path.suffix == f".{kind}"
    assert_same_rows(batch, expected)
    assert movie.ended_by == ("silent" if kind == "ts" else "closed")
    assert movie.damage is None
    assert movie.num_arrived == len(batch)
    if kind != "isxb":
        np.testing.assert_array_equal(batch.time_s, expected.time_s)


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_a_finished_file_is_read_to_its_end(tmp_path: Path, kind: str, codec: str) -> None:
    writes = writes_of(kind, codec)
    recorder = Recorder(tmp_path / f"movie.{kind}", iter([]))
    recorder.path.write_bytes(written(writes))

    assert_same_rows(follow(recorder.movie()), finished(recorder.path))


@pytest.mark.parametrize(("kind", "codec"), KINDS)
@pytest.mark.parametrize("share", [0.85, 0.9, 0.97])
def test_a_recording_that_stops_without_an_end_is_that_of_the_file_which_is_left(
    tmp_path: Path, kind: str, codec: str, share: float
) -> None:
    data = b"".join(write.data for write in writes_of(kind, codec)[: -3 if kind == "avi" else None])
    if kind == "isxb":
        data = written(writes_of(kind, codec)[:2])
    recorder = Recorder(
        tmp_path / f"movie.{kind}", iter([Write(0, data[: int(share * len(data))])])
    )

    movie = recorder.movie()
    batch = follow(movie)

    assert movie.ended_by == "silent"
    assert_same_rows(batch, finished(recorder.path))


@pytest.mark.parametrize("num_bytes", [0, 1, 4, 7, 8, 9, 20])
@pytest.mark.parametrize(("kind", "mark"), [("avi", b"00dc"), ("isxb", b"\xff\xd8\xff")])
def test_a_frame_that_has_only_begun_is_that_of_the_file_which_is_left(
    tmp_path: Path, kind: str, mark: bytes, num_bytes: int
) -> None:
    data = written(writes_of(kind, "mjpeg" if kind == "avi" else "")[: 20 if kind == "avi" else 2])
    recorder = Recorder(
        tmp_path / f"movie.{kind}", iter([Write(0, data[: data.rindex(mark) + num_bytes])])
    )

    assert_same_rows(follow(recorder.movie()), finished(recorder.path))


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("isxb", ""), ("avi", "mjpeg"), ("mkv", "mjpeg"), ("mp4", "mjpeg"), ("mkv", "libx264")],
)
def test_a_frame_is_given_when_its_last_byte_is_there(
    tmp_path: Path, kind: str, codec: str
) -> None:
    options = PER_FRAME.get(kind)
    if kind == "isxb":
        writes = by_picture(isxb_recording(tmp_path))
    else:
        writes = recording(kind, codec, container_options=options, codec_options=NO_DELAY)

    num_made, packets = arrivals(Recorder(tmp_path / f"movie.{kind}", iter(writes)))

    contents = [written(writes[:count]) for count in range(len(writes) + 1)]
    due = [next(i for i, data in enumerate(contents) if packet in data) for packet in packets]
    opened = num_made[0]  # FFmpeg looks at up to 20 frames before it tells what they are
    assert opened <= 25
    assert num_made == [max(opened, count) for count in due]


def test_a_frame_of_a_ts_is_given_two_frames_late(tmp_path: Path) -> None:
    """FFmpeg sees its end when the next one begins, and again in taking the stream apart."""
    writes = recording("ts", "libx264", codec_options=NO_DELAY)

    num_made, _ = arrivals(Recorder(tmp_path / "movie.ts", iter(writes)))

    assert len(writes) == len(num_made) == 30  # each frame is written on its own
    opened = num_made[0]
    expected = [max(opened, min(30, index + 1 + 2)) for index in range(30)]
    assert num_made == expected


def arrivals(recorder: Recorder) -> tuple[list[int], list[bytes]]:
    """Tell how many writes were made when each packet came, and the packets."""
    feed = recorder.feed()
    feed.open()
    num_made, packets = [], []
    for arrived in feed.packets():
        assert arrived.arrival_time_s <= recorder.time_s
        num_made.append(recorder.num_made)
        packets.append(bytes(arrived.packet))
    feed.close()
    return num_made, packets


def by_picture(writes: Sequence[Write]) -> list[Write]:
    """Write pictures of an .isxb one by one."""
    blank, rest, header = writes
    starts = [0]
    while (start := rest.data.find(b"\xff\xd8\xff", starts[-1] + 1)) >= 0:
        starts.append(start)
    ends = [*starts[1:], rest.data.rindex(b'{"droppedFrames"'), len(rest.data)]
    pieces = [rest.data[start:end] for start, end in zip([*starts, ends[-2]], ends, strict=True)]
    offsets = np.cumsum([HEADER_BYTES, *map(len, pieces)])
    return [blank, *map(Write, offsets[:-1].tolist(), pieces), header]


def test_arrival_times_are_when_the_bytes_came_however_late_they_are_read(tmp_path: Path) -> None:
    writes = by_picture(isxb_recording(tmp_path))
    recorder = Recorder(tmp_path / "movie.isxb", iter(writes))
    began_s = recorder.time_s

    batch = take_in(recorder.movie())

    assert batch.arrival_time_s is not None
    # The header is write 1, picture i write i + 2, one each millisecond; seen a look later.
    expected_s = began_s + 0.001 * (2 + np.arange(len(batch)))
    np.testing.assert_allclose(batch.arrival_time_s, expected_s, atol=1e-9)
    np.testing.assert_allclose(batch.time_s, expected_s - expected_s[0], atol=1e-9)
    assert np.isnan(batch.hardware_counter_us).all()


def test_growth_is_noted_while_packets_have_no_room(tmp_path: Path) -> None:
    writes = by_picture(isxb_recording(tmp_path))
    recorder = Recorder(tmp_path / "movie.isxb", iter(writes))
    feed = recorder.feed()
    feed.open()
    packets = feed.packets()
    next(packets)
    for _ in range(4):
        recorder.wait(1.0)
        feed.watch()

    arrivals_s = [next(packets).arrival_time_s for _ in range(4)]

    np.testing.assert_allclose(np.diff(arrivals_s), 1.0)
    feed.close()


def test_a_crop_is_cut_out(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter(isxb_recording(tmp_path)))
    crop = CropRectangle(8, 4, 40, 30)

    batch = take_in(LiveMovie(recorder.feed(), crop, newest_only=False))

    np.testing.assert_array_equal(batch.images, finished(recorder.path).images[:, 4:34, 8:48])


def test_a_crop_outside_the_pictures_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter(isxb_recording(tmp_path)))

    with (
        pytest.raises(InputError, match="reaches beyond"),
        LiveMovie(recorder.feed(), CropRectangle(100, 0, 40, 30), newest_only=False),
    ):
        pass


@pytest.mark.parametrize("num_frames", [1, 5, 100])
def test_skipped_frames_are_those_that_would_have_been_read(
    tmp_path: Path, num_frames: int
) -> None:
    recorder = Recorder(tmp_path / "movie.avi", iter(writes_of("avi", "mjpeg")))

    with recorder.movie() as movie:
        movie.receive()
        num_skipped = movie.skip(num_frames)
        batches = batches_of(movie)

    expected = finished(recorder.path)
    assert num_skipped == min(num_frames, len(expected))
    if num_skipped < len(expected):
        assert batches[0].first_frame_index == num_skipped
        np.testing.assert_array_equal(together(batches).images, expected.images[num_skipped:])
    else:
        assert not batches


@pytest.mark.parametrize(("kind", "codec"), [("isxb", ""), ("avi", "mjpeg"), ("mkv", "libx264")])
@pytest.mark.parametrize("capacity", [1, 5, 100])
def test_newest_only_looks_at_the_last_of_the_frames_that_wait(
    tmp_path: Path, kind: str, codec: str, capacity: int
) -> None:
    recorder = Recorder(tmp_path / f"movie.{kind}", iter(writes_of(kind, codec)))

    with recorder.movie(newest_only=True) as movie:
        movie.receive()
        batches = batches_of(movie, capacity)

    expected = finished(recorder.path)
    status = np.concatenate([batch.status for batch in batches])
    assert len(status) == len(expected)
    looked_at = np.flatnonzero(status == FrameStatus.DECODED)
    assert looked_at[-1] >= len(expected) - 4  # a decoder that puts pictures in order keeps some
    assert len(looked_at) <= 4
    assert set(status.tolist()) == {FrameStatus.DECODED, FrameStatus.SKIPPED}
    for batch in batches:
        if (batch.status == FrameStatus.SKIPPED).all():
            assert batch.images.shape[1:] == (0, 0, 3)
        for image, row in zip(batch.images, range(batch.first_frame_index, 1000), strict=False):
            if status[row] == FrameStatus.DECODED:
                np.testing.assert_array_equal(image, expected.images[row])


def test_newest_only_decodes_no_picture_that_stands_alone_and_is_not_looked_at(
    tmp_path: Path,
) -> None:
    blank, rest, header = isxb_recording(tmp_path)
    data = bytearray(rest.data)
    second = data.find(b"\xff\xd8\xff", 1)
    data[second + 700 : second + 900] = b"\xff\xd0" * 100  # a decoder would find fault with it
    recorder = Recorder(tmp_path / "movie.isxb", iter([blank, Write(96, bytes(data)), header]))

    with recorder.movie(newest_only=True) as movie:
        movie.receive()
        status = together(batches_of(movie, 100)).status
    assert finished(recorder.path).status[1] == FrameStatus.UNDECODABLE

    assert status[1] == FrameStatus.SKIPPED


def test_newest_only_looks_at_every_frame_when_up_to_date(tmp_path: Path) -> None:
    writes = iter(by_picture(isxb_recording(tmp_path)))
    recorder = Recorder(tmp_path / "movie.isxb", writes)
    with recorder.movie(newest_only=True) as movie:
        one_by_one(movie)
        images = np.empty((4, *movie.image_shape), np.uint8)
        status = []
        for _ in range(6):
            batch = movie.read(images)
            assert batch is not None
            status += batch.status.tolist()

    assert status == [FrameStatus.DECODED] * 6


def one_by_one(movie: LiveMovie) -> None:
    """Let `read` itself take the next packet in, when there is none."""

    class Received(SimpleQueue[ArrivedPacket | None]):
        def get(self, *_: object) -> ArrivedPacket | None:
            return next(movie._packets)

    movie._queue = Received()


def test_pictures_of_another_size_are_undecodable_and_told(tmp_path: Path) -> None:
    writes = recording("avi", sizes=((WIDTH, HEIGHT), (WIDTH + 16, HEIGHT)), num_frames=7)
    recorder = Recorder(tmp_path / "movie.avi", iter(writes))

    movie = recorder.movie()
    batch = take_in(movie)

    assert movie.size_change is not None
    assert movie.size_change.startswith(
        f"changes its size at frame 1, from {WIDTH} x {HEIGHT} to {WIDTH + 16} x {HEIGHT} pixels"
    )
    assert batch.status.tolist() == [0, 2, 0, 2, 0, 2, 0]
    assert_same_rows(batch, finished(recorder.path))


def test_stop_leaves_what_has_arrived(tmp_path: Path) -> None:
    writes = by_picture(isxb_recording(tmp_path))
    half = writes[6].data[: len(writes[6].data) // 2]
    recorder = Recorder(
        tmp_path / "movie.isxb", iter([*writes[:6], Write(writes[6].offset, half), *writes[7:]])
    )
    movie = recorder.movie()
    recorder.events[7] = movie.stop

    batch = take_in(movie)

    assert movie.ended_by == "stopped"
    assert movie.damage is None
    assert batch.status.tolist() == [FrameStatus.DECODED] * 5


@pytest.mark.parametrize("kind", ["avi", "mkv", "mp4"])
def test_stop_drops_the_frame_that_was_not_complete(tmp_path: Path, kind: str) -> None:
    writes = written(writes_of(kind, "mjpeg"))
    pieces = chopped([Write(0, writes)], itertools.repeat(997))
    recorder = Recorder(tmp_path / f"movie.{kind}", pieces)
    movie = recorder.movie()
    recorder.events[int(0.9 * len(writes) / 997)] = movie.stop

    batch = take_in(movie)

    recorder.path.write_bytes(writes)
    assert movie.ended_by == "stopped"
    assert 20 < len(batch) < 30
    expected = finished(recorder.path)
    np.testing.assert_array_equal(batch.images, expected.images[: len(batch)])


def test_cancel_ends_reading_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter(isxb_recording(tmp_path)))

    with recorder.movie() as movie:
        movie.receive()
        movie.cancel()

        assert movie.read(np.empty((4, *movie.image_shape), np.uint8)) is None


def test_cancel_wakes_a_reader_that_waits(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter(by_picture(isxb_recording(tmp_path))[:3]))
    with recorder.movie() as movie:
        read: list[list[FrameBatch]] = []
        thread = Thread(target=lambda: read.append(batches_of(movie)))
        thread.start()  # nothing is received: it waits behind the first picture

        movie.cancel()
        thread.join(timeout=30)

        assert not thread.is_alive()


def test_leaving_ends_a_thread_that_still_receives(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter(by_picture(isxb_recording(tmp_path))[:3]))
    with recorder.movie(end_after_s=1e9) as movie:
        thread = Thread(target=movie.receive)
        thread.start()

    thread.join(timeout=30)
    assert not thread.is_alive()


def test_leaving_ends_a_thread_that_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readers.live.movie._MOST_QUEUED_BYTES", 1)
    recorder = Recorder(tmp_path / "movie.isxb", iter(by_picture(isxb_recording(tmp_path))))
    with recorder.movie(end_after_s=1e9) as movie:
        thread = Thread(target=movie.receive)
        thread.start()
        while movie._num_received < 3 and thread.is_alive():
            thread.join(0.001)
        assert movie._queue.qsize() == 1  # the first was decoded, the third waits

    thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_packet_larger_than_all_room_goes_through_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readers.live.movie._MOST_QUEUED_BYTES", 1)
    recorder = Recorder(tmp_path / "movie.isxb", iter(isxb_recording(tmp_path)))

    assert_same_rows(follow(recorder.movie()), finished(recorder.path))


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"another recording")
    other.replace(path)


def cut(path: Path) -> None:
    os.truncate(path, 50)


@pytest.mark.parametrize(
    ("misfortune", "damage"),
    [
        (remove, "was deleted while it was read"),
        (replace, "was replaced while it was read"),
        (cut, "became shorter while it was read"),
    ],
)
@pytest.mark.parametrize("kind", ["isxb", "avi", "mkv", "mp4", "ts"])
def test_what_had_come_of_a_file_that_is_lost_is_given(
    tmp_path: Path, kind: str, misfortune: Callable[[Path], None], damage: str
) -> None:
    whole = written(writes_of(kind, {"isxb": "", "ts": "libx264"}.get(kind, "mjpeg")))
    if kind == "isxb":
        whole = bytes(HEADER_BYTES) + whole[HEADER_BYTES:]
    num_pieces = 40
    length = len(whole) // num_pieces
    pieces = chopped([Write(0, whole)], itertools.repeat(length))
    recorder = Recorder(tmp_path / f"movie.{kind}", pieces)
    recorder.events[37] = lambda: misfortune(recorder.path)

    movie = recorder.movie()
    batch = take_in(movie)

    assert movie.damage == damage
    assert movie.ended_by == "damaged"
    recorder.path.unlink(missing_ok=True)
    recorder.path.write_bytes(whole)
    expected = finished(recorder.path)
    assert len(batch) >= 0.7 * len(expected)
    kept = FrameBatch(
        0,
        expected.images[: len(batch)],
        expected.time_s[: len(batch)],
        expected.hardware_counter_us[: len(batch)],
        expected.status[: len(batch)],
    )
    assert_same_rows(batch, kept)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("isxb", b""),
        ("isxb", bytes(50)),
        ("isxb", bytes(HEADER_BYTES) + b"\xff\xd8\xff\xe0 begun"),
        ("avi", b""),
        ("avi", b"RIFF"),
        ("mkv", b""),
        ("mp4", b""),
        ("mp4", b"\0\0\0\x10ftyp"),
        ("ts", b""),
    ],
)
def test_a_file_that_never_grows_says_so(tmp_path: Path, kind: str, data: bytes) -> None:
    recorder = Recorder(tmp_path / f"movie.{kind}", iter([]))
    recorder.path.write_bytes(data)

    with (
        pytest.raises(MovieError, match=r"movie\.\w+: no picture came within 0\.5 s$"),
        recorder.movie(),
    ):
        pass


@pytest.mark.parametrize("kind", ["isxb", "avi", "mkv"])
def test_a_recording_that_is_stopped_before_its_first_picture_says_so(
    tmp_path: Path, kind: str
) -> None:
    recorder = Recorder(tmp_path / f"movie.{kind}", iter([]))
    movie = recorder.movie()
    movie.stop()

    with pytest.raises(MovieError, match="was stopped before its first picture came"), movie:
        pass


def test_a_plain_mp4_that_grows_is_refused_at_once(tmp_path: Path) -> None:
    writes = recording("mp4", container_options={"movflags": "+default_base_moof"})
    recorder = Recorder(tmp_path / "movie.mp4", iter(writes[:3]))

    with pytest.raises(MovieError, match=r"record a fragmented \.mp4"), recorder.movie():
        pass
    assert recorder.time_s - 1000 < 0.1


def test_a_plain_mp4_that_is_finished_is_read(tmp_path: Path) -> None:
    writes = recording("mp4", num_frames=200, container_options={"movflags": "+default_base_moof"})
    assert len(written(writes)) > 2**17  # FFmpeg's buffer does not hold all of it
    recorder = Recorder(tmp_path / "movie.mp4", iter([]))
    recorder.path.write_bytes(written(writes))

    assert_same_rows(take_in(recorder.movie()), finished(recorder.path))


def test_no_directory_is_read_live(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "movie.isxb", iter([]))
    recorder.path.unlink()
    recorder.path.mkdir()

    with pytest.raises(MovieError, match=r"is no file|Is a directory"), recorder.movie():
        pass


def test_frames_that_an_avi_dropped_leave_no_row(tmp_path: Path) -> None:
    """A frame that was dropped is a chunk of no bytes."""
    data = written(writes_of("avi", "mjpeg"))
    chunks = [match.start() for match in re.finditer(rb"00dc....\xff\xd8", data, re.DOTALL)]
    third = chunks[2]
    with_drop = data[:third] + b"00dc\0\0\0\0" * 2 + data[third:]
    recorder = Recorder(
        tmp_path / "movie.avi", chopped([Write(0, with_drop)], itertools.repeat(1500))
    )

    batch = take_in(recorder.movie())

    assert len(batch) == 30
    np.testing.assert_allclose(batch.time_s[:5] * 30, [0, 1, 4, 5, 6])


@pytest.mark.parametrize("num_skipped", [10, 30, 45])
def test_frames_are_passed_over_across_joined_recordings(tmp_path: Path, num_skipped: int) -> None:
    data = 2 * written(writes_of("mkv", "mjpeg"))
    recorder = Recorder(tmp_path / "movie.mkv", iter([Write(0, data)]))

    with recorder.movie() as movie:
        movie.receive()
        assert movie.skip(num_skipped) == num_skipped
        batch = together(batches_of(movie))
        assert "times step back at frame 30" in str(movie.damage)

    expected = finished(recorder.path)
    assert len(expected) == 60
    np.testing.assert_array_equal(batch.images, expected.images[num_skipped:])
    np.testing.assert_array_equal(batch.time_s, expected.time_s[num_skipped:])


def test_an_avi_of_several_riff_chunks_is_followed_to_its_end(tmp_path: Path) -> None:
    """Recorders begin another one behind each GiB (OpenDML)."""
    data = written(writes_of("avi", "mjpeg"))
    first_end = 8 + int.from_bytes(data[4:8], "little")
    movi = data.index(b"movi")
    movi_size = int.from_bytes(data[movi - 4 : movi], "little")
    frames = data[movi + 4 : movi - 4 + 4 + movi_size]
    content = b"AVIXLIST" + (4 + len(frames)).to_bytes(4, "little") + b"movi" + frames
    whole = data[:first_end] + b"RIFF" + len(content).to_bytes(4, "little") + content
    recorder = Recorder(tmp_path / "movie.avi", chopped([Write(0, whole)], itertools.repeat(1500)))

    movie = recorder.movie()
    batch = take_in(movie)

    assert movie.ended_by == "closed"
    assert len(batch) == 60
    np.testing.assert_array_equal(batch.images[30:], batch.images[:30])
    np.testing.assert_allclose(batch.time_s, np.arange(60) / 30)


def test_memory_is_bounded_while_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is its own buffer."""
    most_bytes = 30_000
    monkeypatch.setattr("readers.live.movie._MOST_QUEUED_BYTES", most_bytes)
    recorder = Recorder(tmp_path / "movie.isxb", iter(by_picture(isxb_recording(tmp_path, 40))))
    feed = recorder.feed()

    with LiveMovie(feed, None, newest_only=False) as movie:
        queue = movie._queue = WeighedQueue()
        thread = Thread(target=movie.receive)
        thread.start()
        batches = []
        images = np.empty((1, *movie.image_shape), np.uint8)
        while (batch := movie.read(images)) is not None:
            batches.append(copied(batch))
        thread.join()

    batch = together(batches)
    assert 0 < queue.most_bytes <= most_bytes
    assert sum(map(len, (write.data for write in isxb_recording(tmp_path, 40)))) > 5 * most_bytes
    assert_same_rows(batch, finished(recorder.path))
    assert batch.arrival_time_s is not None
    assert (np.diff(batch.arrival_time_s) > 0).all()


def copied(batch: FrameBatch) -> FrameBatch:
    return dataclasses.replace(batch, images=batch.images.copy())


def test_frames_that_have_arrived_are_counted_also_those_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readers.live.movie._MOST_QUEUED_BYTES", 1)
    writes = by_picture(isxb_recording(tmp_path, 40))
    recorder = Recorder(tmp_path / "movie.isxb", iter(writes))
    with recorder.movie() as movie:
        assert movie.num_arrived == 1
        for _ in range(20):
            recorder.wait(0.001)
        movie._feed.watch()

        assert movie.num_arrived == pytest.approx(21, abs=1)
        movie.read(np.empty((1, *movie.image_shape), np.uint8))
        assert movie.num_arrived == pytest.approx(21, abs=1)
