"""Movies that are still being recorded."""

from readers.live.clock import now_s

__all__ = ["now_s"]
