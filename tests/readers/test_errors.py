"""Errors reach the user whole, also from another process."""

import pickle
from pathlib import Path

from readers import MovieError


def test_an_error_comes_back_from_another_process_as_it_was() -> None:
    error = MovieError(Path("mouse\n.isxb"), "holds no video")

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes

    assert type(copy) is MovieError
    assert str(copy) == str(error) == "mouse\\n.isxb: holds no video"
