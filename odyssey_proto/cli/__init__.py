"""The command ``odyssey-proto``. Each subcommand is a module here that reads arguments and prints results.

The client and the emulator do the work.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .._base.errors import OdysseyError
from .._version import __version__
from . import _conformance, _demo, _emulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 success, 1 failure, 2 bad arguments, 130 interrupted."""
    with _usable_streams():
        try:
            arguments = _parser().parse_args(argv)
            status: int = arguments.run(arguments)
            sys.stdout.flush()
        except OdysseyError as error:
            print(f"odyssey-proto: {error}", file=sys.stderr)
            return 1
        except BrokenPipeError:  # the reader of the output has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
            return 1
        except KeyboardInterrupt:
            print("odyssey-proto: interrupted", file=sys.stderr)
            return 130
        return status


@contextlib.contextmanager
def _usable_streams() -> Iterator[None]:
    """Let both streams take any text during the block, also if the process has none or has closed them."""
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
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odyssey-proto", description="A blocking client for Odyssey, and its emulator."
    )
    parser.add_argument("--version", action="version", version=f"odyssey-proto {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (_demo, _emulator, _conformance):
        command.add_to(commands)
    return parser
