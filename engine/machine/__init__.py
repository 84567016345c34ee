"""The machine: its processors, memory, processes and signals."""
