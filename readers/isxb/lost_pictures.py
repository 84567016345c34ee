"""The search for the pictures that a damaged .isxb has lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path

from readers.errors import MovieError
from readers.isxb.layout import IsxbLayout
from readers.isxb.pictures import Extent, extents

_NUM_NEIGHBOURS = 16
"""Intact pictures before and behind a flaw that its size is compared with."""
_LEEWAY = 1.25
"""How much larger or smaller than its neighbours a picture may be."""
_LEEWAY_OF_ONLY_FLAW = 2.0
_MOST_FLAWS = 10_000


@dataclass(frozen=True)
class LostPictures:
    """The places where pictures are missing.

    Attributes
    ----------
    count
        How many.
    behind
        By the offset of an extent, how many are missing behind the picture that it begins with.
    """

    count: int
    behind: dict[int, int]

    @property
    def damage(self) -> str:
        """What is wrong with the file, in one line."""
        if self.count == 0:
            return "its pictures are damaged; none of them is missing"
        pictures = "picture is" if self.count == 1 else "pictures are"
        return f"its pictures are damaged; {self.count} {pictures} missing and undecodable"


@dataclass
class _Flaw:
    """An extent that may hold more than one picture, or none."""

    extent: Extent
    smallest: float = inf
    largest: float = 0
    num_following: int = 0

    def compare(self, size: int) -> None:
        self.smallest = min(self.smallest, size)
        self.largest = max(self.largest, size)

    @property
    def is_closed(self) -> bool:
        return self.num_following >= _NUM_NEIGHBOURS

    @property
    def is_flawed(self) -> bool:
        return self.extent.is_flawed or self.extent.size > _LEEWAY * self.largest > 0

    def num_lost(self, leeway: float) -> tuple[int, int]:
        """Fewest and most pictures that are missing in it, by the sizes of its neighbours."""
        extent = self.extent
        if self.largest == 0:
            return 0, extent.size
        smallest, largest = self.smallest / leeway, self.largest * leeway
        num_seen = 1
        size = extent.size
        if extent.picture_size == 0:
            num_seen = 0
        elif extent.is_flawed and smallest <= extent.picture_size < size:
            num_seen, size = 0, size - extent.picture_size
        most = max(0, int(size / smallest) - num_seen)
        fewest = ceil(size / largest) - num_seen if extent.is_flawed else 0
        return max(0, min(fewest, most)), most


def _survey(pictures: Iterator[Extent]) -> tuple[int, list[_Flaw] | None]:
    """Count the pictures, and find the flaws among them; None for more than 10,000.

    Flaws are kept with the sizes of intact pictures around them.
    """
    num_pictures, has_too_many = 0, False
    flaws: list[_Flaw] = []
    unsure: list[_Flaw] = []
    sizes: deque[int] = deque(maxlen=_NUM_NEIGHBOURS)
    for extent in pictures:
        num_pictures += extent.picture_size > 0
        if not extent.is_flawed:
            for flaw in unsure:
                flaw.compare(extent.size)
                flaw.num_following += 1
            flaws += [flaw for flaw in unsure if flaw.is_closed and flaw.is_flawed]
            unsure = [flaw for flaw in unsure if not flaw.is_closed]
        # The first picture, and one much larger than those before, may be several: those
        # behind it will tell.
        is_suspect = extent.is_flawed or extent.size > _LEEWAY * max(sizes, default=0)
        has_no_room = len(flaws) + len(unsure) >= _MOST_FLAWS
        has_too_many = has_too_many or (is_suspect and has_no_room)
        if is_suspect and not has_no_room:
            flaw = _Flaw(extent)
            for size in sizes:
                flaw.compare(size)
            unsure.append(flaw)
        if not extent.is_flawed:
            sizes.append(extent.size)
    flaws += [flaw for flaw in unsure if flaw.is_flawed]
    return num_pictures, None if has_too_many else flaws


def find_lost_pictures(path: Path, layout: IsxbLayout, width: int, height: int) -> LostPictures:
    """Find where pictures are missing in a whole file that has fewer than its header counts.

    Each start of a picture that is beyond doubt is one picture; the others are missing. They
    can only be where the data are flawed: before the first start, in a picture whose data do not
    run to its end, hold a long run of zeros, or are followed by more bytes than a header has, or
    in one much larger than its neighbours. If there is one such flaw, all that are missing are
    there, unless its size is less than half or more than twice what the 16 intact pictures before
    and behind it allow. If there are several, their sizes tell, at most a quarter beyond
    the sizes of those neighbours: the places are known where no other numbers add up.

    Reads the file once from end to end; keeps nothing but the flaws, at most 10000. Raises
    `MovieError` if it cannot be told which pictures are missing, or there are more than samples.
    """
    num_pictures, flaws = _survey(extents(path, layout.video, width, height))
    num_missing = layout.header.num_recorded_frames - num_pictures
    if num_missing == 0:
        return LostPictures(0, {})
    numbers = None if flaws is None else _only_numbers(flaws, num_missing)
    if flaws is None or numbers is None:
        raise cannot_tell(path, layout, num_missing)
    behind = {flaw.extent.offset: lost for flaw, lost in zip(flaws, numbers, strict=True) if lost}
    return LostPictures(num_missing, behind)


def cannot_tell(path: Path, layout: IsxbLayout, num_missing: int) -> MovieError:
    """Make the error for pictures that are missing, or too many, in places that are unknown."""
    count = layout.header.num_recorded_frames
    problem = f"{-num_missing} too many" if num_missing < 0 else f"{num_missing} missing"
    return MovieError(
        path,
        f"its metadata counts {count} frames, its pictures {count - num_missing}: "
        f"{problem}, it cannot be told which",
    )


def _only_numbers(flaws: list[_Flaw], num_missing: int) -> list[int] | None:
    """Say how many pictures each flaw has lost; None where that is not beyond doubt."""
    leeway = _LEEWAY_OF_ONLY_FLAW if len(flaws) == 1 else _LEEWAY
    bounds = [flaw.num_lost(leeway) for flaw in flaws]
    fewest, most = sum(low for low, _ in bounds), sum(high for _, high in bounds)
    if not fewest <= num_missing <= most:
        return None
    if num_missing == fewest:
        return [low for low, _ in bounds]
    if num_missing == most:
        return [high for _, high in bounds]
    if sum(low < high for low, high in bounds) > 1:
        return None
    return [low + (low < high) * (num_missing - fewest) for low, high in bounds]


def damaged_pictures(
    path: Path, layout: IsxbLayout, width: int, height: int, lost: LostPictures
) -> Iterator[Extent | None]:
    """Yield the extent of every recorded picture; None for each that is missing."""
    for extent in extents(path, layout.video, width, height):
        if extent.picture_size:
            yield extent
        for _ in range(lost.behind.get(extent.offset, 0)):
            yield None
