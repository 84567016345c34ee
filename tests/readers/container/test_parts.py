"""A recording is closed when its recorder has said so, and not a write before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from readers import MovieError
from readers.container.parts import is_closed, mp4_kind
from readers.formats import check_live
from readers.isxb.layout import is_closed as is_isxb_closed
from tests.readers.live.recordings import (
    HEADER_BYTES,
    Write,
    isxb_recording,
    recording,
    written,
)

PLAIN = {"movflags": "+default_base_moof"}


def answers(
    path: Path, writes: list[Write], ask: Callable[[IO[bytes], int], object] = is_closed
) -> list[object]:
    """Ask after each write."""
    path.write_bytes(b"")
    result = []
    with path.open("r+b") as file:
        for write in writes:
            file.seek(write.offset)
            file.write(write.data)
            file.flush()
            result.append(ask(file, file.seek(0, 2)))
    return result


def test_isxb(tmp_path: Path) -> None:
    path = tmp_path / "movie.isxb"
    writes = isxb_recording(tmp_path)

    assert answers(path, writes, is_isxb_closed) == [0, 0, 1]


@pytest.mark.parametrize("kind", ["avi", "mkv"])
def test_a_container_whose_size_is_filled_in_at_the_end(tmp_path: Path, kind: str) -> None:
    told = answers(tmp_path / "movie", recording(kind, num_frames=8))

    assert told[-1] is True
    num_writes_at_end = 3  # sizes that are filled in one by one; which of them is last differs
    assert not any(told[:-num_writes_at_end])


def test_a_fragmented_mp4_ends_with_an_index_of_fragments(tmp_path: Path) -> None:
    told = answers(tmp_path / "movie", recording("mp4", num_frames=8))

    assert told == [False] * (len(told) - 1) + [True]


def test_a_copy_is_whole_with_its_last_byte(tmp_path: Path) -> None:
    for kind in ("avi", "mkv", "mp4"):
        whole = written(recording(kind, num_frames=3))
        pieces = [Write(0, whole[:-2]), Write(len(whole) - 2, whole[-2:-1])]
        pieces.append(Write(len(whole) - 1, whole[-1:]))

        assert answers(tmp_path / "movie", pieces) == [False, False, True]


def test_a_matroska_stream_that_never_knows_its_size_is_never_closed(tmp_path: Path) -> None:
    writes = recording("mkv", num_frames=3, container_options={"live": "1"})

    assert not any(answers(tmp_path / "movie", writes))


@pytest.mark.parametrize("count", range(40))
def test_half_a_matroska_header_is_no_closed_file(tmp_path: Path, count: int) -> None:
    data = written(recording("mkv", num_frames=1))[:count]

    assert answers(tmp_path / "movie", [Write(0, data)]) == [False]


def test_kinds_of_mp4_are_told_from_the_start(tmp_path: Path) -> None:
    fragmented = written(recording("mp4", num_frames=3))
    moov_end = fragmented.index(b"moof") - 4
    plain = written(recording("mp4", num_frames=3, container_options=PLAIN))
    mdat = plain.index(b"mdat") + 4
    moov = plain.index(b"moov") - 4
    fast = plain[: mdat - 8] + plain[moov:] + plain[mdat - 8 : moov]

    def kind(data: bytes) -> object:
        return answers(tmp_path / "movie", [Write(0, data)], mp4_kind)[0]

    assert kind(b"") is None
    assert {kind(fragmented[:count]) for count in range(moov_end)} == {None}
    assert kind(fragmented[:moov_end]) == "fragmented"
    assert kind(fragmented) == "fragmented"
    assert {kind(plain[:count]) for count in range(mdat - 8)} == {None}
    assert {kind(plain[:count]) for count in range(mdat, len(plain))} == {"plain"}
    assert kind(plain) == "plain and whole"
    assert kind(fast[:-1]) == "plain"
    assert kind(fast) == "plain and whole"


def test_a_plain_mp4_cannot_be_read_live(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    plain = written(recording("mp4", num_frames=3, container_options=PLAIN))
    path.write_bytes(plain[:-1])

    with pytest.raises(MovieError, match=r"plain \.mp4, which cannot be read before its end"):
        check_live(path)


@pytest.mark.parametrize("num_bytes", [0, 10, HEADER_BYTES])
def test_what_is_not_known_yet_may_be_read_live(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(written(recording("mp4", num_frames=3))[:num_bytes])

    check_live(path)
