"""A page that shows a live run in a browser."""

from engine.watch.page.address import find_token
from engine.watch.page.preview import PreviewPage

__all__ = ["PreviewPage", "find_token"]
