"""A live run's line fits where it is shown."""

import io
from dataclasses import replace

import pytest

from engine.watch.progress import BarProgress, PlainProgress, status_text
from engine.watch.status import LatencyPercentiles, Status, StatusSnapshot


@pytest.fixture
def snapshot() -> StatusSnapshot:
    return replace(
        Status(clock=lambda: 1000.0, memory_mib=lambda: 312.4).snapshot(),
        movie="rec.isxb",
        movie_number=0,
        num_arrived=1234,
        fps_in=30.0,
        fps_out=29.96,
        backlog=3,
        latency=LatencyPercentiles(0.0061, 0.0070, 0.0092),
    )


def test_the_line_tells_all(snapshot: StatusSnapshot) -> None:
    assert status_text(snapshot) == (
        "rec.isxb: 1,234 frames, in 30.0/s, out 30.0/s, behind 3, "
        "latency 6.1/7.0/9.2 ms (p50/p95/p99), skipped 0, 312 MiB"
    )


@pytest.mark.parametrize("columns", [0, 1, 10, 25, 40, 60, 80, 200])
def test_it_is_never_wider_than_the_terminal(snapshot: StatusSnapshot, columns: int) -> None:
    assert len(status_text(snapshot, columns)) <= columns


def test_what_matters_least_is_left_out_first(snapshot: StatusSnapshot) -> None:
    narrow = status_text(snapshot, 45)

    assert narrow.startswith("rec.isxb: 1,234 frames")
    assert "behind 3" in narrow
    assert "MiB" not in narrow


def test_skipped_frames_matter(snapshot: StatusSnapshot) -> None:
    assert "skipped 9" in status_text(replace(snapshot, num_skipped=9), 60)


def test_elsewhere_a_line_comes_every_ten_seconds_and_at_each_turn(
    snapshot: StatusSnapshot,
) -> None:
    stream = io.StringIO()
    line = PlainProgress(stream)
    for second in range(25):
        line.show(replace(snapshot, time_s=1000.0 + second))
    line.show(replace(snapshot, time_s=1024.5, ended_by="closed"))

    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith("ended (closed)")


def test_on_a_terminal_the_line_is_written_over_and_warnings_stand_above(
    snapshot: StatusSnapshot,
) -> None:
    stream = io.StringIO()
    line = BarProgress(stream)
    line.show(snapshot)
    line.note("preview: http://127.0.0.1:8080/")
    line.warn("the disk is nearly full")
    line.show(replace(snapshot, time_s=1001.0, num_arrived=1264))
    line.show(replace(snapshot, time_s=1002.0, num_arrived=1294, ended_by="closed"))

    text = stream.getvalue()
    assert "\r" in text
    assert "preview: http://127.0.0.1:8080/\n" in text
    assert "warning: the disk is nearly full\n" in text
    assert "1,294 frames" in text.splitlines()[-1]


def test_the_line_leaves_the_terminal_to_a_bar(snapshot: StatusSnapshot) -> None:
    stream = io.StringIO()
    line = BarProgress(stream)
    line.show(snapshot)
    line.begin("rec.isxb", 100)
    line.show(replace(snapshot, time_s=1001.0, num_arrived=1264))
    line.end()
    line.show(replace(snapshot, time_s=1002.0, num_arrived=1294))

    text = stream.getvalue()
    assert "1,264 frames" not in text
    assert "1,294 frames" in text
