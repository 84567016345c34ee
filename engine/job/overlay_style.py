"""The style of a job's labelled movie: displayed body parts, and the skeleton between them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.job.job import Job
from engine.untrusted.quoting import reason, short, short_list
from engine.untrusted.small_files import SettingsError, read_yaml
from readers import InputError
from sinks import OverlayStyle
from sinks.plain_matplotlib import matplotlib

BOTTOM_VIEW_PAIRS = (
    ("nose", "neck"),
    ("neck", "R_fore"),
    ("neck", "L_fore"),
    ("neck", "tail_base"),
    ("tail_base", "R_hind"),
    ("tail_base", "L_hind"),
    ("tail_base", "tail_tip"),
)
"""The skeleton of the Inscopix bottom-view model."""
_NO_PAIRS = "must hold a 'skeleton:' of pairs of body parts"
_MOST_PAIRS = 1000
_LONGEST_PAIR = 1000
_TOO_MANY_PAIRS = f"must have at most {_MOST_PAIRS} pairs of body parts"
_MOST_CONFIG_BYTES = 2 * 2**20
"""A project's config.yaml lists its movies, of which there may be thousands."""


@dataclass(frozen=True)
class Skeleton:
    """Pairs of body parts, and the color of the lines between them (None for the default)."""

    pairs: tuple[tuple[str, str], ...]
    color: str | None = None


def overlay_style(job: Job, body_parts: Sequence[str]) -> OverlayStyle:
    """Give the style in which a job draws the poses of a model.

    Raises an `InputError` if the job names body parts that the model does not have.
    """
    displayed = displayed_body_parts(job.displayed_body_parts)
    if displayed is not None:
        check_body_parts("displayed body parts", displayed, body_parts)
    skeleton = Skeleton(())
    if job.draw_skeleton or job.skeleton is not None:
        skeleton = find_skeleton(job.skeleton, body_parts)
    color = skeleton.color
    if job.keypoints_only and color is not None and matplotlib.colors.same_color(color, "black"):
        color = None  # every DeepLabCut config says black, which would be invisible on black
    return OverlayStyle(
        displayed_body_parts=displayed,
        p_cutoff=job.p_cutoff,
        dot_size_px=job.dot_size,
        color_map=job.color_map,
        keypoints_only=job.keypoints_only,
        draw_skeleton=job.draw_skeleton,
        skeleton=skeleton.pairs,
        skeleton_color=color,
        trail_points=job.trail_points,
    )


def displayed_body_parts(given: str | Sequence[str]) -> tuple[str, ...] | None:
    """Read ``all`` (None), or names as a list or separated by commas, quoted or not."""
    if isinstance(given, str):
        if given.strip().lower() == "all":
            return None
        given = given.split(",")
    return tuple(name.strip().strip("\"'") for name in given)


def find_skeleton(given: str | None, body_parts: Sequence[str]) -> Skeleton:
    """Find the skeleton of a model with `body_parts`.

    Parameters
    ----------
    given
        ``"A-B,B-C"``, or the path of a DeepLabCut project's ``config.yaml``; None for the
        bottom-view skeleton.
    body_parts
        All body parts of the model.

    Raises
    ------
    InputError
        If it names other body parts than the model's, or none is given and the model does not
        have the body parts of the bottom view.
    """
    if given is None:
        missing = {name for pair in BOTTOM_VIEW_PAIRS for name in pair} - set(body_parts)
        if missing:
            raise InputError(
                f"draw skeleton: the model's body parts ({short_list(body_parts)}) are not those "
                "of the bottom view; say which to connect with a skeleton A-B,B-C or a config.yaml"
            )
        return Skeleton(BOTTOM_VIEW_PAIRS)
    if given.lower().endswith((".yaml", ".yml")):
        return _from_config(Path(given), body_parts)
    texts = given.split(",", _MOST_PAIRS)
    if len(texts) > _MOST_PAIRS:
        raise InputError(f"skeleton: {_TOO_MANY_PAIRS}")
    found = []
    for text in map(str.strip, texts):
        # Names may hold hyphens too: split at the one that leaves two known names.
        is_short = len(text) <= _LONGEST_PAIR
        hyphens = [index for index, char in enumerate(text) if char == "-"] if is_short else []
        pairs = ((text[:index].strip(), text[index + 1 :].strip()) for index in hyphens)
        pair = next((pair for pair in pairs if set(pair) <= set(body_parts)), None)
        if pair is None:
            raise InputError(
                f"skeleton {short(text)}: must be two body parts joined by a hyphen; "
                f"the model knows {short_list(body_parts)}"
            )
        found.append(pair)
    return Skeleton(tuple(found))


def _from_config(path: Path, body_parts: Sequence[str]) -> Skeleton:
    try:
        config = read_yaml(path, _MOST_CONFIG_BYTES, names="skeleton")
    except SettingsError as error:
        raise InputError(f"{path}: {_NO_PAIRS}, but it {error}") from error
    except (OSError, ValueError) as error:  # also a path with a null character
        cause = error.strerror if isinstance(error, OSError) else reason(error)
        raise InputError(f"{path}: cannot be read ({cause})") from error
    given = config.get("skeleton") if isinstance(config, dict) else None
    if not isinstance(given, list) or not all(
        isinstance(pair, list) and [type(name) for name in pair] == [str, str] for pair in given
    ):
        raise InputError(f"{path}: {_NO_PAIRS}")
    if len(given) > _MOST_PAIRS:
        raise InputError(f"{path}: skeleton: {_TOO_MANY_PAIRS}")
    pairs = tuple((first, second) for first, second in given)
    check_body_parts("skeleton", (name for pair in pairs for name in pair), body_parts)
    color = config.get("skeleton_color")
    if color is not None and not (
        isinstance(color, str) and matplotlib.colors.is_color_like(color)
    ):
        raise InputError(
            f"{path}: skeleton_color {short(color)} must be a color that matplotlib knows"
        )
    return Skeleton(pairs, color)


def check_body_parts(what: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise `InputError` if a name is not a body part of the model."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name[:_LONGEST_PAIR], known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{what}: unknown body part {short(name)}{hint}; "
                f"the model knows {short_list(known)}"
            )
