"""The machine under a run: its memory, threads, child processes, the cache and the cost of work."""
