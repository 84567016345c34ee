"""Files that still grow while they are read."""
