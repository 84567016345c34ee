"""Which body parts are connected, however the user says it."""

import os
from pathlib import Path

import pytest

from benchmarks.synthetic import BODY_PARTS
from engine.job.overlay_style import (
    BOTTOM_VIEW_PAIRS,
    Skeleton,
    check_body_parts,
    find_skeleton,
)
from readers import InputError
from tests.shared import SHARED, needs_shared

PARTS = ("left-ear", "ear", "left", "tail base", "x")


def test_the_bottom_view_has_a_skeleton_of_its_own() -> None:
    skeleton = find_skeleton(None, BODY_PARTS)

    assert skeleton == Skeleton(BOTTOM_VIEW_PAIRS)
    assert {name for pair in skeleton.pairs for name in pair} == set(BODY_PARTS)


def test_other_models_have_none_unless_it_is_given() -> None:
    with pytest.raises(InputError, match=r"left-ear, ear.*are not those of the bottom view"):
        find_skeleton(None, PARTS)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ("ear-left", [("ear", "left")]),
        ("ear-left,left-x", [("ear", "left"), ("left", "x")]),
        (" ear - left , left - x ", [("ear", "left"), ("left", "x")]),
        ("left-ear-x", [("left-ear", "x")]),  # a hyphen may belong to a name
        ("x-left-ear", [("x", "left-ear")]),
        ("left-ear", [("left", "ear")]),
        ("tail base-x", [("tail base", "x")]),
    ],
)
def test_pairs_are_joined_by_hyphens(given: str, pairs: list[tuple[str, str]]) -> None:
    assert find_skeleton(given, PARTS) == Skeleton(tuple(pairs))


@pytest.mark.parametrize("given", ["", "ear", "ear-", "ear-left,", "ear-nose", "Ear-left", "a.txt"])
def test_what_is_no_pair_is_refused_with_the_names_that_are_known(given: str) -> None:
    with pytest.raises(InputError, match=r"must be two .*the model knows left-ear, ear, left"):
        find_skeleton(given, PARTS)


@pytest.mark.parametrize("name", ["config.yaml", "CONFIG.YML"])
def test_a_projects_config_tells_pairs_and_color(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("skeleton:\n- [ear, left]\n- - left\n  - x\nskeleton_color: '#ff8800'\n")

    assert find_skeleton(str(path), PARTS) == Skeleton((("ear", "left"), ("left", "x")), "#ff8800")


def test_a_projects_config_may_leave_the_color_out(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("skeleton: [[ear, x]]")

    assert find_skeleton(str(tmp_path / "config.yaml"), PARTS).color is None


def test_a_projects_config_may_name_parts_by_words_that_yaml_knows(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("skeleton: [[on, off], [off, 01]]")

    skeleton = find_skeleton(str(tmp_path / "config.yaml"), ("on", "off", "01"))

    assert skeleton.pairs == (("on", "off"), ("off", "01"))


@needs_shared
def test_a_real_projects_config() -> None:
    path = SHARED / "peer/openfield-project/config.yaml"
    skeleton = find_skeleton(str(path), ("snout", "leftear", "rightear", "tailbase"))
    assert skeleton.pairs == (
        ("snout", "leftear"),
        ("snout", "rightear"),
        ("leftear", "tailbase"),
        ("rightear", "tailbase"),
    )
    assert skeleton.color == "black"


@pytest.mark.parametrize("color", ["blakc", "[1, 2]", "''"])
def test_an_unknown_color_is_refused(tmp_path: Path, color: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"skeleton: [[ear, x]]\nskeleton_color: {color}")
    with pytest.raises(InputError, match="must be a color that matplotlib knows"):
        find_skeleton(str(path), PARTS)


@pytest.mark.parametrize(
    "text", ["", "skeleton:", "skeleton: 5", "- skeleton", "skeleton: [[a, b, c]]", "{", "\0"]
)
def test_a_config_without_pairs_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="must hold a 'skeleton:' of pairs"):
        find_skeleton(str(path), PARTS)


def test_a_name_that_the_model_does_not_know_is_told_with_a_near_one() -> None:
    check_body_parts("displayed body parts", ["x", "ear"], PARTS)
    with pytest.raises(InputError, match=r"shown: unknown body part 'eat' \(did you mean ear\?\)"):
        check_body_parts("shown", ["x", "eat"], PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "skeleton: !!python/object/apply:os.system ['true']",
        "a: &a [x, x]\nskeleton: " + "[" * 40,
        "skeleton: [[ear, x]]\nskeleton: [[ear, left]]",
        "skeleton: [[ear, [x]]]",
        "skeleton: {ab: cd}",
        "skeleton: [ab, cd]",
        "skeleton: [[ear, {a: b}]]",
    ],
)
def test_a_config_that_is_more_than_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="must hold a 'skeleton:' of pairs") as raised:
        find_skeleton(str(path), PARTS)
    assert str(raised.value).isprintable()


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="it is not a regular file"):
        find_skeleton(str(tmp_path / "pipe.yaml"), PARTS)
    for name in ("none.yaml", "n" * 300 + ".yaml", "a\0b.yaml"):
        with pytest.raises(InputError, match=r"cannot be read \(.+\)$"):
            find_skeleton(str(tmp_path / name), PARTS)


@pytest.mark.parametrize("given", ["-" * 10**7, "x" * 10**7, "ear-le\nft\x1b", "ear-x," * 10**6])
def test_a_long_skeleton_is_refused_at_once_with_a_short_line(given: str) -> None:
    with pytest.raises(InputError) as raised:
        find_skeleton(given, PARTS)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


def test_a_config_of_too_many_pairs(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("skeleton:\n" + "- [ear, x]\n" * 1001)
    with pytest.raises(InputError, match="at most 1000 pairs"):
        find_skeleton(str(path), PARTS)


def test_of_many_body_parts_some_are_told() -> None:
    with pytest.raises(InputError, match=r"unknown body part 'x+\.+x+'; the .* … \(980 more\)$"):
        check_body_parts("shown", ["x" * 10**6], [f"part{index}" for index in range(1000)])
