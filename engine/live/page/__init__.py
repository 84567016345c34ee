"""A page that shows a live run in a browser."""

from engine.live.page.address import PageAddress, parse_address
from engine.live.page.preview import PreviewPage

__all__ = ["PageAddress", "PreviewPage", "parse_address"]
