"""Of several video streams the first is read, as OpenCV does, and the others are named."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

from readers import MovieError, inspect_movie
from tests.cases import CASES
from tests.readers.damaged import read_all
from tests.readers.live.recordings import Recorder, Write, batches_of

CASE = CASES / "two_video_streams.mp4"
NOTE = (
    "holds 2 video streams: stream 0 (320 x 240 pixels, h264) is read, "
    "stream 1 (640 x 480 pixels, h264) not"
)


def write(path: Path, sizes: Sequence[tuple[int, int]], cover: Disposition | None = None) -> Path:
    """Write a stream for each size; the first is a cover picture where one is asked for."""
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("mjpeg", rate=25) for _ in sizes]
        for stream, size in zip(streams, sizes, strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p"
        if cover is not None:
            streams[0].disposition = cover
        for time in range(5):
            for number, stream in enumerate(streams):
                image = np.full((stream.height, stream.width, 3), 40 * time + 9 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = time
                if cover is None or number or not time:
                    output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def opencv_pictures(path: Path) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    found: list[NDArray[np.uint8]] = []
    while (read := capture.read())[0]:
        found.append(read[1][..., ::-1].astype(np.uint8))
    return found


def test_the_first_of_two_streams_is_read_and_the_other_named() -> None:
    info = inspect_movie(CASE)

    assert (info.width, info.height, info.notes) == (320, 240, (NOTE,))
    np.testing.assert_array_equal(read_all(CASE).images, opencv_pictures(CASE))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_the_first_is_read_where_it_is_the_smallest(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", [(64, 48), (128, 96), (96, 96)])

    info = inspect_movie(path)

    (note,) = info.notes
    assert note.startswith("holds 3 video streams: stream 0 (64 x 48 pixels, mjpeg) is read, ")
    assert "stream 1 (128 x 96 pixels, mjpeg), stream 2 (96 x 96 pixels, mjpeg) not" in note
    np.testing.assert_array_equal(read_all(path).images, opencv_pictures(path))


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [(128, 96), (64, 48)], Disposition.attached_pic)

    info = inspect_movie(path)

    assert (info.width, info.height, info.notes) == (64, 48, ())
    assert len(read_all(path)) == 5


def test_sound_with_a_cover_picture_is_no_movie(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        cover = output.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        stream = output.add_stream("aac", rate=8000, layout="mono")
        image = np.zeros((48, 64, 3), np.uint8)
        output.mux(cover.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        output.mux([*stream.encode(sound), *stream.encode(None)])

    with pytest.raises(MovieError, match="holds no video, but sound and a cover picture"):
        inspect_movie(path)


def test_a_recording_of_two_streams_is_followed_by_its_first(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mkv", [(64, 48), (128, 96)]).read_bytes()
    writes = [Write(place, data[place : place + 500]) for place in range(0, len(data), 500)]
    recorder = Recorder(tmp_path / "growing", iter(writes))

    with recorder.movie() as movie:
        movie.receive()
        (status,) = {tuple(batch.status) for batch in batches_of(movie, 10)}
        info = movie.info

    assert (info.width, info.height, len(status)) == (64, 48, 5)
    assert info.notes == inspect_movie(tmp_path / "a.mkv").notes
