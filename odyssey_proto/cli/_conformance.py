"""``odyssey-proto conformance``: its arguments and its report. `odyssey_proto.conformance` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _conformance_client

if TYPE_CHECKING:
    import argparse

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add this command to ``commands``."""
    parser = commands.add_parser("conformance", help="check a service, or a client, against the protocol")
    parser.add_argument(
        "--server", metavar="URL", help="check the service at this address; its key is in ODYSSEY_API_KEY"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON, too")
    _conformance_client.add_to(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command:
        return _conformance_client.run(arguments)
    from ..conformance import documents

    print(f"documents: {documents.spec_folder()}, to check {arguments.server}")
    return 0
