"""The kind of a file by its first bytes, not by its name: a container of FFmpeg's, or no movie."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO

from readers.container import ebml
from readers.errors import MovieError

NO_MOVIE = "cannot be read as a movie: it is {}"
TELLING_BYTES = 512
"""So much of a file's beginning tells what it is, if it is no movie."""
_HEAD_BYTES = 4096
_SEARCHED_BYTES = 2**24
"""In which the second picture of raw motion JPEG begins."""
_SYNC = 0x47
_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Of a transport stream: bytes of each, and those of a time code before it (.m2ts)."""
_NUM_SYNCS = 4
_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"pnot")

_SOUND, _PLAYLIST = "a sound file", "a playlist, which names other files"
_STARTS = {
    "a PNG picture": (b"\x89PNG\r\n\x1a\n",),
    "a TIFF picture": (b"II*\x00", b"MM\x00*", b"II+\x00"),
    "a JPEG 2000 picture": (b"\x00\x00\x00\x0cjP  ",),
    "a Photoshop picture": (b"8BPS",),
    _SOUND: (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1"),
    "a zip archive, or a document that is stored as one": (b"PK\x03\x04",),
    "a zip archive": (b"PK\x05\x06",),
    "a gzip archive": (b"\x1f\x8b",),
    "a bzip2 archive": (b"BZh",),
    "an xz archive": (b"\xfd7zXZ\x00",),
    "a zstd archive": (b"\x28\xb5\x2f\xfd",),
    "a 7z archive": (b"7z\xbc\xaf\x27\x1c",),
    "a rar archive": (b"Rar!\x1a\x07",),
    "a PDF document": (b"%PDF-",),
    "an old Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n",),
    "a NumPy array": (b"\x93NUMPY",),
    "a MATLAB file": (b"MATLAB 5.0 MAT-file",),
    "a Parquet table": (b"PAR1",),
    "an SQLite database": (b"SQLite format 3\x00",),
    "a program": (b"\x7fELF", b"MZ"),
    "what macOS keeps beside another file (._), and none of that file": (b"\x00\x05\x16\x07",),
    "a text": (b"\xff\xfe", b"\xfe\xff"),
}
_RIFF_KINDS = {b"WAVE": _SOUND, b"WEBP": "a WebP picture"}
_PICTURE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
_SOUND_BRANDS = (b"M4A ", b"M4B ")
_TEXT_STARTS = {
    _PLAYLIST: (b"#extm3u", b"ffconcat", b"[playlist]", b"<asx"),
    "the description of a stream (SDP)": (b"v=0",),
    "a pointer of Git LFS; fetch the file itself": (b"version https://git-lfs",),
    "a web page": (b"<!doctype html", b"<html"),
}
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NEXT_PICTURE = re.compile(rb"\xff\xd9\x00*\xff\xd8\xff")
_QUICKTIME = b"qt  "
_NAMES = {"mpegts": "ts", "asf": "wmv", "mpeg": "mpg", "mpegvideo": "mpg", "yuv4mpegpipe": "y4m"}


def read_head(file: IO[bytes]) -> bytes:
    """Read as much of a file's beginning as tells its kind; its position stays where it is."""
    return os.pread(file.fileno(), _HEAD_BYTES, 0)


def container_format(head: bytes) -> str | None:
    """Name FFmpeg's format of a movie whose kind is known here; None for FFmpeg to find out."""
    if head[:4] in (b"RIFF", b"ON2 "):
        return "avi"
    if head.startswith(ebml.EBML_HEADER):
        return "matroska"
    if head[4:8] in _BOXES:
        return "mov"
    if head.startswith(b"\xff\xd8\xff"):
        return "mjpeg"
    return None if transport_packets(head) is None else "mpegts"


def format_name(ffmpeg_name: str, head: bytes) -> str:
    """Name a movie's format as files of it usually end, for FFmpeg's name of it."""
    if ffmpeg_name.startswith("mov"):
        is_quicktime = head[4:8] != b"ftyp" or head[8:12] == _QUICKTIME
        return "mov" if is_quicktime and head[4:8] != b"styp" else "mp4"
    if ffmpeg_name.startswith("matroska"):
        return "webm" if b"webm" in head[:64] else "mkv"
    return _NAMES.get(ffmpeg_name, ffmpeg_name.split(",")[0])


def transport_packets(head: bytes) -> tuple[int, int] | None:
    """Tell where the first whole packet of a transport stream starts, and the size of each."""
    for size, num_bytes_before in _PACKETS:
        is_long = len(head) >= (_NUM_SYNCS + 1) * size
        for start in range(size) if is_long else (num_bytes_before,):
            syncs = head[start : start + _NUM_SYNCS * size : size]
            if len(head) >= size and set(syncs) == {_SYNC}:
                return start - num_bytes_before, size
    return None


def what_is_no_movie(head: bytes) -> str | None:
    """Name what a file is that is certainly no movie; None for one that may be."""
    for kind, starts in _STARTS.items():
        if head.startswith(starts):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF_KINDS.get(head[8:12])
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        return "a HEIF or AVIF picture"
    if head[4:8] == b"ftyp" and head[8:12] in _SOUND_BRANDS:
        return _SOUND
    if head.startswith(b"BM") and not any(head[6:10]):
        return "a BMP picture"
    if head.startswith(b"GIF8") and b"NETSCAPE" not in head:
        return "a GIF picture"
    if len(head) < 8 or head.startswith(b"YUV4MPEG2 ") or _BINARY.search(head):
        return None
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<mpd" in text:
        return _PLAYLIST
    kinds = (kind for kind, starts in _TEXT_STARTS.items() if text.startswith(starts))
    return next(kinds, "a text")


def is_container(head: bytes) -> bool:
    """Tell whether a file is a movie whose kind is known here."""
    return container_format(head) is not None and what_is_no_movie(head) is None


def is_avi(head: bytes) -> bool:
    """Tell whether a file is an .avi."""
    return container_format(head) == "avi" and what_is_no_movie(head) is None


def check_is_movie(path: Path, head: bytes) -> None:
    """Raise `MovieError` for a file that is certainly no movie."""
    kind = what_is_no_movie(head)
    if kind is not None:
        raise MovieError(path, NO_MOVIE.format(kind))


def is_one_jpeg(file: IO[bytes]) -> bool:
    """Tell whether a file that begins with a JPEG goes on with no other: it is a picture then."""
    return _NEXT_PICTURE.search(os.pread(file.fileno(), _SEARCHED_BYTES, 0)) is None
