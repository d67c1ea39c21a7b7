"""Odd answers and messages from real servers, and what a program gets of them through the client."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    ConnectionStatus,
    MalformedMessageError,
    Odyssey,
    OdysseyConnectionError,
    OdysseyRequestError,
    OdysseyStreamError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.apis import made_api, until
from tests.support.leaks import nothing_left
from tests.support.servers import HttpServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient

SOON_S: Final = 20.0


def jwt(**claims: Any) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims))
    return f"{'.'.join(parts)}.c2ln"


def body(data: Any) -> bytes:
    return json.dumps(data).encode()


# --- REST

START: Final = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}]
TOKEN: Final = jwt(session_id="s-1")
GRANTED: Final = {"session_id": "s-1", "signalling_url": "wss://signal.example.org"}


def recording(client: Odyssey) -> Any:
    found = client.get_recording("st-1")
    return found.stream_id, found.frame_count, found.duration_seconds


def recordings(client: Odyssey) -> Any:
    return [found.stream_id for found in client.iter_stream_recordings()]


def jobs(client: Odyssey) -> Any:
    return [(job.job_id, job.status) for job in client.iter_simulations()]


def job(client: Odyssey) -> Any:
    found = client.get_simulate_status("j-1")
    return found.job_id, found.status, len(found.streams)


def cancelled(client: Odyssey) -> Any:
    found = client.cancel_simulation("j-1")
    return found.job_id, found.status


def simulated(client: Odyssey) -> Any:
    found = client.simulate(script=START)
    return found.job_id, found.status, found.retry_count


def minted(client: Odyssey) -> Any:
    found = client.create_client_credentials()
    able = found.capabilities is not None and found.capabilities.image_to_video
    return found.session_id, found.expires_in, able


RECORDING: Final = "GET /recordings/st-1"
RECORDINGS: Final = "GET /stream-recordings"
JOBS: Final = "GET /simulation-jobs"
JOB: Final = "GET /simulation-jobs/j-1"
CANCEL: Final = "DELETE /simulation-jobs/j-1"
SIMULATE: Final = "POST /simulation-jobs"
REQUEST: Final = "POST /sessions/request"
TOKENS: Final = "POST /sessions/token"

ANSWERS: Final[dict[str, tuple[str, bytes, Callable[[Odyssey], Any], Any]]] = {
    "a recording without its identifier": (RECORDING, body({"frame_count": 3}), recording, ("st-1", 3, None)),
    "figures in texts": (
        RECORDING,
        body({"stream_id": "st-1", "frame_count": "412", "duration_seconds": "20.6"}),
        recording,
        ("st-1", 412, 20.6),
    ),
    "a byte order mark": (RECORDING, b"\xef\xbb\xbf" + body({"stream_id": "s"}), recording, ("s", None, None)),
    "NaN of tomorrow": (RECORDING, b'{"stream_id": "s", "score": NaN}', recording, ("s", None, None)),
    "NaN that is not needed": (
        RECORDING,
        b'{"stream_id": "s", "frame_count": NaN}',
        recording,
        ("s", None, None),
    ),
    "Latin-1 of tomorrow": (
        RECORDING,
        b'{"stream_id": "s", "by": "\xe9"}',
        recording,
        ("s", None, None),
    ),
    "an identifier that is not UTF-8": (RECORDING, b'{"stream_id": "\xe9"}', recording, ("st-1", None, None)),
    "recordings with odd rows": (
        RECORDINGS,
        body({"recordings": [{"stream_id": "a"}, {"width": 1}, None, {"stream_id": 7, "height": ""}], "total": 4}),
        recordings,
        ["a", "7"],
    ),
    "recordings without a total": (RECORDINGS, body({"recordings": [{"stream_id": "a"}]}), recordings, ["a"]),
    "no recordings": (RECORDINGS, body({}), recordings, []),
    "jobs with nothing but identifiers": (
        JOBS,
        body({"jobs": [{"job_id": "a"}, {"job_id": "b", "status": 3}, {"job_id": "c", "status": "paused"}]}),
        jobs,
        [("a", "unknown"), ("b", "unknown"), ("c", "paused")],
    ),
    "jobs that are null": (JOBS, body({"jobs": None, "total": None}), jobs, []),
    "a job with odd streams": (
        JOB,
        body({"job_id": "j-1", "status": "completed", "streams": [{}, {"stream_id": "s"}, 7]}),
        job,
        ("j-1", "completed", 1),
    ),
    "a job without its identifier": (JOB, body({"status": "failed"}), job, ("j-1", "failed", 0)),
    "a cancel that says nothing": (CANCEL, body({}), cancelled, ("j-1", "cancelled")),
    "a cancel without a body": (CANCEL, b"", cancelled, ("j-1", "cancelled")),
    "a new job with its identifier alone": (SIMULATE, body({"job_id": 42}), simulated, ("42", "unknown", 0)),
    "a new job with odd fields": (
        SIMULATE,
        body({"job_id": "j", "status": None, "streams": "none", "retry_count": "2", "priority": 5}),
        simulated,
        ("j", "unknown", 2),
    ),
    "a session without a boolean": (
        REQUEST,
        body({**GRANTED, "capabilities": {"image_to_video": None}}),
        minted,
        ("s-1", 600, False),
    ),
    "capabilities that are a text": (
        REQUEST,
        body({**GRANTED, "capabilities": "image_to_video"}),
        minted,
        ("s-1", 600, False),
    ),
    "a lifetime in a text": (
        TOKENS,
        body({"session_token": TOKEN, "expires_in": "60"}),
        minted,
        ("s-1", 60, False),
    ),
    "a fraction": (TOKENS, body({"session_token": TOKEN, "expires_in": 60.7}), minted, ("s-1", 60, False)),
    "a lifetime null": (TOKENS, body({"session_token": TOKEN, "expires_in": None}), minted, ("s-1", 600, False)),
    "a negative lifetime": (TOKENS, body({"session_token": TOKEN, "expires_in": -5}), minted, ("s-1", 0, False)),
    "an access token's lifetime in a text": (
        "POST /auth/token",
        body({"access_token": "at-1", "expires_in": "600.7"}),
        recordings,
        ["st-9"],
    ),
    "an access token among spaces": ("POST /auth/token", body({"access_token": " at-1\n"}), recordings, ["st-9"]),
    "an access token's infinite lifetime": (
        "POST /auth/token",
        b'{"access_token": "at-1", "expires_in": 1e999}',
        recordings,
        ["st-9"],
    ),
    "an access token's huge lifetime": (
        "POST /auth/token",
        b'{"access_token": "at-1", "expires_in": 1' + b"0" * 400 + b"}",
        recordings,
        ["st-9"],
    ),
    "regions that are none": (
        "GET /regions",
        body({"regions": [None, {"id": ""}, {"ping_url": "x"}, {"id": "us"}, {"id": "eu", "ping_url": 7}]}),
        minted,
        ("s-1", 600, False),
    ),
}

REFUSED: Final[dict[str, tuple[str, bytes, Callable[[Odyssey], Any], str]]] = {
    "a new job without an identifier": (SIMULATE, body({"status": "pending"}), simulated, "'job_id' is missing"),
    "a new job whose identifier came twice": (SIMULATE, b'{"job_id": "a", "job_id": "b"}', simulated, "twice"),
    "an access token of NaN": ("POST /auth/token", b'{"access_token": NaN}', recordings, "str was expected"),
    "a session without an address": (REQUEST, body({"session_id": "s-1"}), minted, "'signalling_url' is missing"),
    "a session without an identifier": (REQUEST, body({"signalling_url": "wss://h"}), minted, "'session_id'"),
    "a page": (RECORDINGS, b"<html>", recordings, "Expecting value"),
    "UTF-16": (RECORDINGS, json.dumps({}).encode("utf-16"), recordings, "not UTF-8"),
}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer() as made:
        made.routes[REQUEST] = answer(body({**GRANTED, "signalling_url": made.url}))
        made.routes[TOKENS] = answer(body({"session_token": TOKEN}))
        made.routes[RECORDINGS] = answer(body({"recordings": [{"stream_id": "st-9"}], "total": 1}))
        yield made


@pytest.fixture
def client(server: HttpServer) -> Iterator[Odyssey]:
    with Odyssey(api_key="ody_key", api_url=server.url) as made:
        yield made


@pytest.mark.parametrize(("route", "sent", "use", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_program_goes_on_with_an_odd_answer(
    server: HttpServer,
    client: Odyssey,
    route: str,
    sent: bytes,
    use: Callable[[Odyssey], Any],
    expected: Any,
) -> None:
    server.routes[route] = answer(sent)
    assert use(client) == expected


@pytest.mark.parametrize(("route", "sent", "use", "problem"), REFUSED.values(), ids=REFUSED)
def test_the_error_says_what_cannot_be_read(
    server: HttpServer,
    client: Odyssey,
    route: str,
    sent: bytes,
    use: Callable[[Odyssey], Any],
    problem: str,
) -> None:
    server.routes[route] = answer(sent)
    with pytest.raises(MalformedMessageError) as refusal:
        use(client)
    assert problem in str(refusal.value)
    if problem.startswith("'signalling_url"):
        assert refusal.value.session_id == "s-1"


def test_a_cancel_may_be_answered_with_a_204(server: HttpServer, client: Odyssey) -> None:
    server.routes[CANCEL] = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert cancelled(client) == ("j-1", "cancelled")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"message": "Too large for us"}, "Too large for us"),
        ({"error": "Too large for us"}, "Too large for us"),
        ({"detail": ["Too large", "for us"]}, "Too large; for us"),
        ({"detail": {"message": "Too large for us"}}, "Too large for us"),
        ({"detail": [{"loc": ["body"], "msg": "Too large", "type": "x"}]}, "Too large (body)"),
        ({"error": {"reason": 7}}, "Payload"),
    ],
)
def test_the_words_of_a_refusal_are_found(
    server: HttpServer, client: Odyssey, data: dict[str, Any], words: str
) -> None:
    server.routes[SIMULATE] = answer(body(data), status="413 Payload")
    with pytest.raises(OdysseyRequestError) as refusal:
        simulated(client)
    assert str(refusal.value).endswith(f"refused the request: {words}")


# --- a session

SESSIONS: Final[dict[str, dict[str, Any]]] = {
    "image_to_video null": {"capabilities": {"image_to_video": None}},
    "image_to_video as a text": {"capabilities": {"image_to_video": "true"}},
    "capabilities as a text": {"capabilities": "image_to_video"},
    "capabilities as a list": {"capabilities": [{"image_to_video": True}]},
    "fields that are not used": {"streamer_id": 7, "model": {"name": "m"}, "region": ["us"], "expires_at": []},
}


@pytest.mark.parametrize("odd", SESSIONS.values(), ids=SESSIONS)
def test_a_granted_session_is_used_whatever_else_the_answer_says(
    emulator: Emulator, make_client: MakeClient, odd: dict[str, Any]
) -> None:
    client = make_client(emulator)
    credentials = client.create_client_credentials()
    granted = {"session_id": credentials.session_id, "signalling_url": credentials.signaling_url, **odd}
    emulator.faults.add(Fault(step=REQUEST, action="answer", status=200, body=granted))
    with client.connect(timeout=SOON_S) as session:
        assert session.session_id == credentials.session_id
        assert session.status is ConnectionStatus.CONNECTED
        assert session.start_stream("A cat")


@pytest.mark.parametrize(
    "config",
    [{}, {"iceServers": None}, {"iceServers": {"urls": "stun:h"}}, {"iceServers": [None, {}, {"urls": 3478}]}],
)
def test_a_session_needs_no_ice_servers(emulator: Emulator, make_client: MakeClient, config: Any) -> None:
    emulator.faults.add(Fault(step="GET /signaling/config", action="answer", status=200, body=config))
    with make_client(emulator).connect(timeout=SOON_S) as session:
        assert session.status is ConnectionStatus.CONNECTED


@pytest.mark.parametrize("status", [404, 500])
def test_the_status_of_ice_servers_does_not_matter(server: HttpServer, status: int) -> None:
    servers = {"iceServers": [{"urls": "stun:192.0.2.1"}]}
    server.routes["GET /config"] = answer(body(servers), status=f"{status} Odd")
    with made_api(server) as api:
        assert api.signaling_config(f"{server.url}/config", until())[0].urls == "stun:192.0.2.1"


@pytest.mark.parametrize("sent", [b"{}", b'{"iceServers": []}', b'{"iceServers": 7}', b'{"iceServers": ['])
def test_an_error_without_ice_servers_is_an_error(server: HttpServer, sent: bytes) -> None:
    server.routes["GET /config"] = answer(sent, status="404 Not Found")
    with made_api(server) as api, pytest.raises(OdysseyConnectionError) as caught:
        api.signaling_config(f"{server.url}/config", until())
    assert caught.value.status == 404


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": 7}])
def test_a_signaling_error_without_a_reason_fails_the_connect(
    emulator: Emulator, make_client: MakeClient, reason: dict[str, Any]
) -> None:
    text = json.dumps({"type": "error", **reason})
    emulator.faults.add(Fault(step="signaling offer", action="replace", text=text))
    with pytest.raises(OdysseyConnectionError) as caught:
        make_client(emulator).connect(timeout=SOON_S)
    assert caught.value.code == "unknown"


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({}, "unknown", "Stream error occurred"),
        ({"reason": None, "message": None}, "unknown", "Stream error occurred"),
        ({"reason": "moderation", "message": {"text": "no"}}, "moderation", "Stream error occurred"),
        ({"reason": 7, "message": "no"}, "unknown", "no"),
    ],
)
def test_a_stream_error_without_its_fields_fails_the_start(
    emulator: Emulator, make_client: MakeClient, fields: dict[str, Any], code: str, text: str
) -> None:
    odd = json.dumps({"type": "interactive_stream_error", **fields})
    with make_client(emulator).connect(timeout=SOON_S) as session:
        emulator.faults.add(Fault(step="stream start", action="send", text=odd))
        with pytest.raises(OdysseyStreamError, match=text) as caught:
            session.start_stream("A cat")
        assert caught.value.code == code


@pytest.mark.parametrize(
    "odd",
    [
        {"candidate": None},
        {"candidate": {"candidate": "candidate:1 1 udp 1 192.0.2.1 5 typ host"}},
        {"candidate": "", "sdpMid": 0, "sdpMLineIndex": "0"},
    ],
)
def test_a_candidate_that_cannot_be_read_fails_nothing(
    emulator: Emulator, make_client: MakeClient, odd: dict[str, Any]
) -> None:
    text = json.dumps({"type": "ice_candidate", **odd})
    emulator.faults.add(Fault(step="signaling candidates", action="send", text=text))
    with make_client(emulator).connect(timeout=SOON_S) as session:
        assert session.status is ConnectionStatus.CONNECTED
