"""The command ``odyssey-proto``. Each subcommand is a module here that reads arguments and prints results.

The client and the emulator do the work.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING

from .._base.errors import OdysseyError
from .._version import __version__
from . import _conformance, _demo, _emulator

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 success, 1 failure, 2 bad arguments, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file on Windows may have an encoding without × and –
            stream.reconfigure(errors="replace")
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more, as after `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
        return 1
    except OdysseyError as error:
        print(f"odyssey-proto: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("odyssey-proto: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odyssey-proto", description="A blocking client for Odyssey, and its emulator."
    )
    parser.add_argument("--version", action="version", version=f"odyssey-proto {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (_demo, _emulator, _conformance):
        command.add_to(commands)
    return parser
