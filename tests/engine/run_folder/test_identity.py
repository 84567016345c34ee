"""What the metadata tell of a movie."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.run_folder.identity import MovieResult, describe_movie
from readers import FrameStatus, MovieInfo
from readers.frames import Orientation
from sinks import FrameCounts
from tests.batches import pose_batches

MOVIE = MovieInfo(Path("mouse.isxb"), "isxb", 640, 480, Fraction(1, 25))


def result_of(status: list[FrameStatus], damage: str | None = None) -> MovieResult:
    with FrameCounts() as counts:
        (batch,) = pose_batches(np.zeros((len(status), 1, 3)), len(status))
        batch.frames.status[:] = status
        counts.write(batch)
    return MovieResult(MOVIE, counts, damage)


def test_frames_without_a_pose_are_counted_and_listed_by_their_reason() -> None:
    decoded, dropped, undecodable, skipped = FrameStatus
    told = describe_movie(
        result_of([decoded, dropped, dropped, undecodable, skipped, skipped, decoded, skipped])
    )

    assert told["num_frames"] == 8
    assert told["num_dropped"] == 2
    assert told["num_not_decodable"] == 1
    assert told["num_skipped"] == 3
    assert told["dropped_frames"] == {"ranges": [(1, 2)], "num_ranges_left_out": 0}
    assert told["not_decodable_frames"] == {"ranges": [(3, 3)], "num_ranges_left_out": 0}
    assert told["skipped_frames"] == {"ranges": [(4, 5), (7, 7)], "num_ranges_left_out": 0}


@pytest.mark.parametrize(
    ("status", "damage", "is_damaged"),
    [
        (FrameStatus.DECODED, None, False),
        (FrameStatus.DROPPED, None, False),
        (FrameStatus.SKIPPED, None, False),
        (FrameStatus.UNDECODABLE, None, True),
        (FrameStatus.DECODED, "was cut off", True),
    ],
)
def test_a_movie_is_damaged_by_what_could_not_be_read(
    status: FrameStatus, damage: str | None, *, is_damaged: bool
) -> None:
    assert result_of([status], damage).is_damaged is is_damaged


def test_how_a_movie_is_turned_is_told() -> None:
    turned = replace(MOVIE, orientation=Orientation(is_mirrored_x=True, is_mirrored_y=True))
    result = replace(result_of([FrameStatus.DECODED]), movie=turned)

    assert describe_movie(result)["orientation"] == "turned by 180°"
    assert describe_movie(result_of([FrameStatus.DECODED]))["orientation"] == "as stored"
