"""``odyssey-proto conformance -- COMMAND…``: a check of a client, and its scorecards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._base.errors import OdysseyConfigError
from . import _files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..conformance._scorecard import Scorecard

__all__ = ["ClientCheck", "run"]


@attrs.frozen(kw_only=True)
class ClientCheck:
    """The client to check, and the parts of the check."""

    command: list[str]
    only: str | None
    level: tuple[str, ...]
    scenario: tuple[str, ...]
    json_file: Path | None
    junit: Path | None


def run(check: ClientCheck) -> int:
    """Check a client, print its scorecards, and return the exit status.

    Raises:
        OdysseyError: the check cannot be made.
        OSError: a file cannot be written.
    """
    cards = [_shown(part(check), check) for part in _parts(check)]
    if check.json_file:
        _files.write_json(check.json_file, [card.to_dict() for card in cards])
    if check.junit:
        from ..conformance._scorecard import junit

        _files.write(check.junit, junit(cards))
    return 0 if all(card.passed for card in cards) else 1


def _parts(check: ClientCheck) -> list[Callable[[ClientCheck], Scorecard]]:
    """Return the parts to check: levels alone mean the vectors, scenarios alone the live part."""
    for part, option, other in (("live", "level", check.level), ("vectors", "scenario", check.scenario)):
        if check.only == part and other:
            raise OdysseyConfigError(f"--only {part} leaves out what --{option} chooses")
    both = bool(check.level) == bool(check.scenario)
    is_live = check.only != "vectors" and (both or bool(check.scenario))
    is_vectors = check.only != "live" and (both or bool(check.level))
    return [part for part, is_chosen in ((_vectors, is_vectors), (_live, is_live)) if is_chosen]


def _vectors(check: ClientCheck) -> Scorecard:
    from ..conformance._vectors import LEVELS, check_vectors

    return check_vectors(check.command, check.level or LEVELS)


def _live(check: ClientCheck) -> Scorecard:
    from ..conformance._live import check_live

    return check_live(check.command, check.scenario)


def _shown(card: Scorecard, check: ClientCheck) -> Scorecard:
    if not _files.is_stdout(check.json_file):
        print(card.text(), end="\n\n", flush=True)
    return card
