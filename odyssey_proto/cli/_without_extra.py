"""The command without the extra ``cli``: its help, its version, and the emulator if that is installed."""

from __future__ import annotations

import sys
from typing import Final

from .._version import __version__

__all__ = ["run"]

_NEEDED: Final = 'The command needs more packages: pip install "odyssey-proto[cli]"'
_HELP: Final = f"""Usage: odyssey-proto COMMAND

{_NEEDED}

Without them:
  emulator   serves the whole service on this machine; needs odyssey-proto[emulator]
  --version
  --help     this text
"""


def run(argv: list[str] | None) -> int:
    """Run the command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments[:1]:
        case ["--version" | "-V"]:
            print(f"odyssey-proto {__version__}")
        case ["--help" | "-h"]:
            print(_HELP, end="")
        case ["help"]:
            if arguments[1:2] == ["emulator"]:
                return _emulator(["--help"])
            print(_HELP, end="")
        case ["emulator"]:
            return _emulator(arguments[1:])
        case []:
            print(_HELP, end="", file=sys.stderr)
            return 2
        case _:
            print(f"odyssey-proto: {_NEEDED}", file=sys.stderr)
            return 1
    sys.stdout.flush()
    return 0


def _emulator(arguments: list[str]) -> int:
    from .._base.errors import OdysseyError
    from . import _exit_status

    try:
        from ..emulator._command import main

        return main(arguments, "odyssey-proto emulator")
    except OdysseyError as error:
        print(f"odyssey-proto: {error}", file=sys.stderr)
        return _exit_status.of(error)
