"""What is raised when a run that has begun cannot go on."""


class RunError(RuntimeError):
    """A run failed after its work had begun; the message is one line, for the user."""
