"""The command line's arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from readers import CropRectangle, InputError

DEMO_OUTPUT_DIR = Path("posestream-demo")
NULL_MODEL = "null"


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
    """Says what is wrong in one line, as everything else here does."""

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
    _add_sources(parser.add_argument_group("what to read and where to write"))
    _add_safety(parser.add_argument_group("safety"))
    _add_analysis(parser.add_argument_group("analysis"))
    _add_drawing(parser.add_argument_group("labelled movie and previews"))


def _add_live(commands: Any) -> None:
    parser = commands.add_parser(
        "live",
        help="estimate poses while the camera records",
        description="Follow a recording, give each pose away as soon as it is there, and write all "
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
    followed = parser.add_argument_group("how to follow")
    followed.add_argument(
        "--end-after",
        dest="end_after_s",
        type=_number,
        metavar="S",
        help="the recording has ended when nothing has come for so many seconds (default: 10)",
    )
    followed.add_argument(
        "--when-behind",
        metavar="all|skip",
        help="where the machine is too slow, take every frame in its turn (all), or the newest one "
        "and leave those before it NaN (skip), to be filled in by posestream run --resume "
        "(default: all)",
    )
    told = parser.add_argument_group("who is told at once, of poses before the median filter")
    told.add_argument(
        "--publish",
        action="append",
        metavar="WHERE",
        help="stdout, tcp:[HOST:]PORT or unix:PATH (one line of JSON a frame), zmq:ENDPOINT "
        "(ZeroMQ PUB) or lsl:NAME (Lab Streaming Layer); may be given several times",
    )
    told.add_argument(
        "--status", type=_path, metavar="FILE", help="keep in this file, as JSON, how the run does"
    )
    told.add_argument(
        "--preview",
        metavar="[HOST:]PORT",
        help="serve a page that shows the run; on this machine only, unless HOST says otherwise",
    )
    told.add_argument(
        "--preview-token",
        metavar="TEXT",
        help="what browsers must know, where HOST can be reached from other machines; other users "
        "of this machine can read it in the list of processes, but not what is in the environment "
        "as POSESTREAM_PREVIEW_TOKEN, or in a file",
    )
    told.add_argument(
        "--preview-token-file",
        type=_path,
        metavar="FILE",
        help="a file that holds this token, for its owner alone (chmod 600)",
    )
    _add_run_options(parser)


def _add_safety(group: Any) -> None:
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on where a run with the same movies and options was stopped; its outputs will be "
        "those of a run that was not. Where there is none, start from the beginning",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="exit with code 3 if a movie was cut off or a frame could not be decoded",
    )
    group.add_argument(
        "--durable-every-s",
        type=_number,
        metavar="S",
        help="a power cut loses at most the poses of so many seconds (default: 30)",
    )
    group.add_argument(
        "--durable-every-frames",
        type=_whole_number,
        metavar="N",
        help="... or of so many frames, whatever comes first (default: 2000)",
    )


def _add_sources(group: Any) -> None:
    group.add_argument(
        "--inputs",
        type=_path,
        metavar="FILE.json",
        help="read parameters from an input file of the reference tool; "
        "movies and options on the command line win",
    )
    group.add_argument(
        "--model",
        type=_path,
        metavar="EXPORT_DIR",
        help="folder of a model exported from DeepLabCut (default: the built-in bottom-view model)",
    )
    group.add_argument("--output-dir", type=_path, metavar="DIR", help="folder of the outputs")
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results of an earlier run, and what an unfinished one has left",
    )
    _add_format(group)


def _add_format(group: Any) -> None:
    group.add_argument(
        "--experiment-annotations-format",
        metavar="FORMAT",
        help="parquet or csv (default: parquet)",
    )


def _add_analysis(group: Any) -> None:
    group.add_argument(
        "--crop-rect",
        type=_crop_rectangle,
        metavar="LEFT,TOP,WIDTH,HEIGHT",
        help="look only at this part of each frame, in pixels (default: all of it)",
    )
    group.add_argument(
        "--coordinates",
        metavar="ORIGIN",
        help="save poses relative to the crop rectangle (crop) or to the whole frame (movie) "
        "(default: crop)",
    )
    group.add_argument(
        "--window-length",
        type=_whole_number,
        metavar="N",
        help="frames of the median filter, odd; 0 or 1 for no filter (default: 5)",
    )
    group.add_argument(
        "--batch-size",
        type=_batch_size,
        metavar="N|auto",
        help="frames handed on at a time, or auto for what a short probe of the model finds "
        "fastest; changes speed and memory, not results (default: 1 to 8, by frame size)",
    )
    group.add_argument(
        "--follow",
        metavar="off|poses|tracker|auto",
        help="look at a window around the animal rather than at whole frames, and at whole frames "
        "where in doubt: poses (led by the poses so far), tracker (by the boxes of an .isxb), or "
        "auto (both, with a short calibration); poses may move by some 0.1 px (default: off)",
    )
    group.add_argument(
        "--runtime",
        metavar="NAME",
        help="what runs the model: tensorflow, openvino, or auto for TensorFlow on a GPU and "
        "OpenVINO on a CPU (default: auto)",
    )


def _add_drawing(group: Any) -> None:
    group.add_argument(
        "--displayed-body-parts", metavar="all|NAME,NAME", help="body parts to draw (default: all)"
    )
    group.add_argument(
        "--p-cutoff",
        type=_number,
        metavar="P",
        help="draw only what is likelier than this, 0-1 (default: 0.6)",
    )
    group.add_argument(
        "--dot-size", type=_whole_number, metavar="PX", help="radius of the dots (default: 5)"
    )
    group.add_argument(
        "--color-map", metavar="NAME", help="a color map of matplotlib's (default: rainbow)"
    )
    group.add_argument(
        "--keypoints-only",
        action=argparse.BooleanOptionalAction,
        help="draw on black instead of the pictures",
    )
    group.add_argument(
        "--output-frame-rate",
        type=_number,
        metavar="FPS",
        help="frame rate of the labelled movie (default: the movie's)",
    )
    group.add_argument(
        "--draw-skeleton", action=argparse.BooleanOptionalAction, help="connect body parts by lines"
    )
    group.add_argument(
        "--skeleton",
        metavar="A-B,B-C|config.yaml",
        help="pairs that --draw-skeleton connects, or a DeepLabCut project's config.yaml "
        "(default: the bottom-view skeleton)",
    )
    group.add_argument(
        "--trail-points",
        type=_whole_number,
        metavar="N",
        help="frames whose dots are drawn, the frame's own included; 0 for no trail (default: 0)",
    )


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
    measured = parser.add_argument_group("what to measure")
    measured.add_argument(
        "--model",
        type=_path,
        metavar="EXPORT_DIR|null",
        help="folder of a model exported from DeepLabCut, or null for constant poses, to measure "
        "everything around a model (default: the built-in bottom-view model)",
    )
    measured.add_argument(
        "--frames",
        dest="most_frames",
        type=_whole_number,
        metavar="N",
        help="frames of the whole job (default: as many as take some twenty seconds)",
    )
    measured.add_argument(
        "--json", dest="json_path", type=_path, metavar="FILE", help="write all numbers there too"
    )
    _add_format(measured)
    _add_analysis(parser.add_argument_group("analysis"))
    _add_drawing(parser.add_argument_group("labelled movie and previews"))


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


def _path(text: str) -> Path:
    if not text:  # a variable of the shell that was not set; Path("") would be this directory
        raise argparse.ArgumentTypeError("'': must be a path")
    return Path(text)


def _crop_rectangle(text: str) -> CropRectangle:
    try:
        left, top, width, height = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be four whole numbers LEFT,TOP,WIDTH,HEIGHT"
        ) from None
    try:
        return CropRectangle(left, top, width, height)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number") from None


def _batch_size(text: str) -> int | str:
    try:
        return text if text == "auto" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, or auto") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number") from None
