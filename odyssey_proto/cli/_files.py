"""The files that a command writes: it checks that it can write them before it begins."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from .._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["expect_folder", "expect_writable", "is_stdout", "write", "write_json"]


def is_stdout(path: Path | None) -> bool:
    """Return whether ``path`` stands for stdout."""
    return str(path) == "-"


def expect_writable(*paths: Path | None) -> None:
    """Refuse a path that is a folder, or in a folder that does not exist. Nothing is written.

    Raises:
        OdysseyConfigError: a file there cannot be written.
    """
    for path in filter(None, paths):
        if is_stdout(path):
            continue
        if path.is_dir():
            raise OdysseyConfigError(f"{path} cannot be written: it is a folder")
        if not path.absolute().parent.is_dir():
            raise OdysseyConfigError(f"{path} cannot be written: its folder does not exist")


def expect_folder(folder: Path) -> None:
    """Refuse a folder in which no file can be created; a missing one is created later.

    Raises:
        OdysseyConfigError: something else is in its place, or it is not writable.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise OdysseyConfigError(f"{folder} cannot be a folder: {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OdysseyConfigError(f"{folder} cannot be written to: no permission")


def write(path: Path, text: str) -> None:
    """Write a file, or to stdout.

    Raises:
        OdysseyConfigError: it cannot be written.
    """
    if is_stdout(path):
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as exc:
        raise OdysseyConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def write_json(path: Path, data: Any) -> None:
    """Write JSON-ready data, as `write` does."""
    write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
