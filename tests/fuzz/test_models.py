"""Whatever a model, its settings or an input file hold: one line, or a model that runs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from random import Random

import numpy as np
import pytest

from engine.errors import RunError
from engine.inference import load_model, read_export, trial
from engine.job.inputs import read_inputs
from engine.job.job import Job
from engine.job.overlay_style import find_skeleton
from engine.machine.system import OutOfMemoryError
from readers import InputError
from tests.exports import BUILT_IN_GRAPH, export_folder, names
from tests.fuzz.forked import ForkedChild
from tests.fuzz.graphs import NUM_BODY_PARTS, small_network, spoiled
from tests.fuzz.harness import MOST_SECONDS, Mutation, Target, fuzz, problem_of
from tests.fuzz.mutations import mutated

PICTURE = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3), np.uint8)
FAILED = Path(__file__).parent / "failed"
NUM_OFTEN = 30
NUM_SLOW = 10_000
LONGEST_MESSAGE = 600
TRIAL_S = 100.0
"""Longer than a trial may take, which ends a hang by itself."""
MOST_PER_PROCESS = 250
"""The runtimes keep some memory of each model, and the limit is that of the whole process."""


@pytest.fixture(autouse=True)
def little_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each of the runtimes' threads from reserving 64 MiB that it may never use."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")


@cache
def folder() -> Path:
    """Give a folder that lasts as long as the process."""
    return Path(tempfile.mkdtemp(prefix="posestream-fuzz-"))


@contextmanager
def short_message() -> Iterator[None]:
    """Let no message through that a user cannot read at a glance."""
    try:
        yield
    except InputError as error:
        if len(str(error)) > LONGEST_MESSAGE:
            raise AssertionError(f"a message of {len(str(error))} characters") from None
        raise


@contextmanager
def quick_trials() -> Iterator[None]:
    """Try models in forked processes, and remember none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "Child", ForkedChild)
        patch.setenv("XDG_CACHE_HOME", os.devnull)
        yield


@short_message()
def load(runtime: str, graph: bytes) -> None:
    """Use bytes as the graph of an export, with fitting settings, and look at a picture."""
    export = folder() / "export"
    if not export.exists():
        export_folder(export, graph, all_joints_names=names(NUM_BODY_PARTS))
    (export / "snapshot-10.pb").write_bytes(graph)
    with quick_trials():
        model = load_model(read_export(export), runtime, image_shapes=[PICTURE.shape[1:]])
    try:
        model.predict(PICTURE)
    except OutOfMemoryError:
        raise
    except RunError as error:  # of the picture's poses
        raise InputError(str(error)) from error
    finally:
        model.close()


@short_message()
def read_settings(text: bytes) -> None:
    """Use bytes as the settings of the built-in model."""
    export = folder() / "settings"
    if not export.exists():
        export_folder(export)
    (export / "pose_cfg.yaml").write_bytes(text)
    assert len(read_export(export).scorer) < 1000


@short_message()
def read_config(text: bytes) -> None:
    """Use bytes as a project's config.yaml."""
    path = folder() / "config.yaml"
    path.write_bytes(text)
    find_skeleton(str(path), ("snout", "leftear", "tail-base"))


@short_message()
def read_json(text: bytes) -> None:
    """Use bytes as an input file."""
    path = folder() / "inputs.json"
    path.write_bytes(text)
    Job(**({"movies": ["a.avi"], "output_dir": "output"} | read_inputs(path)))


SETTINGS = (BUILT_IN_GRAPH.parent / "pose_cfg.yaml").read_bytes()
CONFIG = b"""Task: openfield
video_sets: &movies
  /data/m4s1.mp4: {crop: "0, 640, 0, 480"}
more: *movies
bodyparts: [snout, leftear, tail-base]
skeleton:
- - snout
  - leftear
- [snout, tail-base]
skeleton_color: black
pcutoff: 0.4
"""
INPUTS = json.dumps(
    {
        "movie_files": ["a.avi", "b.avi"],
        "output_dir": "output",
        "crop_rect": [{"left": 1, "top": 2.5, "width": 30, "height": 40}],
        "window_length": 5,
        "p_cutoff": 0.6,
        "displayed_body_parts": "all",
        "color_map": "rainbow",
        "keypoints_only": False,
        "output_frame_rate": 20.5,
        "skeleton": "nose-neck",
    },
    indent=1,
).encode()
_TOKENS = (
    *(b"[", b"]", b"{", b"}", b"[" * 3000, b"&a ", b"*a", b"<<: *a\n", b"- ", b": ", b", ", b"? "),
    *(b"!!python/object/new:os.system ", b"!!binary ", b"!!set ", b"| ", b"> ", b"%YAML 9.9\n"),
    *(
        b".nan",
        b".inf",
        b"1e999",
        b"9" * 5000,
        b"NaN",
        b"null",
        b"~",
        b"true",
        b"--- ",
        b"...",
        b"#",
    ),
    *(
        b'"',
        b"'",
        b"\\ud800",
        b"\\n",
        b"\n",
        b"\t",
        b"\0",
        b"\x1b[2J",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(b"a" * 20_000, b"1:2:3:4", b"2020-13-45", b"0x", b"0b1", b"1_0", "\u202e\u2028é".encode()),
)


def rewritten(random: Random, data: bytes) -> bytes:
    """Put what means something to a parser of texts into a text."""
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(data) + 1)
        data = data[:place] + random.choice(_TOKENS) + data[place + random.choice((0, 0, 1, 8)) :]
    return mutated(random, data) if random.random() < 0.3 else data


def assert_none_fails(
    target: Target,
    intact: list[bytes],
    mutate: Mutation,
    seeds: range,
    most_seconds: float = MOST_SECONDS,
) -> None:
    failures = []
    for first in range(0, len(seeds), MOST_PER_PROCESS):
        some = seeds[first : first + MOST_PER_PROCESS]
        failures += fuzz(target, intact, mutate, some, FAILED, most_seconds)
    assert not failures, "\n".join(map(str, failures))


def graphs() -> list[bytes]:
    return [small_network(), small_network(False)]


TEXTS = [(read_settings, SETTINGS), (read_config, CONFIG), (read_json, INPUTS)]


@pytest.mark.often(1)
@pytest.mark.parametrize("mutate", [mutated, spoiled])
def test_a_graph_for_openvino(mutate: Mutation) -> None:
    assert_none_fails(partial(load, "openvino"), graphs(), mutate, range(NUM_OFTEN), TRIAL_S)


@pytest.mark.often(1)
@pytest.mark.parametrize(("target", "intact"), TEXTS)
def test_a_text(target: Target, intact: bytes) -> None:
    assert_none_fails(target, [intact], rewritten, range(2 * NUM_OFTEN))


@pytest.mark.slow
@pytest.mark.parametrize("mutate", [mutated, spoiled])
def test_many_graphs_for_openvino(mutate: Mutation) -> None:
    assert_none_fails(partial(load, "openvino"), graphs(), mutate, range(NUM_SLOW // 2), TRIAL_S)


@pytest.mark.slow
@pytest.mark.parametrize("mutate", [mutated, spoiled])
def test_many_graphs_for_tensorflow(mutate: Mutation) -> None:
    assert_none_fails(partial(load, "tensorflow"), graphs(), mutate, range(NUM_SLOW // 20), TRIAL_S)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "intact"), TEXTS)
def test_many_texts(target: Target, intact: bytes) -> None:
    assert_none_fails(target, [intact], rewritten, range(NUM_SLOW))


TEXT_TARGETS = {target.__name__: target for target, _ in TEXTS}


FAILED_TEXTS = sorted(path for name in TEXT_TARGETS for path in FAILED.glob(f"{name}-*"))


@pytest.mark.parametrize("path", FAILED_TEXTS, ids=lambda path: path.name)
def test_texts_that_once_failed(path: Path) -> None:
    with suppress(InputError):
        TEXT_TARGETS[path.name.rpartition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("path", sorted(FAILED.glob("load-*")), ids=lambda path: path.name)
@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_graphs_that_once_failed(path: Path, runtime: str) -> None:
    assert problem_of(partial(load, runtime), graphs(), path.read_bytes(), TRIAL_S) is None
