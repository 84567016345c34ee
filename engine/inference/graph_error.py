"""What is raised about a graph that no network of DeepLabCut's has."""


class GraphError(ValueError):
    """A graph cannot be used; the message is one line, without its path."""
