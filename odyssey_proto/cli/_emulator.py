"""``odyssey-proto emulator``: its arguments. The emulator's own command does the serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

__all__ = ["CODECS", "add_to"]

CODECS: Final = ("h264", "vp8", "both")
"""Video codecs that an emulator can offer. Repeated here so that ``--help`` works without the extra."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add this command to ``commands``."""
    parser = commands.add_parser("emulator", help="serve the whole service on this machine")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument(
        "--allow-host", action="append", metavar="NAME", help="also answer calls to this name; repeatable"
    )
    parser.add_argument(
        "--allow-origin", action="append", metavar="ORIGIN", help="also answer pages of this origin; repeatable"
    )
    parser.add_argument("--data-dir", help="folder that keeps recordings and jobs across restarts")
    parser.add_argument(
        "--world", metavar="WORLD", help="what streams show: module:Name, a video, or a folder of pictures"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the worlds (%(default)s)")
    parser.add_argument(
        "--sloppy", type=int, metavar="SEED", help="send the forms that only tolerant readers accept, by a seed"
    )
    parser.add_argument("--codec", choices=CODECS, default="both", help="video codecs to offer (%(default)s)")
    parser.add_argument(
        "--no-stamp", dest="stamp", action="store_false", default=None, help="leave the stamp out of the pictures"
    )
    parser.add_argument("--log", action="store_true", help="write a line to stderr for each call and each message")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..emulator._command import run

    return run(arguments)
