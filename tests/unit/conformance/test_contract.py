"""The contract and the witness, which watches every test: what they report, and what they ignore."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import Odyssey
from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto.conformance._contract import Contract, contract, request_alone
from odyssey_proto.conformance._violation import Rule
from odyssey_proto.conformance._witness import Witness
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._traffic import watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto._model.traffic import Seen

OURS = "odyssey-proto/1.0"
JSON = {"Content-Type": "application/json; charset=utf-8"}
LIST = {"jobs": [], "total": 0, "limit": 20, "offset": 0}
CONFORMS = Exchange(
    method="GET",
    route="/simulation-jobs",
    path="/simulation-jobs",
    query=(("limit", "20"), ("active", "true")),
    request_headers={"User-Agent": OURS, "Authorization": "Bearer x"},
    request_body=b"",
    status=200,
    headers=JSON,
    body=json.dumps(LIST).encode(),
    injected=False,
)
POST = attrs.evolve(
    CONFORMS,
    method="POST",
    route="/sessions/token",
    path="/sessions/token",
    query=(),
    request_headers={**CONFORMS.request_headers, **JSON},
    request_body=b'{"session_id": "s"}',
    body=json.dumps({"session_token": "e.e30.e", "expires_in": 600}).encode(),
)
PING = attrs.evolve(CONFORMS, route="/ping/{region}", path="/ping/here", query=(), request_headers={})
HANDSHAKE = attrs.evolve(
    CONFORMS,
    route="/signaling/client/{session_id}",
    path="/signaling/client/s",
    query=(("token", "t"),),
    request_headers={"User-Agent": OURS},
    status=101,
    headers={},
    body=None,
)


def objections(seen: Seen) -> list[str]:
    return [str(found) for found in contract(("odyssey-proto/",)).violations(seen)]


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


def message(place: Any, content: Any, *, by: str = OURS, injected: bool = False) -> Message:
    return Message(
        place=place.removesuffix(", client"),
        from_client="client" in place.split(", ") or place == "clientToStreamer",
        text=content if isinstance(content, str | bytes) else json.dumps(content),
        user_agent=by,
        injected=injected,
    )


@pytest.mark.parametrize(
    "seen",
    [
        CONFORMS,
        PING,
        HANDSHAKE,
        attrs.evolve(CONFORMS, status=None, headers={}, body=None),
        attrs.evolve(CONFORMS, status=401, body=body({"detail": "Not authenticated"})),
        attrs.evolve(HANDSHAKE, status=403, headers=JSON, body=body({"detail": "No"})),
        attrs.evolve(CONFORMS, route="/artifacts/{stream_id}/{name}", headers={}, body=None),
        message("signaling", {"type": "offer", "sdp": "v=0"}),
        message("signaling, client", {"type": "keepalive"}),
        message("clientToStreamer", {"type": "update", "prompt": "A cat"}),
        message("streamerToClient", {"type": "stream_ended"}),
    ],
    ids=lambda seen: f"{seen.path} {seen.status}" if isinstance(seen, Exchange) else seen.place,
)
def test_what_conforms_is_let_through(seen: Seen) -> None:
    assert objections(seen) == []


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        ({"body": body({**LIST, "total": "0"})}, "200: /total: it is a string, not an integer"),
        ({"body": body({**LIST, "jobs": [{"job_id": "j"}]})}, "200: /jobs/0: it lacks 'status'"),
        ({"body": body({**LIST, "totl": 0})}, "200: /totl: the protocol has no such field"),
        ({"body": b"{"}, "200: it is not JSON"),
        ({"body": b"[NaN]"}, "200: it is not JSON"),
        ({"body": b'"\xff"'}, "200: it is not UTF-8"),
        ({"body": None}, "200: its body was streamed"),
        ({"headers": {"Content-Type": "text/html"}}, "200: its Content-Type is 'text/html', not application/json"),
        ({"status": 500}, "500: the protocol has no such answer"),
        ({"status": 401}, "401: it lacks 'detail'"),
    ],
)
def test_an_answer_that_does_not_conform_is_objected_to(answer: Any, objection: str) -> None:
    found = objections(attrs.evolve(CONFORMS, **answer))
    assert any(text.startswith(f"GET /simulation-jobs: {objection}") for text in found)


@pytest.mark.parametrize(
    ("request_", "objection"),
    [
        ({"request_body": b'{"session_id": 5}'}, "request: /session_id: it is an integer, not a string"),
        (
            {"request_body": b'{"session_id": "s", "sesion": 1}'},
            "request: /sesion: the protocol has no such field",
        ),
        ({"request_body": b'{"session_id": ""}'}, "request: /session_id: it has fewer than 1 characters"),
        ({"request_body": b""}, "request: it is not JSON"),
        ({"request_headers": {"User-Agent": OURS, **JSON}}, "request: no bearer token"),
        ({"query": (("limit", "5"),)}, "request: the query has 'limit', which the protocol does not define"),
    ],
)
def test_a_request_of_our_client_that_does_not_conform_is_objected_to(request_: Any, objection: str) -> None:
    (found, *_) = objections(attrs.evolve(POST, **request_, status=None))
    assert found.startswith(f"POST /sessions/token: {objection}")


@pytest.mark.parametrize("query", [("limit", "0"), ("limit", "many"), ("active", "yes"), ("offset", "-1")])
def test_an_argument_that_its_schema_refuses_is_objected_to(query: tuple[str, str]) -> None:
    (found,) = objections(attrs.evolve(CONFORMS, query=(query,)))
    assert found.startswith(f"GET /simulation-jobs: query {query[0]}: ")


@pytest.mark.parametrize("seen", [PING, HANDSHAKE], ids=["a ping", "a handshake"])
def test_a_token_that_goes_where_it_does_not_belong_is_objected_to(seen: Exchange) -> None:
    headers = {"User-Agent": OURS, "Authorization": "Bearer x"}
    (found,) = objections(attrs.evolve(seen, request_headers=headers))
    assert "a bearer token" in found


def test_a_call_that_the_protocol_does_not_know_is_objected_to() -> None:
    unknown = attrs.evolve(CONFORMS, route="/jobs", path="/jobs")
    assert objections(unknown)[:2] == [
        "GET /jobs: the protocol has no such call (spec/openapi.yaml#/paths)",
        "GET /jobs: 200: the protocol has no such call (spec/openapi.yaml#/paths)",
    ]


def test_the_claims_of_a_session_token_are_looked_at() -> None:
    def answered(claims: Any) -> Exchange:
        payload = base64.urlsafe_b64encode(body(claims)).decode().rstrip("=")
        return attrs.evolve(POST, body=body({"session_token": f"e.{payload}.e"}))

    assert objections(answered({"session_id": "s", "exp": 1.5, "jti": "x"})) == []
    assert {found.partition(" (")[0] for found in objections(answered({"session": "s"}))} == {
        "POST /sessions/token: session token: it lacks 'session_id'",
        "POST /sessions/token: session token: /session: the protocol has no such field",
    }
    (found,) = objections(attrs.evolve(POST, body=body({"session_token": "opaque"})))
    assert "session token: it is not a JWT" in found


def test_a_handshake_is_refused_with_its_status() -> None:
    (found,) = objections(attrs.evolve(HANDSHAKE, status=404, headers=JSON, body=body({"detail": "No"})))
    assert found == (
        "GET /client/{session_id}: 404: a handshake is refused with 403 "
        "(spec/asyncapi.yaml#/channels/signaling/x-refused-handshake/status)"
    )


@pytest.mark.parametrize(
    ("seen", "objection"),
    [
        (message("signaling", {"type": "offer"}), "signaling, from the service: offer: it lacks 'sdp'"),
        (message("signaling", {"type": "keepalive"}), "signaling, from the service: no message 'keepalive' goes"),
        (
            message("signaling, client", {"type": "update", "prompt": "x"}),
            "signaling, from the client: no message",
        ),
        (
            message("clientToStreamer", {"type": "update"}),
            "clientToStreamer, from the client: update: it lacks 'prompt'",
        ),
        (
            message("streamerToClient", {"type": "stream_started", "stream_id": 1}),
            "streamerToClient, from the serv",
        ),
        (message("streamerToClient", []), "streamerToClient, from the service: no message without a type goes"),
        (message("streamerToClient", "{"), "streamerToClient, from the service: it is not JSON"),
        (message("clientToStreamer", b"{}"), "clientToStreamer, from the client: a message is text, not bytes"),
    ],
)
def test_a_message_that_does_not_conform_is_objected_to(seen: Message, objection: str) -> None:
    (found,) = objections(seen)
    assert found.startswith(objection)


@pytest.mark.parametrize(
    "seen",
    [
        attrs.evolve(CONFORMS, injected=True, status=500, body=b"{"),
        message("streamerToClient", "{", injected=True),
        message("signaling", "{", injected=True),
        attrs.evolve(CONFORMS, request_headers={"User-Agent": "curl"}, query=(("limit", "0"),)),
        message("clientToStreamer", "{", by="curl"),
    ],
    ids=["an answer of a fault", "its message", "its signaling", "another's request", "another's message"],
)
def test_what_is_broken_on_purpose_is_left_alone(seen: Seen) -> None:
    assert objections(seen) == []


def test_the_request_is_looked_at_also_where_a_fault_answers() -> None:
    assert objections(attrs.evolve(CONFORMS, injected=True, query=(("limit", "0"),))) != []


@pytest.mark.parametrize(
    ("target", "broken"), [("/recordings/s%2F1", 0), ("/recordings/s?limit=1", 1), ("/video.mp4?limit=1", 0)]
)
def test_a_request_to_another_server_is_looked_at_where_it_is_of_the_protocol(target: str, broken: int) -> None:
    headers = {name.lower(): value for name, value in CONFORMS.request_headers.items()}
    seen = request_alone("GET", target, headers, b"")
    assert (0 if seen is None else len(objections(seen))) == broken


# Watching an emulator


def seen_of(use: Callable[[Emulator], Any]) -> list[Seen]:
    """Return the traffic while ``use`` runs with an emulator."""
    seen: list[Seen] = []
    with watching(seen.append), Emulator(record=False, size=(512, 64)) as emulator:
        use(emulator)
    return seen


def test_a_watcher_sees_a_call_with_all_of_its_answer() -> None:
    def ask(emulator: Emulator) -> None:
        requests.post(f"{emulator.api_url}/auth/token?x=1", json={"api_key": "live"}, timeout=30)

    (call,) = seen_of(ask)
    assert isinstance(call, Exchange)
    assert (call.method, call.route, call.query, call.status) == ("POST", "/auth/token", (("x", "1"),), 422)
    assert call.request_body == b'{"api_key": "live"}'
    assert json.loads(call.body or b"")["detail"][0]["loc"] == ["body", "api_key"]
    assert not call.injected


def test_a_watcher_sees_that_a_fault_has_answered() -> None:
    def ask(emulator: Emulator) -> None:
        emulator.faults.add(Fault(step="GET /regions", action="answer", status=200, body={"regions": 5}))
        for _ in range(2):
            requests.get(f"{emulator.api_url}/regions", timeout=30)

    calls = [call for call in seen_of(ask) if isinstance(call, Exchange)]
    assert [(call.status, call.injected) for call in calls] == [(200, True), (401, False)]


def test_a_watcher_sees_every_message_of_a_session() -> None:
    def stream(emulator: Emulator) -> None:
        emulator.faults.add(Fault(step="stream update", action="send", text="rubbish"))
        with Odyssey(emulator.api_key, api_url=emulator.api_url) as client, client.connect(timeout=30) as session:
            session.start_stream("A cat", timeout=30)
            session.interact("It sleeps", timeout=30)
            session.end_stream(timeout=30)

    seen = seen_of(stream)
    told = [(found.place, found.from_client, str(found.text)) for found in seen if isinstance(found, Message)]
    assert [(place, text) for place, _, text in told if place == "streamerToClient" and "rubbish" in text]
    tags = {(place, json.loads(text)["type"]) for place, _, text in told if text != "rubbish"}
    assert tags >= {
        *[("signaling", "offer"), ("signaling", "answer"), ("signaling", "client_disconnecting")],
        *[
            ("clientToStreamer", f"{what}")
            for what in ("interactive_stream_start", "update", "interactive_stream_end")
        ],
        *[("streamerToClient", what) for what in ("stream_started", "update_acknowledged", "stream_ended")],
    }
    agents = {found.user_agent for found in seen if isinstance(found, Message)}
    assert len(agents) == 1
    assert agents.pop().startswith("odyssey-proto/")


def test_nobody_sees_anything_once_nobody_watches() -> None:
    seen: list[Seen] = []
    with Emulator() as emulator:
        with watching(seen.append):
            pass
        requests.get(f"{emulator.api_url}/regions", timeout=30)
    assert seen == []


def test_a_witness_reports_each_violation_once_and_then_forgets_it() -> None:
    witness = Witness()
    for _ in range(3):
        witness(attrs.evolve(CONFORMS, status=500))
    (found,) = witness.violations()
    assert str(found.rule) == "spec/openapi.yaml#/paths/~1simulation-jobs/get/responses"
    assert witness.violations() == []


def test_a_witness_judges_the_clients_that_it_is_given() -> None:
    broken = attrs.evolve(CONFORMS, request_headers={"User-Agent": "odyssey-go/2", "Authorization": "Bearer x"})
    broken = attrs.evolve(broken, query=(("limit", "0"),))
    judged = {}
    for agents in (("",), ("odyssey-go/", "odyssey-js/"), ("odyssey-js/",), ()):
        witness = Witness(agents)
        witness(broken)
        judged[agents] = len(witness.violations())
    assert judged == {("",): 1, ("odyssey-go/", "odyssey-js/"): 1, ("odyssey-js/",): 0, (): 0}


# What a violation says


JOB = {"job_id": "j", "status": "pending", "priority": "normal", "created_at": "2026-01-01T00:00:00Z"}


def only_violation(content: Any) -> Any:
    (found,) = Contract(unknown_values=True).violations(attrs.evolve(CONFORMS, body=body(content)))
    return found


@pytest.mark.parametrize(
    ("job", "at", "kind", "pointer"),
    [
        ({"status": 5}, "status", "violation", "/$defs/SimulationJobStatus"),
        ({"status": "postponed"}, "status", "unknown value", "/$defs/SimulationJobStatus"),
        (
            {"completed_at": 5},
            "completed_at",
            "violation",
            "/$defs/SimulationJobInfo/properties/completed_at/type",
        ),
        ({"host": "x"}, "host", "unknown field", "/$defs/SimulationJobInfo"),
    ],
)
def test_a_violation_names_the_place_in_the_data_and_in_the_spec(
    job: Any, at: str, kind: str, pointer: str
) -> None:
    found = only_violation({**LIST, "jobs": [JOB, {**JOB, **job}]})
    assert (found.at, found.kind) == (f"/jobs/1/{at}", kind)
    assert found.rule == Rule("schemas/simulations.yaml", tuple(pointer.split("/")[1:]))
    assert found.rule.pointer == pointer


def test_a_violation_in_a_branch_is_reported_there() -> None:
    answer = {"message": "No", "action": "Wait", "error": "OVERSLEPT", "details": {"limit": "1"}}
    exchange = attrs.evolve(CONFORMS, status=429, body=body(answer))
    found = {(one.at, one.kind): one for one in Contract(unknown_values=True).violations(exchange)}
    assert set(found) == {("/error", "unknown value"), ("/details/limit", "violation")}
    rule = found["/details/limit", "violation"].rule
    assert str(rule) == "spec/schemas/errors.yaml#/$defs/UsageErrorDetails/properties/limit/type"


def test_a_value_that_an_open_enum_does_not_list_is_let_through_unless_it_is_asked_for() -> None:
    seen = message("streamerToClient", {"type": "interactive_stream_error", "reason": "asleep", "message": "No"})
    assert objections(seen) == []
    (found,) = Contract(unknown_values=True).violations(seen)
    assert (found.part, found.at, found.kind) == ("interactive_stream_error", "/reason", "unknown value")


@pytest.mark.parametrize(
    ("seen", "by"),
    [
        (attrs.evolve(CONFORMS, query=(("limit", "0"),)), "client"),
        (attrs.evolve(CONFORMS, request_headers={"User-Agent": OURS}), "client"),
        (attrs.evolve(CONFORMS, status=500), "service"),
        (message("clientToStreamer", "{"), "client"),
        (message("streamerToClient", "{"), "service"),
    ],
)
def test_a_violation_names_the_side_that_sent_it(seen: Seen, by: str) -> None:
    assert {found.by for found in contract().violations(seen)} == {by}


def test_the_text_of_a_violation_has_no_value_unless_it_is_asked_for() -> None:
    secret = "eyJ.secret"
    found = only_violation({**LIST, "total": secret})
    assert secret not in f"{found} {found!r} {found.to_dict()}"
    assert found.with_value() == f"{found}: {secret!r}"
    assert found.to_dict() == {
        "kind": "violation",
        "by": "service",
        "where": "GET /simulation-jobs",
        "part": "200",
        "at": "/total",
        "what": "it is a string, not an integer",
        "file": "schemas/simulations.yaml",
        "pointer": "/$defs/SimulationJobsList/properties/total/type",
    }


@pytest.mark.parametrize("levels", [90, 900, 100_000])
def test_what_is_nested_deeply_is_judged_like_anything_else(levels: int) -> None:
    deep = '{"session_id": 1, "x": ' + "[" * levels + "]" * levels + "}"
    call = attrs.evolve(POST, request_body=deep.encode())
    message = Message(place="signaling", from_client=True, text=f'{{"type": {deep}}}', user_agent=OURS)
    found = {violation.at for violation in Contract().violations(call) if violation.by == "client"}
    assert found == {"/session_id", "/x"}
    (violation,) = Contract().violations(message)
    assert violation.what == "no message without a type goes this way"
    query = attrs.evolve(CONFORMS, query=(("limit", "[" * levels),))
    assert [violation.part for violation in Contract().violations(query)] == ["query limit"]
