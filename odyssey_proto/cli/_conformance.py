"""``odyssey-proto conformance``: its arguments and its report. `odyssey_proto.conformance` does the work."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._base.errors import OdysseyError
from . import _conformance_client, _files
from ._ending import as_by_ctrl_c

if TYPE_CHECKING:
    import argparse

__all__ = ["add_to"]

_EPILOG = (
    "Exit status: 0 if nothing differs from the protocol, 1 if something does, 2 if the check cannot be made: an "
    "argument is wrong, there is no key, or the client cannot be started."
)


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add this command to ``commands``."""
    parser = commands.add_parser(
        "conformance", help="check a service, or a client, against the protocol", epilog=_EPILOG
    )
    parser.add_argument(
        "--server", metavar="URL", help="check the service at this address; its key is in ODYSSEY_API_KEY"
    )
    parser.add_argument(
        "--refused-prompt", metavar="TEXT", help="with --server: a prompt that its moderation refuses, to see how"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON, too")
    _conformance_client.add_to(parser)
    parser.set_defaults(run=functools.partial(_run, parser))


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if (arguments.server is None) == (not arguments.command):
        parser.error("say what to check: --server URL, or a client as -- COMMAND")
    of_client = ("only", "level", "scenario", "junit")
    others = ("refused_prompt",) if arguments.command else of_client
    if unused := [name for name in others if getattr(arguments, name)]:
        parser.error(f"--{unused[0].replace('_', '-')} is not for a check of a {_checked(arguments)}")
    try:
        with as_by_ctrl_c():
            _files.expect_writable(arguments.json, arguments.junit)
            return _conformance_client.run(arguments) if arguments.command else _check_service(arguments)
    except OdysseyError as error:  # nothing was checked
        print(f"odyssey-proto: {error}", file=sys.stderr)
        return 2


def _checked(arguments: argparse.Namespace) -> str:
    return "client" if arguments.command else "service"


def _check_service(arguments: argparse.Namespace) -> int:
    from ..conformance.service import check_service

    report = check_service(
        arguments.server,
        refused_prompt=arguments.refused_prompt,
        on_step=lambda step: print(f"{step.outcome:<8} {step.name}", file=sys.stderr, flush=True),
    )
    print(report)
    if arguments.json is not None:
        _files.write(arguments.json, json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n")
    return 0 if report.ok else 1
