"""Publish poses to other programs while the movie is being recorded."""

from sinks.publishing.publisher import Publisher
from sinks.publishing.specification import check_spec, make_publisher, socket_path

__all__ = ["Publisher", "check_spec", "make_publisher", "socket_path"]
