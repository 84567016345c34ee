"""Movies of any camera are read as OpenCV, and so DeepLabCut, reads them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from readers import FrameStatus, MovieError, inspect_movie
from tests.readers.cameras import pictures, read, read_by_opencv, write


def write_jpegs(
    path: Path, images: Sequence[NDArray[np.uint8]], pixel_formats: Sequence[str]
) -> Path:
    """Write each picture with an encoder of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_formats[0]
        for index, (image, pixel_format) in enumerate(zip(images, pixel_formats, strict=True)):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.height, encoder.width = image.shape[:2]
            encoder.pix_fmt, encoder.time_base = pixel_format, Fraction(1, 10)
            for packet in encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.stream, packet.pts, packet.dts = stream, index, index
                container.mux(packet)
    return path


def test_the_pixel_format_may_change_within_a_movie(tmp_path: Path) -> None:
    images = pictures(4, 64, 48)
    formats = ["yuvj420p", "yuvj444p", "yuvj422p", "yuvj420p"]

    (batch,) = read(write_jpegs(tmp_path / "movie.avi", images, formats))

    for index, pixel_format in enumerate(formats):
        alone = write_jpegs(tmp_path / f"{index}.avi", images, [pixel_format] * 4)
        np.testing.assert_array_equal(batch.images[index], read_by_opencv(alone)[index])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_are_contiguous_and_hold_every_frame(tmp_path: Path, batch_size: int) -> None:
    path = write(tmp_path / "movie.mp4", pictures(10, 64, 48), "libx264", "yuv420p")

    batches = read(path, batch_size)

    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert sum(map(len, batches)) == 10
    starts = np.cumsum([0, *map(len, batches)])[:-1]
    assert [batch.first_frame_index for batch in batches] == starts.tolist()


def test_times_are_the_containers_and_start_at_zero(tmp_path: Path) -> None:
    pts = [5, 6, 8, 20, 21]
    path = write(tmp_path / "a.mp4", pictures(5, 64, 48), "libx264", "yuv420p", pts=pts)

    (batch,) = read(path, 8)

    np.testing.assert_allclose(batch.time_s, (np.array(pts) - 5) / 30, atol=1e-9)
    assert np.isnan(batch.hardware_counter_us).all()


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_frames_that_are_stored_in_another_order_have_times_in_order(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    pixel_format = "yuv420p" if codec == "libx264" else "yuvj420p"
    path = write(tmp_path / f"movie{suffix}", pictures(20, 64, 48), codec, pixel_format)

    (batch,) = read(path, 64)

    np.testing.assert_allclose(batch.time_s, np.arange(20) / 30, atol=1e-9)


def test_sound_alone_is_no_movie(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with pytest.raises(MovieError, match="holds no video"):
        inspect_movie(path)


def test_the_frame_rate_is_an_exact_fraction(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    path = write(tmp_path / "a.mp4", pictures(30, 64, 48), "libx264", "yuv420p", rate=rate)

    info = inspect_movie(path)

    assert info.frame_rate == rate
    assert info.num_frames_from_header == 30


@pytest.mark.parametrize("claimed", [3, 1000])
def test_the_number_of_frames_in_the_header_is_not_trusted(tmp_path: Path, claimed: int) -> None:
    path = write(tmp_path / "movie.avi", pictures(10, 64, 48), "mjpeg", "yuvj420p")
    header = bytearray(path.read_bytes())
    stream_length = header.index(b"strh") + 8 + 32
    assert header[stream_length : stream_length + 4] == (10).to_bytes(4, "little")
    header[stream_length : stream_length + 4] = claimed.to_bytes(4, "little")
    path.write_bytes(header)

    assert inspect_movie(path).num_frames_from_header == claimed
    assert sum(map(len, read(path))) == 10


@pytest.mark.parametrize("broken", [7, 19])
def test_a_damaged_packet_of_h264_loses_no_row(tmp_path: Path, broken: int) -> None:
    path = write(tmp_path / "movie.mp4", pictures(20, 64, 48), "libx264", "yuv420p")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        position, size = packets[broken].pos, packets[broken].size
    data = bytearray(path.read_bytes())
    assert position is not None
    data[position : position + size] = bytes(size)
    path.write_bytes(data)

    batches = read(path, 64)

    assert sum(map(len, batches)) == 20
    np.testing.assert_allclose(batches[0].time_s, np.arange(20) / 30, atol=1e-9)
    assert np.count_nonzero(batches[0].status) == 1


def test_a_frame_that_cannot_be_decoded_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "movie.avi"
    images = pictures(6, 64, 48)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            for packet in stream.encode(frame):
                sent = av.Packet(b"\xff\xd8 no picture") if index in (0, 3, 5) else packet
                sent.stream, sent.pts, sent.dts = stream, index, index
                sent.time_base = Fraction(1, 10)
                container.mux(sent)

    (batch,) = read(path, 8)

    broken = [index in (0, 3, 5) for index in range(6)]
    np.testing.assert_array_equal(batch.status == FrameStatus.UNDECODABLE, broken)
    np.testing.assert_allclose(batch.time_s, np.arange(6) / 10)
    assert (batch.images[broken] == 0).all()
    assert np.abs(batch.images[1].astype(int) - images[1]).mean() < 25
