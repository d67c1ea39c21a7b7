"""The command ``odyssey-proto``. Each subcommand is a module here that reads arguments and prints results.

The client and the emulator do the work. What the subcommands share is in `_app` (the list of them), `_options`,
`_access` (which service is asked, with which key) and `_output` (results, progress). They are built on Click and
Rich, from the extra ``cli``; without it, only the emulator, the help and the version work.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from ._streams import leave_the_output, usable_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 success, 130 interrupted; `_exit_status` lists the others."""
    with usable_streams():
        try:
            return _run(None if argv is None else list(argv))
        except BrokenPipeError:  # the reader of the output has left, as `head` does
            leave_the_output()
            return 1
        except KeyboardInterrupt:  # while the command was being loaded; later, `_app` and the subcommands see it
            print("odyssey-proto: interrupted", file=sys.stderr)
            return 130


def _run(argv: list[str] | None) -> int:
    # Missing packages are found before anything is loaded, so that no other error is mistaken for them.
    if importlib.util.find_spec("click") is None:
        from . import _without_extra

        return _without_extra.run(argv)
    from . import _app

    return _app.run(argv)
