"""Failures of signaling, peer connection and data channels at every step, and the errors that users get."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    MalformedMessageError,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.cases import run_all
from tests.support.clocks import HandClock
from tests.support.live import CALLS, take, timed_out
from tests.support.processes import PATIENCE_S, eventually, growing_timeouts, sessions_are_free
from tests.support.servers import Connection, HttpServer, Request, SignalingServer, answer, json_answer
from tests.support.texts import is_one_clear_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto.emulator._faults.script import Step
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

SOON_S: Final = 20.0
NO_RETRY: Final = AdvancedConfig(max_retries=0, queue_timeout_s=0)
GRACE: Final = "odyssey_proto.core.session_machine.OFFER_GRACE_S"
"""How long the client waits for another offer after an unreadable one; a busy machine may send it later."""

REASONS: Final = {
    "streamer_not_available": "Streamer not available",
    "streamer_disconnected": "Streamer disconnected",
    "duration_limit_reached": "The session has reached its longest duration",
    "unknown": "The service reported an unknown error",
    "martians": "The service ended the session: martians",
}


@pytest.fixture
def client(emulator: Emulator, make_client: MakeClient) -> Odyssey:
    """A client that tries everything once."""
    return make_client(emulator, advanced=NO_RETRY)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "odyssey_proto")
    return caplog


def message(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


def failure_of(client: Odyssey, kind: type[OdysseyError], timeout: float = SOON_S) -> Any:
    """Return the error of connecting."""
    with pytest.raises(kind) as caught:
        client.connect(timeout=timeout)
    assert type(caught.value) is kind
    assert is_one_clear_line(caught.value)
    return caught.value


# --- the handshake


@pytest.mark.parametrize(
    ("status", "kind", "code", "text"),
    [
        (401, OdysseyAuthError, "session_token_refused", "Session token refused: it is invalid or has expired"),
        (403, OdysseyAuthError, "session_token_refused", "Session token refused: it is invalid or has expired"),
        (404, OdysseyConnectionError, "unknown_session", "The signaling server does not know the session"),
        (426, OdysseyConnectionError, "http_426", "WebSocket /client: the service answered 426: Injected fault"),
        (500, OdysseyConnectionError, "http_500", "WebSocket /client: the service answered 500: Injected fault"),
    ],
)
def test_a_handshake_that_is_refused(
    status: int, kind: type[OdysseyError], code: str, text: str, emulator: Emulator, client: Odyssey
) -> None:
    emulator.faults.add(Fault(step="signaling handshake", action="answer", status=status))
    error = failure_of(client, kind)
    assert (str(error), error.code, error.status) == (text, code, status)
    assert error.session_id


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "answer", "status": 200, "body": "<html>Hello</html>"},
        {"action": "answer", "status": 302, "headers": {"Location": "http://192.0.2.1/"}},
        {"action": "reset"},
        {"action": "truncate", "status": 403},
    ],
    ids=["200", "redirect", "reset", "cut short"],
)
def test_a_handshake_that_is_none(fault: dict[str, Any], emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="signaling handshake", **fault))
    with pytest.raises((OdysseyConnectionError, OdysseyAuthError)) as caught:
        client.connect(timeout=SOON_S)
    assert is_one_clear_line(caught.value)
    assert "WebSocket /client" in str(caught.value) or isinstance(caught.value, OdysseyAuthError)


# --- a connection that ends too early

STEPS: Final = {
    "signaling offer": "waiting for the offer",
    "signaling answer": "waiting for video",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [1000, 1001])
def test_a_clean_close_before_there_is_video(step: str, code: int, emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step=step, action="close", code=code))
    error = failure_of(client, OdysseyConnectionError)
    assert str(error) == f"The service closed the connection while {STEPS[step]}"
    assert (error.code, error.recoverable) == ("closed_early", True)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [1008, 1011, 4001])
def test_a_close_with_an_error_before_there_is_video(
    step: str, code: int, emulator: Emulator, client: Odyssey
) -> None:
    emulator.faults.add(Fault(step=step, action="close", code=code))
    error = failure_of(client, OdysseyConnectionError)
    assert str(error) == f"The signaling server closed the connection ({code})"
    assert error.code == "signaling_closed"


@pytest.mark.parametrize("step", STEPS)
def test_a_connection_that_breaks_before_there_is_video(step: str, emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step=step, action="drop"))
    assert failure_of(client, OdysseyConnectionError).code == "connection_lost"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "fault", [{"action": "drop"}, {"action": "close", "code": 1000}, {"action": "close", "code": 1011}]
)
def test_a_failure_that_may_pass_is_tried_again(
    step: str, fault: dict[str, Any], emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults.add(Fault(step=step, times=2, **fault))
    assert make_client(emulator).connect(timeout=SOON_S).is_connected


def test_a_failure_that_persists_is_reported_after_the_last_retry(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults.add(Fault(step="signaling offer", action="drop", times=4))
    client = make_client(emulator, max_retries=3)
    assert failure_of(client, OdysseyConnectionError).code == "connection_lost"
    assert not emulator.faults.pending, "it was tried once, and three times again"


@pytest.mark.parametrize("step", STEPS)
def test_each_reason_of_the_service_before_there_is_video(step: Step, emulator: Emulator, client: Odyssey) -> None:
    def check(reason: str) -> None:
        emulator.faults.clear()
        emulator.faults.add(Fault(step=step, action="error", reason=reason))
        error = failure_of(client, OdysseyConnectionError)
        assert (str(error), error.code) == (REASONS[reason], reason)

    run_all(check, zip(REASONS, REASONS, strict=True))
    emulator.faults.clear()
    assert client.connect(timeout=SOON_S).is_connected


# --- offers and candidates

NO_OFFER: Final = {
    "no SDP": "hello",
    "no media": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    "only audio": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n",
    "only channels": (
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n"
    ),
    "no encryption": (
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\na=sendonly\r\na=mid:0\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\na=mid:1\r\n"
    ),
    "a malformed line": "v=0\r\nm=video x y z\r\na=rtpmap:\r\na=candidate:\r\n",
    "binary": "\x00\ufffd" * 100,
}


def test_an_offer_that_cannot_be_answered_is_malformed(emulator: Emulator, client: Odyssey) -> None:
    def check(sdp: str) -> None:
        emulator.faults.clear()
        emulator.faults.add(Fault(step="signaling offer", action="replace", text=message("offer", sdp=sdp)))
        error = failure_of(client, MalformedMessageError)
        assert str(error).startswith("The streamer's offer ")
        assert error.code == "malformed_offer"

    run_all(check, NO_OFFER.items())
    emulator.faults.clear()
    assert client.connect(timeout=SOON_S).is_connected


NO_USE: Final[dict[str, object]] = {**NO_OFFER, "a number": 5, "null": None, "a list": [1]}


@pytest.mark.parametrize("what", NO_USE)
def test_after_an_offer_of_no_use_the_next_one_counts_or_another_attempt_is_made(
    what: str, emulator: Emulator, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = make_client(emulator, advanced=AdvancedConfig(max_retries=1, initial_retry_delay_ms=10))
    bad = message("offer", sdp=NO_USE[what])
    emulator.faults.add(Fault(step="signaling offer", action="replace", text=bad))
    monkeypatch.setattr(GRACE, 0.1)  # the first attempt waits all this time in vain
    with patient.connect(timeout=SOON_S) as session:
        assert session.is_connected
    emulator.faults.add(Fault(step="signaling offer", action="send", text=bad))  # and a good one follows
    monkeypatch.setattr(GRACE, PATIENCE_S)  # an attempt that waits this long fails the test
    with patient.connect(timeout=SOON_S) as session:
        assert session.start_stream("A cat", timeout=SOON_S)
    assert not emulator.faults.pending


CANDIDATE: Final = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"


def candidate(text: str, mid: object = "0", index: object = 0) -> str:
    return message("ice_candidate", candidate=text, sdpMid=mid, sdpMLineIndex=index)


CANDIDATES: Final = {
    "empty": candidate(""),
    "no words": candidate("candidate:"),
    "garbage": candidate("candidate:a b c"),
    "no port": candidate(CANDIDATE.replace(" 9 ", " x ")),
    "port 0": candidate(CANDIDATE.replace(" 9 ", " 0 ")),
    "port 99999": message(
        "ice_candidate", candidate=CANDIDATE.replace(" 9 ", " 99999 "), sdpMid="0", sdpMLineIndex=0
    ),
    "dead end": candidate(CANDIDATE),
    "no prefix": candidate(CANDIDATE[10:]),
    "a name": message(
        "ice_candidate", candidate=CANDIDATE.replace("127.0.0.1", "x.local"), sdpMid="0", sdpMLineIndex=0
    ),
    "an unknown section": candidate(CANDIDATE, "seven", 7),
    "no section": candidate(CANDIDATE, None, None),
    "no fields": message("ice_candidate"),
    "numbers": message("ice_candidate", candidate=5, sdpMid=0, sdpMLineIndex="0"),
}


@pytest.mark.parametrize("what", CANDIDATES)
def test_a_candidate_that_is_of_no_use_harms_nothing(what: str, emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(
        Fault(step="signaling offer", action="send", text=CANDIDATES[what]),
        Fault(step="signaling candidates", action="send", text=CANDIDATES[what]),
    )
    with client.connect(timeout=SOON_S) as session:
        assert session.start_stream("A cat", timeout=SOON_S)


# --- unknown messages

STRANGE: Final = {
    "an unknown type": message("weather", today="rain"),
    "no type": "{}",
    "a type that is a number": '{"type": 5}',
    "half of the JSON": '{"type": "off',
    "no JSON": "hello",
    "nothing": "",
    "a list": "[1, 2]",
    "null": "null",
    "NaN": '{"type": NaN}',
    "twice the same key": '{"type": "x", "type": "y"}',
    "deep": "[" * 5000,
    "a field too many": message("ice_candidate", candidate="", sdpMid="0", sdpMLineIndex=0, colour="blue"),
    "an offer without SDP": message("offer"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_message_of_the_signaling_server_is_ignored(
    what: str,
    emulator: Emulator,
    client: Odyssey,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GRACE, PATIENCE_S)
    emulator.faults.add(
        Fault(step="signaling offer", action="send", text=STRANGE[what]),
        Fault(step="stream start", action="send", text=STRANGE[what]),
        Fault(step="stream update", action="send", text=STRANGE[what]),
    )
    with client.connect(timeout=SOON_S) as session:
        assert session.start_stream("A cat", timeout=SOON_S)
        assert session.interact("Night", timeout=SOON_S)
    assert "ignored" in log.text or "not read" in log.text or what == "a field too many"
    assert "Traceback" not in log.text


def test_an_error_without_a_reason_fails_the_connect_at_once(emulator: Emulator, client: Odyssey) -> None:
    def check(error: str) -> None:
        emulator.faults.clear()
        emulator.faults.add(Fault(step="signaling offer", action="replace", text=error))
        assert failure_of(client, OdysseyConnectionError).code == "unknown"

    errors = message("error"), message("error", reason=None), message("error", reason=[])
    run_all(check, zip(errors, errors, strict=True))
    emulator.faults.clear()
    assert client.connect(timeout=SOON_S).is_connected


def test_an_offer_that_cannot_be_read_fails_the_connect(emulator: Emulator, client: Odyssey) -> None:
    def check(offer: str) -> None:
        emulator.faults.clear()
        emulator.faults.add(Fault(step="signaling offer", action="replace", text=offer))
        error = failure_of(client, MalformedMessageError)
        assert error.session_id

    sdps: list[dict[str, object]] = [{}, {"sdp": None}, {"sdp": ""}, {"sdp": [1]}]
    offers = [message("offer", **sdp) for sdp in sdps]
    run_all(check, zip(offers, offers, strict=True))
    emulator.faults.clear()
    assert client.connect(timeout=SOON_S).is_connected


OUT_OF_TURN: Final = {
    "an acknowledgement": message("update_acknowledged", prompt="Whatever"),
    "a second start": message("stream_started", stream_id="another"),
    "a broadcast": message("broadcast_ready", broadcast_url=None),
    "an error that concerns nobody": message("interactive_stream_error", reason="hiccup", message="Hiccup"),
}


def test_a_message_of_the_streamer_that_is_out_of_turn_harms_nothing(emulator: Emulator, client: Odyssey) -> None:
    session = client.connect(timeout=SOON_S)

    def check(text: str) -> None:
        emulator.faults.add(Fault(step="stream end", action="send", text=text))
        session.start_stream("A cat", timeout=SOON_S)
        frames = session.frames(timeout=SOON_S)
        session.end_stream(timeout=SOON_S)
        assert len(list(frames)) <= 4
        assert session.start_stream("A dog", timeout=SOON_S)
        assert take(session.frames(timeout=SOON_S), 3)
        session.end_stream(timeout=SOON_S)

    run_all(check, OUT_OF_TURN.items())


def test_an_end_without_a_stream_harms_nothing(
    emulator: Emulator, client: Odyssey, log: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(Fault(step="channel open", action="send", text=message("stream_ended")))
    with client.connect(timeout=SOON_S) as session:
        eventually(lambda: "ignored: message 'stream_ended'" in log.text)
        assert session.start_stream("A cat", timeout=SOON_S)
        assert take(session.frames(timeout=SOON_S), 3)


def test_an_error_before_there_is_a_stream_harms_nothing(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="channel open", action="stream_error", reason="lease_denied"))
    with client.connect(timeout=SOON_S) as session:
        with contextlib.suppress(OdysseyStreamError):  # after the start, the error counts as its answer
            session.start_stream("A cat", timeout=SOON_S)
            session.end_stream(timeout=SOON_S)
        assert session.start_stream("A dog", timeout=SOON_S)


# --- while connected


@pytest.mark.usefixtures("signaling_comes_first")
@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_of_the_service_while_a_stream_runs(reason: str, emulator: Emulator, client: Odyssey) -> None:
    session = client.connect(timeout=SOON_S)
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="media", action="error", reason=reason))
    with pytest.raises(OdysseyConnectionError) as caught:
        session.wait(timeout=SOON_S)
    assert (str(caught.value), caught.value.code) == (REASONS[reason], reason)
    assert client.current_status is ConnectionStatus.FAILED
    assert not client.is_connected


DEATHS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "an error": ({"action": "error", "reason": "streamer_disconnected"}, "Streamer disconnected"),
    "a clean close": ({"action": "close", "code": 1000}, "The service ended the session"),
    "a loss": ({"action": "drop"}, "The signaling connection to "),
    "closed channels": ({"action": "close_channel"}, "The streamer closed the data channel "),
}

IN_FLIGHT: Final = {"start stream": "stream start", "interact": "stream update", "end stream": "stream end"}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("what", IN_FLIGHT)
def test_a_call_in_flight_fails_with_the_connection_and_gives_the_reason(
    what: str, death: str, emulator: Emulator, make_client: MakeClient, request: pytest.FixtureRequest
) -> None:
    if death == "an error":
        request.getfixturevalue("signaling_comes_first")
    fault, reason = DEATHS[death]
    client = make_client(emulator, reconnect=False)
    session = client.connect(timeout=SOON_S)
    if what != "start stream":
        session.start_stream("A cat")
    emulator.faults.add(Fault(step=IN_FLIGHT[what], **fault))
    with pytest.raises(OdysseyStreamError) as caught:
        CALLS[what](session)
    assert str(caught.value).startswith(f"The connection ended before the answer: {reason}")
    assert not isinstance(caught.value, TimeoutError)
    assert is_one_clear_line(caught.value)
    assert caught.value.session_id == session.session_id
    eventually(lambda: session.has_ended)
    with pytest.raises(OdysseyStreamError, match=rf"^Cannot {what}: client is (failed|disconnected)"):
        CALLS[what](session)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("leave", ["disconnect", "close"])
@pytest.mark.parametrize("what", IN_FLIGHT)
def test_a_call_in_flight_ends_when_another_thread_leaves(
    what: str, leave: str, emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    session = client.connect(timeout=SOON_S)
    if what != "start stream":
        session.start_stream("A cat")
    emulator.faults.add(Fault(step=IN_FLIGHT[what], action="silence"))
    calling = in_background(CALLS[what], session)
    eventually(lambda: not emulator.faults.pending)
    getattr(client, leave)()
    error = calling.exception(SOON_S)
    assert isinstance(error, OdysseyStreamError)
    assert str(error) == "The connection ended before the answer: The client disconnected"
    assert sessions_are_free(emulator.api_url, emulator.api_key)


@pytest.mark.usefixtures("signaling_comes_first")
def test_a_client_without_keepalives_learns_that_it_was_disconnected(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    clock = HandClock()
    emulator = make_emulator(clock=clock)
    session = make_client(emulator).connect(timeout=SOON_S)
    clock.time += emulator.config.stale_after_s  # in which no keepalive has come
    with pytest.raises(OdysseyConnectionError, match=r"^Streamer disconnected$"):
        session.wait(timeout=SOON_S)
    assert sessions_are_free(emulator.api_url, emulator.api_key)


@pytest.mark.usefixtures("unhurried")
def test_a_streamer_that_is_gone_without_a_word_can_be_left(
    emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    session = client.connect(timeout=SOON_S)
    session.start_stream("A cat")
    frames = session.frames(timeout=0.3)
    emulator.faults.add(Fault(step="stream update", action="kill_peer"))
    with pytest.raises(OdysseyStreamTimeoutError, match=r"^interact was not answered within 0.3 s$"):
        session.interact("Night", timeout=0.3)
    with pytest.raises(OdysseyStreamTimeoutError, match=r"^No video frame arrived within 0.3 s$"):
        for _ in frames:
            pass
    with pytest.raises(OdysseyStreamTimeoutError, match=r"^end_stream was not answered"):
        session.end_stream(timeout=0.1)
    in_background(session.disconnect).result(SOON_S)
    assert sessions_are_free(emulator.api_url, emulator.api_key)


def test_a_stream_without_pictures_can_be_waited_for_with_a_timeout(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="media", action="stop"))
    session = client.connect(timeout=SOON_S)
    session.start_stream("A cat")
    with pytest.raises(OdysseyStreamTimeoutError):
        next(session.frames(timeout=0.2))
    assert session.interact("Night", timeout=SOON_S)


@pytest.mark.usefixtures("nothing_left")
def test_a_signaling_server_that_says_nothing_is_a_timeout() -> None:
    def accept(connection: Connection, request: Request) -> None:
        if request.path.endswith("/config"):
            connection.send(json_answer({"iceServers": []}))
        else:
            connection.accept_websocket(request)

    with SignalingServer(handshake=accept) as signaling:
        granted = json_answer({"session_id": "s-1", "signalling_url": signaling.ws_url})
        with (
            HttpServer({"POST /sessions/request": granted}) as server,
            Odyssey("ody_key", api_url=server.url, advanced=NO_RETRY) as client,
        ):
            error, timeout_s = timed_out(client, lambda error: str(error).endswith("the offer"))
    assert str(error) == f"Not connected within {timeout_s:g} s, still waiting for the offer"


# --- secrets

KEY: Final = "ody_live_KEYKEYKEYKEY"
JWT: Final = "eyJ"
"""The beginning of every token of the emulator."""
ECHO: Final = {"detail": f"The key {KEY} is no good", "api_key": KEY}

LEAKS: Final[dict[str, tuple[Fault, ...]]] = {
    "token 401": (Fault(step="POST /auth/token", action="answer", status=401, body=ECHO),),
    "token 403": (Fault(step="POST /auth/token", action="answer", status=403, body=ECHO),),
    "token 422": (
        Fault(
            step="POST /auth/token",
            action="answer",
            status=422,
            body={"detail": [{"loc": ["body", "api_key"], "msg": f"bad {KEY}", "type": KEY}]},
        ),
    ),
    "token 500": (Fault(step="POST /auth/token", action="answer", status=500, body=ECHO),),
    "token malformed": (Fault(step="POST /auth/token", action="answer", status=200, body=f'{{"{KEY}": '),),
    "token strange": (
        Fault(step="POST /auth/token", action="answer", status=200, body={"access_token": f"{KEY}\n"}),
    ),
    "token reset": (Fault(step="POST /auth/token", action="reset", times=None),),
    "token truncated": (Fault(step="POST /auth/token", action="truncate", body=ECHO, times=None),),
    "token hang": (Fault(step="POST /auth/token", action="hang"),),
    "redirect": (
        Fault(
            step="POST /auth/token",
            action="answer",
            status=307,
            headers={"Location": f"http://127.0.0.1:9/?api_key={KEY}"},
        ),
    ),
    "regions": (Fault(step="GET /regions", action="answer", status=500, body=ECHO),),
    "session 401": (Fault(step="POST /sessions/request", action="answer", status=401, body=ECHO, times=None),),
    "session 429": (
        Fault(
            step="POST /sessions/request",
            action="answer",
            status=429,
            body={"error": "RATE_LIMITED", "message": f"Slow down, {KEY}", "action": f"Wait, {KEY}"},
        ),
    ),
    "session url": (
        Fault(
            step="POST /sessions/request",
            action="answer",
            status=200,
            body={"session_id": "s", "signalling_url": f"ws://u:{KEY}@127.0.0.1/x?token={KEY}"},
        ),
        Fault(step="POST /sessions/token", action="answer", status=200, body={"session_token": "t"}, times=None),
    ),
    "session token 404": (Fault(step="POST /sessions/token", action="answer", status=404, body=ECHO, times=None),),
    "session token hang": (Fault(step="POST /sessions/token", action="hang"),),
    "config": (Fault(step="GET /signaling/config", action="answer", status=500, body=ECHO),),
    "ice": (
        Fault(
            step="GET /signaling/config",
            action="answer",
            status=200,
            body={"iceServers": [{"urls": f"turn:{KEY}@x?credential={KEY}", "username": KEY, "credential": KEY}]},
        ),
    ),
    "handshake 403": (Fault(step="signaling handshake", action="answer", status=403, body=ECHO),),
    "handshake 500": (Fault(step="signaling handshake", action="answer", status=500, body=ECHO),),
    "handshake redirect": (
        Fault(
            step="signaling handshake",
            action="answer",
            status=302,
            headers={"Location": f"http://127.0.0.1:9/?token={KEY}"},
        ),
    ),
    "handshake reset": (Fault(step="signaling handshake", action="reset"),),
    "handshake hang": (Fault(step="signaling handshake", action="hang"),),
    "offer drop": (Fault(step="signaling offer", action="drop"),),
    "offer close": (Fault(step="signaling offer", action="close", code=1011),),
    "offer error": (Fault(step="signaling offer", action="error", reason=f"bad {KEY}"),),
    "offer malformed": (Fault(step="signaling offer", action="replace", text=message("offer", sdp=KEY)),),
    "offer strange": (Fault(step="signaling offer", action="send", text=message(KEY)),),
    "candidate strange": (
        Fault(
            step="signaling candidates",
            action="send",
            text=message("ice_candidate", candidate=f"candidate:{KEY}", sdpMid=KEY, sdpMLineIndex=0),
        ),
    ),
    "stream error": (
        Fault(step="stream start", action="stream_error", reason=f"bad {KEY}", message=f"{KEY} is bad"),
    ),
    "stream strange": (Fault(step="stream start", action="send", text=message(KEY)),),
    "channels": (Fault(step="stream start", action="close_channel"),),
    "loss": (Fault(step="stream start", action="drop"),),
}


def texts_of(error: BaseException | None) -> Iterator[str]:
    """Yield every text in which an exception and its causes can appear."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        for other in (error.__context__, error.__cause__):
            if other is not None and other is not error:
                yield from (str(other), repr(other), repr(other.args), repr(vars(other)))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("what", LEAKS)
def test_no_failure_shows_the_key_or_a_token(
    what: str, emulator: Emulator, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.faults.add(*LEAKS[what])
    shown: list[str] = []

    def has_struck(timeout_s: float) -> bool:
        failure: OdysseyError | None = None
        with Odyssey(KEY, api_url=emulator.api_url, advanced=NO_RETRY, reconnect=False) as client:
            try:
                session = client.connect(timeout=timeout_s)
                shown.append(repr(session))
                session.start_stream("A cat", timeout=SOON_S)
            except OdysseyError as error:
                failure = error
                shown.extend(texts_of(error))
                shown.append(json.dumps(getattr(error, "details", {})))
            shown.extend((repr(client), repr(client.config)))
        if any(fault.times is None for fault in LEAKS[what]):  # such a fault is always pending
            return failure is not None and not isinstance(failure, TimeoutError)
        return not emulator.faults.pending

    if what.endswith("hang"):  # a busy machine needs longer to get there
        assert any(map(has_struck, growing_timeouts(0.5)))
    else:
        assert has_struck(SOON_S)
    shown += [f"{record.name}: {caplog.handler.format(record)}" for record in caplog.records]
    shown += [str(warning.message) for warning in recwarn]
    ours = [text for text in shown if not text.startswith(("odyssey_proto.emulator", "aiohttp"))]
    assert [text for text in ours if KEY in text or JWT in text] == []


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_echoes_what_it_was_sent_shows_no_token(caplog: pytest.LogCaptureFixture) -> None:
    def echo(connection: Connection, request: Request) -> None:
        connection.send(answer(repr(request).encode(), "400 Bad Request"))

    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    steps = [
        "POST /auth/token",
        "GET /regions",
        "POST /sessions/request",
        "POST /sessions/token",
        "GET /config",
        "",
    ]
    with SignalingServer(handshake=echo) as signaling:
        granted = json_answer({"session_id": "s-1", "signalling_url": signaling.ws_url})
        for step in steps:
            with (
                HttpServer({"POST /sessions/request": granted, step: echo}) as server,
                Odyssey(KEY, api_url=server.url, advanced=NO_RETRY) as client,
            ):
                with pytest.raises(OdysseyError) as caught:
                    client.connect(timeout=SOON_S)
                shown += texts_of(caught.value)
    shown += [caplog.handler.format(record) for record in caplog.records]
    assert [text for text in shown if any(secret in text for secret in (KEY, "at-secret", "st-secret"))] == []


def test_no_thread_shows_the_key_in_its_name(emulator: Emulator) -> None:
    with Odyssey(KEY, api_url=emulator.api_url) as client, client.connect(timeout=PATIENCE_S):
        assert not any(KEY in thread.name for thread in threading.enumerate())
