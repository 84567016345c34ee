"""Another program that receives."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

from sinks.publishing import Publisher
from tests.sinks.publishing.live import live_batch

ROOT = Path(__file__).parents[3]


def received_by(program: str, arguments: list[str], publisher: Publisher) -> str:
    """Publish one frame after another until the program has what it waits for; give its words."""
    command = [sys.executable, "-m", f"tests.sinks.publishing.{program}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as receiver:  # noqa: S603 -- our own program
        try:
            for frame in count():
                publisher.write(live_batch(frame))
                with suppress(subprocess.TimeoutExpired):
                    output, _ = receiver.communicate(timeout=0.005)
                    assert receiver.returncode == 0
                    return output
        finally:
            receiver.kill()
    raise AssertionError("unreachable")
