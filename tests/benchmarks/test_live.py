"""What is told of a live run is what happened: runs made up with known latencies and losses."""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import benchmarks.live
from benchmarks.live import LiveBenchmark, Scene, run_benchmark, table
from benchmarks.live_report import LiveReport, Pause, quiet_minutes
from benchmarks.observation import (
    Observation,
    Sample,
    Stop,
    cores,
    host_stolen_s,
    resident_mib_and_core_s,
    stolen_cores,
)
from benchmarks.processes import CommandError
from benchmarks.subscriber import Messages, Subscriber

OFFSET_S = 1_700_000_000.0
"""What the live run's clock is ahead of the recorder's."""


def message(frame: int, arrival_s: float, publish_s: float, status: str = "decoded") -> bytes:
    times = {"arrival_time_s": arrival_s + OFFSET_S, "publish_time_s": publish_s + OFFSET_S}
    return json.dumps({"movie": 0, "frame": frame, "status": status, **times}).encode()


def messages(
    written_s: NDArray[np.float64],
    latency_s: NDArray[np.float64],
    frames: Sequence[int] | None = None,
) -> Messages:
    """Publish frames so long after they were written; they arrive after 1 ms, no message takes."""
    told = Messages()
    for frame in range(len(written_s)) if frames is None else frames:
        publish_s = written_s[frame] + latency_s[frame]
        told.add(message(frame, written_s[frame] + 0.001, publish_s), publish_s)
    return told


def recording(minutes: float, frame_rate: float = 10) -> NDArray[np.float64]:
    """Tell when frames were written."""
    return 5000 + np.arange(round(60 * minutes * frame_rate)) / frame_rate


def test_latencies_are_those_between_writing_arrival_and_publication() -> None:
    written_s = recording(4)
    latency_s = np.random.default_rng(0).uniform(0.004, 0.02, len(written_s))
    latencies = LiveReport(written_s, messages(written_s, latency_s), warm_up_s=30).latencies()
    p50, p95, p99, most = np.percentile(latency_s[300:], [50, 95, 99, 100]) * 1000
    for name, less_ms in (("writing_to_publication", 0.0), ("arrival_to_publication", 1.0)):
        all_ms = latencies[name]["all_ms"]
        expected = [value - less_ms for value in (p50, p95, p99, most)]
        assert [*all_ms.values()] == pytest.approx(expected, abs=1e-3)


def test_minutes_begin_after_the_warm_up_and_the_last_one_is_compared_with_the_first() -> None:
    written_s = recording(4)
    latency_s = np.full(len(written_s), 0.004)
    latency_s[:300] = 5  # 30 s of warm-up
    latency_s[900:1500] = 0.006
    latency_s[1800:] = 0.005
    latency = LiveReport(written_s, messages(written_s, latency_s), warm_up_s=30).latencies()
    told = latency["writing_to_publication"]
    assert [minute["p50"] for minute in told["minutes_ms"]] == pytest.approx([4, 6, 4.5], abs=1e-3)
    assert told["first_minute_ms"]["p99"] == pytest.approx(4, abs=1e-3)
    assert told["last_minute_ms"]["p99"] == pytest.approx(5, abs=1e-3)
    assert told["drift_of_p99"] == pytest.approx(1.25, abs=1e-3)


def test_less_than_two_minutes_do_not_drift() -> None:
    written_s = recording(2.4)
    report = LiveReport(written_s, messages(written_s, written_s * 0 + 0.004), warm_up_s=30)
    assert report.latencies()["writing_to_publication"]["drift_of_p99"] is None


def test_frames_that_are_missing_repeated_or_displaced_are_counted() -> None:
    written_s = recording(0.5, 1)
    told = messages(written_s, written_s * 0 + 0.004, [2, 3, 5, 4, 4, 6, *range(8, 30)])
    told.add(message(30, 5031, 5031, "skipped"), 5031)
    assert LiveReport(written_s, told, warm_up_s=0).frames() == {
        "written": 30,
        "received": 29,
        "before_first_received": 2,
        "lost": 1,
        "twice": 1,
        "out_of_order": 1,
        "unknown": 1,
        "by_status": {"decoded": 28, "skipped": 1},
    }


def test_a_stop_is_over_when_a_frame_is_published_before_the_next_is_written() -> None:
    """From frame 1000 to 1600 nothing happens; then 40 frames/s are worked off, 10 come."""
    written_s = recording(5)
    pause = Pause(5000 + 99.97, 5000 + 159.97)
    published_s = written_s + 0.004
    behind = np.arange(1000, 3000)
    published_s[behind] = np.maximum(published_s[behind], pause.ended_s + (behind - 999) / 40)
    late_s = published_s - written_s
    report = LiveReport(written_s, messages(written_s, late_s), warm_up_s=30, pause=pause)
    stop = report.stop()
    assert stop is not None
    assert stop["stopped_s"] == pytest.approx(60)
    assert stop["written_meanwhile"] == stop["published_of_these"] == 600
    assert stop["caught_up_after_s"] == pytest.approx(20, abs=0.2)
    assert stop["worked_off"] == pytest.approx(800, abs=4)
    assert stop["frames_per_s_meanwhile"] == pytest.approx(40, abs=0.5)
    latency = report.latencies()["writing_to_publication"]
    assert latency["all_ms"]["p99"] == pytest.approx(4, abs=0.1)


def test_a_stop_that_is_never_made_up_for_is_told() -> None:
    written_s = recording(1)
    late_s = np.where(written_s >= 5030, 5050 - written_s + 30, 0.004)
    pause = Pause(5030, 5040)
    report = LiveReport(written_s, messages(written_s, late_s), warm_up_s=0, pause=pause)
    stop = report.stop()
    assert stop is not None
    assert stop["caught_up_after_s"] is None
    assert stop["worked_off"] == 300
    assert report.latencies()["writing_to_publication"]["all_ms"]["max"] < 5


def test_the_start_tells_when_the_first_pose_came_and_when_nothing_waited_any_more() -> None:
    written_s = recording(1)
    late_s = np.maximum(5004 - written_s, 0.004)
    start = LiveReport(written_s, messages(written_s, late_s), warm_up_s=10).start()
    assert start == {
        "first_publication_s": pytest.approx(4),
        "caught_up_s": pytest.approx(4, abs=0.1),
    }


def test_nothing_published_is_no_report() -> None:
    with pytest.raises(ValueError, match="nothing was published"):
        LiveReport(recording(1), Messages(), warm_up_s=0)


def test_a_process_is_looked_at_every_five_seconds_and_stopped_once() -> None:
    now_s = 100.0
    sent: list[tuple[float, int, int]] = []
    observation = Observation(
        7,
        Stop(after_s=12, duration_s=60),
        clock=lambda: now_s,
        send=lambda pid, number: sent.append((now_s, pid, number)),
        look=lambda _: (200 + now_s, now_s / 2),
        stolen_s=lambda: now_s / 10,
    )
    for tenth in range(2000):
        now_s = 100 + tenth / 10
        observation.go_on()
    assert [number for _, _, number in sent] == [signal.SIGSTOP, signal.SIGCONT]
    assert [time_s for time_s, _, _ in sent] == pytest.approx([112, 172])
    assert {pid for _, pid, _ in sent} == {7}
    assert observation.pause == Pause(sent[0][0], sent[1][0])
    assert [one.time_s for one in observation.samples] == pytest.approx(range(100, 300, 5))
    assert observation.samples[1] == Sample(105, 305, 52.5, 10.5)
    assert cores(observation.samples, 110, 150) == pytest.approx(0.5)


def test_what_the_host_keeps_for_others_is_told_minute_by_minute() -> None:
    written_s = recording(3)
    report = LiveReport(written_s, messages(written_s, np.full(1800, 0.01)), warm_up_s=30)
    # Nothing in the first minute, half a core in the second.
    samples = [
        Sample(time_s, 300, 0, max(0.0, (time_s - 5090) / 2))
        for time_s in np.arange(5000.0, 5185, 5)
    ]

    first, second = stolen_cores(samples, report)

    assert first == pytest.approx(0, abs=0.05)
    assert second == pytest.approx(0.5)


def test_minutes_are_quiet_in_which_the_host_left_the_processor_alone() -> None:
    minutes_ms = [{"p50": p50, "p99": 10 * p50} for p50 in (5.0, 90.0, 6.0, 7.0)]

    quiet = quiet_minutes([*minutes_ms, None], [0.0, 0.9, 0.01, None, 0.0])

    assert quiet == {
        "num_minutes": 2,
        "p50": 5.5,
        "p99": 55.0,
        "largest_p99": 60.0,
        "drift_of_p99": 1.2,
    }
    assert quiet_minutes(minutes_ms, [0.5] * 4) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system has no /proc")
def test_what_the_host_keeps_only_grows() -> None:
    assert 0 <= host_stolen_s() <= host_stolen_s()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system has no /proc")
def test_the_system_tells_memory_and_time_of_a_process() -> None:
    seen = resident_mib_and_core_s(os.getpid())
    assert seen is not None
    resident_mib, core_s = seen
    assert 10 < resident_mib < 100_000
    assert core_s > 0


def test_lines_that_come_in_pieces_are_put_together() -> None:
    lines = b"".join(message(frame, 1, 2) + b"\n" for frame in range(5))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Subscriber(listener.getsockname()[1]) as subscriber,
    ):
        subscriber.take(0)
        with listener.accept()[0] as connection:
            for piece in (lines[:7], lines[7:200], lines[200:]):
                connection.sendall(piece)
                subscriber.take(10)
        while not subscriber.is_over:
            subscriber.take(10)
    assert list(subscriber.messages.frame) == [0, 1, 2, 3, 4]
    assert subscriber.messages.num_by_status == {"decoded": 5}


def test_a_subscriber_waits_for_somebody_to_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Subscriber(port) as subscriber:
        subscriber.take(0)
        assert not subscriber.is_connected
        with socket.create_server(("127.0.0.1", port)):
            subscriber.take(0)
            assert subscriber.is_connected


STAND_IN = """
import json, socket, struct, sys, time
from pathlib import Path
command, *arguments = sys.argv[1:]
option = lambda name: arguments[arguments.index(name) + 1]
movie = Path(arguments[0])
if command == "record":
    begun_s = time.monotonic() - 10
    times = [begun_s + index / 10 for index in range(100)]
    Path(option("--log")).write_bytes(struct.pack("<100d", *times))
    movie.write_bytes(b"movie")
    print(json.dumps({"num_frames": 100}))
    sys.exit()
assert movie.read_bytes() == b"movie" and Path(option("--model")).is_dir()
output_dir = Path(option("--output-dir"))
output_dir.mkdir()
(output_dir / "dlc_pose_estimates.0.h5").write_bytes(b"poses")
if command == "live":
    port = int(option("--publish").removeprefix("tcp:"))
    with socket.create_server(("127.0.0.1", port)) as server:
        with server.accept()[0] as connection:
            for frame in [*range(50), *range(51, 100)]:
                now_s = time.monotonic() + 1.7e9
                message = {"movie": 0, "frame": frame, "status": "decoded",
                           "arrival_time_s": now_s, "publish_time_s": now_s}
                connection.sendall(json.dumps(message).encode() + b"\\n")
    Path(option("--status")).write_text(json.dumps({"num_unsent": 0}))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> LiveBenchmark:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    for folder in ("model", "work"):
        (tmp_path / folder).mkdir()
    command = [sys.executable, str(script)]
    return LiveBenchmark([*command, "record"], command, tmp_path / "model", tmp_path / "work")


SCENE = Scene("isxb", 1, 320, 256, 10)


def test_recorder_follower_and_later_run_are_started_and_compared(
    stand_in: LiveBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    percentiles = {"p50": 4.0, "p95": 5.0, "p99": 6.0}
    own_ms = {pace: {"sum": percentiles} for pace in ("paced", "loop")}
    in_a_child = {"_write_reference": None, "_own_time": own_ms, "_describe_machine": {}}
    monkeypatch.setattr(benchmarks.live, "in_a_child", lambda job, *_: in_a_child[job.__name__])

    result = run_benchmark(stand_in, SCENE, None, 0)

    assert result["recorder"] == {"num_frames": 100}
    assert result["frames"]["lost"] == 1
    assert result["frames"]["received"] == 99
    assert result["same_h5"]
    assert result["status"] == {"num_unsent": 0}
    ratios = result["ratio_to_own_time"]["writing_to_publication"]
    latency = result["latency"]["writing_to_publication"]["all_ms"]
    assert ratios["p50"] == pytest.approx(latency["p50"] / 4)
    assert "same_h5: True" in table(result)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_other_estimates_are_told(stand_in: LiveBenchmark) -> None:
    script = Path(stand_in.posestream[-1])
    script.write_text(STAND_IN.replace('b"poses"', "command.encode()"))
    assert not stand_in.follow(SCENE, None, 0)["same_h5"]


@pytest.mark.parametrize("failing", ["record", "live", "run"])
def test_a_command_that_fails_ends_the_benchmark_with_its_last_words(
    failing: str, stand_in: LiveBenchmark
) -> None:
    script = Path(stand_in.posestream[-1])
    complaint = f"import sys\nif sys.argv[1] == {failing!r}: sys.exit('out of luck')\n"
    script.write_text(complaint + STAND_IN)
    with pytest.raises(CommandError, match=f"(?s)stand_in.py {failing}.*out of luck"):
        stand_in.follow(SCENE, None, 0)
