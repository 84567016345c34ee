"""Publishing with Lab Streaming Layer, received by another program on this machine."""

from __future__ import annotations

import json
import socket
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readers import FrameStatus
from readers.growing.growing_file import now_s
from sinks import PoseBatch
from sinks.publishing.lsl import LslPublisher
from tests.batches import frame_batch
from tests.sinks.publishing.live import BODY_PARTS, FIRST_ARRIVAL_S, live_batch, poses_of
from tests.sinks.publishing.receiving import received_by

NUM_SAMPLES = 20
LOOPBACK_ONLY = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
ListenAddress = 127.0.0.1
AddressesOverride = {{127.0.0.1}}
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = {session}
[log]
level = -2
"""


@pytest.fixture(scope="module", autouse=True)
def _loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep LSL, here and in the receivers, to this machine; it reads this when first used."""
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(LOOPBACK_ONLY.format(session=uuid.uuid4()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSLAPICFG", str(path))
        yield


@pytest.fixture(scope="module")
def received() -> dict[str, Any]:
    """What another program received of a stream, the seventh frame of which has no picture."""
    name = f"mouse {uuid.uuid4()}"
    with LslPublisher(BODY_PARTS, name=name) as publisher:
        publisher.begin_movie(3)
        output = received_by("lsl_receiver", [name, str(NUM_SAMPLES)], publisher)
    found: dict[str, Any] = json.loads(output)
    return found | {"name": name}


def test_the_stream_is_described_as_xdf_recommends_for_motion_capture(
    received: dict[str, Any],
) -> None:
    assert received["type"] == "MoCap"
    assert received["channels"] == [
        ["nose_x", "nose", "PositionX", "pixels"],
        ["nose_y", "nose", "PositionY", "pixels"],
        ["nose_likelihood", "nose", "Confidence", "normalized"],
        ["tail base_x", "tail base", "PositionX", "pixels"],
        ["tail base_y", "tail base", "PositionY", "pixels"],
        ["tail base_likelihood", "tail base", "Confidence", "normalized"],
        ["movie", "", "FrameNumber", "count"],
        ["frame", "", "FrameNumber", "count"],
        ["capture_time", "", "Time", "seconds"],
        ["publish_time", "", "Time", "seconds"],
    ]


def test_the_rate_is_irregular_and_the_values_are_float64(received: dict[str, Any]) -> None:
    assert received["rate"] == 0
    assert received["is_double"]
    assert received["source_id"].startswith(f"posestream:{received['name']}@")


def test_another_program_receives_every_frame_from_when_it_has_come(
    received: dict[str, Any],
) -> None:
    samples = np.array([sample for sample, _ in received["samples"]])
    frames = samples[:, 7].astype(int)

    np.testing.assert_array_equal(frames, frames[0] + np.arange(NUM_SAMPLES))
    np.testing.assert_array_equal(samples[:, :6], poses_of(frames).reshape(NUM_SAMPLES, -1))
    np.testing.assert_array_equal(samples[:, 6], 3)
    np.testing.assert_array_equal(samples[:, 8], frames / 10)


def test_times_are_of_lsls_clock(received: dict[str, Any]) -> None:
    # This machine's processes share LSL's clock, as they share ours but for an offset.
    here_s = now_s()
    samples = np.array([sample for sample, _ in received["samples"]])
    times_s = np.array([time_s for _, time_s in received["samples"]])

    ages_s = received["received_at_s"] - samples[:, 9]
    assert (ages_s >= 0).all()
    assert (np.diff(samples[:, 9]) > 0).all()
    lag_s = samples[:, 9] - times_s  # from arrival to publication
    arrivals_s = FIRST_ARRIVAL_S + samples[:, 8]
    published_s = arrivals_s + lag_s  # by our clock
    assert (published_s <= here_s).all()
    assert (published_s >= here_s - 60).all()


def test_frames_that_nobody_looked_at_are_sent_without_a_pose() -> None:
    name = f"mouse {uuid.uuid4()}"

    class Skipping(LslPublisher):
        def write(self, batch: PoseBatch) -> None:
            frames = replace(batch.frames, status=np.array([FrameStatus.SKIPPED], np.uint8))
            poses = np.full_like(batch.poses, np.nan)
            super().write(PoseBatch(frames, poses))

    with Skipping(BODY_PARTS, name=name) as publisher:
        output = received_by("lsl_receiver", [name, "1"], publisher)

    ((sample, _),) = json.loads(output)["samples"]
    assert np.isnan(sample[:6]).all()


MULTICAST_PORT = 16571  # of LSL: there it is asked which streams there are


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are read as Linux tells them")
def test_lsls_configuration_can_keep_the_stream_from_being_found_by_other_machines() -> None:
    with LslPublisher(BODY_PARTS, name="unheard of"):
        addresses = {
            address
            for kind, address, port in own_sockets()
            if (kind, port) == ("udp", MULTICAST_PORT)
        }
        kinds = {kind for kind, _, _ in own_sockets()}

    assert addresses == {"127.0.0.1"}
    assert kinds == {"tcp", "udp"}  # and nothing of IPv6


def own_sockets() -> list[tuple[str, str, int]]:
    """Tell kind, address (of IPv4) and port of the sockets of this process that hear others."""
    own = {entry.readlink().name for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/self/net/{kind}").read_text().splitlines()[1:]:
            _, local, remote, _, _, _, _, _, _, inode, *_ = line.split()
            address, _, port = local.partition(":")
            if f"socket:[{inode}]" in own and remote.endswith(":0000"):
                text = socket.inet_ntoa(bytes.fromhex(address)[:4][::-1])
                found.append((kind, text, int(port, 16)))
    return found


def test_nobody_has_to_listen() -> None:
    with LslPublisher(BODY_PARTS, name="alone") as publisher:
        publisher.write(live_batch(0, 50))

    assert publisher.num_unsent is None


def test_a_movie_that_is_not_being_recorded_is_not_published() -> None:
    batch = PoseBatch(frame_batch(0, 1), np.zeros((1, 2, 3)))

    with (
        LslPublisher(BODY_PARTS, name="finished") as publisher,
        pytest.raises(ValueError, match="being recorded"),
    ):
        publisher.write(batch)
