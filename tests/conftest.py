"""The same result on every machine: property tests, signals, and which cases of a matrix run.

Property tests must not fail on a busy machine, and CI tests the same cases each time: with ``CI``
set, hypothesis loads its own profile ``ci``, which does both.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import engine.inference  # noqa: F401 -- keeps OpenVINO quiet, which some tests import themselves
from tests.figures import draw, undrawn

if settings.get_current_profile_name() != "ci":
    settings.register_profile(
        "posestream", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("posestream")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests a cache of their own, but for matplotlib's fonts, which take long to find."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "matplotlib").symlink_to(usual / "matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield cache


@pytest.fixture(autouse=True, scope="session")
def _undrawn_figures() -> Iterator[None]:
    """Draw no previews, except in the tests of figures, and in commands that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        draw(patch, undrawn)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark cases of a large matrix slow: all but a few, evenly from the first to the last."""
    matrices: dict[object, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("often") is not None:
            matrices.setdefault(getattr(item, "function", None), []).append(item)
    for cases in matrices.values():
        marker = cases[0].get_closest_marker("often")
        num_often = marker.args[0] if marker is not None else len(cases)
        often = {index * len(cases) // num_often for index in range(num_often)}
        for index, item in enumerate(cases):
            if index not in often:
                item.add_marker(pytest.mark.slow)


def pytest_configure() -> None:
    """Hear interrupts as in a terminal, also where a shell starts the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _signal_handlers_stay() -> Iterator[None]:
    """Fail a test that leaves a handler behind: the next interrupt would end the test process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    assert before[signal.SIGINT] is signal.default_int_handler
    yield
    after = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, before[number])
    assert after == before
