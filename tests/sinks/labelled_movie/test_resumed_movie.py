"""A labelled movie goes on from its closed segments as if nothing had happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from readers import FrameStatus
from sinks import OutputError, OverlayStyle, num_finished_frames, segments_dir
from tests.sinks.labelling import (
    DECODED,
    DROPPED,
    UNDECODABLE,
    decode,
    make_batch,
    make_sink,
    moving_poses,
)

SHORT = 10
"""Frames of a segment in most of these tests."""
NUM_FRAMES = 34
HEIGHT, WIDTH = 31, 40


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.labelled_movie.segments.SEGMENT_LENGTH", SHORT)


def pictures(num_frames: int = NUM_FRAMES) -> NDArray[np.uint8]:
    """Blocks that move, each frame its own brightness."""
    blocks = np.random.default_rng(0).integers(0, 200, (5, 6, 3), np.uint8)
    still = blocks.repeat(8, axis=0).repeat(8, axis=1)[:HEIGHT, :WIDTH]
    return np.stack([np.roll(still, 2 * i, axis=1) + np.uint8(i % 50) for i in range(num_frames)])


class Movie:
    """A movie to label, with frames that have no picture, written in as many goes as it takes."""

    def __init__(self, missing: Iterable[int] = (), *, num_frames: int = NUM_FRAMES) -> None:
        self.images = pictures(num_frames)
        self.poses = moving_poses(num_frames)
        self.status = [DECODED] * num_frames
        for index in missing:
            self.status[index] = DROPPED if index % 2 else UNDECODABLE
            self.images[index] = 0
            self.poses[index] = (np.nan, np.nan, 0)

    style = OverlayStyle(trail_points=7, draw_skeleton=True, skeleton=(("nose", "tail"),))

    def write(self, path: Path, stop: int | None = None, batch_length: int = 4) -> bytes:
        """Write or go on; before frame `stop`, if it is given, the run is interrupted."""
        first_read = self._first_picture_to_read(num_finished_frames(path))
        with (
            suppress(KeyboardInterrupt),
            make_sink(path, self.images[:1], style=self.style) as sink,
        ):
            for first, end in self._batches(first_read, batch_length):
                if stop is not None and end > stop:
                    raise KeyboardInterrupt
                images = self.images[first:end]
                if end <= first_read:
                    images = np.empty((end - first, 0, 0, 3), np.uint8)
                sink.write(make_batch(images, self.status[first:end], self.poses[first:end], first))
            if stop is not None:
                raise KeyboardInterrupt
        return path.read_bytes() if path.exists() else b""

    def _first_picture_to_read(self, num_finished: int) -> int:
        """The last decoded frame before the first unfinished one."""
        decoded = [
            i
            for i in range(min(num_finished, len(self.images)))
            if self.status[i] == FrameStatus.DECODED
        ]
        return decoded[-1] if decoded else 0

    def _batches(self, first_read: int, length: int) -> Iterator[tuple[int, int]]:
        limits = sorted({*range(0, len(self.images), length), first_read, len(self.images)})
        yield from pairwise(limits)


@settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors])
@given(
    missing=st.sets(st.integers(0, NUM_FRAMES - 1)),
    stops=st.lists(st.integers(0, NUM_FRAMES), max_size=3),
    batch_length=st.integers(1, 13),
)
@example(missing={9, 10, 11, 12}, stops=[14], batch_length=4)
@example(missing=set(range(20)), stops=[20], batch_length=4)
@example(missing={19, 20}, stops=[10, 12, 33], batch_length=5)
def test_the_bytes_are_those_of_a_movie_that_was_never_interrupted(
    missing: set[int], stops: list[int], batch_length: int
) -> None:
    movie = Movie(missing)
    with TemporaryDirectory() as name:
        directory = Path(name)
        expected = movie.write(directory / "whole.mp4")
        for stop in stops:
            assert not movie.write(directory / "movie.mp4", stop, batch_length)
        assert movie.write(directory / "movie.mp4", None, batch_length) == expected
        assert len(decode(directory / "movie.mp4")) == NUM_FRAMES
        assert {path.name for path in directory.iterdir()} == {"whole.mp4", "movie.mp4"}


@pytest.mark.parametrize(("stop", "finished"), [(9, 0), (10, 10), (19, 10), (33, 30)])
def test_closed_segments_stay_after_an_interruption_and_the_open_one_goes(
    tmp_path: Path, stop: int, finished: int
) -> None:
    path = tmp_path / "movie.mp4"
    Movie().write(path, stop, batch_length=1)
    assert num_finished_frames(path) == finished
    names = [f"{number:06}.mp4" for number in range(finished // SHORT)]
    assert not path.exists()
    if finished:
        assert sorted(file.name for file in segments_dir(path).iterdir()) == names
    else:
        assert not list(tmp_path.iterdir())


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_between_the_last_segment_and_the_join_everything_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, movie = tmp_path / "movie.mp4", Movie()
    with monkeypatch.context() as patch:
        patch.setattr("sinks.labelled_movie.segments.join", interrupt)
        assert not movie.write(path)
    assert num_finished_frames(path) == NUM_FRAMES
    with monkeypatch.context() as patch:
        patch.setattr(
            "sinks.labelled_movie.segments.encoder", interrupt
        )  # nothing is encoded again
        joined = movie.write(path)
    assert joined == movie.write(tmp_path / "whole.mp4")


@pytest.mark.parametrize("number", [0, 2])
def test_a_segment_that_others_change_meanwhile_does_not_become_part_of_the_movie(
    tmp_path: Path, number: int
) -> None:
    path, movie = tmp_path / "movie.mp4", Movie()
    with (  # noqa: PT012 -- the block's end fails
        pytest.raises(OutputError, match=f"others have changed 00000{number}.mp4 of its segments"),
        make_sink(path, movie.images[:1], style=movie.style) as sink,
    ):
        sink.write(make_batch(movie.images, movie.status, movie.poses))
        alter(segments_dir(path) / f"00000{number}.mp4")

    assert num_finished_frames(path) == number * SHORT
    assert movie.write(path) == movie.write(tmp_path / "whole.mp4")


def cut(segment: Path) -> None:
    segment.write_bytes(segment.read_bytes()[:-100])


def alter(segment: Path) -> None:
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)


def lengthen(segment: Path) -> None:
    with segment.open("ab") as file:
        file.write(b"\0\0\0\x08free")


def replace_by_link(segment: Path) -> None:
    segment.rename(segment.parents[1] / "elsewhere.mp4")
    segment.symlink_to(segment.parents[1] / "elsewhere.mp4")


def replace_by_short(segment: Path) -> None:
    """A whole segment that ends a frame early, as only a movie's last one may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sinks.labelled_movie.segments.join", interrupt)
        Movie(num_frames=SHORT - 1).write(segment.parents[1] / "short.mp4")
    folder = segments_dir(segment.parents[1] / "short.mp4")
    (folder / "000000.mp4").rename(segment)
    folder.rmdir()


def replace_by_folder(segment: Path) -> None:
    segment.unlink()
    (segment / "inner").mkdir(parents=True)


DAMAGES: list[Callable[[Path], object]] = [
    Path.unlink,
    cut,
    alter,
    lengthen,
    replace_by_link,
    replace_by_short,
    replace_by_folder,
]


@pytest.mark.often(5)
@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.__name__ for damage in DAMAGES])
@pytest.mark.parametrize("number", [0, 1])
def test_what_lies_behind_a_segment_that_is_no_good_is_written_again(
    tmp_path: Path, damage: Callable[[Path], object], number: int
) -> None:
    path, movie = tmp_path / "movie.mp4", Movie()
    movie.write(path, 32)
    folder = segments_dir(path)
    damage(folder / f"{number:06}.mp4")
    (folder / ".000003.partial.mp4").write_bytes(b"what a killed run leaves")

    assert num_finished_frames(path) == number * SHORT
    assert movie.write(path) == movie.write(tmp_path / "whole.mp4")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["0000001.mp4", "1.mp4", "+00001.mp4", "000001.mp4.old"])
def test_what_is_only_named_like_a_segment_goes(tmp_path: Path, name: str) -> None:
    path, movie = tmp_path / "movie.mp4", Movie()
    movie.write(path, 32)
    (segments_dir(path) / name / "inner").mkdir(parents=True)

    assert movie.write(path) == movie.write(tmp_path / "whole.mp4")
    assert not segments_dir(path).exists()


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Neither the folder nor a segment may be one, and what they lead to stays as it is."""
    path, other, movie = tmp_path / "movie.mp4", tmp_path / "other", Movie()
    movie.write(path, 25)
    segments_dir(path).rename(other)
    before = {file: file.read_bytes() for file in other.iterdir()}
    segments_dir(path).symlink_to(other)

    assert num_finished_frames(path) == 0
    movie.write(path)
    assert {file: file.read_bytes() for file in other.iterdir()} == before


def test_a_link_in_place_of_the_next_segment_is_not_written_through(tmp_path: Path) -> None:
    path, victim, movie = tmp_path / "movie.mp4", tmp_path / "victim", Movie()
    victim.write_text("dear")
    movie.write(path, 15)
    for name in ("000001.mp4", ".000001.partial.mp4"):
        (segments_dir(path) / name).symlink_to(victim)

    movie.write(path)
    assert victim.read_text() == "dear"


@pytest.mark.parametrize("stop", [15, 20, None])
def test_segments_of_another_movie_in_its_folder_are_left_alone(
    tmp_path: Path, stop: int | None
) -> None:
    """Meanwhile the folder was removed, and another one made by another process."""
    path, others = tmp_path / "movie.mp4", segments_dir(tmp_path / "movie.mp4")
    movie = Movie()
    with (  # noqa: PT012 -- the block's end fails
        pytest.raises(OutputError, match="cannot be written"),
        make_sink(path, movie.images[:1], style=movie.style) as sink,
    ):
        sink.write(make_batch(movie.images[:15]))
        shutil.rmtree(others)
        others.mkdir()
        (others / "000000.mp4").write_bytes(b"another's")
        (others / ".000001.partial.mp4").write_bytes(b"another's")
        sink.write(make_batch(movie.images[15:stop]))

    assert {file.name: file.read_bytes() for file in others.iterdir()} == {
        "000000.mp4": b"another's",
        ".000001.partial.mp4": b"another's",
    }
    assert not path.exists()


def test_more_frames_than_the_whole_movie_in_the_segments_are_refused(tmp_path: Path) -> None:
    path, movie = tmp_path / "movie.mp4", Movie()
    movie.write(path, 15)
    replace_by_short(segments_dir(path) / "000001.mp4")
    with pytest.raises(ValueError, match="whole movie of 19 frames"):
        movie.write(path)


def test_fewer_frames_than_in_the_segments_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    Movie().write(path, 25)
    with pytest.raises(ValueError, match="hold 20 frames, and only 15 came"):
        Movie(num_frames=15).write(path)
    assert num_finished_frames(path) == 20


def test_frames_that_are_in_no_segment_need_pictures(tmp_path: Path) -> None:
    sink = make_sink(tmp_path / "movie.mp4", pictures(1))
    with pytest.raises(ValueError, match="frame 0 is in no closed segment"), sink:
        sink.write(make_batch(np.empty((2, 0, 0, 3), np.uint8)))


def test_no_frame_at_all_is_a_movie_without_frames(tmp_path: Path) -> None:
    with make_sink(tmp_path / "movie.mp4", pictures(1)):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["movie.mp4"]


@pytest.mark.parametrize("frame_rate", [Fraction(30), Fraction(30000, 1001), Fraction(5000)])
@pytest.mark.parametrize("num_frames", [10, 11, 12, 34, 40])
def test_every_frame_has_its_time_across_the_joints(
    tmp_path: Path, frame_rate: Fraction, num_frames: int
) -> None:
    path = tmp_path / "movie.mp4"
    images = pictures(num_frames)
    with make_sink(path, images, frame_rate=frame_rate) as sink:
        sink.write(make_batch(images))

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        period = 1 / frame_rate / (stream.time_base or 1)
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert stream.start_time == 0
        assert stream.duration == num_frames * period
        assert stream.average_rate == frame_rate
    # H.264 with at most two frames held back: each is decoded before it is shown, in equal steps.
    decoded = [packet.dts or 0 for packet in packets]
    assert decoded == [decoded[0] + index * period for index in range(num_frames)]
    assert decoded[0] in (0, -2 * period)
    assert sorted(packet.pts or 0 for packet in packets) == [i * period for i in range(num_frames)]
    assert all((packet.pts or 0) >= (packet.dts or 0) for packet in packets)
    assert {packet.duration for packet in packets} == {period}
    assert sum(packet.is_keyframe for packet in packets) >= -(-num_frames // SHORT)
    shown = decode(path)[:, :HEIGHT].astype(int)
    errors = np.array([np.abs(shown - np.roll(images, k, axis=0)).mean((1, 2, 3)) for k in (0, 1)])
    assert (errors[0] < errors[1] / 2).all()  # each is itself rather than the one before
    assert num_frames_of_opencv(path) == (num_frames, num_frames)


def num_frames_of_opencv(path: Path) -> tuple[int, int]:
    """Frames that it reads, and frames that it expects."""
    capture = cv2.VideoCapture(str(path))
    num_read = 0
    while capture.read()[0]:
        num_read += 1
    return num_read, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
