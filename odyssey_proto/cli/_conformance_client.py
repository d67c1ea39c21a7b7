"""``odyssey-proto conformance -- COMMAND…``: the arguments about a client, and its scorecards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    import argparse

    from ..conformance.scorecard import Scorecard

__all__ = ["add_to", "run"]

_LEVELS: Final = ("schema", "tolerant", "canonical", "session")
"""Repeated here so that ``--help`` works without the extra."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the arguments about a client to ``parser``, which has ``--json`` already."""
    parser.add_argument(
        "command", nargs="*", metavar="COMMAND", help="check this client: an adapter, after --, with its arguments"
    )
    parser.add_argument("--only", choices=("vectors", "live"), help="check one part of a client (both)")
    parser.add_argument(
        "--level", action="append", choices=_LEVELS, help="a level of vectors that the client claims (all)"
    )
    parser.add_argument("--scenario", action="append", metavar="NAME", help="a live scenario to run (all)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the scorecard as JUnit XML, too")


def run(arguments: argparse.Namespace) -> int:
    """Check the client of ``arguments``, print its scorecards, and return the exit status."""
    cards = []
    try:
        if arguments.only != "live" and not (arguments.scenario and not arguments.level):
            cards.append(_vectors(arguments))
        if arguments.only != "vectors" and not (arguments.level and not arguments.scenario):
            cards.append(_live(arguments))
    except OSError as exc:
        print(f"odyssey-proto: {arguments.command[0]} cannot be started: {exc.strerror}", file=sys.stderr)
        return 2
    if arguments.json:
        content = [card.to_dict() for card in cards]
        _write(arguments.json, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    if arguments.junit:
        from ..conformance.scorecard import junit

        _write(arguments.junit, junit(cards))
    return 0 if all(card.passed for card in cards) else 1


def _vectors(arguments: argparse.Namespace) -> Scorecard:
    from ..conformance.vectors import check_vectors

    return _printed(check_vectors(arguments.command, arguments.level or _LEVELS))


def _live(arguments: Any) -> Scorecard:
    from ..conformance.live import check_live

    return _printed(check_live(arguments.command, arguments.scenario or ()))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as exc:
        raise OdysseyConfigError(f"The scorecard cannot be written to {path}: {exc.strerror or exc}") from exc


def _printed(card: Scorecard) -> Scorecard:
    print(card.text(), end="\n\n")
    return card
