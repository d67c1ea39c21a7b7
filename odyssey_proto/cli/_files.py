"""The files that a check writes: whether they can be written is looked at before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["expect_writable", "write"]


def expect_writable(*paths: Path | None) -> None:
    """Refuse a path that is a folder, or in a folder that does not exist. Nothing is written.

    Raises:
        OdysseyConfigError: a file there cannot be written.
    """
    for path in filter(None, paths):
        if path.is_dir():
            raise OdysseyConfigError(f"{path} cannot be written: it is a folder")
        if not path.absolute().parent.is_dir():
            raise OdysseyConfigError(f"{path} cannot be written: its folder does not exist")


def write(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        OdysseyConfigError: it cannot be written.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as exc:
        raise OdysseyConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc
