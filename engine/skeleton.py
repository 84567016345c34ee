"""Which body parts a line connects."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from matplotlib.colors import is_color_like

from readers import InputError

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


@dataclass(frozen=True)
class Skeleton:
    """Pairs of body parts, and the color of the lines between them (None for the default)."""

    pairs: tuple[tuple[str, str], ...]
    color: str | None = None


def find_skeleton(given: str | None, body_parts: Sequence[str]) -> Skeleton:
    """Find the skeleton that the user means.

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
        If it names other body parts than the model's, or nothing was given for a model that is
        no bottom-view model.
    """
    if given is None:
        missing = {name for pair in BOTTOM_VIEW_PAIRS for name in pair} - set(body_parts)
        if missing:
            raise InputError(
                f"draw skeleton: the model's body parts ({', '.join(body_parts)}) are not those of "
                "the bottom view; say which to connect with a skeleton A-B,B-C or a config.yaml"
            )
        return Skeleton(BOTTOM_VIEW_PAIRS)
    if given.lower().endswith((".yaml", ".yml")):
        return _from_config(Path(given), body_parts)
    return Skeleton(tuple(_pair(text.strip(), body_parts) for text in given.split(",")))


def _pair(text: str, body_parts: Sequence[str]) -> tuple[str, str]:
    """Split ``A-B`` at the hyphen that leaves two known names; names may hold hyphens too."""
    for position in (i for i, character in enumerate(text) if character == "-"):
        pair = text[:position].strip(), text[position + 1 :].strip()
        if set(pair) <= set(body_parts):
            return pair
    raise InputError(
        f"skeleton {text!r}: must be two body parts joined by a hyphen; "
        f"the model knows {', '.join(body_parts)}"
    )


def _from_config(path: Path, body_parts: Sequence[str]) -> Skeleton:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        pairs = tuple((str(first), str(second)) for first, second in config["skeleton"])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: must hold a 'skeleton:' of pairs of body parts") from error
    check_body_parts("skeleton", (name for pair in pairs for name in pair), body_parts)
    color = config.get("skeleton_color")
    if color is not None and not (isinstance(color, str) and is_color_like(color)):
        raise InputError(f"{path}: skeleton_color {color!r} must be a color that matplotlib knows")
    return Skeleton(pairs, color)


def check_body_parts(what: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise `InputError` if a name is not a body part of the model."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{what}: unknown body part {name!r}{hint}; the model knows {', '.join(known)}"
            )
