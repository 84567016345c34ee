"""Movies that are still being recorded."""

from readers.growing.growing_file import now_s
from readers.live.movie import LiveMovie
from readers.live.sources import LiveSource, open_live

__all__ = ["LiveMovie", "LiveSource", "now_s", "open_live"]
