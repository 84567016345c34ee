"""A job's drawing parameters become a style, checked against the model's body parts."""

from pathlib import Path

import pytest

from engine import InputError, Job
from engine.job.overlay_style import displayed_body_parts, overlay_style

BODY_PARTS = ("nose", "neck", "tail")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("all", None),
        ("All", None),
        ("nose", ("nose",)),
        ("nose, neck", ("nose", "neck")),
        ('"nose","neck"', ("nose", "neck")),
        (["nose", "neck"], ("nose", "neck")),
    ],
)
def test_names_may_be_a_list_or_separated_by_commas(
    given: str | list[str], names: tuple[str, ...] | None
) -> None:
    assert displayed_body_parts(given) == names


def test_an_unknown_body_part_is_refused_and_the_known_ones_are_named() -> None:
    job = Job([Path("a.mp4")], Path("out"), displayed_body_parts="nose,nek")

    with pytest.raises(InputError, match=r"'nek' \(did you mean neck\?\).*nose, neck, tail"):
        overlay_style(job, BODY_PARTS)


def test_the_skeleton_is_drawn_only_when_asked_but_checked_in_any_case() -> None:
    job = Job([Path("a.mp4")], Path("out"), skeleton="nose-neck")

    assert overlay_style(job, BODY_PARTS).draw_skeleton is False
    assert overlay_style(job, BODY_PARTS).skeleton == (("nose", "neck"),)
    with pytest.raises(InputError, match="'nose-ear'"):
        overlay_style(Job([Path("a.mp4")], Path("out"), skeleton="nose-ear"), BODY_PARTS)


@pytest.mark.parametrize(
    ("color", "keypoints_only", "drawn"),
    [("black", False, "black"), ("black", True, None), ("red", True, "red")],
)
def test_a_black_skeleton_is_not_drawn_black_on_black(
    tmp_path: Path, color: str, keypoints_only: bool, drawn: str | None
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"skeleton: [[nose, neck]]\nskeleton_color: {color}\n")
    job = Job(
        [Path("a.mp4")],
        Path("out"),
        draw_skeleton=True,
        skeleton=str(config),
        keypoints_only=keypoints_only,
    )

    assert overlay_style(job, BODY_PARTS).skeleton_color == drawn
