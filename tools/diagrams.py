"""Writes the table of `tools.moments` and the state diagrams, made from the core's tables, into ARCHITECTURE.md.

`python -m tools.diagrams` writes them between their markers; with `--check` it only reports whether they differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs

from odyssey_proto.core.inputs import Due, Fault
from odyssey_proto.core.session_machine import SESSION_TABLE, SessionState
from odyssey_proto.core.spectator_machine import SPECTATOR_TABLE, SpectatorState
from odyssey_proto.core.stream_machine import STREAM_TABLE, StreamState
from tools import moments

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

    from odyssey_proto.core.machine import Key, Row

__all__ = ["DIAGRAMS", "Diagram", "drawn", "main", "renewed"]

_DOCUMENT: Final = Path(__file__).resolve().parents[1] / "ARCHITECTURE.md"
_BEGIN: Final = "<!-- state diagrams: made by `python -m tools.diagrams`, do not edit -->\n"
_END: Final = "<!-- end of the state diagrams -->\n"
_MANY: Final = 5  # from this number of arrows for one input to one state, a sentence replaces them
_FAULTS: Final = frozenset(get_args(Fault))


@attrs.frozen
class Diagram:
    """One state machine to draw."""

    heading: str
    rows: tuple[Row[Any], ...]
    states: type[Enum]
    """Its states, the initial one first."""


DIAGRAMS: Final = (
    Diagram("The session", SESSION_TABLE, SessionState),
    Diagram("The stream, while the session is connected", STREAM_TABLE, StreamState),
    Diagram("The spectator", SPECTATOR_TABLE, SpectatorState),
)


def drawn(diagram: Diagram) -> str:
    """Return the diagram as a section of Markdown."""
    states = list(diagram.states)
    moves = [
        (state, row.target, row)
        for row in diagram.rows
        for state in row.states
        if row.target is not None and row.target is not state
    ]
    final = [state for state in states if all(row.on in _FAULTS for source, _, row in moves if source is state)]
    sources: dict[tuple[Key, Enum], set[Enum]] = {}
    for source, target, row in moves:
        sources.setdefault((row.on, target), set()).add(source)
    from_all = {
        key for key, found in sources.items() if len(found) >= _MANY and found >= {*states} - {*final, key[1]}
    }
    arrows: dict[tuple[Enum, Enum], list[str]] = {}
    for source, target, row in moves:
        if (row.on, target) not in from_all:
            arrows.setdefault((source, target), []).append(_label(row))
    lines = [f"### {diagram.heading}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {states[0].value}"]
    for source in states:
        for target in states:
            if labels := arrows.get((source, target)):
                lines.append(f"    {source.value} --> {target.value}: {'<br>'.join(_once(labels))}")
    lines += [f"    {state.value} --> [*]" for state in final]
    lines += ["```", ""]
    if from_all:
        said = [f"`{_name(on)}` leads to {target.value}" for (on, target) in sources if (on, target) in from_all]
        lines += [f"From every state that is not final, {', '.join(said)}.", ""]
    return "\n".join(lines)


def _label(row: Row[Any]) -> str:
    guard = "" if row.guard is None else f" [{row.guard.__name__.replace('_', ' ')}]"
    return _name(row.on) + guard


def _name(on: Key) -> str:
    return on.value if isinstance(on, Due) else on.__name__


def _once(labels: list[str]) -> Iterable[str]:
    """Drop repeated labels, and conditional ones whose input also occurs without a condition."""
    return dict.fromkeys(label for label in labels if " [" not in label or label.split(" [")[0] not in labels)


def renewed(text: str, diagrams: Iterable[Diagram] = DIAGRAMS) -> str:
    """Return the document with its diagrams generated again."""
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    return before + _BEGIN + "\n" + "\n".join(map(drawn, diagrams)) + _END + after


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.diagrams", description="Draw the states of the core.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything differs")
    parser.add_argument(
        "--document", type=Path, default=_DOCUMENT, help="file to write (default: ARCHITECTURE.md)"
    )
    options = parser.parse_args(arguments)
    text = options.document.read_text("utf-8")
    fresh = moments.renewed(renewed(text))
    if options.check:
        print(f"{options.document.name} {'is up to date' if fresh == text else 'differs: run make generate'}")
        return int(fresh != text)
    options.document.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
