"""A section reads like the part of the file that it is."""

import io

from hypothesis import given
from hypothesis import strategies as st

from readers.isxb.section import FileSection


@given(
    data=st.binary(max_size=60),
    offset=st.integers(0, 30),
    size=st.integers(0, 30),
    moves=st.lists(st.tuples(st.integers(0, 70), st.integers(-1, 70)), max_size=6),
)
def test_seek_and_read_are_those_of_a_file_with_the_same_bytes(
    data: bytes, offset: int, size: int, moves: list[tuple[int, int]]
) -> None:
    data = data.ljust(offset + size, b"x")
    section = FileSection(io.BytesIO(data), offset, size)
    oracle = io.BytesIO(data[offset : offset + size])

    for position, length in moves:
        assert section.seek(position) == oracle.seek(position)
        assert section.read(length) == oracle.read(length)
        assert section.tell() == oracle.tell()
    assert section.seek(0, io.SEEK_END) == size
