"""The frames of a stream, seen as it comes, are those that its recording holds afterwards."""

import os
import signal
import socket
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from readers import FrameStatus, InputError, MovieError, inspect_movie
from readers.container.parts import is_closed
from readers.live.streams.connections import Connection
from tests.cases import CASES
from tests.readers.cameras import ORIENTATIONS, display_matrix, pictures, write
from tests.readers.damaged import FRAME_RATE, NUM_FRAMES, encode, read_all
from tests.readers.live.recordings import WeighedQueue, finished, recording, written
from tests.readers.live.sending import (
    GUARD_S,
    assert_same_frames,
    follow,
    follow_on,
    free_port,
    program,
    stream_of,
)
from tests.readers.live.streams.rtsp_server import camera

SEND_BY_UDP = """
import socket, sys
from pathlib import Path
import av

movie, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.connect(("127.0.0.1", port))
    is_bound = False
    while not is_bound:  # the system tells of an earlier datagram that no socket has the port
        try:
            for _ in range(3):
                probe.send(b"")
            is_bound = True
        except ConnectionRefusedError:
            pass
url = f"udp://127.0.0.1:{port}?pkt_size=1316"
with av.open(movie) as source, av.open(url, "w", format="mpegts") as sender:
    track = sender.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(video=0):
        if packet.size:
            packet.stream = track
            sender.mux(packet)
"""


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input, and the end of it that is written to; the writer closes that one."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        yield writing


def write_all(end: int, data: bytes, *, is_whole: bool = True) -> threading.Thread:
    """Write to a pipe, piece by piece."""

    def write() -> None:
        try:
            for start in range(0, len(data), 700):
                os.write(end, data[start : start + 700])
        except BrokenPipeError:
            pass
        finally:
            if is_whole:
                os.close(end)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


MOVIES = {
    "H.264 in MPEG-TS": ("a.ts", "libx264", "yuv420p", {"bf": "0", "g": "8"}, {}),
    "B-frames in MPEG-TS": ("a.ts", "libx264", "yuv420p", {"bf": "3", "g": "8"}, {}),
    "B-frames of MPEG-2": ("a.ts", "mpeg2video", "yuv420p", {"bf": "2"}, {}),
    "MPEG-2 in MPEG-TS": ("a.ts", "mpeg2video", "yuv420p", {}, {}),
    "B-frames in Matroska": ("a.mkv", "libx264", "yuv420p", {"bf": "3"}, {}),
    "JPEG in Matroska": ("a.mkv", "mjpeg", "yuvj420p", {}, {}),
    "grey in Matroska": ("a.mkv", "rawvideo", "gray", {}, {}),
    "fragmented mp4": (
        "a.mp4", "libx264", "yuv420p", {"g": "8", "bf": "0"},
        {"movflags": "frag_keyframe+empty_moov"},
    ),
    "bare JPEGs": ("a.mjpeg", "mjpeg", "yuvj420p", {}, {}),
    "bare H.264": ("a.h264", "libx264", "yuv420p", {"bf": "0"}, {}),
}  # fmt: skip


@pytest.mark.often(5)
@pytest.mark.parametrize("kind", MOVIES)
def test_what_comes_over_a_pipe_is_recorded_frame_by_frame(
    tmp_path: Path, pipe: int, kind: str
) -> None:
    name, codec, pixel_format, options, container = MOVIES[kind]
    path = encode(tmp_path / name, codec, pixel_format, codec_options=options, container=container)
    write_all(pipe, path.read_bytes())

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)
        assert movie.ended_by == "closed"
        assert movie.damage is None
        assert movie.info.format == "mkv"
        assert movie.path == tmp_path / "r.mkv"

    info, recorded = inspect_movie(tmp_path / "r.mkv"), finished(tmp_path / "r.mkv")
    assert len(seen) == NUM_FRAMES
    assert info.damage is None
    assert info.frame_period_s == movie.info.frame_period_s
    assert_same_frames(seen, recorded)
    if not kind.startswith("bare"):
        np.testing.assert_array_equal(seen.images, read_all(path).images)
        np.testing.assert_allclose(seen.time_s, read_all(path).time_s, atol=1e-3)
    assert seen.arrival_time_s is not None
    assert (np.diff(seen.arrival_time_s) >= 0).all() or "B-frames" in kind


@pytest.mark.parametrize("kind", ORIENTATIONS)
def test_a_recording_keeps_how_pictures_are_turned(tmp_path: Path, pipe: int, kind: str) -> None:
    path = write(
        tmp_path / "a.mp4", pictures(4, 64, 48), "libx264", "yuv420p",
        matrix=display_matrix(kind), movflags="frag_keyframe+empty_moov",
    )  # fmt: skip
    write_all(pipe, path.read_bytes())

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    assert movie.info.orientation == inspect_movie(path).orientation
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    np.testing.assert_array_equal(seen.images, read_all(path).images)


JOINED = [kind for kind in MOVIES if not kind.startswith("bare") and "MPEG-2 in" not in kind]
RELATIVE = "frag_keyframe+empty_moov+default_base_moof"
"""Without the last, a .mp4 tells places in its own file, which a stream of two files has lost."""


@pytest.mark.parametrize("kind", JOINED)
def test_a_stream_whose_times_step_back_goes_on(tmp_path: Path, pipe: int, kind: str) -> None:
    name, codec, pixel_format, options, _ = MOVIES[kind]
    container = {"movflags": RELATIVE} if kind == "fragmented mp4" else {}
    path = encode(tmp_path / name, codec, pixel_format, codec_options=options, container=container)
    joined = tmp_path / f"joined{path.suffix}"
    joined.write_bytes(2 * path.read_bytes())
    write_all(pipe, joined.read_bytes())

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)
        assert "times step back at frame 24" in str(movie.damage)

    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    np.testing.assert_array_equal(seen.images, read_all(joined).images)
    np.testing.assert_allclose(seen.time_s, np.arange(2 * NUM_FRAMES) / FRAME_RATE, atol=2e-3)


CHUNKED = ["avi_bframes_with_drops.avi", "h264_copied_into.avi", "mpeg4_not_coded_vop.avi"]
PAIRED = ["field_pairs_1080i_like.ts", "vp8_altref.mkv"]


@pytest.mark.parametrize("name", CHUNKED + PAIRED)
def test_rows_are_pictures_in_a_stream_too(tmp_path: Path, pipe: int, name: str) -> None:
    whole = read_all(CASES / name)
    write_all(pipe, (CASES / name).read_bytes())

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    there = whole.status != FrameStatus.DROPPED  # a stream does not tell of those
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    np.testing.assert_array_equal(seen.images, whole.images[there])
    np.testing.assert_allclose(seen.time_s, whole.time_s[there], atol=2e-3)


def test_frames_before_the_first_key_frame_are_rows_in_both(tmp_path: Path, pipe: int) -> None:
    path = encode(tmp_path / "a.ts", codec_options={"g": "8", "bf": "0"})
    write_all(pipe, path.read_bytes()[12 * 188 :])

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    assert seen.status[0] == FrameStatus.UNDECODABLE
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


def test_a_transport_stream_over_udp_from_another_process(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", codec_options={"bf": "0"})
    port = free_port(socket.SOCK_DGRAM)

    with program(SEND_BY_UDP, str(path), str(port)):
        with stream_of(f"udp://127.0.0.1:{port}", tmp_path / "r.mkv") as movie:
            # FFmpeg knows the end of a picture by the one behind the next.
            seen = follow(movie, stop_after=NUM_FRAMES - 2)
        assert movie.ended_by == "stopped"

    assert len(seen) == NUM_FRAMES
    np.testing.assert_array_equal(seen.images, read_all(path).images)
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


@contextmanager
def served(data: bytes, status: int = 200, *, stays_open: bool = False) -> Iterator[str]:
    """Serve a movie by HTTP, piece by piece."""
    may_end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            for start in range(0, len(data), 1000):
                self.wfile.write(data[start : start + 1000])
                self.wfile.flush()
            if stays_open:
                may_end.wait(GUARD_S)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera"
    finally:
        may_end.set()
        server.shutdown()
        server.server_close()
        thread.join(GUARD_S)


def test_a_stream_over_http(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts")

    with served(path.read_bytes()) as url, stream_of(url, tmp_path / "r.mkv") as movie:
        seen = follow(movie)
        assert movie.ended_by == "closed"

    assert len(seen) == NUM_FRAMES
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


def test_a_server_may_name_another_which_is_not_told_the_password(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.ts").read_bytes()
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(302 if self.path == "/first?a=1" else 200)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/second")
            self.end_headers()
            if self.path == "/second":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://eve:top%40secret@127.0.0.1:{server.server_port}/first?a=1"
        with stream_of(url, tmp_path / "r.mkv") as movie:
            assert len(follow(movie)) == NUM_FRAMES
        server.shutdown()
        thread.join(GUARD_S)

    credentials = b64encode(b"eve:top@secret").decode()
    assert asked == [("/first?a=1", f"Basic {credentials}"), ("/second", None)]


def test_a_server_does_not_send_on_to_other_kinds_of_addresses(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(MovieError, match="sends one on to another kind of address"):
            stream_of(f"http://127.0.0.1:{server.server_port}/", tmp_path / "r.mkv").__enter__()
        thread.join(GUARD_S)


def jpegs(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_jpegs_that_a_camera_pushes_over_http(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "mjpeg", "yuvj420p")
    pushed = b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
        % (len(jpeg), jpeg)
        for jpeg in jpegs(path)
    )

    with served(pushed) as url, stream_of(url, tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    assert len(seen) == NUM_FRAMES
    assert (np.diff(seen.time_s) > 0).all()
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


@pytest.mark.parametrize("status", [404, 503])
def test_an_answer_that_is_none_is_told(tmp_path: Path, status: int) -> None:
    with (
        served(b"", status) as url,
        pytest.raises(MovieError, match=f"http://.*the server answered {status}"),
    ):
        stream_of(url, tmp_path / "r.mkv").__enter__()


def test_a_stream_over_tcp(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(path.read_bytes())

        thread = threading.Thread(target=send)
        thread.start()
        port = server.getsockname()[1]
        with stream_of(f"tcp://127.0.0.1:{port}", tmp_path / "r.mkv") as movie:
            seen = follow(movie)
        thread.join(GUARD_S)

    assert len(seen) == NUM_FRAMES
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


@pytest.mark.parametrize(("codec", "pixel_format"), [("mjpeg", "yuvj420p"), ("libx264", "yuv420p")])
def test_a_camera_that_speaks_rtsp(tmp_path: Path, codec: str, pixel_format: str) -> None:
    options = {"bf": "0", "g": "8"} if codec == "libx264" else {}
    suffix = "ts" if codec == "libx264" else "avi"
    path = encode(tmp_path / f"a.{suffix}", codec, pixel_format, codec_options=options)

    with camera(path) as url, stream_of(url, tmp_path / "r.mkv") as movie:
        seen = follow(movie)
        assert movie.ended_by == "closed"

    assert len(seen) >= NUM_FRAMES - 1
    assert (seen.status == FrameStatus.DECODED).sum() >= NUM_FRAMES - 1
    assert (np.diff(seen.time_s) > 0).all()
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_camera_that_falls_silent(tmp_path: Path, is_stopped: bool) -> None:
    path = encode(tmp_path / "a.avi", "mjpeg", "yuvj420p")

    with camera(path, falls_silent=True) as url:
        end_after_s = GUARD_S if is_stopped else 0.5
        with stream_of(url, tmp_path / "r.mkv", end_after_s) as movie:
            seen = follow(movie, stop_after=10 if is_stopped else None)
            assert movie.ended_by == ("stopped" if is_stopped else "silent")

    assert len(seen) >= 10
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    assert inspect_movie(tmp_path / "r.mkv").damage is None


def test_a_named_pipe_may_be_there_before_anybody_writes_to_it(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.ts").read_bytes()
    os.mkfifo(tmp_path / "camera")

    def write() -> None:
        (tmp_path / "camera").write_bytes(data)  # waits until there is a reader

    thread = threading.Thread(target=write)
    thread.start()
    with stream_of(str(tmp_path / "camera"), tmp_path / "r.mkv") as movie:
        assert len(follow(movie)) == NUM_FRAMES
    thread.join(GUARD_S)


# Streams that do not go on as they began


def test_a_stream_that_falls_silent_ends_and_keeps_what_has_come(tmp_path: Path, pipe: int) -> None:
    data = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p").read_bytes()
    write_all(pipe, data[: len(data) * 2 // 3], is_whole=False)

    with stream_of("-", tmp_path / "r.mkv", end_after_s=0.3) as movie:
        seen = follow(movie)
        assert movie.ended_by == "silent"

    assert 10 < len(seen) < NUM_FRAMES
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    os.close(pipe)


@pytest.mark.parametrize("source", ["pipe", "http"])
def test_stop_ends_a_stream_that_waits(tmp_path: Path, pipe: int, source: str) -> None:
    data = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p").read_bytes()
    write_all(pipe, data, is_whole=False)

    with (
        served(data, stays_open=True) as url,
        stream_of("-" if source == "pipe" else url, tmp_path / "r.mkv") as movie,
    ):
        seen = follow(movie, stop_after=NUM_FRAMES)
        assert movie.ended_by == "stopped"

    assert len(seen) == NUM_FRAMES
    assert inspect_movie(tmp_path / "r.mkv").damage is None
    os.close(pipe)


def test_what_is_inside_the_decoder_at_a_stop_is_recorded_and_seen(
    tmp_path: Path, pipe: int
) -> None:
    steps = np.where(np.arange(NUM_FRAMES) % 2, 1, 5)  # cut off, none would be known behind a gap
    data = encode(tmp_path / "a.ts", times=np.cumsum(steps).tolist(), codec_options={"bf": "3"})
    write_all(pipe, data.read_bytes(), is_whole=False)

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie, stop_after=NUM_FRAMES // 2)
        assert movie.ended_by == "stopped"

    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    os.close(pipe)


def test_a_stream_whose_pictures_change_their_size_goes_on(tmp_path: Path, pipe: int) -> None:
    sizes = ((64, 48), (96, 64))
    write_all(pipe, written(recording("mkv", num_frames=12, sizes=sizes)))

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)
        assert movie.ended_by == "closed"

    assert seen.status.tolist() == [FrameStatus.DECODED, FrameStatus.UNDECODABLE] * 6
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


def test_a_stream_whose_pixel_format_changes_goes_on(tmp_path: Path, pipe: int) -> None:
    parts = [
        encode(tmp_path / f"{pixel_format}.mjpeg", "mjpeg", pixel_format).read_bytes()
        for pixel_format in ("yuvj420p", "yuvj444p", "yuvj422p")
    ]
    write_all(pipe, b"".join(parts))

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    assert len(seen) == 3 * NUM_FRAMES
    assert not seen.status.any()
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


def test_a_camera_that_is_started_again_goes_on_in_one_recording(tmp_path: Path, pipe: int) -> None:
    data = encode(tmp_path / "a.ts", codec_options={"bf": "0"}).read_bytes()
    late = encode(
        tmp_path / "b.ts", codec_options={"bf": "0"}, container={"output_ts_offset": "500"}
    ).read_bytes()
    write_all(pipe, late + data)

    with stream_of("-", tmp_path / "r.mkv") as movie:
        seen = follow(movie)

    assert len(seen) >= 2 * NUM_FRAMES - 1
    assert (np.diff(seen.time_s) > 0).all()
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


def test_what_a_killed_run_has_recorded_can_be_read(tmp_path: Path, pipe: int) -> None:
    data = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p").read_bytes()
    write_all(pipe, data, is_whole=False)

    with stream_of("-", tmp_path / "r.mkv") as movie:
        images = np.empty((1, *movie.image_shape), np.uint8)
        thread = threading.Thread(target=movie.receive)
        thread.start()
        for _ in range(NUM_FRAMES):
            assert movie.read(images) is not None
        left = tmp_path / "left.mkv"
        left.write_bytes((tmp_path / "r.mkv").read_bytes())
        movie.stop()
        thread.join(GUARD_S)

    assert "never closed" in str(inspect_movie(left).damage)
    np.testing.assert_array_equal(finished(left).images, finished(tmp_path / "r.mkv").images)
    os.close(pipe)


def test_a_full_disk_ends_the_stream_and_keeps_what_is_there(tmp_path: Path, pipe: int) -> None:
    import resource  # of the systems that can limit a file's size

    data = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p").read_bytes()
    write_all(pipe, data)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) // 2, hard))
    try:
        with stream_of("-", tmp_path / "r.mkv") as movie:
            seen = follow(movie)
            assert movie.ended_by == "damaged"
            assert "cannot be recorded any further (File too large)" in str(movie.damage)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert 5 < len(seen) < NUM_FRAMES
    with (tmp_path / "r.mkv").open("rb") as file:
        assert is_closed(file, file.seek(0, 2))  # no piece of a picture behind its end
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))


# Streams of which nothing comes


def test_garbage_is_told(tmp_path: Path, pipe: int) -> None:
    write_all(pipe, b"no movie at all\n" * 1000)

    with pytest.raises(MovieError, match=r"standard input: is no movie .*\(Invalid data"):
        stream_of("-", tmp_path / "r.mkv").__enter__()
    assert not (tmp_path / "r.mkv").exists()


def test_noise_is_told(tmp_path: Path, pipe: int) -> None:
    write_all(pipe, np.random.default_rng(0).bytes(3_000_000))

    with pytest.raises(MovieError, match="standard input"):
        stream_of("-", tmp_path / "r.mkv").__enter__()
    assert not (tmp_path / "r.mkv").exists()


@pytest.mark.parametrize("num_bytes", [0, 1500])
def test_a_stream_that_stalls_before_its_first_picture_is_told(
    tmp_path: Path, pipe: int, num_bytes: int
) -> None:
    data = encode(tmp_path / "a.ts").read_bytes()
    os.write(pipe, data[:num_bytes])

    with pytest.raises(MovieError, match=r"standard input: no picture came within 0\.2 s"):
        stream_of("-", tmp_path / "r.mkv", end_after_s=0.2).__enter__()
    os.close(pipe)


@pytest.mark.parametrize("scheme", ["tcp", "http", "rtsp"])
def test_nobody_listens(tmp_path: Path, scheme: str) -> None:
    port = free_port()

    with pytest.raises(MovieError, match=rf"{scheme}://.*{port}.* \(.*[Rr]efused\)"):
        stream_of(f"{scheme}://127.0.0.1:{port}/a", tmp_path / "r.mkv").__enter__()


def test_nobody_sends(tmp_path: Path) -> None:
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"

    with pytest.raises(MovieError, match=r"udp://.*: no picture came within 0\.1 s"):
        stream_of(url, tmp_path / "r.mkv", end_after_s=0.1).__enter__()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(MovieError, match="Address already in use"):
            stream_of(url, tmp_path / "r.mkv").__enter__()


def test_a_recording_is_never_written_over(tmp_path: Path, pipe: int) -> None:
    (tmp_path / "r.mkv").write_bytes(b"all there is")
    write_all(pipe, encode(tmp_path / "a.ts").read_bytes())

    with pytest.raises(MovieError, match="File exists"):
        stream_of("-", tmp_path / "r.mkv").__enter__()
    assert (tmp_path / "r.mkv").read_bytes() == b"all there is"


def test_pictures_in_another_order_without_times_are_refused(tmp_path: Path, pipe: int) -> None:
    write_all(pipe, encode(tmp_path / "a.h264", codec_options={"bf": "3"}).read_bytes())

    with pytest.raises(InputError, match=r"another order .* MPEG-TS or Matroska"):
        stream_of("-", tmp_path / "r.mkv").__enter__()


def test_an_interrupt_while_nothing_comes_is_not_lost(
    tmp_path: Path, pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        may_go_on.wait(GUARD_S)
        return b""

    may_go_on = threading.Event()
    monkeypatch.setattr("readers.live.streams.connections.os.read", interrupted)
    os.write(pipe, b"x")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            stream_of("-", tmp_path / "r.mkv").__enter__()
    finally:
        signal.signal(signal.SIGINT, before)
        may_go_on.set()
    os.close(pipe)


def test_what_is_not_read_waits_in_the_recording(
    tmp_path: Path, pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most_bytes = 5000
    monkeypatch.setattr("readers.live.movie._MOST_QUEUED_BYTES", most_bytes)
    path = encode(tmp_path / "a.mkv", "mjpeg", "yuvj420p")
    assert path.stat().st_size > 4 * most_bytes
    sender = write_all(pipe, path.read_bytes())

    with stream_of("-", tmp_path / "r.mkv") as movie:
        queue = movie._queue = WeighedQueue()
        receiver = threading.Thread(target=movie.receive)
        receiver.start()
        sender.join(GUARD_S)
        assert not sender.is_alive()  # a stream never waits to be read
        seen = follow_on(movie)
        receiver.join(GUARD_S)

    assert 0 < queue.most_bytes <= most_bytes
    assert_same_frames(seen, finished(tmp_path / "r.mkv"))
    np.testing.assert_array_equal(seen.images, read_all(path).images)
    assert seen.arrival_time_s is not None
    assert (np.diff(seen.arrival_time_s) >= 0).all()


def test_time_in_which_the_process_was_stopped_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times_s = iter([0.0, 0.5, 60.0, 60.5, 69.5])
    monkeypatch.setattr("readers.live.streams.connections.now_s", lambda: next(times_s))
    stream = Connection(lambda _: pytest.fail("opened"), end_after_s=2.5)

    assert [stream.is_silent() for _ in range(4)] == [False, False, False, True]


def test_an_error_in_the_thread_that_records_is_raised_where_it_is_read(
    tmp_path: Path, pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("readers.live.streams.recorded_stream.Recording.add", failing)
    write_all(pipe, encode(tmp_path / "a.ts").read_bytes())

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        stream_of("-", tmp_path / "r.mkv").__enter__()
