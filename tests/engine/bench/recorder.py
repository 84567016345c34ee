"""A progress that remembers, for tests to look at."""

from engine.watch.progress import Progress


class Recorder(Progress):
    """Remembers what was begun, told and ended."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, str]] = []
        self.told: list[int] = []
        self.num_ended = 0

    def begin(self, name: str, total: int | None, unit: str = "frames", done: int = 0) -> None:  # noqa: ARG002 -- as every progress
        self.begun.append((name, total, unit))

    def advance(self, done: int) -> None:
        self.told.append(done)

    def end(self) -> None:
        self.num_ended += 1
