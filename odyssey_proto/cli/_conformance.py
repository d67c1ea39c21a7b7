"""``odyssey-proto conformance``: its arguments and its report. `odyssey_proto.conformance` does the work."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._base.errors import OdysseyConfigError
from . import _conformance_client

if TYPE_CHECKING:
    import argparse

__all__ = ["add_to"]

_EPILOG = "Exit status: 0 if nothing differs from the protocol, 1 if something does, 2 if an argument is wrong."


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
    return _conformance_client.run(arguments) if arguments.command else _check_service(arguments)


def _check_service(arguments: argparse.Namespace) -> int:
    from ..conformance.service import check_service

    report = check_service(
        arguments.server,
        refused_prompt=arguments.refused_prompt,
        on_step=lambda step: print(f"{step.outcome:<8} {step.name}", file=sys.stderr, flush=True),
    )
    if arguments.json is not None:
        try:
            arguments.json.write_text(f"{json.dumps(report.to_dict(), indent=2, ensure_ascii=False)}\n", "utf-8")
        except OSError as exc:
            why = exc.strerror or exc
            raise OdysseyConfigError(f"The report cannot be written to {arguments.json}: {why}") from exc
    print(report)
    return 0 if report.ok else 1
