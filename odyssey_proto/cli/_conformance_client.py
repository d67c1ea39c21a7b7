"""``odyssey-proto conformance -- COMMAND…``: the arguments about a client, and its scorecards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import OdysseyConfigError
from . import _files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

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
    """Check the client of ``arguments``, print its scorecards, and return the exit status.

    Raises:
        OdysseyError: the check cannot be made, or a file cannot be written.
    """
    cards = [check(arguments) for check in _checks(arguments)]
    if arguments.json:
        content = [card.to_dict() for card in cards]
        _files.write(arguments.json, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    if arguments.junit:
        from ..conformance.scorecard import junit

        _files.write(arguments.junit, junit(cards))
    return 0 if all(card.passed for card in cards) else 1


def _checks(arguments: argparse.Namespace) -> list[Callable[[argparse.Namespace], Scorecard]]:
    """Return the parts to check: levels alone mean the vectors, scenarios alone the live part."""
    for part, option, other in (("live", "level", arguments.level), ("vectors", "scenario", arguments.scenario)):
        if arguments.only == part and other:
            raise OdysseyConfigError(f"--only {part} leaves out what --{option} chooses")
    both = bool(arguments.level) == bool(arguments.scenario)
    is_live = arguments.only != "vectors" and (both or bool(arguments.scenario))
    is_vectors = arguments.only != "live" and (both or bool(arguments.level))
    return [check for check, is_chosen in ((_vectors, is_vectors), (_live, is_live)) if is_chosen]


def _vectors(arguments: argparse.Namespace) -> Scorecard:
    from ..conformance.vectors import check_vectors

    return _printed(check_vectors(arguments.command, arguments.level or _LEVELS))


def _live(arguments: Any) -> Scorecard:
    from ..conformance.live import check_live

    return _printed(check_live(arguments.command, arguments.scenario or ()))


def _printed(card: Scorecard) -> Scorecard:
    print(card.text(), end="\n\n", flush=True)
    return card
