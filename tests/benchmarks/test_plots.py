"""Pictures of measurements show the numbers that were measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plots import draw_live, draw_peer, draw_stages, main

STAGES = [("decode", 1.25), ("inference", 38.2), ("previews", 0.05)]


def runs(*values: tuple[float, float]) -> list[dict[str, float]]:
    return [{"wall_s": wall_s, "peak_mib": peak_mib} for wall_s, peak_mib in values]


def ratio(median: float, smallest: float, largest: float) -> dict[str, float]:
    return {"median": median, "min": smallest, "max": largest}


def report() -> dict[str, Any]:
    return {
        "scenarios": {
            "openfield": {
                "num_frames": 2330,
                "width": 640,
                "height": 480,
                "deeplabcut": runs((90, 1500), (80, 1400), (85, 1600)),
                "posestream": runs((30, 500), (20, 510), (25, 505)),
                "wall_ratio": ratio(3.4, 3, 4),
                "memory_ratio": ratio(0.8, 0.5, 2),
            },
            "another": {
                "num_frames": 48,
                "width": 1600,
                "height": 1200,
                "deeplabcut": runs((100, 5000)),
                "posestream": runs((100, 900)),
                "wall_ratio": ratio(1, 1, 1),
                "memory_ratio": ratio(5.5, 5.5, 5.5),
            },
        }
    }


def live_report() -> dict[str, Any]:
    minutes = [{"p50": 5 + 0.1 * n, "p99": 9 - 0.1 * n} for n in range(10)]
    return {
        "kind": "isxb",
        "width": 320,
        "height": 256,
        "frame_rate": 30.0,
        "own_time_ms": {"before": {"paced": {"sum": {"p50": 4.2}}}},
        "latency": {"writing_to_publication": {"minutes_ms": [*minutes[:5], None, *minutes[5:]]}},
        "stolen_cores": [0.1] * 6 + [None] + [1.2] * 4,
        "memory": {"minutes_mib": [400.0] * 6 + [None] + [401.0] * 4},
    }


def texts(path: Path) -> list[str]:
    """All that is written in a picture, which matplotlib notes beside the letters' outlines."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_medians_and_ratios_of_each_scenario_are_written(tmp_path: Path) -> None:
    draw_peer(tmp_path / "peer.svg", report())

    written = texts(tmp_path / "peer.svg")
    assert {
        "MobileNetV2-0.35, 2,330 frames of 640 × 480 pixels",
        "85 s",
        "25 s",
        "1,500 MiB",
        "505 MiB",
        "another, 48 frames of 1600 × 1200 pixels",
        "100 s",
        "5,000 MiB",
        "900 MiB",
    } <= set(written)
    assert written.count("DeepLabCut") == written.count("posestream") == 2


def test_ratios_are_told_as_factors_above_one(tmp_path: Path) -> None:
    draw_peer(tmp_path / "peer.svg", report())

    assert {
        "wall time: 3.4 × less (3.0–4.0)",
        "peak memory: 1.2 × more (0.5–2.0)",
        "wall time: 1.0 × less (1.0–1.0)",
        "peak memory: 5.5 × less (5.5–5.5)",
    } <= set(texts(tmp_path / "peer.svg"))


def test_stages_stand_in_the_order_given_under_their_sum(tmp_path: Path) -> None:
    draw_stages(tmp_path / "stages.svg", STAGES)

    written = texts(tmp_path / "stages.svg")
    assert [text for text in written if text in dict(STAGES)] == [name for name, _ in STAGES]
    assert {"1.25 ms", "38.2 ms", "0.05 ms", "39.5 core milliseconds a frame"} <= set(written)


def test_stages_that_take_no_time_can_be_drawn(tmp_path: Path) -> None:
    draw_stages(tmp_path / "stages.svg", [("decode", 0.0)])

    assert "0 ms" in texts(tmp_path / "stages.svg")


def test_no_stage_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one stage, got none"):
        draw_stages(tmp_path / "stages.svg", [])


def test_minutes_of_a_live_run_are_drawn_with_a_gap_where_nothing_was_measured(
    tmp_path: Path,
) -> None:
    draw_live(tmp_path / "live.svg", live_report())

    written = texts(tmp_path / "live.svg")
    assert {
        "live, .isxb, 320 × 256 pixels, 30 frames/s",
        "p50",
        "p99",
        "decode and model alone",
        "cores that the host took away",
        "memory, MiB",
    } <= set(written)
    assert written.count("minute") == 3
    lines = re.findall(
        r'<path d="([^"]*)"[^>]*stroke-width: 1.5', (tmp_path / "live.svg").read_text()
    )
    assert [line.count("M") for line in lines if line.count("L") > 5] == [2, 2, 2, 2]


def test_a_live_run_of_less_than_a_minute_is_no_picture(tmp_path: Path) -> None:
    report = live_report()
    report["latency"]["writing_to_publication"]["minutes_ms"] = []
    with pytest.raises(ValueError, match="at least one whole minute, got none"):
        draw_live(tmp_path / "live.svg", report)


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        draw_peer(tmp_path / f"{name}.svg", report())

    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_command_makes_the_directory_and_draws_what_it_is_given(tmp_path: Path) -> None:
    peer, bench, pictures = tmp_path / "peer.json", tmp_path / "bench.json", tmp_path / "pictures"
    peer.write_text(json.dumps(report()))
    main(["--peer", str(peer), str(pictures)])
    assert {path.name for path in pictures.iterdir()} == {"peer.svg"}

    stages = [{"name": name, "core_ms_per_frame": time_ms} for name, time_ms in STAGES]
    bench.write_text(json.dumps({"stages": stages}))
    main(["--peer", str(peer), "--bench", str(bench), str(pictures)])
    assert {path.name for path in pictures.iterdir()} == {"peer.svg", "stages.svg"}

    live = tmp_path / "live.json"
    live.write_text(json.dumps(live_report()))
    main(["--live", str(live), str(tmp_path / "live")])
    assert {path.name for path in (tmp_path / "live").iterdir()} == {"live.svg"}
