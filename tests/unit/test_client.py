"""The errors of a client, and when it raises them, on links without a network."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyStreamError,
)
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._live.driver import Driver
from odyssey_proto.core import inputs
from odyssey_proto.core.protocol import Protocol
from tests.support.links import GRANTED, PATIENCE_S, FakeLink, FakeService
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import ClientCredentials, OdysseyEventHandlers
    from odyssey_proto._base.forks import Lock
    from tests.conftest import Background

DEAD = OdysseyConnectionError("gone for good", code="gone")
FAST = AdvancedConfig(initial_retry_delay_ms=1, max_retry_delay_ms=5, queue_timeout_s=0)


class Client(Odyssey):
    """A client whose sessions are on a `FakeService`."""

    def __init__(self, service: FakeService, api_key: str | None = "ody_key", **options: Any) -> None:
        super().__init__(api_key, api_url="http://127.0.0.1:9", advanced=FAST, **options)
        self.service = service

    def _driver(self, handlers: OdysseyEventHandlers | None, *_: object) -> Driver:
        core = Protocol(FAST, reconnect=self.config.reconnect)
        return Driver(core, self.service, MonotonicClock(), handlers, name="odyssey-session")


@pytest.fixture
def service(nothing_left: None) -> FakeService:
    return FakeService()


@pytest.fixture
def client(service: FakeService) -> Iterator[Client]:
    with Client(service) as client:
        yield client


def never(_: FakeLink) -> None:
    """Open nothing."""


# --- without a connection


CALLS: dict[str, Callable[[Odyssey], object]] = {
    "start stream": lambda client: client.start_stream("A cat"),
    "interact": lambda client: client.interact("It runs"),
    "end stream": lambda client: client.end_stream(),
    "iterate over frames": lambda client: client.frames(),
}


@pytest.mark.parametrize("what", CALLS)
def test_before_connecting_a_call_says_what_to_do(client: Client, what: str) -> None:
    with pytest.raises(
        OdysseyStreamError, match=rf"^Cannot {what}: client is disconnected; call connect\(\) first$"
    ):
        CALLS[what](client)


def test_before_connecting_there_is_nothing_to_know(client: Client) -> None:
    assert (client.is_connected, client.current_status) == (False, ConnectionStatus.DISCONNECTED)
    assert (client.current_session_id, client.latest_frame, client.last_applied_prompt) == (None, None, None)


def test_leaving_nothing_does_nothing(client: Client) -> None:
    client.disconnect()
    client.disconnect()


def test_without_a_key_there_is_no_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with Odyssey() as client, pytest.raises(OdysseyAuthError) as caught:
        client.connect()
    assert caught.value.code == "missing_api_key"


# --- connecting


def test_a_connected_client_acts_on_its_session(client: Client) -> None:
    session = client.connect()
    assert (client.is_connected, client.current_session_id) == (True, "s-1")
    assert client.start_stream("A cat") == session.stream_id
    assert client.interact("It runs") == client.last_applied_prompt
    client.end_stream()
    client.disconnect()
    assert session.has_ended
    assert client.current_session_id is None


def test_handlers_come_by_name_or_in_the_documented_order(client: Client) -> None:
    called: list[str] = []
    client.connect(lambda: called.append("connected"), on_stream_started=called.append)
    client.start_stream("A cat")
    client.disconnect()
    eventually(lambda: called == ["connected", "st-1"])


@pytest.mark.parametrize(
    ("in_order", "by_name", "text"),
    [
        ((print,), {"on_connected": print}, "on_connected was given twice"),
        ((None,) * 11, {}, "there are 10 handlers, not 11"),
        ((), {"on_nothing": print}, "on_nothing"),
        ((7,), {}, "on_connected must be a function or None"),
    ],
)
def test_handlers_that_do_not_fit_are_refused(
    client: Client, in_order: tuple[Any, ...], by_name: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        client.connect(*in_order, **by_name)
    assert client.service.links == []


def ignored(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_connected_client_returns_the_session_that_it_has(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    session = client.connect()
    assert client.connect() is session
    assert client.connect_with_credentials(_credentials(600, session_id="s-1")) is session
    assert len(client.service.links) == 1
    assert ignored(caplog) == []


def test_handlers_given_while_connected_are_ignored_with_one_warning(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []
    session = client.connect(on_stream_started=called.append)
    assert client.connect(print, on_stream_started=lambda _: called.append("new"), on_error=print) is session
    client.start_stream("A cat")
    client.disconnect()
    eventually(lambda: called == ["st-1"])
    assert ignored(caplog) == [
        "already connected to session s-1; ignored: on_connected, on_stream_started, on_error"
    ]


def test_credentials_of_another_session_are_ignored_while_connected(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    session = client.connect()
    assert client.connect_with_credentials(_credentials(0)) is session
    assert ignored(caplog) == ["already connected to session s-1; ignored: the credentials of session s-9"]


def test_a_client_that_is_connected_needs_no_key_to_return_its_session(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with Client(service, api_key=None) as client:
        session = client.connect_with_credentials(_credentials(600))
        assert client.connect() is session


def test_arguments_are_checked_while_connected_too(client: Client) -> None:
    client.connect()
    wrong: Any = {"on_connected": 7}, {"timeout": "1"}, {"wait_for_slot": 1}
    for arguments in wrong:
        with pytest.raises(TypeError):
            client.connect(**arguments)


def test_the_end_of_an_inner_with_ends_the_session_for_all(client: Client) -> None:
    with client.connect() as outer:
        with client.connect() as inner:
            assert inner is outer
        assert outer.has_ended
        assert not client.is_connected
    assert client.connect() is not outer


def test_a_handler_may_connect_again(client: Client) -> None:
    found: list[object] = []
    session = client.connect(on_connected=lambda: found.append(client.connect()))
    eventually(lambda: found)
    client.disconnect()
    assert found == [session]


def test_a_client_that_is_reconnecting_refuses_to_connect(client: Client) -> None:
    session = client.connect()
    client.service.opening = never
    client.service.links[0].fail(OdysseyConnectionError("lost", code="lost", recoverable=True))
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    for connect in (client.connect, lambda: client.connect_with_credentials(_credentials(600))):
        with pytest.raises(OdysseyConnectionError, match="This client is reconnecting") as caught:
            connect()
        assert caught.value.code == "reconnecting"
    assert session.status is ConnectionStatus.RECONNECTING


def test_it_connects_again_after_it_was_left(client: Client) -> None:
    with client.connect() as first:
        pass
    second = client.connect()
    assert (first.has_ended, second.is_connected) == (True, True)


def test_it_connects_again_after_a_session_that_failed(client: Client) -> None:
    session = client.connect()
    client.service.links[0].fail(DEAD)
    with pytest.raises(OdysseyConnectionError, match="gone for good"):
        session.wait(timeout=PATIENCE_S)
    assert client.connect().is_connected


def test_while_a_thread_connects_another_is_refused(client: Client, in_background: Background) -> None:
    client.service.opening = never
    connecting = in_background(client.connect, timeout=PATIENCE_S)
    eventually(lambda: bool(client.service.links))
    with pytest.raises(OdysseyConnectionError) as caught:
        client.connect()
    assert caught.value.code == "connecting"
    client.disconnect()
    with pytest.raises(OdysseyConnectionError):
        connecting.result(PATIENCE_S)


def test_a_connect_that_is_left_while_it_waits_for_the_last_session_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_settle_last", lambda _: client.disconnect())  # as another thread does then
    with pytest.raises(OdysseyConnectionError) as caught:
        client.connect(timeout=PATIENCE_S)
    assert caught.value.code == "disconnected"
    monkeypatch.undo()
    assert client.connect(timeout=PATIENCE_S).is_connected


def test_a_session_that_ctrl_c_kept_from_beginning_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client._account.telemetry, "connecting", interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.connect(timeout=PATIENCE_S)
    monkeypatch.undo()
    client.disconnect()
    assert client.connect(timeout=PATIENCE_S).is_connected


@pytest.fixture
def slow_request(client: Client) -> Iterator[threading.Event]:
    """The event for which the answer to the first request for a session waits."""
    granted = threading.Event()
    answers = iter([granted.wait])

    def request() -> inputs.Input:
        next(answers, lambda: True)()
        return inputs.SessionGranted(GRANTED)

    client.service.requesting = request
    yield granted
    granted.set()


def is_held(lock: Lock) -> bool:
    """Return whether a thread has the lock. Trying to acquire it could keep the other thread from it."""
    return bool(lock._lock.locked())


def test_a_session_that_is_granted_after_its_connect_was_left_is_given_back_before_the_next(
    client: Client,
    slow_request: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    in_background: Background,
) -> None:
    monkeypatch.setattr("odyssey_proto._live.driver._LINGER_S", PATIENCE_S)
    first = in_background(client.connect, timeout=PATIENCE_S)
    eventually(lambda: client.current_status is ConnectionStatus.CONNECTING)
    client.disconnect()
    with pytest.raises(OdysseyConnectionError, match="The client disconnected"):
        first.result(PATIENCE_S)
    again = in_background(client.connect, timeout=PATIENCE_S)
    eventually(lambda: is_held(client._connecting))
    assert client.service.links == []
    slow_request.set()
    assert again.result(PATIENCE_S).is_connected
    assert client.service.links[0].sent == [wire.ClientDisconnecting()]
    assert "close" in client.service.links[0].did


def test_closing_does_not_wait_for_a_session_that_is_granted_too_late(
    client: Client,
    slow_request: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    in_background: Background,
) -> None:
    monkeypatch.setattr("odyssey_proto._live.driver._LINGER_S", 3600.0)
    first = in_background(client.connect, timeout=PATIENCE_S)
    eventually(lambda: client.current_status is ConnectionStatus.CONNECTING)
    client.disconnect()
    with pytest.raises(OdysseyConnectionError):
        first.result(PATIENCE_S)
    left = client._leaving
    assert left is not None
    client.close()
    eventually(left._driver.ended.is_set)  # before the session is granted, at the end of the test


def test_closing_ends_a_connect(client: Client, in_background: Background) -> None:
    client.service.opening = never
    connecting = in_background(client.connect, timeout=PATIENCE_S)
    eventually(lambda: bool(client.service.links))
    client.close()
    with pytest.raises(OdysseyConnectionError):
        connecting.result(PATIENCE_S)


def test_a_connect_that_takes_too_long_raises_and_leaves_nothing(client: Client) -> None:
    client.service.opening = never
    with pytest.raises(OdysseyConnectionTimeoutError, match=r"Not connected within 0\.05 s"):
        client.connect(timeout=0.05)
    assert not client.is_connected


@pytest.mark.parametrize("error", [OdysseyAuthError("no", code="invalid_api_key"), DEAD])
def test_a_refusal_is_raised_and_the_client_can_try_again(client: Client, error: Exception) -> None:
    authenticating = client.service.authenticating

    def refuse() -> Any:
        raise error

    client.service.authenticating = refuse
    with pytest.raises(type(error), match=str(error)):
        client.connect(timeout=PATIENCE_S)
    client.service.authenticating = authenticating
    assert client.connect().is_connected


def test_credentials_that_have_expired_by_this_clock_are_tried(client: Client) -> None:
    session = client.connect_with_credentials(_credentials(0), timeout=PATIENCE_S)
    assert session.session_id == "s-9"


def test_credentials_connect_without_a_key(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with Client(service, None) as client:
        session = client.connect_with_credentials(_credentials(600), timeout=PATIENCE_S)
        assert session.session_id == "s-9"
        with pytest.raises(OdysseyAuthError):
            client.config.require_api_key()


def _credentials(expires_in: int, *, session_id: str = "s-9") -> ClientCredentials:
    from odyssey_proto import ClientCredentials

    claims = base64.urlsafe_b64encode(json.dumps({"session_id": session_id}).encode()).decode().rstrip("=")
    token = f"e30.{claims}.c2ln"
    return ClientCredentials("wss://x.example", token, expires_in)


# --- the end


def test_a_with_block_leaves_the_session_and_ends_all_threads(service: FakeService) -> None:
    with Client(service) as client:
        session = client.connect()
    assert session.has_ended
    assert session._driver.ended.wait(PATIENCE_S)
    assert service.links[0].sent == [wire.ClientDisconnecting()]


def test_a_closed_client_cannot_be_used(client: Client) -> None:
    client.close()
    client.close()
    with pytest.raises(OdysseyConnectionError) as caught:
        client.connect()
    assert caught.value.code == "closed"


def test_a_thread_that_waits_raises_when_another_disconnects(client: Client, in_background: Background) -> None:
    client.connect()
    client.start_stream("A cat")
    asked = threading.Event()
    client.service.answering = lambda *_: asked.set()
    waiting = in_background(client.interact, "It runs")
    assert asked.wait(PATIENCE_S)
    client.disconnect()
    with pytest.raises(OdysseyStreamError):
        waiting.result(PATIENCE_S)


# --- settings


@pytest.mark.parametrize(("given", "expected"), [({}, 30.0), ({"timeout": 5}, 5), ({"timeout": None}, None)])
def test_a_rest_call_takes_as_long_as_its_client_says(given: dict[str, Any], expected: float | None) -> None:
    from odyssey_proto import CLIENT_DEFAULT

    with Odyssey("ody_key", **given) as client:
        assert client._until(CLIENT_DEFAULT).timeout == expected
        assert client._until(1.5).timeout == 1.5
        assert client._until(None).timeout is None
