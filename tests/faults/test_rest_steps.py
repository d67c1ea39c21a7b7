"""Every possible answer to a REST step of `connect`, and the error that users get.

Each failure is one typed exception with one line of text, and leaves nothing behind. `test_http.py` tests how
single answers are read; this file tests the outcome of the whole call.
"""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    AccountSuspendedError,
    AdvancedConfig,
    ConcurrentLimitReachedError,
    ConnectionStatus,
    MalformedMessageError,
    MonthlyLimitReachedError,
    Odyssey,
    OdysseyAuthError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    OdysseyUsageError,
    RateLimitError,
    StreamDurationExceededError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.apis import give_time
from tests.support.bombs import GZIP, zeros
from tests.support.cases import run_all
from tests.support.ports import refusing_port
from tests.support.processes import eventually, sessions_are_free
from tests.support.servers import HttpServer, Server, answer
from tests.support.texts import is_one_clear_line
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto.emulator._faults.script import Step
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient, MakeEmulator

SOON_S: Final = 20.0
NO_RETRY: Final = AdvancedConfig(max_retries=0, queue_timeout_s=0)

NEEDED: Final = ("POST /auth/token", "POST /sessions/request", "POST /sessions/token")
"""Steps without which there is no session."""
OF_REGIONS: Final = ("GET /regions", "ping")
"""Steps that choose a region. They may fail without failing the connect, and so may `OF_ICE`."""
OF_ICE: Final = "GET /signaling/config"

PAGE: Final = "<html><body>Welcome to the hotel's network</body></html>"

ANSWERS: Final[dict[str, tuple[dict[str, Any], type[OdysseyError], str]]] = {
    "a page": (
        {"action": "answer", "status": 200, "body": PAGE},
        MalformedMessageError,
        "is this the address of the API?",
    ),
    "half of the JSON": (
        {
            "action": "answer",
            "status": 200,
            "body": '{"access_token": "',
            "headers": {"Content-Type": "text/json"},
        },
        MalformedMessageError,
        "Malformed",
    ),
    "another object": (
        {"action": "answer", "status": 200, "body": {"ok": True}},
        MalformedMessageError,
        "is missing",
    ),
    "a list": ({"action": "answer", "status": 200, "body": [1]}, MalformedMessageError, "an object was expected"),
    "wrong types": (
        {
            "action": "answer",
            "status": 200,
            "body": {"access_token": [1], "session_id": None, "signalling_url": [], "session_token": {}},
        },
        MalformedMessageError,
        "was expected",
    ),
    "nothing": ({"action": "answer", "status": 200, "body": ""}, MalformedMessageError, "Malformed"),
    "a body cut short": (
        {"action": "truncate", "status": 200, "body": {"access_token": "x"}},
        OdysseyConnectionError,
        "closed the connection before its answer was complete",
    ),
    "500": (
        {"action": "answer", "status": 500},
        OdysseyConnectionError,
        "the service answered 500: Injected fault",
    ),
    "502 with a page": (
        {"action": "answer", "status": 502, "body": PAGE},
        OdysseyConnectionError,
        "the service answered 502: Bad Gateway",
    ),
    "418": ({"action": "answer", "status": 418}, OdysseyConnectionError, "the service answered 418"),
    "a redirect": (
        {"action": "answer", "status": 307, "headers": {"Location": "http://192.0.2.1/elsewhere"}},
        OdysseyConnectionError,
        "the service redirects (307) from ",
    ),
    "a reset": (
        {"action": "reset"},
        OdysseyConnectionError,
        "closed the connection before its answer was complete",
    ),
}

SLOW: Final = {
    "silence": {"action": "hang"},
    "one byte after another": {"action": "drip", "status": 200, "body": " " * 1000, "seconds": 0.05},
}


@pytest.fixture
def emulator(make_emulator: MakeEmulator) -> Emulator:
    # One more than a test may leave behind: without a session token, a session cannot be given back.
    some = len(ANSWERS) + 1
    return make_emulator(concurrent_sessions=some, streamers=some)


@pytest.fixture
def client(emulator: Emulator, make_client: MakeClient) -> Odyssey:
    return make_client(emulator, advanced=NO_RETRY)


@pytest.mark.parametrize("step", NEEDED)
def test_a_step_that_is_needed_fails_with_one_clear_line(step: str, emulator: Emulator, client: Odyssey) -> None:
    def check(case: tuple[dict[str, Any], type[OdysseyError], str]) -> None:
        fault, kind, text = case
        emulator.faults.clear()
        emulator.faults.add(Fault(step=step, times=None, **fault))
        with pytest.raises(kind) as caught:
            client.connect(timeout=SOON_S)
        assert type(caught.value) is kind
        assert step in str(caught.value)
        assert text in str(caught.value)
        assert is_one_clear_line(caught.value)
        assert caught.value.operation == step

    run_all(check, ANSWERS.items())
    emulator.faults.clear()
    assert client.connect(timeout=SOON_S).is_connected


@pytest.mark.parametrize("what", ["a page", "another object", "a body cut short", "500", "a redirect", "a reset"])
@pytest.mark.parametrize("step", OF_REGIONS)
def test_a_step_that_only_helps_holds_nothing_up(
    step: Step, what: str, emulator: Emulator, client: Odyssey
) -> None:
    fault, _, _ = ANSWERS[what]
    emulator.faults.add(*(Fault(step=each, times=None, **fault) for each in (step, OF_ICE)))
    assert client.connect(timeout=SOON_S).is_connected


def test_steps_that_redirect_are_taken_where_they_lead(
    emulator: Emulator, client: Odyssey, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_time(monkeypatch)
    for step in (*NEEDED, "GET /regions", "GET /signaling/config"):
        headers = {"Location": step.partition(" ")[2]}
        emulator.faults.add(Fault(step=step, action="answer", status=307, headers=headers, times=1))
    assert client.connect(timeout=SOON_S).is_connected
    assert not emulator.faults.pending


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("step", NEEDED)
def test_a_step_that_takes_too_long_is_a_timeout(step: str, how: str, emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step=step, **SLOW[how]))  # type: ignore[arg-type]  # the fields differ in type
    with pytest.raises(OdysseyConnectionTimeoutError, match=r"^Not connected within 0.5 s, still ") as caught:
        client.connect(timeout=0.5)
    assert is_one_clear_line(caught.value)


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("step", OF_REGIONS)
def test_regions_that_take_too_long_are_not_waited_for(
    step: str, how: str, emulator: Emulator, client: Odyssey
) -> None:
    emulator.faults.add(Fault(step=step, **SLOW[how]))  # type: ignore[arg-type]  # the fields differ in type
    assert client.connect(timeout=SOON_S).is_connected


@pytest.mark.parametrize(
    ("step", "status", "kind", "code"),
    [
        ("POST /auth/token", 401, OdysseyAuthError, "invalid_api_key"),
        ("POST /auth/token", 403, OdysseyAuthError, "access_denied"),
        ("POST /auth/token", 422, OdysseyAuthError, "malformed_api_key"),
        ("POST /sessions/request", 401, OdysseyAuthError, "unauthorized"),
        ("POST /sessions/request", 403, OdysseyAuthError, "forbidden"),
        ("POST /sessions/request", 503, OdysseyConnectionError, "no_streamers"),
        ("POST /sessions/token", 401, OdysseyAuthError, "unauthorized"),
        ("POST /sessions/token", 403, OdysseyAuthError, "forbidden"),
        ("POST /sessions/token", 404, OdysseyConnectionError, "unknown_session"),
    ],
)
def test_a_refusal_is_its_documented_exception(
    step: str, status: int, kind: type[OdysseyError], code: str, emulator: Emulator, client: Odyssey
) -> None:
    emulator.faults.add(Fault(step=step, action="answer", status=status, times=None))
    with pytest.raises(kind) as caught:
        client.connect(timeout=SOON_S)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert is_one_clear_line(caught.value)


@pytest.mark.parametrize(
    ("code", "kind", "details"),
    [
        ("MONTHLY_LIMIT_REACHED", MonthlyLimitReachedError, {"used_hours": 10.5, "limit_hours": 10}),
        ("CONCURRENT_LIMIT_REACHED", ConcurrentLimitReachedError, {"active_count": 1, "limit": 1}),
        ("STREAM_DURATION_EXCEEDED", StreamDurationExceededError, {"max_duration_seconds": 60}),
        ("ACCOUNT_SUSPENDED", AccountSuspendedError, {"reason": "payment"}),
        ("RATE_LIMITED", RateLimitError, {"retry_after_seconds": 7}),
        ("SOMETHING_NEW", OdysseyUsageError, {"limit": 3}),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["in detail", "bare"])
def test_a_limit_of_the_account_is_its_documented_exception(
    code: str,
    kind: type[OdysseyUsageError],
    details: dict[str, Any],
    wrapped: bool,
    emulator: Emulator,
    client: Odyssey,
) -> None:
    body: dict[str, Any] = {"error": code, "message": "Too much", "action": "Wait", "details": details}
    emulator.faults.add(
        Fault(
            step="POST /sessions/request",
            action="answer",
            status=429,
            body={"detail": body} if wrapped else body,
        )
    )
    with pytest.raises(kind) as caught:
        client.connect(timeout=SOON_S)
    assert type(caught.value) is kind
    words, _, hint = str(caught.value).partition("; ")
    assert (words, caught.value.code) == ("Too much", code)
    assert hint.startswith("a killed process's session is freed") == (code == "CONCURRENT_LIMIT_REACHED")
    assert caught.value.action == "Wait"
    assert details.items() <= caught.value.details.items()


def test_a_429_that_says_nothing_is_a_connection_error(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(
        Fault(step="POST /sessions/request", action="answer", status=429, headers={"Retry-After": "3"})
    )
    with pytest.raises(OdysseyConnectionError) as caught:
        client.connect(timeout=SOON_S)
    assert type(caught.value) is OdysseyConnectionError
    assert (caught.value.recoverable, caught.value.retry_after) == (True, 3)


@pytest.mark.parametrize("fault", [{"action": "reset"}, {"action": "answer", "status": 503}], ids=["reset", "503"])
def test_one_hiccup_of_each_step_is_not_noticed(
    fault: dict[str, Any], emulator: Emulator, client: Odyssey, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_time(monkeypatch)
    for step in ("POST /auth/token", "POST /sessions/token", "GET /signaling/config"):
        emulator.faults.add(Fault(step=step, **fault))
    assert client.connect(timeout=SOON_S).is_connected
    assert not emulator.faults.pending


def test_a_token_that_is_revoked_early_is_renewed(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=401))
    assert client.connect(timeout=SOON_S).is_connected


def test_a_session_that_was_granted_in_vain_is_given_back(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator()
    emulator.faults.add(Fault(step="POST /sessions/token", action="answer", status=500))
    client = make_client(emulator, advanced=NO_RETRY)
    with pytest.raises(OdysseyConnectionError):
        client.connect(timeout=SOON_S)
    # The client does it in the background. `close` waits only a second for that: too little on a busy machine.
    eventually(lambda: sessions_are_free(emulator.api_url, emulator.api_key))


@pytest.mark.parametrize(
    "url", ["", "nonsense://x", "ws://", "ws://user:password@127.0.0.1/s", "ws://127.0.0.1:99999/s", "ws://[::1/s"]
)
def test_a_signaling_address_that_cannot_be_used_is_malformed(
    url: str, emulator: Emulator, client: Odyssey
) -> None:
    emulator.faults.add(
        Fault(
            step="POST /sessions/request",
            action="answer",
            status=200,
            body={"session_id": "s-1", "signalling_url": url},
        ),
        Fault(step="POST /sessions/token", action="answer", status=200, body={"session_token": "t"}, times=None),
    )
    with pytest.raises(MalformedMessageError, match=r"signaling address|signalling_url") as caught:
        client.connect(timeout=SOON_S)
    assert is_one_clear_line(caught.value)
    assert "password" not in str(caught.value)
    assert caught.value.session_id == "s-1"


# --- hostile bodies


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("step", ["POST /auth/token", "POST /sessions/request"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (zeros(200, GZIP), {"Content_Encoding": "gzip"}),
        (gzip.compress(b"{}")[:-4], {"Content_Encoding": "gzip"}),
        (b"{}", {"Content_Encoding": "gzip"}),
        (b"{}", {"Content_Encoding": "br"}),
        (b'{"access_token": NaN}', {}),
        (b"[" * 100_000, {}),
        (b"\xff\xfe{\x00}\x00", {}),
    ],
    ids=["gzip bomb", "gzip cut short", "no gzip", "brotli", "NaN", "deep", "UTF-16"],
)
def test_a_body_that_is_a_trap_is_malformed(step: str, body: bytes, headers: dict[str, Any]) -> None:
    with (
        HttpServer({step: answer(body, **headers)}) as server,
        Odyssey("ody_key", api_url=server.url, advanced=NO_RETRY) as client,
        pytest.raises(MalformedMessageError) as caught,
    ):
        client.connect(timeout=SOON_S)
    assert step in str(caught.value)
    assert is_one_clear_line(caught.value)


# --- a service that cannot be reached


def failure_of(url: str) -> tuple[OdysseyError, ConnectionStatus, float]:
    """Return the error of connecting to ``url``, the status afterwards, and the duration in s."""
    began = time.monotonic()
    with Odyssey("ody_key", api_url=url, advanced=NO_RETRY) as client:
        with pytest.raises(OdysseyConnectionError) as caught:
            client.connect(timeout=SOON_S)
        took = time.monotonic() - began
        client.disconnect()
        return caught.value, client.current_status, took


@pytest.mark.usefixtures("nothing_left")
def test_a_port_where_nobody_listens() -> None:
    with refusing_port() as port:
        error, status, _ = failure_of(f"http://127.0.0.1:{port}")
    assert str(error) == (
        f"POST /auth/token: 127.0.0.1:{port} refuses connections: check the address, or try later"
    )
    assert (error.code, error.recoverable) == ("refused", True)
    assert status is ConnectionStatus.DISCONNECTED


@pytest.mark.usefixtures("nothing_left")
def test_a_host_that_does_not_exist() -> None:
    error, _, took = failure_of("http://odyssey.invalid")
    assert "the host odyssey.invalid cannot be found" in str(error)
    assert error.code == "unknown_host"
    assert is_one_clear_line(error)
    assert took < SOON_S


@pytest.fixture
def silent_http() -> Iterator[Server]:
    with Server(lambda connection: connection.send(answer(status="400 Bad Request"))) as server:
        yield server


@pytest.mark.usefixtures("nothing_left")
def test_https_where_only_http_is_spoken(silent_http: Server) -> None:
    error, _, _ = failure_of(silent_http.url.replace("http:", "https:"))
    assert error.code in ("tls", "connection_lost")
    assert is_one_clear_line(error)


@pytest.mark.usefixtures("nothing_left")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with HttpServer(tls=self_signed(tmp_path).server) as server:
        error, _, _ = failure_of(server.url)
        assert server.requests == [], "the key was not sent"
    assert error.code == "untrusted_certificate"
    assert "is not trusted" in str(error)
    assert is_one_clear_line(error)


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_speaks_something_else() -> None:
    with Server(lambda connection: connection.send(b"220 mail.example ESMTP ready\r\n")) as server:
        error, _, _ = failure_of(server.url)
    assert isinstance(error, MalformedMessageError)
    assert is_one_clear_line(error)


@pytest.mark.parametrize(
    "url", ["127.0.0.1", "ftp://x", "http://", "http://u:p@x", "http://x/?key=1", "http://[x"]
)
def test_an_address_that_cannot_be_used_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(OdysseyConfigError, match=r"^api_url must "):
        Odyssey("ody_key", api_url=url)


def test_an_api_below_a_path_is_reached_there(nothing_left: None) -> None:
    page = json.dumps({"detail": "Not here"}).encode()
    with HttpServer({"POST /v1/auth/token": answer(page, "403 Forbidden")}) as server:
        with (
            Odyssey("ody_key", api_url=f"{server.url}/v1/", advanced=NO_RETRY) as client,
            pytest.raises(OdysseyAuthError, match=r"Not here"),
        ):
            client.connect(timeout=SOON_S)
        assert [request.route for request in server.requests] == ["POST /v1/auth/token"]
