"""The standard streams of a command: usable in any process, and redirected once their reader has left."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["leave_the_output", "usable_streams"]


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Let both streams take any text during the block, even if the process has none or has closed them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: a socket or a file would get its number, and C libraries would write to it
            os.open(os.devnull, os.O_RDWR)
    with contextlib.ExitStack() as until_the_end:
        for redirect, stream in (
            (contextlib.redirect_stdout, sys.stdout),
            (contextlib.redirect_stderr, sys.stderr),
        ):
            if stream is None or stream.closed:
                nowhere = until_the_end.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                until_the_end.enter_context(redirect(nowhere))
            elif isinstance(stream, io.TextIOWrapper):  # its encoding may lack letters of a path or a prompt
                stream.reconfigure(errors="replace")
        try:
            yield
        finally:
            try:
                sys.stderr.flush()
            except OSError:  # its disk is full, or its reader has left: Python would end with a status of its own
                _leave(sys.stderr)


def leave_the_output() -> None:
    """Discard output that is not flushed yet, because its reader has left."""
    _leave(sys.stdout)


def _leave(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
