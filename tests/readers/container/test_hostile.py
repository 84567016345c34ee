"""Files that were made to harm: refused with one line, in bounded memory, without a wait."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from readers import MovieError, inspect_movie
from readers.container.reader import open_container
from readers.ffmpeg import WatchedFile
from readers.isxb.layout import HEADER
from tests.readers.damaged import encode, isxb_header, record


def refusal(path: Path) -> str:
    with pytest.raises(MovieError) as caught:
        inspect_movie(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


# Pictures that are too large

SIZES = [(100_000, 100_000), (20_000, 20_000), (8_192, 4_097)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_an_uncompressed_avi_that_claims_huge_pictures(
    tmp_path: Path, width: int, height: int
) -> None:
    path = encode(tmp_path / "a.avi", "rawvideo", "bgr24", range(3))
    data = bytearray(path.read_bytes())
    size = data.index(b"strf") + 12
    assert struct.unpack_from("<ii", data, size)[0] == 128
    struct.pack_into("<ii", data, size, width, height)
    path.write_bytes(data)

    refusal(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_the_size_in_the_header_of_an_mp4_is_not_believed(tmp_path: Path, codec: str) -> None:
    path = encode(tmp_path / "a.mp4", codec, times=range(3))
    data = bytearray(path.read_bytes())
    size = data.index(b"stsd") + 44
    assert struct.unpack_from(">HH", data, size) == (128, 96)
    struct.pack_into(">HH", data, size, 65_535, 65_535)
    path.write_bytes(data)

    info = inspect_movie(path)

    assert (info.width, info.height) == (128, 96)


@pytest.mark.parametrize(("width", "height"), [(65_535, 65_535), (20_000, 20_000)])
@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_a_jpeg_that_claims_a_huge_picture(
    tmp_path: Path, width: int, height: int, name: str
) -> None:
    path = encode(tmp_path / name, "mjpeg", "yuvj420p", range(2))
    path.write_bytes(with_jpeg_size(path.read_bytes(), width, height))

    refusal(path)


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    true_size = struct.pack(">HH", 96, 128)
    assert data.count(b"\xff\xc0\x00\x11\x08" + true_size) > 0
    return data.replace(
        b"\xff\xc0\x00\x11\x08" + true_size,
        b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width),
    )


@pytest.mark.parametrize("has_metadata", [True, False])
def test_an_isxb_of_huge_pictures(tmp_path: Path, has_metadata: bool) -> None:
    path = record(tmp_path / "a.isxb")
    data = with_jpeg_size(path.read_bytes(), 60_000, 60_000)
    data = data.replace(b'"x":128', b'"x":60000').replace(b'"y":96', b'"y":60000')
    if not has_metadata:
        data = bytes(96) + data[96 : isxb_header(data)[8]]
        path.write_bytes(data)
        assert "holds no frame that can be decoded" in refusal(path)
        return
    fields = isxb_header(data)
    fields[11] = len(data) - fields[10]
    path.write_bytes(HEADER.pack(*fields) + data[96:])

    assert "claims pictures of 60000 x 60000 pixels" in refusal(path)


# .isxb: claims and JSON


def with_texts(path: Path, frames: bytes | None = None, session: bytes | None = None) -> Path:
    """Put other JSON texts into an .isxb; None keeps what is there."""
    data = path.read_bytes()
    fields = isxb_header(data)
    frames = data[fields[8] : fields[10]] if frames is None else frames
    session = data[fields[10] :] if session is None else session
    fields[9:12] = len(frames), fields[8] + len(frames), len(session)
    path.write_bytes(HEADER.pack(*fields) + data[96 : fields[8]] + frames + session)
    return path


@pytest.mark.parametrize("field", [4, 5])
def test_an_isxb_that_claims_a_thousand_million_frames(tmp_path: Path, field: int) -> None:
    path = record(tmp_path / "a.isxb")
    data = path.read_bytes()
    fields = isxb_header(data)
    fields[field] = 10**9
    path.write_bytes(HEADER.pack(*fields) + data[96:])

    assert "counts 1000000000" in refusal(path)


@pytest.mark.often(6)
@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        (b"[" * 1_000_000, "nested"),
        (b'{"a":' * 1_000_000, "nested"),
        (b'{"samples":[{"fc":0,"tsc":' + b"[{" * 500_000, "nested"),
        (b'{"samples":[{"fc":0,"tsc":' + b"1" * 1_000_000, "metadata cannot be read"),
        (b'{"samples":["' + b"x" * 2_000_000 + b'"]}', "more than 1048576 bytes"),
        (b'{"samples":[{"fc":0,"tsc":1e999999999}]}', "metadata cannot be read"),
        (b'{"samples":[{"fc":0,"tsc":1e400}]}', "metadata cannot be read"),
        (b'{"samples":[{"fc":0,"tsc":9223372036854775808}]}', "metadata cannot be read"),
        (b'{"samples":[{"fc":0,"tsc":"7"}]}', "no whole number"),
        (b'{"samples":[{"fc":0,"tsc":1.5}]}', "no whole number"),
        (b'{"samples":[{"fc":true,"tsc":1}]}', "no whole number"),
        (b'{"samples":[null]}', "metadata cannot be read"),
        (b'{"samples":[[1,2]]}', "metadata cannot be read"),
        (b'{"samples":{"fc":0,"tsc":1}}', "counts 24 frames, its metadata 0"),
        (b"[]", "counts 24 frames, its metadata 0"),
        (b'{"droppedFrames":[-1],"samples":[]}', "metadata cannot be read|metadata 0"),
        (b"\xff\xfe\x00", "metadata cannot be read"),
    ],
    ids=range(17),
)
def test_frame_metadata_that_is_not_what_recorders_write(
    tmp_path: Path, frames: bytes, problem: str
) -> None:
    message = refusal(with_texts(record(tmp_path / "a.isxb"), frames=frames))

    assert any(text in message for text in problem.split("|"))


@pytest.mark.parametrize(
    "session",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"spacingInfo":{"numPixels":{"x":' + b"1" * 1_000_000 + b',"y":1}}}',
        b'{"spacingInfo":{"numPixels":{"x":NaN,"y":96}}}',
        b'{"spacingInfo":{"numPixels":{"x":-128,"y":-96}}}',
        b'{"spacingInfo":{"numPixels":{"x":"128","y":96}}}',
        b'{"spacingInfo":[]}',
        b'{"cameraName":0,"processingInterface":[]}',
        b"null",
        b" " * (8 * 2**20 + 1),
    ],
    ids=range(10),
)
def test_session_metadata_that_is_not_what_recorders_write(tmp_path: Path, session: bytes) -> None:
    refusal(with_texts(record(tmp_path / "a.isxb"), session=session))


@pytest.mark.parametrize(
    ("numerator", "denominator"), [(1, 0), (0, 1), (-1, 20), (1, 10**7), (86_401, 1), (10**30, 1)]
)
def test_a_frame_period_out_of_this_world(tmp_path: Path, numerator: int, denominator: int) -> None:
    path = record(tmp_path / "a.isxb")
    data = path.read_bytes()
    session = json.loads(data[isxb_header(data)[10] :])
    session["timingInfo"]["period"] = {"num": numerator, "den": denominator}

    refusal(with_texts(path, session=json.dumps(session).encode()))


@pytest.mark.parametrize("start_time_ms", [-(2**63), 2**63 - 1])
def test_a_start_on_no_calendar_is_handed_on_as_it_is(tmp_path: Path, start_time_ms: int) -> None:
    path = record(tmp_path / "a.isxb")
    data = path.read_bytes()
    fields = isxb_header(data)
    fields[2] = start_time_ms
    path.write_bytes(HEADER.pack(*fields) + data[96:])

    assert inspect_movie(path).start_time_ms == start_time_ms


# What is no file, or names other files


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".isxb"])
def test_what_is_no_file(tmp_path: Path, suffix: str) -> None:
    def pipe(path: Path) -> None:
        os.mkfifo(path)

    def loop(path: Path) -> None:
        path.symlink_to(path)

    def device(path: Path) -> None:
        path.symlink_to("/dev/zero")

    makers: list[Callable[[Path], None]] = [pipe, loop, device, Path.mkdir]
    for number, make in enumerate(makers):
        path = tmp_path / f"{number}{suffix}"
        make(path)
        refusal(path)


def test_a_pipe_that_takes_the_place_of_a_movie_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.avi")

    with (
        pytest.raises(MovieError, match="is no file"),
        open_container(tmp_path / "a.avi", "avi"),
    ):
        pass


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
@pytest.mark.parametrize("kind", ["m3u8", "ffconcat", "dash", "sdp"])
def test_a_playlist_opens_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    other = encode(tmp_path / "other.mp4", times=range(3))
    text = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{other}</BaseURL></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    }[kind]
    (tmp_path / name).write_text(text)
    read: list[int] = []
    monkeypatch.setattr(
        WatchedFile, "read", spied(WatchedFile.read, lambda file: read.append(file.size))
    )

    refusal(tmp_path / name)

    assert set(read) <= {len(text)}


def spied(
    method: Callable[[WatchedFile, int], bytes], tell: Callable[[WatchedFile], None]
) -> Callable[[WatchedFile, int], bytes]:
    def call(file: WatchedFile, size: int) -> bytes:
        tell(file)
        return method(file, size)

    return call


def test_an_mp4_whose_pictures_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    other = encode(tmp_path / "other.mp4", times=range(3))
    data = other.read_bytes()
    entry = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    assert data.count(entry) == 1
    # The flag says: not in this file. The place is one that this file does not have.
    moved = data.replace(entry, entry[:-1] + b"\x00").replace(b"mdat", b"free")
    path = tmp_path / "a.mp4"
    path.write_bytes(moved[: moved.index(b"free", 40)] + moved[moved.index(b"moov") - 4 :])

    refusal(path)


# Names


NAMES = [
    "two\nlines",
    "tab\tand \x1b[31mred",
    "Maus läuft 鼠标 🐭",
    "-rf",
    "http:",
    "concat:a|b",
    os.fsdecode(b"not utf-8 \xff\xe9"),
    "100%d",
]


@pytest.mark.often(8)
@pytest.mark.parametrize("stem", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".isxb"])
def test_a_movie_may_have_any_name_and_messages_stay_on_one_line(
    tmp_path: Path, stem: str, suffix: str
) -> None:
    path = tmp_path / f"{stem}{suffix}"
    if suffix == ".isxb":
        record(tmp_path / "a.isxb").rename(path)
    else:
        encode(tmp_path / f"a{suffix}", "mpeg4", "yuv420p", range(2)).rename(path)

    assert inspect_movie(path).width == 128

    path.write_bytes(b"x" * 500)
    refusal(path).encode()  # can be printed
