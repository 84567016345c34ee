"""The names that each package offers."""

import inspect
from types import ModuleType

import pytest

import engine
import readers
import sinks


@pytest.mark.parametrize("package", [engine, readers, sinks], ids=lambda package: package.__name__)
def test_every_public_name_is_there_once_in_order_and_says_what_it_is(package: ModuleType) -> None:
    names = package.__all__
    assert len(set(names)) == len(names)
    assert (
        sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    )
    for name in names:
        assert name.isupper() or inspect.getdoc(getattr(package, name))
