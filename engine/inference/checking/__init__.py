"""Whether a graph is safe to give to a runtime."""

from engine.inference.checking.check import TRIED_SHAPE, check_graph

__all__ = ["TRIED_SHAPE", "check_graph"]
