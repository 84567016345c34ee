"""Libraries that are installed only where they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from readers import InputError


def import_extra(module: str, extra: str) -> Any:
    """Import a library that one of posestream's extras installs.

    Raises
    ------
    InputError
        If it is not installed; the message says how to do that.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{extra}: needs {module}, which is not installed: pip install 'posestream[{extra}]'"
        ) from error
