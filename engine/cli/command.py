"""The command ``posestream``."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

from engine.cli.arguments import DEMO_OUTPUT_DIR, NULL_MODEL, parse
from engine.cli.standard_streams import end_at_once, put_out, set_up_streams
from engine.errors import RunError, ending_run
from engine.job.job import Job, LiveOptions
from engine.untrusted.quoting import printable
from readers import InputError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_DAMAGED = 3
"""Under ``--strict``: the run ended, but not all frames could be read."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    0, 1 for a failed run, 2 for bad input, 3 for damaged movies under ``--strict``, 128 + its
    number for a signal.
    """
    if arguments is None:
        set_up_streams()
    stop = _Stop(ends_the_process=arguments is None)
    try:
        command, options = parse(arguments)
        with stop.heard(command):
            exit_code = _COMMANDS[command](**options) or 0
    except InputError as error:
        return _fail(error, EXIT_BAD_INPUT)
    except RunError as error:
        return _fail(error, EXIT_FAILED)
    except KeyboardInterrupt as interrupt:
        message = str(interrupt) or "interrupted; nothing half written was left behind"
        _fail(message, stop.exit_code)
        if arguments is None:  # Python's own end would wait for a model that still computes
            end_at_once(stop.exit_code)
        return stop.exit_code
    except BrokenPipeError:  # the program that read the output has stopped
        return EXIT_FAILED
    except Exception as error:
        return _fail(f"the run failed: {type(error).__name__}: {error}", EXIT_FAILED)
    return exit_code


class _Stop:
    """Lets the first Ctrl-C or SIGTERM end a command in good order.

    A second one ends a run at once: durable work stays. Other commands have files to clean up, and
    do so undisturbed. A run and a recording go on when their terminal is closed, or belongs to
    another job.
    """

    def __init__(self, *, ends_the_process: bool) -> None:
        self._ends_the_process = ends_the_process
        self._number: int | None = None
        self._can_be_hurried = False

    @property
    def exit_code(self) -> int:
        """The exit code that a shell gives a command which a signal has ended."""
        return 128 + (signal.SIGINT if self._number is None else self._number)

    @contextmanager
    def heard(self, command: str) -> Iterator[None]:
        """Listen within the block, unless the caller does already or wants signals ignored."""
        self._can_be_hurried = command in ("run", "demo", "live")
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted: dict[int, Any] = {signal.SIGINT: self._hear, signal.SIGTERM: self._hear}
        if self._can_be_hurried and sys.platform != "win32":
            wanted |= {signal.SIGHUP: signal.SIG_IGN, signal.SIGTTOU: signal.SIG_IGN}
        defaults = (signal.default_int_handler, signal.SIG_DFL)
        heard = [number for number in wanted if signal.getsignal(number) in defaults]
        before = {number: signal.signal(number, wanted[number]) for number in heard}
        try:
            yield
        finally:
            # A second signal may still come until the process ends, but not after a call.
            if self._number is None or not self._ends_the_process:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
            raise KeyboardInterrupt
        if self._can_be_hurried:
            with suppress(OSError):
                os.write(2, b"posestream: stopped at once; what was durable is kept\n")
            os._exit(self.exit_code)


def _fail(message: object, exit_code: int) -> int:
    print(f"posestream: {printable(' '.join(str(message).split()))}", file=sys.stderr)  # noqa: T201 -- for the user
    return exit_code


def _tell(outputs: Iterable[Path]) -> None:
    """Print the paths of the outputs, which are whole even where that fails."""
    try:
        put_out("\n".join(printable(str(path)) for path in outputs))
    except BrokenPipeError:
        pass
    except RunError as error:
        _fail(error, EXIT_FAILED)


def _job(inputs: Path | None, given: dict[str, Any]) -> Job:
    from engine.job.inputs import read_inputs
    from engine.runs.job_sinks import output_directory

    parameters = ({} if inputs is None else read_inputs(inputs)) | given
    if "output_dir" not in parameters:
        raise InputError("no output directory was given; say where with --output-dir DIR")
    job = Job(**{"movies": (), **parameters})
    if inputs is not None:
        output_directory(job.output_dir).check_apart([inputs])
    return job


def _run(
    inputs: Path | None = None, *, strict: bool = False, source: str | None = None, **given: Any
) -> int:
    """Run a job; of what is being recorded, where a source is given."""
    # Imported when needed: the libraries behind a run take long to load, and --help does not.
    from engine.watch.progress import progress_for

    names = [one.name for one in fields(LiveOptions)]
    of_live = {name: given.pop(name) for name in names if name in given}
    is_told_all = "stdout" in of_live.get("publish", ())
    if is_told_all and sys.stdout is None:
        raise InputError("stdout: cannot be written to (it is closed)")
    if source is not None:
        from engine.runs.live import live

        job = _job(inputs, {**given, "movies": [source]})
        result = live(job, source, progress_for(), **of_live)
    else:
        from engine.runs.run import run

        if not given["movies"]:
            del given["movies"]
        result = run(_job(inputs, given), progress_for())
    if is_told_all:  # which is for poses alone
        print(*map(printable, map(str, result.outputs)), sep="\n", file=sys.stderr)  # noqa: T201
    else:
        _tell(result.outputs)
    return EXIT_DAMAGED if strict and result.is_damaged else 0


def _inspect(path: Path, *, as_json: bool = False) -> None:
    from engine.cli.inspection import as_text, inspect

    description = inspect(path)
    put_out(json.dumps(description, indent=4) if as_json else as_text(description))


def _demo(output_dir: Path = DEMO_OUTPUT_DIR) -> None:
    from engine.builtin import DEMO_MOVIE

    is_usual = output_dir == DEMO_OUTPUT_DIR
    _run(
        movies=[DEMO_MOVIE],
        output_dir=output_dir,
        draw_skeleton=True,
        overwrite=is_usual,
        resume=not is_usual,  # elsewhere, results may be of another run
    )


def _bench(
    movie: Path,
    model: Path | None = None,
    most_frames: int | None = None,
    json_path: Path | None = None,
    **given: Any,
) -> None:
    from engine.bench.measurement import measure
    from engine.bench.report import as_text
    from engine.machine.system import describe_machine
    from engine.run_folder.output_names import check_replaceable, write_marked
    from engine.watch.progress import progress_for
    from sinks import OutputError

    if most_frames is not None and most_frames < 1:
        raise InputError(f"frames {most_frames}: must be a whole number from 1")
    if json_path is not None:
        check_replaceable("json", json_path, "bench")
    is_null = model == Path(NULL_MODEL)
    job = Job(movies=[movie], output_dir=Path("unused"), model=None if is_null else model, **given)
    report = measure(job, progress_for(), is_null=is_null, most_frames=most_frames)
    try:
        if json_path is not None:
            numbers = {"machine": describe_machine(), **report.as_json()}
            with ending_run(OutputError):
                write_marked(json_path, "bench", numbers)
    finally:
        put_out(as_text(report))


_COMMANDS: dict[str, Callable[..., int | None]] = {
    "run": _run,
    "live": _run,
    "bench": _bench,
    "inspect": _inspect,
    "demo": _demo,
}
