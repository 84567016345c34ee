"""The errors of a run that has begun and cannot go on."""

from engine.untrusted.quoting import printable


class RunError(RuntimeError):
    """A run failed after its work had begun; the message is one line, for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class Interrupted(KeyboardInterrupt):
    """A run was interrupted, and can be gone on with; the message is one line, for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
