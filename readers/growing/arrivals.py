"""When which byte of a growing file arrived."""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock

_MOST_PAIRS = 4096


class Arrivals:
    """Sizes that a file had and when it was first seen to have them; bounded.

    When there is no more room every second size is forgotten: bytes between then seem to have
    arrived with the next size that is known, never too early.
    """

    def __init__(self, most_pairs: int = _MOST_PAIRS) -> None:
        self._most_pairs = most_pairs
        self._sizes: list[int] = []
        self._times_s: list[float] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def size(self) -> int:
        """The largest size that was seen."""
        return self._sizes[-1] if self._sizes else 0

    def note(self, size: int, time_s: float) -> None:
        """Note a size; one that is not larger than the last is passed over."""
        with self._lock:
            if size <= self.size:
                return
            self._sizes.append(size)
            self._times_s.append(time_s)
            if len(self._sizes) > self._most_pairs:
                newest = len(self._sizes) % 2 == 0  # keeps the last one
                self._sizes = self._sizes[newest::2]
                self._times_s = self._times_s[newest::2]

    def when(self, size: int) -> float:
        """Tell when the file first had `size` bytes; for more than it has, when it last grew.

        Sizes smaller than this one are then forgotten: ask in rising order.

        Raises
        ------
        IndexError
            If nothing has arrived.
        """
        with self._lock:
            place = min(bisect_left(self._sizes, size), len(self._sizes) - 1)
            time_s = self._times_s[place]
            del self._sizes[:place], self._times_s[:place]
        return time_s
