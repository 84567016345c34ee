"""Four pictures of a movie's poses, for a first look."""

from sinks.previews.sink import PreviewPaths, PreviewSink

__all__ = ["PreviewPaths", "PreviewSink"]
