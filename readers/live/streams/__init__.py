"""The streams of cameras, and the recording of each."""
