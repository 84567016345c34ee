"""An output is a row of one table: all that is said and done of outputs derives from it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import CropRectangle, InputError, Job, run
from engine.bench.costs import load_null_model, measure_stages
from engine.run_folder.replay import MovieSource
from engine.runs import job_sinks
from engine.runs.job_sinks import OUTPUTS, JobSinks, Output
from readers import inspect_movie
from sinks import PoseBatch, Sink, whole_file
from tests.engine.stopping import NUM_FRAMES, Loader, contents, images_seen, job_for, resume
from tests.outputs import OUTPUTS_OF_ONE_MOVIE
from tests.small_movies import small_movie

pytestmark = pytest.mark.usefixtures("short_segments")
README = Path(__file__).parents[3] / "README.md"


class Lines:
    """A sink that writes a line for each frame."""

    def __init__(self, path: Path, line: Callable[[PoseBatch, int], str]) -> None:
        self._path, self._line = path, line

    def __enter__(self) -> "Lines":
        self._file = whole_file(self._path)
        self._temporary = self._file.__enter__()
        return self

    def write(self, batch: PoseBatch) -> None:
        with self._temporary.open("a") as file:
            file.writelines(f"{self._line(batch, row)}\n" for row in range(len(batch)))

    def __exit__(self, *exception: object) -> None:
        self._file.__exit__(*exception)  # type: ignore[arg-type]


def positions(_sinks: JobSinks, paths: Sequence[Path], _movie: MovieSource) -> Sink:
    return Lines(paths[0], lambda batch, row: str(batch.poses[row, 0, 0]))


def brightness(_sinks: JobSinks, paths: Sequence[Path], _movie: MovieSource) -> Sink:
    """A picture is needed for each frame, and nothing of a stopped run helps."""
    return Lines(paths[0], lambda batch, row: f"{batch.frames.images[row].mean():.3f}")


POSITIONS = Output("positions", ("positions.{movie}.txt",), make=positions)
BRIGHTNESS = Output(
    "brightness",
    ("bright.{movie}.txt",),
    make=brightness,
    num_finished_frames=lambda _: 0,
    describe=lambda _, result: {"numFrames": result.num_frames},
)
OWN = {"positions.0.txt", "bright.0.txt"}


@contextmanager
def registered(*rows: Output) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_sinks, "OUTPUTS", (*OUTPUTS, *rows))
        yield


@pytest.fixture
def own_outputs() -> Iterator[None]:
    with registered(POSITIONS, BRIGHTNESS):
        yield


@pytest.mark.usefixtures("own_outputs")
def test_a_row_is_made_named_and_described(recording: Path, tmp_path: Path) -> None:
    result = run(job_for([recording], tmp_path), load=Loader())

    assert {path.name for path in result.outputs} == OUTPUTS_OF_ONE_MOVIE | OWN
    assert set(contents(tmp_path)) == OUTPUTS_OF_ONE_MOVIE | OWN
    assert len((tmp_path / "bright.0.txt").read_text().split()) == NUM_FRAMES
    metadata = json.loads((tmp_path / "output_metadata.json").read_text())
    assert metadata["positions.0"] == metadata["dlc_annotations"]
    assert metadata["bright.0"] == {"numFrames": NUM_FRAMES, **metadata["dlc_annotations"]}
    assert list(metadata)[-1] == "posestream"


def test_data_are_in_saved_coordinates_and_drawn_poses_are_as_on_the_picture(
    tmp_path: Path,
) -> None:
    movie = small_movie(tmp_path / "movie.avi")
    drawn = replace(POSITIONS, files=("drawn.{movie}.txt",), num_finished_frames=lambda _: 0)
    job = Job([movie], tmp_path / "out", crop_rect=CropRectangle(8, 4, 64, 48), coordinates="movie")
    with registered(POSITIONS, drawn):
        run(job, load=load_null_model)

    saved, on_picture = (
        [float(line) for line in (job.output_dir / name).read_text().split()]
        for name in ("positions.0.txt", "drawn.0.txt")
    )
    assert [x - 8 for x in saved] == on_picture


def test_what_an_earlier_run_made_is_told_overwritten_and_removed(
    recording: Path, tmp_path: Path
) -> None:
    job = job_for([recording], tmp_path)
    (tmp_path / "positions.7.txt").touch()
    with registered(POSITIONS):
        with pytest.raises(InputError, match=r"already holds results \(positions\.7\.txt\)"):
            run(job, load=Loader())
        run(replace(job, overwrite=True), load=Loader())
    assert set(contents(tmp_path)) == OUTPUTS_OF_ONE_MOVIE | {"positions.0.txt"}

    with pytest.raises(InputError, match="already holds results"):
        run(job, load=Loader())
    run(replace(job, overwrite=True), load=Loader())  # the name is of no output any more
    assert set(contents(tmp_path)) == OUTPUTS_OF_ONE_MOVIE | {"positions.0.txt"}


@pytest.mark.often(1)
@pytest.mark.usefixtures("own_outputs")
@pytest.mark.parametrize("stop_after", [3, 20, 40])
def test_a_stopped_run_makes_it_whole(recording: Path, tmp_path: Path, stop_after: int) -> None:
    at_once, stopped = (job_for([recording], tmp_path / name) for name in ("once", "stopped"))
    seen = images_seen(at_once)

    images_seen(stopped, stop_after)
    assert set(OWN).isdisjoint(path.name for path in stopped.output_dir.iterdir())
    assert resume(stopped) <= seen
    assert contents(stopped.output_dir) == contents(at_once.output_dir)


@pytest.mark.often(1)
@pytest.mark.usefixtures("own_outputs")
@pytest.mark.parametrize("name", sorted(OWN))
def test_what_others_changed_is_made_again(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    job = job_for([recording], tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("engine.run_folder.unfinished.UnfinishedRun.remove", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(job, load=Loader())
    before = contents(tmp_path)[name]
    (tmp_path / name).write_text("something else")

    assert resume(job) == 0
    assert contents(tmp_path)[name] == before


@pytest.mark.usefixtures("own_outputs")
def test_a_benchmark_measures_it(tmp_path: Path) -> None:
    movie = inspect_movie(small_movie(tmp_path / "movie.avi"))
    job = Job([movie.path], tmp_path / "out")
    job.output_dir.mkdir()

    costs = measure_stages(lambda _: None, job, movie, 9, 1e9)

    assert list(costs.by_stage)[3:] == [
        "labelled movie",
        "brightness",
        "pose estimates",
        "annotations",
        "previews",
        "positions",
    ]


def test_the_readme_names_all_outputs() -> None:
    told = README.read_text()
    for output in OUTPUTS:
        for name in output.files:
            stem = name.replace("{movie}", "<i>").replace("{format}", "parquet")
            assert f"`{stem}`" in told
