"""Sources are told by their kind; one that cannot be read live is refused before any work."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.synthetic import write_mp4
from readers import InputError, MovieError
from readers.live import LiveMovie, LiveSource, open_live
from tests.readers.damaged import encode
from tests.readers.live.recordings import finished, recording, written
from tests.readers.live.sending import GUARD_S, assert_same_frames, follow
from tests.small_movies import pictures


class Clock:
    """Time that goes by only in a wait; `events` happen at each wait, in order."""

    def __init__(self, *events: Callable[[], object]) -> None:
        self.time_s = 1000.0
        self.events = list(events)

    def __call__(self) -> float:
        return self.time_s

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        if self.events:
            self.events.pop(0)()


def source_of(
    source: Path | str, clock: Clock | None = None, end_after_s: float = GUARD_S
) -> LiveSource:
    clock = clock or Clock()
    return open_live(
        str(source),
        crop=None,
        end_after_s=end_after_s,
        newest_only=False,
        recording=lambda number: Path(f"recording.{number}.mkv"),
        wait=clock.wait,
        clock=clock,
    )


def movie_of(num_frames: int = 6) -> bytes:
    """Give a finished .mkv."""
    return written(recording("mkv", num_frames=num_frames))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("gopher://host:1/a", r"gopher://host:1/a: unknown kind of address; allowed are udp, tcp"),
        ("file:///etc/passwd", "unknown kind of address"),
        ("concat://a", "unknown kind of address"),
        ("udp://127.0.0.1", r"tells no port; write udp://HOST:PORT"),
        ("tcp://:5000", r"tells no host; write tcp://HOST:PORT"),
        ("rtsp:///camera", "tells no host"),
        ("udp://127.0.0.1:99999", "its port must be a number from 1 to 65535"),
        ("udp://127.0.0.1:x", "its port must be a number from 1 to 65535"),
        ("v4l2:/dev/no-such-camera", "there is no such device"),
        ("/no/such/folder/a.mkv", "there is no such folder"),
        ("http://[::1", r"http://\[::1: is no address; write SCHEME://HOST:PORT"),
        ("udp://127.0.0.1\n:5000", "only characters that can be printed"),
        ("http://[eve\x1b]2;camera", "only characters that can be printed"),
        (f"{300 * 'a'}.mkv", "cannot be read .File name too long"),
        (f"v4l2:{300 * 'a'}", "File name too long"),
        (__file__, "cannot be read as a movie: it is a text"),
    ],
)
def test_what_cannot_be_read_live_is_refused_before_any_work(source: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        source_of(source).check()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("password", ["secret", "top@secret"])
def test_a_password_is_not_shown(password: str) -> None:
    with pytest.raises(InputError, match="unknown kind of address") as refused:
        source_of(f"ftp://eve:{password}@camera/a").check()
    assert "secret" not in str(refused.value)


def test_a_device_that_is_no_camera_is_refused(tmp_path: Path) -> None:
    (tmp_path / "video").touch()
    with pytest.raises(MovieError, match="is no capture device"):
        source_of(f"v4l2:{tmp_path / 'video'}").check()


@pytest.mark.parametrize("is_in_folder", [False, True])
def test_a_plain_mp4_is_refused(tmp_path: Path, *, is_in_folder: bool) -> None:
    write_mp4(tmp_path / "a.mp4", iter(pictures(3)), 20)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: data.index(b"moov") - 4])

    with pytest.raises(MovieError, match=r"plain \.mp4"):
        source_of(tmp_path if is_in_folder else tmp_path / "a.mp4").check()


def test_a_terminal_is_no_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    controlling, terminal = os.openpty()
    with os.fdopen(controlling), os.fdopen(terminal) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        with pytest.raises(InputError, match="standard input: is a terminal"):
            source_of("-").check()


def test_streams_are_recorded_and_files_are_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    streams: list[Path | str] = [
        "-",
        "udp://127.0.0.1:5000",
        "rtsp://camera/a",
        "/dev/video0",
        tmp_path / "pipe",
    ]

    assert all(source_of(stream).is_recorded for stream in streams)
    assert not source_of(tmp_path).is_recorded
    assert not source_of(tmp_path / "a.mkv").is_recorded


def test_a_file_may_appear_later(tmp_path: Path) -> None:
    path, data = tmp_path / "a.mkv", movie_of()
    source = source_of(path, Clock(lambda: None, lambda: path.write_bytes(data)))
    source.check()

    with next(source.movies()) as movie:
        seen = follow(movie)
        assert movie.ended_by == "closed"

    assert_same_frames(seen, finished(path))


def test_a_file_that_never_appears_is_told(tmp_path: Path) -> None:
    with pytest.raises(MovieError, match=r"a\.mkv: did not appear within 5 s"):
        next(source_of(tmp_path / "a.mkv", end_after_s=5).movies())


def test_a_folder_is_followed_from_movie_to_movie_until_none_comes(tmp_path: Path) -> None:
    for name in ("m9.mkv", "m10.mkv"):
        (tmp_path / name).write_bytes(movie_of())
    clock = Clock(lambda: None, lambda: (tmp_path / "m11.mkv").write_bytes(movie_of(7)))

    seen: list[tuple[str, int, str | None]] = []
    for movie in source_of(tmp_path, clock, end_after_s=5).movies():
        with movie:
            num_frames = len(follow(movie))
        seen.append((movie.path.name, num_frames, movie.ended_by))

    assert seen == [("m9.mkv", 6, "closed"), ("m10.mkv", 6, "closed"), ("m11.mkv", 7, "closed")]
    assert 1005 <= clock.time_s < 1011


def test_a_movie_that_is_never_closed_ends_when_the_next_has_begun(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.avi", "mjpeg", "yuvj420p").read_bytes()
    (tmp_path / "m1.avi").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a.avi").rename(tmp_path / "m2.avi")

    endings = []
    for movie in source_of(tmp_path, end_after_s=100 * GUARD_S).movies():
        guard = threading.Timer(GUARD_S, movie.stop)
        guard.start()
        with movie:
            assert len(follow(movie)) > 5
        guard.cancel()
        endings.append(movie.ended_by)

    assert endings == ["silent", "closed"]


def test_a_folder_ends_with_the_movie_that_was_stopped(tmp_path: Path) -> None:
    for name in ("m1.avi", "m2.avi"):
        data = encode(tmp_path / name, "mjpeg", "yuvj420p").read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])

    seen: list[LiveMovie] = []
    with closing(source_of(tmp_path).movies()) as movies:
        for movie in movies:
            with movie:
                follow(movie, stop_after=1)
            seen.append(movie)

    assert [movie.ended_by for movie in seen] == ["stopped"]


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    clock = Clock()

    assert list(source_of(tmp_path, clock, end_after_s=5).movies()) == []
    assert clock.time_s >= 1005
