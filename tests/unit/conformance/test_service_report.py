"""The report of a check of a service: its text, its JSON, and what it leaves out."""

from __future__ import annotations

import json

import attrs
import pytest

from odyssey_proto.conformance import Fact, FactState, Finding, Rule, ServiceReport, StepResult, Violation

WRONG = Violation(
    where="GET /regions",
    part="200",
    at="/regions/0/id",
    what="it is an integer, not a string",
    rule=Rule("schemas/sessions.yaml", ("$defs", "Region", "properties", "id", "type")),
    by="service",
    value="7",
)
UNKNOWN = attrs.evolve(WRONG, kind="unknown value", what="the protocol has no such value", value="'postponed'")
FACT = Fact("RecordedEvent", Rule("schemas/recordings.yaml", ("$defs", "RecordedEvent")))
GOOD = ServiceReport(
    service="https://api.example.org",
    client="odyssey-proto 1.0",
    spec_version="1.3.0",
    steps=(StepResult("connect", "done"), StepResult("HLS", "skipped", "there is no broadcast")),
    findings=(),
    facts=(FactState(FACT, "confirmed"),),
    seen={"GET /regions: 200": 2},
)


def test_a_report_without_differences_is_good() -> None:
    assert GOOD.ok
    assert str(GOOD) == (
        "https://api.example.org, checked with odyssey-proto 1.0 against version 1.3.0 of the protocol\n\n"
        "  done     connect\n"
        "  skipped  HLS: there is no broadcast\n\n"
        "differences from spec/: none\n\n"
        "assumed facts: 1 confirmed, 0 contradicted, 0 not seen\n"
        "  confirmed    RecordedEvent"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"findings": (Finding(WRONG, 1),)},
        {"facts": (FactState(FACT, "contradicted", ("it is a list",)),)},
        {"steps": (StepResult("connect", "failed", "no answer"),)},
    ],
    ids=["a finding", "a contradicted fact", "a step that failed"],
)
def test_any_difference_makes_it_bad_and_is_named(change: dict[str, object]) -> None:
    report = attrs.evolve(GOOD, **change)
    assert (report.ok, report.to_dict()["ok"]) == (False, False)
    assert [word for word in ("not a string", "it is a list", "no answer") if word in str(report)]


def test_a_finding_names_its_place_in_the_spec_and_how_often_it_was_seen() -> None:
    assert str(Finding(WRONG, 3)) == (
        "GET /regions: 200: /regions/0/id: it is an integer, not a string "
        "(3×; spec/schemas/sessions.yaml#/$defs/Region/properties/id/type)"
    )
    assert Finding(WRONG, 3).to_dict() == {**WRONG.to_dict(), "value": None, "count": 3}


@pytest.mark.parametrize(
    ("violation", "shown"),
    [
        (UNKNOWN, "postponed"),
        (attrs.evolve(UNKNOWN, value="'a whole sentence of somebody'"), ""),
        (attrs.evolve(UNKNOWN, value="'" + 50 * "x" + "'"), ""),
        (WRONG, ""),
    ],
    ids=["a name", "a sentence", "what is too long for a name", "a value of another type"],
)
def test_only_an_unknown_name_is_shown(violation: Violation, shown: str) -> None:
    assert Finding(violation, 1).value == shown
    assert (violation.value.strip("'") in json.dumps(Finding(violation, 1).to_dict())) == bool(shown)


def test_a_key_that_is_no_name_is_masked() -> None:
    found = Finding(attrs.evolve(WRONG, at="/regions/0/https:~1~1x?sig=secret"), 1)
    assert found.at == "/regions/0/…"
    assert "secret" not in f"{found}{found.to_dict()}"


def test_a_report_is_json() -> None:
    data = json.loads(json.dumps(attrs.evolve(GOOD, findings=(Finding(UNKNOWN, 1),)).to_dict()))
    assert data["facts"] == [
        {
            "name": "RecordedEvent",
            "file": "schemas/recordings.yaml",
            "pointer": "/$defs/RecordedEvent",
            "verdict": "confirmed",
            "notes": [],
        }
    ]
    assert data["findings"][0]["value"] == "postponed"
    assert data["steps"][1] == {"name": "HLS", "outcome": "skipped", "reason": "there is no broadcast"}
