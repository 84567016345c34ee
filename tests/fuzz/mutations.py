"""Ways to damage a file, drawn from random numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_EXTREMES_64 = (*_EXTREMES, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def mutated(random: Random, data: bytes) -> bytes:
    """Damage a file in one to six places: bits, runs, lengths, integers."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        data = random.choice(_MUTATIONS)(random, data)
    return data


def flip_bits(random: Random, data: bytes) -> bytes:
    """Flip one to 64 bits."""
    damaged = bytearray(data)
    for _ in range(min(len(data), random.choice((1, 1, 4, 16, 64)))):
        damaged[_place(random, data)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwrite_run(random: Random, data: bytes) -> bytes:
    """Write a run of one value, or of noise, over what is there."""
    start, length = _run(random, data)
    noise = random.choice((bytes(length), b"\xff" * length, random.randbytes(length)))
    return data[:start] + noise + data[start + length :]


def cut_off(random: Random, data: bytes) -> bytes:
    """Take the end away."""
    return data[: _place(random, data)]


def cut_out(random: Random, data: bytes) -> bytes:
    """Take a run out; what follows moves up."""
    start, length = _run(random, data)
    return data[:start] + data[start + length :]


def insert(random: Random, data: bytes) -> bytes:
    """Put noise in between."""
    start, length = _run(random, data)
    return data[:start] + random.randbytes(length) + data[start:]


def duplicate(random: Random, data: bytes) -> bytes:
    """Repeat a run, here or at another place."""
    start, length = _run(random, data)
    place = random.choice((start, _place(random, data)))
    return data[:place] + data[start : start + length] + data[place:]


def set_integer(random: Random, data: bytes) -> bytes:
    """Write an extreme number over 1, 2, 4 or 8 bytes, in either byte order."""
    size = random.choice((1, 2, 4, 4, 8))
    place = _place(random, data)
    if random.random() < 0.5:  # fields lie at such places
        place -= place % size
    number = random.choice(_EXTREMES_64) % 256**size
    order: list[bytes] = [number.to_bytes(size, "little"), number.to_bytes(size, "big")]
    return data[:place] + random.choice(order) + data[place + size :]


_MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    flip_bits,
    flip_bits,
    overwrite_run,
    cut_off,
    cut_out,
    insert,
    duplicate,
    set_integer,
    set_integer,
)


def _place(random: Random, data: bytes) -> int:
    """Give an index, half of the time in the first part: headers are shorter than what follows."""
    if not data:
        return 0
    return random.randrange(random.choice((len(data), min(len(data), 1024))))


def _run(random: Random, data: bytes) -> tuple[int, int]:
    return _place(random, data), random.choice((1, 2, 4, 8, 16, 64, 256, 1024))
