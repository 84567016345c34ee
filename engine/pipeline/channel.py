"""A bounded queue between two threads that can be called off at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Any, Generic, TypeVar

from engine.inference import Cancelled

T = TypeVar("T")
_END = object()


class Channel(Generic[T]):
    """Hands items from one thread to another, in order, and holds at most `capacity` of them.

    Every blocked `put` and `get` raises `Cancelled` as soon as any thread calls `cancel`.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._changed = Condition()
        self._is_waited_for = False
        self._cancelled = False

    def put(self, item: T) -> None:
        """Add an item, waiting until there is room."""
        with self._changed:
            self._wait_for(lambda: len(self._items) < self._capacity)
            self._items.append(item)
            self._changed.notify_all()

    def get(self) -> T:
        """Take the oldest item, waiting until there is one."""
        with self._changed:
            self._is_waited_for = True
            self._changed.notify_all()
            self._wait_for(lambda: bool(self._items))
            self._is_waited_for = False
            item: T = self._items.popleft()
            self._changed.notify_all()
            return item

    def wait_until_wanted(self) -> None:
        """Wait until a `get` waits for an item, and there is none."""
        with self._changed:
            self._wait_for(lambda: self._is_waited_for and not self._items)

    @property
    def is_empty(self) -> bool:
        """Whether `get` would wait."""
        return not self._items

    def end(self) -> None:
        """Say that no item will follow. Only `__iter__` understands it: `get` would give a mark."""
        with self._changed:
            self._items.append(_END)
            self._changed.notify_all()

    def cancel(self) -> None:
        """Call everything off, and let go of what is in the channel."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the other side says that no more will follow."""
        while (item := self.get()) is not _END:
            yield item

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: is_so() or self._cancelled)
        if self._cancelled:
            raise Cancelled
