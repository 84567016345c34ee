"""The labelled movie: the frames with their poses drawn on top."""
