"""A job: every parameter of a run, checked as far as it can be without files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from engine.inference import RUNTIMES
from engine.untrusted.quoting import cut, short
from readers import CropRectangle, InputError

ANNOTATION_FORMATS = ("parquet", "csv")
_CHOICES = {
    "experiment_annotations_format": ANNOTATION_FORMATS,
    "runtime": RUNTIMES,
    "coordinates": ("crop", "movie"),
    "follow": ("off", "poses", "tracker", "auto"),
}
_SWITCHES = ("keypoints_only", "draw_skeleton", "overwrite", "resume")
_LEAST_COUNTS = {"window_length": 0, "dot_size": 0, "trail_points": 0, "durable_every_frames": 1}
_LARGEST_COUNT = 1_000_000
"""The highest count of frames or pixels: a higher one is a slip."""
_LONGEST_S = 3600
"""The longest time without poses on the disk: a longer one is a slip."""


@dataclass(frozen=True)
class Job:
    """One run: movies, a model, and the style of the outputs.

    Values are turned into plain Python ones (paths into absolute `Path`, numpy's numbers into `int`
    and `float`), so that they can be written into the metadata.

    Attributes
    ----------
    movies
        One or more movies that FFmpeg reads, or one or more .isxb; none for a live run.
    output_dir
        Folder of the outputs; made if it does not exist.
    model
        Folder of a DeepLabCut export; None for the built-in model.
    experiment_annotations_format
        ``parquet`` or ``csv``.
    crop_rect
        Part of each frame to look at; None for all of it.
    window_length
        Odd number of frames of the median filter; 0 or 1 for none.
    displayed_body_parts
        ``"all"``, or the names of those that are drawn on the labelled movie.
    p_cutoff
        Poses of a likelihood not above it are not drawn, 0–1.
    dot_size
        Radius of the dots in pixels.
    color_map
        Any name of matplotlib's color maps.
    keypoints_only
        Draw on black instead of the pictures.
    output_frame_rate
        Frames per second of the labelled movie; None for the movie's own.
    draw_skeleton
        Connect body parts by lines.
    trail_points
        Frames whose dots are drawn, the frame's own included; 0 or 1 for no trail.
    skeleton
        ``"A-B,B-C"``, or a path of a DeepLabCut project's ``config.yaml``; None for the
        bottom-view skeleton.
    batch_size
        Frames handed on at a time; None for a number that suits the size of the frames, ``"auto"``
        for what a short probe of the model finds fastest. It changes speed and memory, not results.
    runtime
        ``auto``, ``tensorflow`` or ``openvino``.
    overwrite
        Replace the results of an earlier run, and what an unfinished one has left.
    resume
        Go on with the unfinished run in the output directory, if there is one.
    durable_every_s, durable_every_frames
        The most work that a power cut may lose: poses are safe on the disk after as many seconds
        or frames, whatever comes first.
    coordinates
        ``crop``: saved poses are relative to the crop rectangle, as in the reference tool;
        ``movie``: they are pixels of the whole frame.
    follow
        ``off``: the model looks at whole frames. ``poses``: at a window around the animal, which
        the poses so far lead to, and at whole frames where these are in doubt. ``tracker``: led
        by the recorder's own tracker, where the movie has its boxes. ``auto``: as ``tracker``,
        with windows as large as a measurement on the movie shows that they must be.

    Raises
    ------
    InputError
        If a value breaks its rule; the message names the value, the rule and what is allowed.
    """

    movies: Sequence[Path]
    output_dir: Path
    model: Path | None = None
    experiment_annotations_format: str = "parquet"
    crop_rect: CropRectangle | None = None
    window_length: int = 5
    displayed_body_parts: str | Sequence[str] = "all"
    p_cutoff: float = 0.6
    dot_size: int = 5
    color_map: str = "rainbow"
    keypoints_only: bool = False
    output_frame_rate: float | None = None
    draw_skeleton: bool = False
    trail_points: int = 0
    skeleton: str | None = None
    batch_size: int | str | None = None
    runtime: str = "auto"
    overwrite: bool = False
    resume: bool = False
    durable_every_s: float = 30.0
    durable_every_frames: int = 2000
    coordinates: str = "crop"
    follow: str = "off"

    def __post_init__(self) -> None:
        self._check_paths()
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{_words(name)} {short(value)}: allowed are {', '.join(allowed)}")
        self._check_numbers()
        for name in _SWITCHES:
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InputError(f"{_words(name)} {short(value)}: must be true or false")
        if self.crop_rect is not None and not isinstance(self.crop_rect, CropRectangle):
            raise InputError(f"crop rect {short(self.crop_rect)}: must be a CropRectangle")
        if self.overwrite and self.resume:
            raise InputError("overwrite and resume: give one of them, to start anew or to go on")
        _check_color_map(self.color_map)
        self._check_names()

    @property
    def inputs(self) -> list[Path]:
        """All files and folders that are read."""
        model = [] if self.model is None else [self.model]
        skeleton = self.skeleton or ""
        config = [Path(skeleton)] if skeleton.lower().endswith((".yaml", ".yml")) else []
        return [*self.movies, *model, *config]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen

    def _check_paths(self) -> None:
        movies: object = self.movies
        if isinstance(movies, str | os.PathLike) or not isinstance(movies, Iterable):
            raise InputError(f"movies {short(str(movies))}: must be a list of paths")
        self._set("movies", tuple(_path("movie", movie) for movie in movies))
        self._set("output_dir", _path("output directory", self.output_dir))
        if self.model is not None:
            self._set("model", _path("model", self.model))

    def _check_numbers(self) -> None:
        for name, least in _LEAST_COUNTS.items():
            self._set(name, _integer(name, getattr(self, name), least))
        if self.batch_size not in (None, "auto"):
            self._set("batch_size", _integer("batch_size", self.batch_size, 1, or_else="auto"))
        if self.window_length and self.window_length % 2 == 0:
            raise InputError(
                f"window length {self.window_length}: must be odd, or 0 or 1 for no filter"
            )
        self._set("p_cutoff", _number("p-cutoff", self.p_cutoff, 0, 1))
        every_s = _number("durable every s", self.durable_every_s, 0, _LONGEST_S, " of seconds")
        self._set("durable_every_s", every_s)
        if self.output_frame_rate is not None:
            from sinks import FASTEST_FRAME_RATE, SLOWEST_FRAME_RATE  # takes long to import

            rate = _number(
                "output frame rate",
                self.output_frame_rate,
                SLOWEST_FRAME_RATE,
                FASTEST_FRAME_RATE,
                " of frames per second",
            )
            self._set("output_frame_rate", rate)

    def _check_names(self) -> None:
        names: object = self.displayed_body_parts
        if not isinstance(names, str):
            if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
                raise InputError(
                    f"displayed body parts {short(names)}: must be all, or a list of names"
                )
            self._set("displayed_body_parts", tuple(names))
        if self.skeleton is not None:
            if not isinstance(self.skeleton, str | os.PathLike):
                raise InputError(
                    f"skeleton {short(self.skeleton)}: must be A-B,B-C, or a path of a config.yaml"
                )
            self._set("skeleton", os.fspath(self.skeleton))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _path(what: str, value: object) -> Path:
    """Make an absolute path; an empty text is a variable of the shell that was not set."""
    if not isinstance(value, str | os.PathLike) or not str(value) or "\0" in str(value):
        raise InputError(f"{what} {short(value)}: must be a path")
    return Path(value).absolute()


def _integer(name: str, value: object, least: int, or_else: str = "") -> int:
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if least <= number <= _LARGEST_COUNT:
            return number
    raise InputError(
        f"{_words(name)} {short(value)}: must be a whole number from {least} to {_LARGEST_COUNT}"
        + (f", or {or_else}" if or_else else "")
    )


def _number(
    what: str, value: Any, least: float | Fraction, most: float | Fraction, unit: str = ""
) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and least <= value <= most:
        return float(value)
    raise InputError(f"{what} {short(value)}: must be a number{unit} from {least} to {most}")


def _check_color_map(name: str) -> None:
    """Raise `InputError`, with near names, unless matplotlib knows the color map."""
    from sinks.plain_matplotlib import matplotlib  # takes long to import

    known = list(matplotlib.colormaps)
    if name not in known:
        near = difflib.get_close_matches(cut(str(name)), known, n=4, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(
            f"color map {short(name)}: must be a name of matplotlib's color maps{hint}"
        )
