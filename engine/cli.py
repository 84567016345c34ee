"""The command ``posestream``."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from engine.errors import RunError
from readers import CropRectangle, InputError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
_DEMO_OUTPUT_DIR = Path("posestream-demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 for a failed run, 2 for bad input."""
    try:
        options = vars(_parser().parse_args(arguments))
        options.pop("command")
        execute: Callable[..., None] = options.pop("execute")
        with _one_interrupt():
            execute(**options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except InputError as error:
        return _fail(error, EXIT_BAD_INPUT)
    except RunError as error:
        return _fail(error, EXIT_FAILED)
    except KeyboardInterrupt:
        _fail("interrupted; nothing half written was left behind", EXIT_INTERRUPTED)
        if arguments is None:  # Python's own end would wait for a model that still computes
            sys.stdout.flush()
            os._exit(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read the output has stopped reading: there is no one to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor for Python at its end
        return EXIT_FAILED
    except Exception as error:
        return _fail(f"the run failed: {type(error).__name__}: {error}", EXIT_FAILED)
    return 0


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C end the run, and no further one disturb it while it cleans up."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        # Not SIG_IGN: Python reports a signal that came just before it was to be ignored.
        signal.signal(signal.SIGINT, lambda _signal, _frame: None)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if (
        in_main_thread and before is signal.default_int_handler
    ):  # in the background, Ctrl-C may be ignored already
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:  # otherwise deaf to it until the end
            signal.signal(signal.SIGINT, before)


def _fail(message: object, exit_code: int) -> int:
    print(f"posestream: {' '.join(str(message).split())}", file=sys.stderr)  # noqa: T201 -- for the user
    return exit_code


def _run(inputs: Path | None = None, **given: Any) -> None:
    # Imported when needed: the libraries behind a run take long to load, and --help does not.
    from engine.composition import run
    from engine.inputs import read_inputs
    from engine.job import Job
    from engine.progress import progress_for

    parameters = {} if inputs is None else read_inputs(inputs)
    if not given["movies"]:
        del given["movies"]
    parameters |= given
    if "output_dir" not in parameters:
        raise InputError("no output directory was given; say where with --output-dir DIR")
    result = run(Job(**{"movies": (), **parameters}), progress_for())
    for path in result.outputs:
        print(path)  # noqa: T201 -- the command's output


def _inspect(path: Path, *, as_json: bool) -> None:
    from engine.inspection import as_text, inspect

    description = inspect(path)
    print(json.dumps(description, indent=4) if as_json else as_text(description))  # noqa: T201 -- the command's output


def _demo(output_dir: Path) -> None:
    from engine.builtin import DEMO_MOVIE

    _run(
        movies=[DEMO_MOVIE],
        output_dir=output_dir,
        draw_skeleton=True,
        overwrite=output_dir == _DEMO_OUTPUT_DIR,  # elsewhere, results may be somebody's work
    )


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
    parser.set_defaults(execute=_run)
    parser.add_argument(
        "movies",
        nargs="*",
        type=_path,
        default=[],
        metavar="MOVIE",
        help=".isxb, .mp4 or .avi files of one format; several .isxb are a series in order of time",
    )
    _add_sources(parser.add_argument_group("what to read and where to write"))
    _add_analysis(parser.add_argument_group("analysis"))
    _add_drawing(parser.add_argument_group("labelled movie and previews"))


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
        "--overwrite", action="store_true", help="replace the results of an earlier run"
    )
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


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="tell what a movie or a model is",
        description="Tell what a movie is (size, rate, frames, drops, times, counters) or a "
        "model's folder (body parts, network, scorer, flavour).",
    )
    parser.set_defaults(execute=_inspect)
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
    parser.set_defaults(execute=_demo)
    parser.add_argument(
        "--output-dir",
        type=_path,
        default=_DEMO_OUTPUT_DIR,
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
