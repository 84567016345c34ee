"""A program that receives a stream of LSL: `NAME NUM_SAMPLES`, prints what it was told as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import pylsl

LONGEST_WAIT_S = 30


def main(name: str, num_samples: int) -> None:
    """Print the stream's description, and its samples with their times."""
    (found, *_) = pylsl.resolve_byprop("name", name, timeout=LONGEST_WAIT_S)
    inlet = pylsl.StreamInlet(found, recover=False)
    info = inlet.info()
    samples = [inlet.pull_sample(timeout=LONGEST_WAIT_S) for _ in range(num_samples)]
    received = {
        "type": info.type(),
        "rate": info.nominal_srate(),
        "is_double": info.channel_format() == pylsl.cf_double64,
        "source_id": info.source_id(),
        "channels": channels(info),
        "samples": samples,
        "received_at_s": pylsl.local_clock(),
    }
    json.dump(received, sys.stdout)


def channels(info: Any) -> list[list[str]]:
    """Read label, marker, type and unit of each channel."""
    channel = info.desc().child("channels").child("channel")
    found = []
    while not channel.empty():
        found.append([channel.child_value(key) for key in ("label", "marker", "type", "unit")])
        channel = channel.next_sibling()
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
