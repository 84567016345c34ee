"""A page that shows a live run in a browser."""

from engine.live.page.address import PageAddress, parse_address
from engine.live.page.preview import PreviewPage
from engine.live.page.token import find_token

__all__ = ["PageAddress", "PreviewPage", "find_token", "parse_address"]
