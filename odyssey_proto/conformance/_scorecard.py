"""The scorecard of a client: one point for each check, as text, as JSON and as JUnit XML.

This module only adds up and formats. The modules that check award the points.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, Final, Literal
from xml.etree import ElementTree as ET

import attrs

from .._base.public_path import publish

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outcome", "Point", "Scorecard", "junit"]

Outcome = Literal["passed", "failed", "skipped"]

_SHOWN: Final = 20
"""How many failures of a group are printed as text; all are in the JSON and the JUnit file."""
_LONGEST_TEXT: Final = 1000  # characters


def _plain(text: str) -> str:
    """Return a text, perhaps a client's, as one short line that is safe in any terminal and in XML."""
    shown = "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text[: _LONGEST_TEXT + 1]
    )
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[: _LONGEST_TEXT - 1]}…"


@attrs.frozen(kw_only=True)
class Point:
    """One check and its result."""

    group: str
    """The level of a vector, or the name of a scenario."""
    name: str = attrs.field(converter=_plain)
    outcome: Outcome
    why: str = attrs.field(default="", converter=_plain)
    """The fault, or why the point was skipped."""
    written: str = ""
    """Where the protocol says so: a file of ``spec/``, with a pointer or a section after ``#``."""


@attrs.define
class Scorecard:
    """The points of one command.

    >>> card = Scorecard("vectors")
    >>> card.add(Point(group="tolerant", name="a lifetime in a text", outcome="passed"))
    >>> print(card.text())
    tolerant  1 of 1
    <BLANKLINE>
    vectors: 100 % (1 of 1)
    """

    title: str
    """The subject of the check."""
    points: list[Point] = attrs.field(factory=list)
    """In the order in which they were awarded."""

    def add(self, *points: Point) -> None:
        """Add points."""
        self.points.extend(points)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something passed."""
        counts = self._counts(self.points)
        return counts["failed"] == 0 and counts["passed"] > 0

    def text(self) -> str:
        """Return the scorecard as text: one line for each group, with its failures, and the sum."""
        groups: dict[str, list[Point]] = {}
        for point in self.points:
            groups.setdefault(point.group, []).append(point)
        width = max(map(len, groups), default=0)
        lines = []
        for name, points in groups.items():
            lines.append(f"{name:{width}}  {self._sum(points)}")
            failed = [point for point in points if point.outcome == "failed"]
            lines += [f"  ✗ {_line(point)}" for point in failed[:_SHOWN]]
            if len(failed) > _SHOWN:
                lines.append(f"  … and {len(failed) - _SHOWN} more")
            reasons = {point.why for point in points if point.outcome == "skipped" and point.why}
            lines += [f"  – {reason}" for reason in sorted(reasons)]
        return "\n".join([*lines, "", f"{self.title}: {self._percentage()} % ({self._sum(self.points)})"])

    def to_dict(self) -> dict[str, Any]:
        """Return the scorecard as JSON-ready data."""
        counts = self._counts(self.points)
        return {
            "title": self.title,
            "score_percent": self._percentage(),
            **{name: counts[name] for name in ("passed", "failed", "skipped")},
            "points": [attrs.asdict(point) for point in self.points],
        }

    def _percentage(self) -> int:
        counts = self._counts(self.points)
        counted = counts["passed"] + counts["failed"]
        return 100 * counts["passed"] // counted if counted else 0

    @classmethod
    def _sum(cls, points: list[Point]) -> str:
        counts = cls._counts(points)
        text = f"{counts['passed']} of {counts['passed'] + counts['failed']}"
        return f"{text}, {counts['skipped']} skipped" if counts["skipped"] else text

    @staticmethod
    def _counts(points: list[Point]) -> collections.Counter[str]:
        return collections.Counter(point.outcome for point in points)


def junit(cards: Sequence[Scorecard]) -> str:
    """Return scorecards as JUnit XML: a test case for each point, in a suite for each group."""
    root = ET.Element("testsuites", name="odyssey-proto conformance")
    for card in cards:
        groups: dict[str, list[Point]] = {}
        for point in card.points:
            groups.setdefault(point.group, []).append(point)
        for name, points in groups.items():
            counts = collections.Counter(point.outcome for point in points)
            suite = ET.SubElement(root, "testsuite", name=f"{card.title}.{name}", tests=str(len(points)))
            suite.set("failures", str(counts["failed"]))
            suite.set("errors", "0")
            suite.set("skipped", str(counts["skipped"]))
            suite.extend(_case(f"{card.title}.{name}", point) for point in points)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: str, point: Point) -> ET.Element:
    case = ET.Element("testcase", classname=suite, name=point.name)
    if point.outcome != "passed":
        kind = "failure" if point.outcome == "failed" else "skipped"
        ET.SubElement(case, kind, message=_reason(point))
    return case


def _line(point: Point) -> str:
    return f"{point.name}: {_reason(point)}"


def _reason(point: Point) -> str:
    return f"{point.why} ({point.written})" if point.written else point.why


publish("odyssey_proto.conformance", Point, Scorecard)
