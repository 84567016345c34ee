"""Streams: how they are reached, and the recording that is written of each as it comes."""
