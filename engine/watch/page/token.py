"""Where the page's token comes from."""

from __future__ import annotations

import os
from pathlib import Path

TOKEN_VARIABLE = "POSESTREAM_PREVIEW_TOKEN"  # noqa: S105 -- the name of a variable
_LONGEST_FILE = 4096


def find_token(text: str | None, path: Path | None) -> str | None:
    """Give the token that was written out, or is in a file, or else in the environment.

    What is written out stands in the list of processes, which all users of a machine can read.

    Raises
    ------
    ValueError
        In one line, without the token: if there are a text and a file, or the file cannot be
        read, can be read or written by other users, or is not one line of text.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None if text is None else text
    if text is not None:
        raise ValueError("preview token: give it as text or as a file, not both")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"preview token file {path}: cannot be read ({error.strerror})") from error
    if os.name == "posix" and mode & 0o077:
        raise ValueError(
            f"preview token file {path}: other users may use it (mode {mode & 0o777:o}), must be "
            "yours alone: chmod 600 FILE"
        )
    token = content.decode(errors="surrogateescape").strip()
    if len(content) > _LONGEST_FILE or not token.isprintable():
        raise ValueError(
            f"preview token file {path}: must hold one line of text, at most {_LONGEST_FILE} bytes"
        )
    return token
