"""``odyssey-proto conformance -- COMMAND…``: the arguments about a client, and its scorecards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

    from ..conformance.scorecard import Scorecard

__all__ = ["add_to", "run"]

_LEVELS: Final = ("schema", "tolerant", "canonical", "session")
"""Repeated here so that ``--help`` works without the extra."""
_ENDED_BADLY: Final = 1
_CANNOT_START: Final = 2


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
    """Check the client of ``arguments``, and print its scorecards."""
    import sys

    cards = []
    try:
        if arguments.only != "live" and not (arguments.scenario and not arguments.level):
            cards.append(_vectors(arguments))
        if arguments.only != "vectors" and not (arguments.level and not arguments.scenario):
            cards.append(_live(arguments))
    except OSError as exc:
        print(f"odyssey-proto: {arguments.command[0]} cannot be started: {exc.strerror}", file=sys.stderr)
        return _CANNOT_START
    if arguments.json:
        content = [card.to_dict() for card in cards]
        arguments.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if arguments.junit:
        from ..conformance.scorecard import junit

        arguments.junit.write_text(junit(cards), "utf-8")
    return 0 if all(card.passed for card in cards) else _ENDED_BADLY


def _vectors(arguments: argparse.Namespace) -> Scorecard:
    from ..conformance.vectors import check_vectors

    return _printed(check_vectors(arguments.command, arguments.level or _LEVELS))


def _live(arguments: Any) -> Scorecard:
    from ..conformance.live import check_live

    return _printed(check_live(arguments.command, arguments.scenario or ()))


def _printed(card: Scorecard) -> Scorecard:
    print(card.text(), end="\n\n")
    return card
