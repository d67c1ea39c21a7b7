"""The files that a command writes: it checks that it can write them before it begins."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from .._base.errors import OdysseyConfigError, OdysseyError
from ._output import takes_any_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["expect_folder", "expect_new", "expect_writable", "is_stdout", "naming", "write", "write_json"]


def is_stdout(path: Path | None) -> bool:
    """Return whether ``path`` stands for stdout."""
    return str(path) == "-"


def expect_new(path: Path | None, option: str, *, is_replacing: bool) -> None:
    """Refuse a file that exists, unless it may be replaced. A device, such as /dev/null, is not refused.

    Raises:
        click.BadParameter: the file that ``option`` names exists.
    """
    if path is not None and path.is_file() and not is_replacing:
        raise click.BadParameter(f"{path} exists; --force replaces it.", param_hint=f"'{option}'")


def expect_writable(*paths: Path | None) -> None:
    """Refuse a path that is a folder, is in a missing folder, or is closed to this user. Nothing is written.

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
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise OdysseyConfigError(f"{path} cannot be written: no permission")


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


@contextlib.contextmanager
def naming(path: object) -> Iterator[None]:
    """Give each `OSError` in the block a ``filename`` if it has none: the error of a full disk has none."""
    try:
        yield
    except (BrokenPipeError, OdysseyError):  # some of our errors are an `OSError` too
        raise
    except OSError as exc:
        if exc.filename is not None:
            raise
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


def write(path: Path, text: str) -> None:
    """Write a file, or to stdout.

    Raises:
        OSError: it cannot be written; ``filename`` is its path.
    """
    if is_stdout(path):
        sys.stdout.write(text)
        return
    with naming(path):
        path.write_text(text, "utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write JSON-ready data, as `write` does."""
    is_ascii = is_stdout(path) and not takes_any_text()
    write(path, json.dumps(data, indent=2, ensure_ascii=is_ascii) + "\n")
