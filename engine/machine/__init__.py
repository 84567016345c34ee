"""The machine under a run: its memory and processor, the cache, child processes and threads."""
