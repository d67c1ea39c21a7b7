"""Scorecards: what they add up, and how they are printed."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from odyssey_proto.conformance._scorecard import Outcome, Point, Scorecard, junit


def point(name: str, outcome: Outcome = "passed", group: str = "start", **more: Any) -> Point:
    return Point(group=group, name=name, outcome=outcome, **more)


def card(*points: Point) -> Scorecard:
    made = Scorecard("live")
    made.add(*points)
    return made


@pytest.mark.parametrize(
    ("outcomes", "passed", "percent"),
    [
        (["passed", "passed"], True, 100),
        (["passed", "failed"], False, 50),
        (["passed", "skipped"], True, 100),
        (["skipped"], False, 0),
        ([], False, 0),
        (["passed"] * 999 + ["failed"], False, 99),
    ],
)
def test_the_score_counts_what_was_looked_at(outcomes: list[Outcome], passed: bool, percent: int) -> None:
    made = card(*(point(str(number), outcome) for number, outcome in enumerate(outcomes)))
    assert (made.passed, made.to_dict()["score_percent"]) == (passed, percent)


def test_text_has_a_line_for_each_group_and_what_was_wrong_there() -> None:
    made = card(
        point("one"),
        point("two", "failed", why="it is too late", written="spec/README.md"),
        point("three", "skipped", group="broadcast", why="not supported: watch"),
    )
    assert made.text().splitlines() == [
        "start      1 of 2",
        "  ✗ two: it is too late (spec/README.md)",
        "broadcast  0 of 0, 1 skipped",
        "  – not supported: watch",
        "",
        "live: 50 % (1 of 2, 1 skipped)",
    ]


def test_text_shows_twenty_failures_of_a_group() -> None:
    lines = card(*(point(str(number), "failed", why="no") for number in range(25))).text().splitlines()
    assert lines[20:22] == ["  ✗ 19: no", "  … and 5 more"]


def test_junit_has_a_suite_for_each_group() -> None:
    text = junit([card(point("one"), point("two", "failed", why="no\x00"), point("three", "skipped", group="b"))])
    start, other = ET.fromstring(text)
    assert dict(start.attrib) == {
        "name": "live.start",
        "tests": "2",
        "failures": "1",
        "skipped": "0",
        "errors": "0",
    }
    assert dict(other.attrib) == {"name": "live.b", "tests": "1", "failures": "0", "skipped": "1", "errors": "0"}
    assert [case.get("name") for case in start] == ["one", "two"]
    failure = start[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "no\ufffd"


def test_what_a_client_says_cannot_break_a_scorecard() -> None:
    said = "a\ud83d\x00\x1b[31m<&>'\"\uffff\u2028b\r\nc"
    made = card(point(said, "failed", why=said), point("long", "failed", why="x" * 100_000))
    shown = "a\ufffd\ufffd\ufffd[31m<&>'\"\ufffd b  c"
    assert made.text().splitlines()[1] == f"  ✗ {shown}: {shown}"
    assert len(made.points[1].why) == 1000
    assert json.loads(json.dumps(made.to_dict(), ensure_ascii=False).encode()) == made.to_dict()
    case = ET.fromstring(junit([made]))[0][0]
    assert (case.get("name"), case[0].get("message")) == (shown, shown)
