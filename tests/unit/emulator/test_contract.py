"""The witness of all tests (`tests.support.contract`): what it reports, and what it ignores."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import Odyssey
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._server import Emulator
from odyssey_proto.emulator._traffic import Exchange, Message, watching
from tests.support.contract import Witness, contract, request_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto.emulator._traffic import Seen

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
    return list(contract().violations(seen))


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
        ({"body": body({**LIST, "total": "0"})}, "200: /total: '0' is not of type 'integer'"),
        ({"body": body({**LIST, "jobs": [{"job_id": "j"}]})}, "200: /jobs/0: 'status' is a required property"),
        ({"body": body({**LIST, "totl": 0})}, "200: all of it: Additional properties are not allowed"),
        ({"body": b"{"}, "200: it is no JSON"),
        ({"body": b"[NaN]"}, "200: it is no JSON"),
        ({"body": None}, "200: its body was streamed"),
        ({"headers": {"Content-Type": "text/html"}}, "200: its Content-Type is 'text/html', not application/json"),
        ({"status": 500}, "500: no such answer in spec/openapi.yaml"),
        ({"status": 401}, "401: all of it: 'detail' is a required property"),
    ],
)
def test_an_answer_that_does_not_conform_is_objected_to(answer: Any, objection: str) -> None:
    found = objections(attrs.evolve(CONFORMS, **answer))
    assert any(text.startswith(f"GET /simulation-jobs: {objection}") for text in found)


@pytest.mark.parametrize(
    ("request_", "objection"),
    [
        ({"request_body": b'{"session_id": 5}'}, "request: /session_id: 5 is not of type 'string'"),
        ({"request_body": b'{"session_id": "s", "sesion": 1}'}, "request: all of it: Additional properties"),
        ({"request_body": b""}, "request: it is no JSON"),
        ({"request_headers": {"User-Agent": OURS, **JSON}}, "request: no bearer token"),
        ({"query": (("limit", "5"),)}, "request: no query argument 'limit' in spec/openapi.yaml"),
    ],
)
def test_a_request_of_our_client_that_does_not_conform_is_objected_to(request_: Any, objection: str) -> None:
    (found, *_) = objections(attrs.evolve(POST, **request_, status=None))
    assert found.startswith(f"POST /sessions/token: {objection}")


@pytest.mark.parametrize("query", [("limit", "0"), ("limit", "many"), ("active", "yes"), ("offset", "-1")])
def test_an_argument_that_its_schema_refuses_is_objected_to(query: tuple[str, str]) -> None:
    (found,) = objections(attrs.evolve(CONFORMS, query=(query,)))
    assert found.startswith(f"GET /simulation-jobs: request: query {query[0]}: ")


@pytest.mark.parametrize("seen", [PING, HANDSHAKE], ids=["a ping", "a handshake"])
def test_a_token_that_goes_where_it_does_not_belong_is_objected_to(seen: Exchange) -> None:
    headers = {"User-Agent": OURS, "Authorization": "Bearer x"}
    (found,) = objections(attrs.evolve(seen, request_headers=headers))
    assert "a bearer token" in found


def test_a_call_that_the_protocol_does_not_know_is_objected_to() -> None:
    unknown = attrs.evolve(CONFORMS, route="/jobs", path="/jobs")
    assert [text.partition(": ")[2] for text in objections(unknown)][:2] == [
        "no such call in spec/openapi.yaml",
        "200: no such call in spec/openapi.yaml",
    ]


def test_the_claims_of_a_session_token_are_looked_at() -> None:
    def answered(claims: Any) -> Exchange:
        payload = base64.urlsafe_b64encode(body(claims)).decode().rstrip("=")
        return attrs.evolve(POST, body=body({"session_token": f"e.{payload}.e"}))

    assert objections(answered({"session_id": "s", "exp": 1.5, "jti": "x"})) == []
    (found,) = objections(answered({"session": "s"}))[:1]
    assert "session token: all of it" in found


def test_a_handshake_is_refused_with_its_status() -> None:
    (found,) = objections(attrs.evolve(HANDSHAKE, status=404, headers=JSON, body=body({"detail": "No"})))
    assert found.endswith("404: a handshake is refused with 403 (spec/asyncapi.yaml)")


@pytest.mark.parametrize(
    ("seen", "objection"),
    [
        (message("signaling", {"type": "offer"}), "signaling, from the service, offer: all of it: 'sdp'"),
        (message("signaling", {"type": "keepalive"}), "signaling, from the service: no message 'keepalive' goes"),
        (
            message("signaling, client", {"type": "update", "prompt": "x"}),
            "signaling, from the client: no message",
        ),
        (message("clientToStreamer", {"type": "update"}), "clientToStreamer, from the client, update: all of it"),
        (
            message("streamerToClient", {"type": "stream_started", "stream_id": 1}),
            "streamerToClient, from the serv",
        ),
        (message("streamerToClient", []), "streamerToClient, from the service: no message None goes"),
        (message("streamerToClient", "{"), "streamerToClient, from the service: it is no JSON"),
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
    with watching(seen.append), Emulator() as emulator:
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


def test_a_witness_tells_each_objection_once_and_then_forgets_it() -> None:
    witness = Witness()
    for _ in range(3):
        witness(attrs.evolve(CONFORMS, status=500))
    assert witness.violations() == ["GET /simulation-jobs: 500: no such answer in spec/openapi.yaml"]
    assert witness.violations() == []
