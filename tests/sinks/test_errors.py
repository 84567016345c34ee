"""What libraries raise about an output becomes one line for the user."""

from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from sinks import OutputError
from sinks.files import closed_at_end, output_errors

PATH = Path("out") / "movie.mp4"


def test_an_error_of_the_system_is_told_in_its_words() -> None:
    with pytest.raises(OutputError) as caught, output_errors(PATH):
        raise OSError(errno.ENOSPC, "whatever a library says")

    assert str(caught.value) == "out/movie.mp4: cannot be written (No space left on device)"
    assert (caught.value.path, caught.value.reason) == (PATH, "No space left on device")
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_of_ffmpeg_is_one_too() -> None:
    with pytest.raises(OutputError, match="cannot be written"), output_errors(PATH):
        raise av.error.InvalidDataError(-1094995529, "Invalid data found")


def test_an_error_without_words_is_told_by_its_name() -> None:
    with pytest.raises(OutputError, match=r"\(OSError\)"), output_errors(PATH):
        raise OSError


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), output_errors(PATH):
        raise ZeroDivisionError


def test_a_part_is_named_by_the_whole() -> None:
    cause = OSError(errno.EIO, "")
    with (
        pytest.raises(OutputError) as caught,
        output_errors(PATH),
        output_errors(Path("segment")),
    ):
        raise cause

    assert str(caught.value) == "out/movie.mp4: cannot be written (Input/output error)"
    assert caught.value.__cause__ is cause


def fail_to_close() -> None:
    raise OSError(errno.EIO, "")


def test_what_fails_first_is_raised_and_not_what_fails_while_closing() -> None:
    with pytest.raises(RuntimeError, match="first"), closed_at_end(fail_to_close, PATH):
        raise RuntimeError("first")


def test_failing_to_close_is_an_error_of_its_own() -> None:
    with pytest.raises(OutputError, match="Input/output error"), closed_at_end(fail_to_close, PATH):
        pass
