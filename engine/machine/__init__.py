"""The machine under a run: its memory and cores, threads of their own, child processes, cost."""
