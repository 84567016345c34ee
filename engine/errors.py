"""What is raised when a run that has begun cannot go on."""


class RunError(RuntimeError):
    """A run failed after its work had begun; the message is one line, for the user."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted, and can be gone on with; the message is one line, for the user."""
