"""The table of model formats, and the way from an export to a loaded model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.inference import deeplabcut
from engine.inference.model import MOST_IMAGES, Loading, ModelError, ModelExport, PoseModel
from engine.inference.trial import TRIED_SHAPE, GuardedModel, Load, Trial, blamed
from engine.machine.system import OutOfMemoryError, is_out_of_memory
from engine.untrusted.quoting import printable


@dataclass(frozen=True)
class ModelFormat:
    """A kind of exports. All functions are of modules, so that other processes find them."""

    name: str
    """For messages."""
    recognise: Callable[[Path], bool]
    """Tells whether a path, which need not exist, looks like such an export."""
    read: Callable[[Path], ModelExport]
    """Reads and checks an export without running anything of it; raises `ModelError`."""
    choose: Callable[[str], str]
    """Gives the runtime for the one that the user named: one of ``tensorflow`` and ``openvino``,
    or the name of another package."""
    load: Load
    """Imports a runtime, without running anything of a model; gives what loads an export on it."""


FORMATS = [
    ModelFormat(
        deeplabcut.NAME, deeplabcut.recognise, deeplabcut.read, deeplabcut.choose, deeplabcut.load
    )
]
"""The first one that recognises a folder reads it; the last one tells what is wrong with others."""


def read_export(directory: Path) -> ModelExport:
    """Read and check what is in an export's folder.

    Raises
    ------
    ModelError
        If it is no export of any of `FORMATS`, or if the names of its body parts are more than pose
        estimates can hold.
    """
    from sinks.pose_estimates import table_holds  # its libraries take long

    format_ = next((row for row in FORMATS if row.recognise(directory)), FORMATS[-1])
    export = format_.read(directory)
    if not table_holds(export.scorer, export.body_parts):
        raise ModelError(
            directory,
            f"the model has {len(export.body_parts)} body parts with names of "
            f"{sum(map(len, export.body_parts)):,} characters in all, more than the head of an .h5 "
            "table has room for (64 KiB with what belongs to them); shorten them",
        )
    return export


def load_model(
    export: ModelExport,
    runtime: str = "auto",
    *,
    image_shapes: Sequence[tuple[int, ...]] = (TRIED_SHAPE,),
    batch_size: int = 1,
    is_prompt: bool = False,
    num_sizes: int = 1,
    most_ahead: int = MOST_IMAGES,
    continues_windows: bool = False,
) -> PoseModel:
    """Load a model that was tried in another process, now or before; see `Trial`.

    Parameters
    ----------
    export, runtime
        The model, and one of `engine.job.job.RUNTIMES`: ``auto`` takes what suits the machine.
    image_shapes
        Height, width and channels of the images that will come. Others are tried when they do.
    batch_size
        How many images will come at a time.
    is_prompt, num_sizes, most_ahead, continues_windows
        See `Loading`.

    Raises
    ------
    ModelError
        If the model cannot run, or does not predict the body parts that its settings name.
    RunError
        If there is no memory for the model.
    """
    format_ = next(row for row in FORMATS if row.name == export.format)
    chosen = format_.choose(runtime)
    loading = Loading(chosen, is_prompt, num_sizes, most_ahead, continues_windows)
    trial = Trial(format_.load, export, loading, batch_size)
    with trial.trying(image_shapes):
        load = format_.load(chosen)  # while the other process does, too
    try:
        model = load(export, loading)
    except Exception as error:  # the runtimes do not say what they raise
        if is_out_of_memory(error):
            name = f"the model {printable(str(export.directory))}"
            raise OutOfMemoryError(name, "close other programs") from error
        raise ModelError(*blamed(error, export)) from error
    return GuardedModel(model, export, trial.check)
