"""``odyssey-proto conformance``: its arguments and its report. `odyssey_proto.conformance` does the work."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Final

import click

from . import _files

__all__ = ["command"]

_LEVELS: Final = ("schema", "tolerant", "canonical", "session")
"""Copied here so that ``--help`` works without the extra."""
_FILE: Final = click.Path(path_type=Path)


@click.command(
    epilog="Exit status: 0 if nothing differs from the protocol, 1 if something does, 2 if the check cannot be "
    "made: an argument is wrong, there is no key, the client cannot be started, or a report cannot be written."
)
@click.option("--server", metavar="URL", help="Check the service at this address; its key is in ODYSSEY_API_KEY.")
@click.option("--emulator", is_flag=True, help="Check an emulator that is started for this call.")
@click.option(
    "--refused-prompt", metavar="TEXT", help="With --server: a prompt that moderation refuses, to check that."
)
@click.option(
    "--json", "json_file", type=_FILE, metavar="FILE", help="Write the report as JSON, too; - prints only JSON."
)
@click.option("--only", type=click.Choice(("vectors", "live")), help="Check only this part of a client.")
@click.option(
    "--level", multiple=True, type=click.Choice(_LEVELS), help="A level that the client claims (default: all)."
)
@click.option("--scenario", multiple=True, metavar="NAME", help="A live scenario to run (default: all).")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the scorecard as JUnit XML, too.")
@click.argument("client", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
def command(
    server: str | None,
    emulator: bool,
    refused_prompt: str | None,
    client: tuple[str, ...],
    json_file: Path | None,
    **of_client: Any,
) -> int:
    """Check a service, or a client, against the protocol.

    A client is a command after --, with its arguments: an adapter that answers on its standard output.
    """
    from .._base.errors import OdysseyError

    if (server is not None) + emulator + bool(client) != 1:
        raise click.UsageError("say what to check: --server URL, --emulator, or a client as -- COMMAND")
    others = {"refused_prompt": refused_prompt} if client else of_client
    if unused := [name for name, value in others.items() if value]:
        checked = "client" if client else "service"
        raise click.UsageError(f"--{unused[0].replace('_', '-')} is not for a check of a {checked}")
    try:
        _files.expect_writable(json_file, of_client["junit"])
        if not client:
            return _check_service(server, refused_prompt, json_file)
        from ._conformance_client import ClientCheck, run

        return run(ClientCheck(command=list(client), json_file=json_file, **of_client))
    except OdysseyError as error:  # nothing was checked
        print(f"odyssey-proto: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # 1 would say that something differs
        if error.filename is None:
            raise
        print(f"odyssey-proto: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _check_service(url: str | None, refused_prompt: str | None, json_file: Path | None) -> int:
    from ..conformance._service import check_service

    with contextlib.ExitStack() as until_the_end:
        key = None
        if url is None:  # an emulator
            from ..emulator import Emulator

            emulator = until_the_end.enter_context(Emulator())
            key, url = emulator.api_key, emulator.api_url
            refused_prompt = refused_prompt or f"something {emulator.config.blocked_words[0]}"
        report = check_service(
            url,
            key,
            refused_prompt=refused_prompt,
            on_step=lambda step: print(f"{step.outcome:<8} {step.name}", file=sys.stderr, flush=True),
        )
    if not _files.is_stdout(json_file):
        print(report)
    if json_file:
        _files.write_json(json_file, report.to_dict())
    return 0 if report.ok else 1
