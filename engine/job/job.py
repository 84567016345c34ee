"""The options of a run and of a live run, a row each, checked as far as they can be without files.

The command line has its arguments and their help from the same rows.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from engine.untrusted.quoting import cut, short
from readers import CropRectangle, InputError

ANNOTATION_FORMATS = ("parquet", "csv")
RUNTIMES = ("auto", "tensorflow", "openvino")
_LARGEST_COUNT = 1_000_000
"""The highest count of frames or pixels: a higher one is a slip."""
_LONGEST_S = 3600
"""The longest time without poses on the disk: a longer one is a slip."""
_LONGEST_SILENCE_S = 86_400
_IN_WORDS = {"output_dir": "output directory", "p_cutoff": "p-cutoff"}
_FOLLOW = "off|poses|tracker|auto"


@dataclass(frozen=True)
class Rule:
    """The rule of an option's values: which are allowed, that in words, and how they are kept.

    `read` reads a value of a `kind` from the command line. `allows` may give a text that says more
    than the rule in words.
    """

    allows: Callable[[Any], bool | str]
    told: str = ""
    keep: Callable[[Any], object] = lambda value: value
    read: Callable[[str], object] = str
    kind: str = ""

    def kept(self, name: str, value: object) -> object:
        """Give a value as it is kept; raise an `InputError` if it breaks the rule."""
        found = self.allows(value)
        if found and not isinstance(found, str):
            return self.keep(value)
        name = _IN_WORDS.get(name, name.replace("_", " "))
        raise InputError(f"{name} {short(value)}: {found or self.told}")


def read_path(text: str) -> Path:
    """Read a path; ``Path("")`` would be the working directory."""
    if not text:
        raise ValueError(text)
    return Path(text)


def number(least: Any, most: Any, unit: str = "") -> Rule:
    """Make the rule of a number."""
    return Rule(
        lambda value: (
            isinstance(value, Real) and not isinstance(value, bool) and least <= value <= most
        ),
        f"must be a number{unit} from {least} to {most}",
        float,
        float,
        "a number",
    )


def whole(least: int, also: str | None = None) -> Rule:
    """Make the rule of a whole number; one text may be allowed too."""
    or_else = "" if also is None else f", or {also}"
    return Rule(
        lambda value: (
            least <= int(value) <= _LARGEST_COUNT
            if isinstance(value, Integral) and not isinstance(value, bool)
            else isinstance(value, str) and value == also
        ),
        f"must be a whole number from {least} to {_LARGEST_COUNT}{or_else}",
        lambda value: value if value == also else int(value),
        lambda text: text if text == also else int(text),
        f"a whole number{or_else}",
    )


def one_of(*allowed: str) -> Rule:
    """Make the rule of a text that is one of these."""
    return Rule(lambda value: value in allowed, f"allowed are {', '.join(allowed)}")


def is_frame_rate(value: object) -> bool | str:
    """Tell whether an mp4 can have so many frames per second, or what it can have."""
    from sinks import FASTEST_FRAME_RATE, SLOWEST_FRAME_RATE  # takes long to import

    rule = number(SLOWEST_FRAME_RATE, FASTEST_FRAME_RATE, " of frames per second")
    return rule.allows(value) or rule.told


def is_color_map(name: object) -> bool | str:
    """Tell whether matplotlib knows the color map, or name near ones."""
    from sinks.plain_matplotlib import matplotlib  # takes long to import

    known = list(matplotlib.colormaps)
    if name in known:
        return True
    near = difflib.get_close_matches(cut(str(name)), known, n=4, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"must be a name of matplotlib's color maps{hint}"


_PATH = Rule(  # an empty text is a variable of the shell that was not set
    lambda path: isinstance(path, str | os.PathLike) and bool(str(path)) and "\0" not in str(path),
    "must be a path",
    lambda path: Path(path).absolute(),
    read_path,
    "a path",
)
_SWITCH = Rule(lambda value: isinstance(value, bool), "must be true or false")
_RECTANGLE = Rule(
    lambda value: isinstance(value, CropRectangle),
    "must be a CropRectangle",
    read=lambda text: CropRectangle(*map(int, text.split(","))),
    kind="four whole numbers LEFT,TOP,WIDTH,HEIGHT",
)
_COLOR_MAP = Rule(is_color_map)
_FRAME_RATE = Rule(is_frame_rate, "", float, float, "a number")
_NAMES = Rule(
    lambda names: isinstance(names, Sequence) and all(isinstance(name, str) for name in names),
    "must be all, or a list of names",
    lambda names: names if isinstance(names, str) else tuple(names),
)
_PAIRS = Rule(
    lambda value: isinstance(value, str | os.PathLike),
    "must be A-B,B-C, or a path of a config.yaml",
    os.fspath,
)
_SOURCE = Rule(lambda text: bool(text.strip()), "must be a file, a folder, a device, a URL, or -")
_SILENCE = Rule(
    lambda value: 0 < value <= _LONGEST_SILENCE_S,
    f"must be a number of seconds above 0, at most {_LONGEST_SILENCE_S}",
    read=float,
    kind="a number",
)
_ANY = Rule(lambda _: True)
_PLACES = Rule(lambda _: True, "", lambda at: (at,) if isinstance(at, str) else tuple(at))
NAMED_FILE = Rule(lambda _: True, "", Path, read_path, "a path")


def option(default: Any, metavar: str | None, rule: Rule = _ANY, **row: str) -> Any:
    """Make an attribute, whose class tells its meaning; one without a `metavar` is a switch."""
    return field(default=default, metadata={"metavar": metavar, "rule": rule, **row})


def help_of(owner: type) -> dict[str, str]:
    """Give the help of all options of a class from its docstring, with their defaults."""
    told = (inspect.getdoc(owner) or "").partition("----\n")[2].partition("\n\n")[0]
    found = {}
    for entry in re.split(r"\n(?=\w)", told):
        name, *lines = entry.split("\n")
        found[name] = " ".join(map(str.strip, lines))
        default = getattr(owner, name, None)
        if isinstance(default, str | int | float) and not isinstance(default, bool):
            shown = default if isinstance(default, str) else f"{default:g}"
            found[name] += f" (default: {shown})"
    return found


def keep_all(options: Any) -> None:
    """Check all options of an instance, which is frozen, and put them as they are kept."""
    for one in fields(options):
        value = getattr(options, one.name)
        if one.metadata and (value is not None or one.default is not None):
            object.__setattr__(options, one.name, one.metadata["rule"].kept(one.name, value))


@dataclass(frozen=True)
class Job:
    """One run: movies, a model, and the style of the outputs.

    Values become plain ones of Python's: absolute `Path`, `int` and `float`, so that they can be
    written into the metadata.

    Attributes
    ----------
    movies
        one or more movies that FFmpeg reads, or one or more .isxb; none for a live run
    output_dir
        folder of the outputs
    model
        folder of a model exported from DeepLabCut (default: the built-in bottom-view model)
    experiment_annotations_format
        parquet or csv
    crop_rect
        look only at this part of each frame, in pixels (default: all of it)
    window_length
        frames of the median filter, odd; 0 or 1 for no filter
    displayed_body_parts
        body parts to draw
    p_cutoff
        draw only what is likelier than this, 0-1
    dot_size
        radius of the dots
    color_map
        a color map of matplotlib's
    keypoints_only
        draw on black instead of the pictures
    output_frame_rate
        frame rate of the labelled movie (default: the movie's)
    draw_skeleton
        connect body parts by lines
    trail_points
        frames whose dots are drawn, the frame's own included; 0 for no trail
    skeleton
        pairs that --draw-skeleton connects, or a DeepLabCut project's config.yaml (default: the
        bottom-view skeleton)
    batch_size
        frames handed on at a time, or auto for what a short probe of the model finds fastest;
        changes speed and memory, not results (default: 1 to 8, by frame size)
    runtime
        the model's runtime: tensorflow, openvino, or auto for TensorFlow on a GPU and OpenVINO on
        a CPU
    overwrite
        replace the results of an earlier run, and what an unfinished one has left
    resume
        go on where a run with the same movies and options was stopped; its outputs will be those
        of a run that was not. Where there is none, start from the beginning
    durable_every_s
        a power cut loses at most the poses of so many seconds
    durable_every_frames
        ... or of so many frames, whatever comes first
    coordinates
        save poses relative to the crop rectangle (crop) or to the whole frame (movie)
    follow
        look at a window around the animal rather than at whole frames, and at whole frames where
        in doubt: poses (led by the poses so far), tracker (by the boxes of an .isxb), or auto
        (both, with a short calibration); poses may move by some 0.1 px

    Raises
    ------
    InputError
        If a value breaks its rule; the message names the value, the rule and what is allowed.
    """

    movies: Sequence[Path]
    output_dir: Path = field(metadata={"rule": _PATH, "metavar": "DIR"})
    model: Path | None = option(None, "EXPORT_DIR", _PATH)  # noqa: RUF009 -- a field
    experiment_annotations_format: str = option("parquet", "FORMAT", one_of(*ANNOTATION_FORMATS))
    crop_rect: CropRectangle | None = option(None, "LEFT,TOP,WIDTH,HEIGHT", _RECTANGLE)  # noqa: RUF009 -- a field
    window_length: int = option(5, "N", whole(0))
    displayed_body_parts: str | Sequence[str] = option("all", "all|NAME,NAME", _NAMES)
    p_cutoff: float = option(0.6, "P", number(0, 1))
    dot_size: int = option(5, "PX", whole(0))
    color_map: str = option("rainbow", "NAME", _COLOR_MAP)
    keypoints_only: bool = option(False, None, _SWITCH)
    output_frame_rate: float | None = option(None, "FPS", _FRAME_RATE)
    draw_skeleton: bool = option(False, None, _SWITCH)
    trail_points: int = option(0, "N", whole(0))
    skeleton: str | None = option(None, "A-B,B-C|config.yaml", _PAIRS)
    batch_size: int | str | None = option(None, "N|auto", whole(1, "auto"))
    runtime: str = option("auto", "NAME", one_of(*RUNTIMES))
    overwrite: bool = option(False, None, _SWITCH)
    resume: bool = option(False, None, _SWITCH)
    durable_every_s: float = option(30.0, "S", number(0, _LONGEST_S, " of seconds"))
    durable_every_frames: int = option(2000, "N", whole(1))
    coordinates: str = option("crop", "ORIGIN", one_of("crop", "movie"))
    follow: str = option("off", _FOLLOW, one_of(*_FOLLOW.split("|")))

    def __post_init__(self) -> None:
        movies: object = self.movies
        if isinstance(movies, str | os.PathLike) or not isinstance(movies, Iterable):
            raise InputError(f"movies {short(str(movies))}: must be a list of paths")
        kept = tuple(_PATH.kept("movie", movie) for movie in movies)
        object.__setattr__(self, "movies", kept)
        keep_all(self)
        if self.window_length and self.window_length % 2 == 0:
            raise InputError(
                f"window length {self.window_length}: must be odd, or 0 or 1 for no filter"
            )
        if self.overwrite and self.resume:
            raise InputError("overwrite and resume: give one of them, to start anew or to go on")

    @property
    def inputs(self) -> list[Path]:
        """All files and folders that are read."""
        model = [] if self.model is None else [self.model]
        skeleton = self.skeleton or ""
        config = [Path(skeleton)] if skeleton.lower().endswith((".yaml", ".yml")) else []
        return [*self.movies, *model, *config]


@dataclass(frozen=True)
class LiveOptions:
    """The way in which a recording is read, and the places where its poses and status go.

    Attributes
    ----------
    source
        a file that is being written (.isxb, .avi, fragmented .mp4, .mkv, .ts ...), a folder that a
        recorder fills with such files, a URL (rtsp, udp, http, ...), a capture device, or - for
        standard input
    end_after_s
        the recording has ended when nothing has come for so many seconds
    when_behind
        where the machine is too slow, take every frame in its turn (all), or the newest one and
        leave those before it NaN (skip), to be filled in by posestream run --resume
    publish
        stdout, tcp:[HOST:]PORT or unix:PATH (one line of JSON a frame), zmq:ENDPOINT (ZeroMQ PUB)
        or lsl:NAME (Lab Streaming Layer); may be given several times
    status
        keep the status of the run in this file, as JSON
    preview
        serve a page that shows the run; on this machine only, unless HOST says otherwise
    preview_token
        needed by browsers, where HOST can be reached from other machines; other users of this
        machine can read it in the list of processes, but not in the environment as
        POSESTREAM_PREVIEW_TOKEN, or in a file
    preview_token_file
        a file that holds this token, for its owner alone (chmod 600)

    Raises
    ------
    InputError
        If a value breaks its rule.
    """

    source: str = field(metadata={"rule": _SOURCE, "metavar": "SOURCE"})
    end_after_s: float = option(10.0, "S", _SILENCE, flag="--end-after")
    when_behind: str = option("all", "all|skip", one_of("all", "skip"))
    publish: str | Sequence[str] = option((), "WHERE", _PLACES)
    status: Path | None = option(None, "FILE", NAMED_FILE)  # noqa: RUF009 -- a field
    preview: str | None = option(None, "[HOST:]PORT")
    preview_token: str | None = option(None, "TEXT")
    preview_token_file: Path | None = option(None, "FILE", NAMED_FILE)  # noqa: RUF009 -- a field

    def __post_init__(self) -> None:
        from sinks.publishing import check_spec  # takes long to import

        keep_all(self)
        for index, specification in enumerate(self.publish):
            check_spec(specification)
            if specification in self.publish[:index]:
                raise InputError(f"publish: {short(specification)} was given twice")

    @property
    def named_files(self) -> list[Path]:
        """The files that are made where the options say."""
        from sinks.publishing import socket_path

        sockets = [socket_path(specification) for specification in self.publish]
        return [path for path in (self.status, *sockets) if path is not None]

    @property
    def skips(self) -> bool:
        """Whether the newest frame counts."""
        return self.when_behind == "skip"
