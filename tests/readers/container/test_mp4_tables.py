"""Tables of a .mp4 claim no more than the file can hold: FFmpeg makes room for every claim."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from readers import MovieError, inspect_movie
from readers.container.parts import check_tables
from tests.readers.damaged import encode

CLAIMED = 20_000_000
MOST_MIB = 40
"""Of a child that opens a file of a few KB, beyond what it needs for an honest one."""


def box(name: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), name) + data


def table(name: bytes, *numbers: int, flags: int = 0) -> bytes:
    return box(name, struct.pack(f">{1 + len(numbers)}I", flags, *numbers))


MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
VIDEO = box(
    b"jpeg",
    bytes(7) + b"\x01" + bytes(16) + struct.pack(">HHIIIH", 64, 48, 0x480000, 0x480000, 0, 1),
    bytes(32) + struct.pack(">Hh", 24, -1),
)
SOUND = box(
    b"sowt",
    bytes(7) + b"\x01" + bytes(8) + struct.pack(">HHHHI", 1, 16, 0, 0, 48000 << 16),
)


def track(*tables: bytes, entry: bytes = VIDEO, kind: bytes = b"vide", edits: bytes = b"") -> bytes:
    samples = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry), *tables)
    references = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), table(b"url ", flags=1)))
    media = box(
        b"mdia",
        table(b"mdhd", 0, 0, 1000, 1000, 0),
        box(b"hdlr", bytes(8), kind, bytes(14)),
        box(b"minf", references, samples),
    )
    head = box(b"tkhd", struct.pack(">6I", 3, 0, 0, 1, 0, 1000), bytes(16), MATRIX, bytes(8))
    return box(b"trak", head, edits, media)


def index(*tracks: bytes) -> bytes:
    head = box(
        b"mvhd", struct.pack(">5I", 0, 0, 0, 1000, 1000), bytes(16), MATRIX, bytes(24), b"\0\0\0\2"
    )
    return box(b"moov", head, *tracks)


def one_size(count: int = CLAIMED, size: int = 1) -> bytes:
    return track(
        table(b"stsz", size, count),
        table(b"stts", 1, count, 1),
        table(b"stsc", 1, 1, count, 1),
        table(b"stco", 1, 28),
    )


def honest() -> bytes:
    return track(
        table(b"stsz", 0, 1, 100),
        table(b"stts", 1, 1, 40),
        table(b"stsc", 1, 1, 1, 1),
        table(b"stco", 1, 28),
    )


def edited(num_edits: int, num_samples: int) -> bytes:
    return track(
        table(b"stsz", 0, num_samples, *[1] * num_samples),
        table(b"stts", 1, num_samples, 1),
        table(b"stsc", 1, 1, num_samples, 1),
        table(b"stco", 1, 28),
        edits=box(b"edts", table(b"elst", num_edits, *[num_samples, 0, 0x10000] * num_edits)),
    )


def chunks_of_sound() -> bytes:
    return track(
        table(b"stsz", 1, 2**30),
        table(b"stts", 1, 2**30, 1),
        table(b"stsc", 1, 1, 2**30, 1),
        table(b"stco", 60, *[28] * 60),
        entry=SOUND,
        kind=b"soun",
    )


def samples_of_sound() -> bytes:
    return track(
        table(b"stsz", 1, CLAIMED),
        table(b"stts", 1, CLAIMED, 2),
        table(b"stsc", 1, 1, 1000, 1),
        table(b"stco", CLAIMED // 1000, 28),
        entry=SOUND,
        kind=b"soun",
    )


def fragments(count: int, flags: int = 1) -> bytes:
    empty = track(*(table(name, 0) for name in (b"stts", b"stsc", b"stco")), table(b"stsz", 0, 0))
    begins = box(b"moov", index(empty)[8:], box(b"mvex", table(b"trex", 1, 1, 40, 0, 0)))
    run = table(b"trun", CLAIMED // count, 100, *[1] * (flags > 1), flags=flags)
    part = box(b"traf", table(b"tfhd", 1, flags=0x20000), run)
    return begins + count * (box(b"moof", table(b"mfhd", 1), part) + box(b"mdat", bytes(100)))


def compressed(content: bytes) -> bytes:
    packed = box(b"cmvd", struct.pack(">I", len(content)), zlib.compress(content))
    return box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), packed))


HOSTILE = {
    "samples of one size": index(one_size()),
    "samples without bytes": index(one_size(size=0)),
    "samples of a size that fits": index(one_size(size=100)),
    "sizes of half a byte": index(
        one_size().replace(b"stsz" + bytes(4) + b"\0\0\0\1", b"stz2" + bytes(4) + b"\0\0\0\4")
    ),
    "many tracks": index(*[one_size(400_000)] * 8),
    "edits that repeat all of it": index(edited(4000, 20_000)),
    "sound in chunks": index(honest(), chunks_of_sound()),
    "sound sample by sample": index(honest(), samples_of_sound()),
    "a fragment": fragments(1),
    "a fragment that has one field": fragments(1, flags=0x101),
    "many fragments": fragments(20),
    "a compressed index": compressed(index(one_size())),
    "an index in a free box": box(b"free", index(one_size())[8:]),
}


def hostile(path: Path, content: bytes, head: bytes = box(b"ftyp", b"isom\0\0\0\0isom")) -> Path:
    path.write_bytes(head + box(b"mdat", bytes(100)) + content)
    return path


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_claim_that_the_file_cannot_hold_is_refused(tmp_path: Path, kind: str) -> None:
    path = hostile(tmp_path / "a.mp4", HOSTILE[kind])
    assert path.stat().st_size < 150_000

    with pytest.raises(MovieError, match=r"samples or more, which a file of \d+ bytes cannot hold"):
        inspect_movie(path)


def test_no_unknown_box_before_it_hides_a_claim(tmp_path: Path) -> None:
    path = hostile(tmp_path / "a.mp4", HOSTILE["samples of one size"], box(b"uuid", bytes(16)))

    with pytest.raises(MovieError, match="cannot hold"):
        inspect_movie(path)


_MEASURE = """
import resource, sys
from contextlib import suppress
from pathlib import Path
from readers import MovieError, inspect_movie

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

inspect_movie(Path(sys.argv[1]))
before = peak_mib()
for path in sys.argv[2:]:
    with suppress(MovieError):
        inspect_movie(Path(path))
print(peak_mib() - before)
"""


def test_hostile_tables_take_no_memory(tmp_path: Path) -> None:
    honest_path = encode(tmp_path / "honest.mp4", times=range(3))
    paths = [
        hostile(tmp_path / f"{number}.mp4", content)
        for number, content in enumerate(HOSTILE.values())
    ]

    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", _MEASURE, honest_path, *paths],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert float(done.stdout) < MOST_MIB


@pytest.mark.parametrize(
    "options",
    [{}, {"movflags": "faststart"}, {"movflags": "frag_every_frame+empty_moov"}],
    ids=["plain", "index first", "fragmented"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_honest_tables_pass(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = encode(tmp_path / f"a{suffix}", container=options)
    check_tables(path)


def test_a_long_movie_that_was_cut_off_behind_its_index_is_read(tmp_path: Path) -> None:
    """An hour of uncompressed pictures, whose index needs no table for their sizes."""
    path = encode(tmp_path / "a.mov", "rawvideo", "uyvy422", range(3), {"movflags": "faststart"})
    data = path.read_bytes()
    place = data.index(b"stsz") + 12
    path.write_bytes(data[:place] + struct.pack(">I", 108_000) + data[place + 4 :])

    check_tables(path)


def test_what_plays_an_hour_of_sound_passes(tmp_path: Path) -> None:
    """Plain sound has a sample every 21 µs, of two bytes."""
    count = 48_000 * 3600
    sound = track(
        table(b"stsz", 2, count),
        table(b"stts", 1, count, 1),
        table(b"stsc", 1, 1, 48_000, 1),
        table(b"stco", 3600, *[28] * 3600),
        entry=SOUND,
        kind=b"soun",
    )
    check_tables(hostile(tmp_path / "a.mov", index(honest(), sound)))
