"""Streams: pictures that come over a pipe or the network."""
