"""The arguments of the command line, most of which are options of a job or of a live run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from engine.job.job import NAMED_FILE, Job, LiveOptions, Rule, help_of, whole
from readers import InputError

DEMO_OUTPUT_DIR = Path("posestream-demo")
NULL_MODEL = "null"
_CAN_BE_DENIED = ("keypoints_only", "draw_skeleton")
"""Switches that an input file may have set."""
Settings = dict[str, Any]
"""What `argparse` has to know of an argument, and the ``flag`` where its name is another."""


def read_as(rule: Rule) -> Callable[[str], object]:
    """Make the reader of a value, whose error tells what can be read."""

    def read(text: str) -> object:
        try:
            return rule.read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except (TypeError, ValueError):  # also of too few numbers
            raise argparse.ArgumentTypeError(f"{text!r}: must be {rule.kind}") from None

    return read


def argument(
    text: str, metavar: str | None = None, flag: str | None = None, rule: Rule = NAMED_FILE
) -> Settings:
    """Give a row of an argument; one without a `metavar` is a switch."""
    settings: Settings = {"help": text, "flag": flag, "action": "store_true"}
    if metavar is None:
        return settings
    return {**settings, "action": "store", "metavar": metavar, "type": read_as(rule)}


def arguments_of(owner: Any) -> dict[str, Settings]:
    """Give the rows of all options of a class."""
    told = help_of(owner)
    return {
        one.name: argument(told.get(one.name, ""), **one.metadata)
        for one in fields(owner)
        if one.metadata
    }


_ROWS = {
    **arguments_of(Job),
    **arguments_of(LiveOptions),
    "inputs": argument(
        "read parameters from an input file of the reference tool; movies and options on the "
        "command line win",
        "FILE.json",
    ),
    "strict": argument("exit with code 3 if a movie was cut off or a frame could not be decoded"),
    "most_frames": argument(
        "frames of the whole job (default: as many as take some twenty seconds)",
        "N",
        "--frames",
        whole(1),
    ),
    "json_path": argument("write all numbers there too", "FILE", "--json"),
    "as_json": argument("print JSON", flag="--json"),
}
_ACTIONS: dict[str, Any] = {
    "publish": "append",
    # What an input file may have set.
    "keypoints_only": argparse.BooleanOptionalAction,
    "draw_skeleton": argparse.BooleanOptionalAction,
}
_DRAWN = {
    "analysis": (
        *("crop_rect", "coordinates", "window_length", "batch_size", "follow", "runtime"),
    ),
    "labelled movie and previews": (
        *("displayed_body_parts", "p_cutoff", "dot_size", "color_map", "keypoints_only"),
        *("output_frame_rate", "draw_skeleton", "skeleton", "trail_points"),
    ),
}
_RUN = {
    "what to read and where to write": (
        *("inputs", "model", "output_dir", "overwrite", "experiment_annotations_format"),
    ),
    "safety": ("resume", "strict", "durable_every_s", "durable_every_frames"),
    **_DRAWN,
}


_Groups = Mapping[str, Sequence[str]]
_SUBCOMMANDS: dict[str, tuple[str, str, _Groups, dict[str, Settings]]] = {
    "run": (
        "estimate poses in movies and write all outputs",
        "Estimate the pose in every frame of the movies, and write pose estimates (.h5), "
        "experiment annotations, a labelled movie, previews and metadata.",
        _RUN,
        {
            "movies": argument(
                "an .isxb, or a movie that FFmpeg reads (.mp4, .avi, .mkv, .ts, .mov ...); "
                "several .isxb are a series in order of time",
                "MOVIE",
            )
            | {"nargs": "*", "default": []}
        },
    ),
    "live": (
        "estimate poses while the camera records",
        "Read a recording as it grows, give each pose away at once, and write all outputs of "
        "posestream run when the recording has ended: when the recorder has closed the file, when "
        "nothing has come for a while, or at Ctrl-C.",
        {
            "the recording": ("end_after_s", "when_behind"),
            "poses and status at once, before the median filter": (
                *("publish", "status", "preview", "preview_token", "preview_token_file"),
            ),
            **_RUN,
        },
        {"source": _ROWS["source"]},
    ),
    "bench": (
        "measure what this machine does with a movie and a model",
        "Measure each stage alone on your own movie and model (decode, colour conversion, "
        "inference by runtime and batch size, filter, each output), then the whole job on the "
        "first frames. Tells what bounds, how long a long movie would take, and which settings are "
        "best. Takes one to two minutes; outputs are thrown away.",
        {
            "what to measure": (
                *("model", "most_frames", "json_path", "experiment_annotations_format"),
            ),
            **_DRAWN,
        },
        {
            "movie": argument("an .isxb, or a movie that FFmpeg reads", "MOVIE"),
            "model": argument(
                "folder of a model exported from DeepLabCut, or null for constant poses, to "
                "measure everything around a model (default: the built-in bottom-view model)",
                "EXPORT_DIR|null",
            ),
        },
    ),
    "inspect": (
        "tell what a movie or a model is",
        "Tell what a movie is (size, rate, frames, drops, times, counters) or a model's folder "
        "(body parts, network, scorer, flavour).",
        {"": ["as_json"]},
        {"path": argument("a movie, or a folder of an export", "PATH")},
    ),
    "demo": (
        "run the built-in model on the built-in movie",
        "Run the built-in model on the built-in movie, with all outputs.",
        {"": ["output_dir"]},
        {"output_dir": argument(f"folder of the outputs (default: {DEMO_OUTPUT_DIR})", "DIR")},
    ),
}
"""By name: help, description, names of options by group, and rows of its own.

Those rows that are in no group are positional arguments.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others here."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)  # a new option would change meanings
        # argparse takes "-1,0,64,64" and "-1e3" for options, and would say that a value is missing.
        self._negative_number_matcher = re.compile(r"-[\d.].*|-(inf|nan)")

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise InputError(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """Read a command and its options; only what was given: others know the defaults.

    Raises an `InputError` if they cannot be understood.
    """
    parser = Parser(
        prog="posestream",
        description="Poses from behaviour movies, in one pass and bounded memory, "
        "with models exported from DeepLabCut.",
    )
    parser.add_argument(
        "--version", action="version", version=f"posestream {version('posestream')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, description, names_by_group, own) in _SUBCOMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=description,
            argument_default=argparse.SUPPRESS,  # what is not given comes from --inputs, or a Job
        )
        places = {name: title for title, names in names_by_group.items() for name in names}
        groups = {title: command.add_argument_group(title) for title in names_by_group if title}
        for option in (*(own.keys() - places), *places):
            settings = dict(own.get(option) or _ROWS[option])
            flag = settings.pop("flag") or f"--{option.replace('_', '-')}"
            if option in places:
                settings = {"action": _ACTIONS.get(option, settings.pop("action")), **settings}
                groups.get(places[option], command).add_argument(flag, dest=option, **settings)
            else:
                command.add_argument(option, **settings)
    options = vars(parser.parse_args(arguments))
    return options.pop("command"), options
