"""The arguments of the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from readers import CropRectangle, InputError

DEMO_OUTPUT_DIR = Path("posestream-demo")
NULL_MODEL = "null"
Value = TypeVar("Value")

_SOURCES = {
    "--inputs FILE.json": "read parameters from an input file of the reference tool; movies and "
    "options on the command line win",
    "--model EXPORT_DIR": "folder of a model exported from DeepLabCut (default: the built-in "
    "bottom-view model)",
    "--output-dir DIR": "folder of the outputs",
    "--overwrite": "replace the results of an earlier run, and what an unfinished one has left",
}
_FORMAT = {"--experiment-annotations-format FORMAT": "parquet or csv (default: parquet)"}
_SAFETY = {
    "--resume": "go on where a run with the same movies and options was stopped; its outputs will "
    "be those of a run that was not. Where there is none, start from the beginning",
    "--strict": "exit with code 3 if a movie was cut off or a frame could not be decoded",
    "--durable-every-s S": "a power cut loses at most the poses of so many seconds (default: 30)",
    "--durable-every-frames N": "... or of so many frames, whatever comes first (default: 2000)",
}
_ANALYSIS = {
    "--crop-rect LEFT,TOP,WIDTH,HEIGHT": "look only at this part of each frame, in pixels "
    "(default: all of it)",
    "--coordinates ORIGIN": "save poses relative to the crop rectangle (crop) or to the whole "
    "frame (movie) (default: crop)",
    "--window-length N": "frames of the median filter, odd; 0 or 1 for no filter (default: 5)",
    "--batch-size N|auto": "frames handed on at a time, or auto for what a short probe of the "
    "model finds fastest; changes speed and memory, not results (default: 1 to 8, by frame size)",
    "--follow off|poses|tracker|auto": "look at a window around the animal rather than at whole "
    "frames, and at whole frames where in doubt: poses (led by the poses so far), tracker (by the "
    "boxes of an .isxb), or auto (both, with a short calibration); poses may move by some 0.1 px "
    "(default: off)",
    "--runtime NAME": "the model's runtime: tensorflow, openvino, or auto for TensorFlow on a GPU "
    "and OpenVINO on a CPU (default: auto)",
}
_DRAWING = {
    "--displayed-body-parts all|NAME,NAME": "body parts to draw (default: all)",
    "--p-cutoff P": "draw only what is likelier than this, 0-1 (default: 0.6)",
    "--dot-size PX": "radius of the dots (default: 5)",
    "--color-map NAME": "a color map of matplotlib's (default: rainbow)",
    "--keypoints-only": "draw on black instead of the pictures",
    "--output-frame-rate FPS": "frame rate of the labelled movie (default: the movie's)",
    "--draw-skeleton": "connect body parts by lines",
    "--skeleton A-B,B-C|config.yaml": "pairs that --draw-skeleton connects, or a DeepLabCut "
    "project's config.yaml (default: the bottom-view skeleton)",
    "--trail-points N": "frames whose dots are drawn, the frame's own included; 0 for no trail "
    "(default: 0)",
}
_RECORDING = {
    "--end-after S": "the recording has ended when nothing has come for so many seconds "
    "(default: 10)",
    "--when-behind all|skip": "where the machine is too slow, take every frame in its turn (all), "
    "or the newest one and leave those before it NaN (skip), to be filled in by posestream run "
    "--resume (default: all)",
}
_AUDIENCE = {
    "--publish WHERE": "stdout, tcp:[HOST:]PORT or unix:PATH (one line of JSON a frame), "
    "zmq:ENDPOINT (ZeroMQ PUB) or lsl:NAME (Lab Streaming Layer); may be given several times",
    "--status FILE": "keep the status of the run in this file, as JSON",
    "--preview [HOST:]PORT": "serve a page that shows the run; on this machine only, unless HOST "
    "says otherwise",
    "--preview-token TEXT": "needed by browsers, where HOST can be reached from other machines; "
    "other users of this machine can read it in the list of processes, but not in the environment "
    "as POSESTREAM_PREVIEW_TOKEN, or in a file",
    "--preview-token-file FILE": "a file that holds this token, for its owner alone (chmod 600)",
}
_MEASURED = {
    "--model EXPORT_DIR|null": "folder of a model exported from DeepLabCut, or null for constant "
    "poses, to measure everything around a model (default: the built-in bottom-view model)",
    "--frames N": "frames of the whole job (default: as many as take some twenty seconds)",
    "--json FILE": "write all numbers there too",
}


def parse(arguments: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """Read a command and its options; only what was given, where a run knows the default.

    Raises
    ------
    InputError
        If they cannot be understood.
    """
    options = vars(_parser().parse_args(arguments))
    return options.pop("command"), options


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others here."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)  # a new option would change meanings
        # argparse takes "-1,0,64,64" and "-1e3" for options, and would say that a value is missing.
        self._negative_number_matcher = re.compile(r"-[\d.].*|-(inf|nan)")

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="posestream",
        description="Poses from behaviour movies, in one pass and bounded memory, "
        "with models exported from DeepLabCut.",
    )
    parser.add_argument(
        "--version", action="version", version=f"posestream {version('posestream')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_live(commands)
    _add_bench(commands)
    _add_inspect(commands)
    _add_demo(commands)
    return parser


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="estimate poses in movies and write all outputs",
        description="Estimate the pose in every frame of the movies, and write pose estimates "
        "(.h5), experiment annotations, a labelled movie, previews and metadata.",
        argument_default=argparse.SUPPRESS,  # what is not given comes from --inputs, or from Job
    )
    parser.add_argument(
        "movies",
        nargs="*",
        type=_path,
        default=[],
        metavar="MOVIE",
        help="an .isxb, or a movie that FFmpeg reads (.mp4, .avi, .mkv, .ts, .mov ...); several "
        ".isxb are a series in order of time",
    )
    _add_run_options(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add(parser, "what to read and where to write", _SOURCES | _FORMAT)
    _add(parser, "safety", _SAFETY)
    _add(parser, "analysis", _ANALYSIS)
    _add(parser, "labelled movie and previews", _DRAWING)


def _add_live(commands: Any) -> None:
    parser = commands.add_parser(
        "live",
        help="estimate poses while the camera records",
        description="Read a recording as it grows, give each pose away at once, and write all "
        "outputs of posestream run when the recording has ended: when the recorder has closed the "
        "file, when nothing has come for a while, or at Ctrl-C.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a file that is being written (.isxb, .avi, fragmented .mp4, .mkv, .ts ...), a folder "
        "that a recorder fills with such files, a URL (rtsp, udp, http, ...), a capture device, "
        "or - for standard input",
    )
    _add(parser, "the recording", _RECORDING)
    _add(parser, "poses and status at once, before the median filter", _AUDIENCE)
    _add_run_options(parser)


def _add_bench(commands: Any) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure what this machine does with a movie and a model",
        description="Measure each stage alone on your own movie and model (decode, colour "
        "conversion, inference by runtime and batch size, filter, each output), then the whole "
        "job on the first frames. Tells what bounds, how long a long movie would take, and which "
        "settings are best. Takes one to two minutes; outputs are thrown away.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "movie", type=_path, metavar="MOVIE", help="an .isxb, or a movie that FFmpeg reads"
    )
    _add(parser, "what to measure", _MEASURED | _FORMAT)
    _add(parser, "analysis", _ANALYSIS)
    _add(parser, "labelled movie and previews", _DRAWING)


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="tell what a movie or a model is",
        description="Tell what a movie is (size, rate, frames, drops, times, counters) or a "
        "model's folder (body parts, network, scorer, flavour).",
    )
    parser.add_argument(
        "path", type=_path, metavar="PATH", help="a movie, or a folder of an export"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="run the built-in model on the built-in movie",
        description="Run the built-in model on the built-in movie, with all outputs.",
    )
    parser.add_argument(
        "--output-dir",
        type=_path,
        default=DEMO_OUTPUT_DIR,
        metavar="DIR",
        help="folder of the outputs (default: posestream-demo)",
    )


def _add(parser: argparse.ArgumentParser, title: str, options: Mapping[str, str]) -> None:
    """Add a group of options: each by its name and its value's, and its help."""
    group = parser.add_argument_group(title)
    for option, text in options.items():
        flag, _, metavar = option.partition(" ")
        settings = _SETTINGS.get(flag, {} if metavar else {"action": "store_true"})
        if metavar:
            settings = {"metavar": metavar, **settings}
        group.add_argument(flag, help=text, **settings)


def _path(text: str) -> Path:
    if not text:  # a variable of the shell that was not set; Path("") would be this directory
        raise argparse.ArgumentTypeError("'': must be a path")
    return Path(text)


def _rectangle(text: str) -> CropRectangle:
    left, top, width, height = map(int, text.split(","))
    return CropRectangle(left, top, width, height)


def _read_as(convert: Callable[[str], Value], rule: str) -> Callable[[str], Value]:
    """Make the reader of a value, whose error tells the rule."""

    def read(text: str) -> Value:
        try:
            return convert(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: must be {rule}") from None

    return read


_PATH: dict[str, Any] = {"type": _path}
_NUMBER: dict[str, Any] = {"type": _read_as(float, "a number")}
_COUNT: dict[str, Any] = {"type": _read_as(int, "a whole number")}
_SWITCH: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
_SETTINGS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("--inputs", "--model", "--output-dir"), _PATH),
    **dict.fromkeys(("--status", "--preview-token-file"), _PATH),
    **dict.fromkeys(("--durable-every-s", "--p-cutoff", "--output-frame-rate"), _NUMBER),
    **dict.fromkeys(("--durable-every-frames", "--window-length"), _COUNT),
    **dict.fromkeys(("--dot-size", "--trail-points"), _COUNT),
    **dict.fromkeys(("--keypoints-only", "--draw-skeleton"), _SWITCH),
    "--batch-size": {
        "type": _read_as(
            lambda text: text if text == "auto" else int(text), "a whole number, or auto"
        )
    },
    "--crop-rect": {"type": _read_as(_rectangle, "four whole numbers LEFT,TOP,WIDTH,HEIGHT")},
    "--end-after": {"dest": "end_after_s", **_NUMBER},
    "--publish": {"action": "append"},
    "--frames": {"dest": "most_frames", **_COUNT},
    "--json": {"dest": "json_path", **_PATH},
}
"""The settings of `argparse` for an option, beside its metavar and help."""
