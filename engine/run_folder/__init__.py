"""The folder of one run: outputs, journal, lock, and what an earlier run left."""
