"""The assumed facts: their names, and what confirms and contradicts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto.conformance._contract import Contract
from odyssey_proto.conformance._coverage import covered
from odyssey_proto.conformance._facts import Facts, assumed_facts
from odyssey_proto.conformance._schemas import schemas
from odyssey_proto.conformance._violation import Rule, Violation

SPEC = Path(__file__).parents[3] / "spec"
JSON = {"Content-Type": "application/json"}


def test_every_assumption_in_the_documents_has_a_name_of_its_own() -> None:
    files = [*SPEC.glob("*.yaml"), *SPEC.glob("schemas/*.yaml")]
    written = sum(path.read_text("utf-8").count("x-assumed: true}") for path in files)
    written += sum(path.read_text("utf-8").count("x-assumed: true\n") for path in files)
    assert len(assumed_facts()) == written


@pytest.mark.parametrize(
    "name",
    [
        "watchBroadcast.415",
        "/whep/{resource}",
        "signaling.refused-handshake",
        "StreamErrorReason.moderation",
        "RecordedEvent",
        "SessionTokenClaims.exp",
    ],
)
def test_the_names_are_stable(name: str) -> None:
    assert schemas().node(assumed_facts()[name].rule)["x-assumed"] is True


def verdicts(facts: Facts) -> dict[str, str]:
    return {state.fact.name: state.verdict for state in facts.states() if state.verdict != "not seen"}


def test_nothing_is_known_at_first() -> None:
    assert verdicts(Facts()) == {}


def test_a_contradiction_outweighs_a_confirmation_and_keeps_each_note_once() -> None:
    facts = Facts()
    facts.confirm("RecordedEvent")
    for _ in range(2):
        facts.contradict("RecordedEvent", "it is a list")
    facts.confirm("what is not assumed any more")
    facts.contradict("what is not assumed any more", "anything")
    (state,) = [state for state in facts.states() if state.verdict != "not seen"]
    assert (state.fact.name, state.verdict, state.notes) == ("RecordedEvent", "contradicted", ("it is a list",))


def exchange(**fields: Any) -> Exchange:
    usual: dict[str, Any] = {
        "method": "GET",
        "query": (),
        "request_headers": {},
        "request_body": b"",
        "headers": {},
    }
    return Exchange(**{**usual, "path": fields["route"], "body": b"", **fields})


ERROR = {"type": "interactive_stream_error", "reason": "no_active_stream", "message": "No"}
CLAIMS = "eyJhbGciOiJIUzI1NiJ9.eyJzZXNzaW9uX2lkIjoicyIsImV4cCI6MTc2NzIyNjIwMH0.c2ln"


@pytest.mark.parametrize(
    ("seen", "confirmed"),
    [
        (
            Message(place="streamerToClient", from_client=False, text=json.dumps(ERROR), user_agent=""),
            {"StreamErrorReason.no_active_stream"},
        ),
        (exchange(method="POST", route="/whep", status=415), {"watchBroadcast.415"}),
        (exchange(method="POST", route="/whep", status=401), set()),
        (exchange(method="DELETE", route="/whep/…", status=404), {"leaveBroadcast.404"}),
        (exchange(route="/client/{session_id}", status=403), {"signaling.refused-handshake"}),
        (exchange(route="/client/{session_id}", status=101), set()),
        (
            exchange(
                method="POST",
                route="/sessions/token",
                status=200,
                headers=JSON,
                body=json.dumps({"session_token": CLAIMS}).encode(),
            ),
            {"SessionTokenClaims.exp"},
        ),
        (exchange(route="/no/such/call", status=200), set()),
        (exchange(route="/regions", status=None), set()),
    ],
)
def test_traffic_confirms_the_facts_that_it_has(seen: Any, confirmed: set[str]) -> None:
    names = Facts().rules
    places = covered(Contract(), schemas(), seen)
    assert {names[rule] for rule in places if rule in names} == confirmed


@pytest.mark.parametrize(
    ("place", "fact"),
    [
        ("schemas/recordings.yaml#/$defs/RecordedEvent/properties/timestamp_ms/type", "RecordedEvent"),
        ("schemas/recordings.yaml#/$defs/RecordedEventType", "RecordedEventType"),
        ("asyncapi.yaml#/channels/signaling/x-refused-handshake/status", "signaling.refused-handshake"),
        ("openapi.yaml#/paths/~1whep~1{resource}/delete/responses", None),
        ("openapi.yaml#/paths/~1regions/get", None),
    ],
)
def test_a_violation_contradicts_the_innermost_fact_around_it(place: str, fact: str | None) -> None:
    violation = Violation(where="x", what="x", by="service", rule=Rule.of(place))
    assert Facts().broken_by(violation) == fact
