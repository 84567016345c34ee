"""A page that shows a live run in a browser."""

from engine.watch.page.address import PageAddress, parse_address
from engine.watch.page.preview import PreviewPage
from engine.watch.page.token import find_token

__all__ = ["PageAddress", "PreviewPage", "find_token", "parse_address"]
