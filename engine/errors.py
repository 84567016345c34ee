"""The errors of a run that has begun and cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.untrusted.quoting import printable


class RunError(RuntimeError):
    """A run failed after its work had begun; the message is one line, for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class Interrupted(KeyboardInterrupt):
    """A run was interrupted, and can be gone on with; the message is one line, for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@contextmanager
def ending_run(*errors: type[Exception]) -> Iterator[None]:
    """End the run with such an error, as of an output that cannot be written any more."""
    try:
        yield
    except errors as error:
        raise RunError(str(error)) from error
