"""A looped movie holds the same pictures again and again, as one regular movie."""

from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.looped_movie import write_looped_movie
from readers import FrameStatus, MovieInfo, inspect_movie, open_movie
from tests.shared import AVI_MOVIE, OPENFIELD_MOVIE, needs_shared
from tests.small_movies import FRAME_RATE, pictures, small_movie

LENGTH = 9


def frames(path: Path) -> tuple[MovieInfo, list[bytes], NDArray[np.float64]]:
    """Header, pictures and times; every frame must have a picture."""
    images, times_s = [], []
    info = inspect_movie(path)
    with open_movie(info) as reader:
        buffer = np.empty((4, *reader.image_shape), np.uint8)
        while batch := reader.read(buffer):
            assert set(batch.status) == {FrameStatus.DECODED}
            images += [image.tobytes() for image in batch.images]
            times_s += batch.time_s.tolist()
    return info, images, np.array(times_s)


def moving_movie(path: Path, codec: str = "libx264", pixel_format: str = "yuv420p") -> Path:
    """Write one picture that moves a pixel a frame: an encoder predicts it from other frames."""
    still = pictures(1)[0]
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=FRAME_RATE))
        stream.height, stream.width = still.shape[:2]
        stream.pix_fmt = pixel_format
        for shift in range(LENGTH):
            frame = av.VideoFrame.from_ndarray(np.roll(still, shift, axis=1), format="rgb24")
            frame.pts = shift
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def assert_is_loop(source: Path, looped: Path, num_frames: int) -> None:
    _, of_source, _ = frames(source)
    info, images, times_s = frames(looped)

    assert info.num_frames_from_header == num_frames
    whole = num_frames // len(of_source) * len(of_source)
    assert images[:whole] == of_source * (whole // len(of_source))
    assert len(images) == num_frames
    np.testing.assert_allclose(
        times_s, np.arange(num_frames) * float(info.frame_period_s), atol=1e-9
    )
    capture = cv2.VideoCapture(str(looped))  # DeepLabCut believes what OpenCV says
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == num_frames


@pytest.mark.parametrize("num_frames", [1, LENGTH - 1, LENGTH, LENGTH + 4, 5 * LENGTH])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_pictures_come_again_at_regular_times(tmp_path: Path, suffix: str, num_frames: int) -> None:
    source = small_movie(tmp_path / f"a{suffix}", num_frames=LENGTH)

    write_looped_movie(source, tmp_path / f"b{suffix}", num_frames)

    assert_is_loop(source, tmp_path / f"b{suffix}", num_frames)
    assert inspect_movie(tmp_path / f"b{suffix}").frame_rate == FRAME_RATE


@pytest.mark.parametrize("num_frames", [2, LENGTH, 2 * LENGTH + 5])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_pictures_that_are_stored_in_another_order_than_shown(
    tmp_path: Path, suffix: str, num_frames: int
) -> None:
    source = moving_movie(tmp_path / f"a{suffix}")
    with av.open(str(source)) as container:
        assert container.streams.video[0].codec_context.has_b_frames

    write_looped_movie(source, tmp_path / f"b{suffix}", num_frames)

    assert_is_loop(source, tmp_path / f"b{suffix}", num_frames)


@needs_shared
def test_a_recording_that_lacks_frames_becomes_regular(tmp_path: Path) -> None:
    _, _, times_s = frames(OPENFIELD_MOVIE)
    assert np.ptp(np.diff(times_s)) > 0.03

    write_looped_movie(OPENFIELD_MOVIE, tmp_path / "a.mp4", 72)

    assert_is_loop(OPENFIELD_MOVIE, tmp_path / "a.mp4", 72)


@needs_shared
def test_a_camera_s_avi(tmp_path: Path) -> None:
    write_looped_movie(AVI_MOVIE, tmp_path / "a.avi", 23)

    assert_is_loop(AVI_MOVIE, tmp_path / "a.avi", 23)


def test_pictures_are_copied_and_not_encoded_again(tmp_path: Path) -> None:
    source = small_movie(tmp_path / "a.avi")

    write_looped_movie(source, tmp_path / "b.avi", 8)

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(video=0) if packet.size]

    assert packets(tmp_path / "b.avi") == packets(source) * 2


def test_no_frame_is_no_movie(tmp_path: Path) -> None:
    source = small_movie(tmp_path / "a.avi")

    with pytest.raises(ValueError, match="at least one frame, got 0"):
        write_looped_movie(source, tmp_path / "b.avi", 0)


def test_uncompressed_pictures_are_refused(tmp_path: Path) -> None:
    source = moving_movie(tmp_path / "a.avi", "rawvideo", "bgr24")

    with pytest.raises(ValueError, match=r"a\.avi: holds uncompressed pictures"):
        write_looped_movie(source, tmp_path / "b.avi", 3)
