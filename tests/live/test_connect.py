"""Connecting and disconnecting: statuses, queueing, what can be retried, and what is given back."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    ConnectionStatus,
    Odyssey,
    OdysseyAuthError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
)
from odyssey_proto._net.service_api import ServiceApi
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, eventually, growing_timeouts, is_waited_for, sessions_are_free

if TYPE_CHECKING:
    from odyssey_proto import Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

SOON_S: Final = 10.0
"""Far longer than anything here takes, and far shorter than the 40 s after which the service clears a session."""


class Statuses(list[tuple[ConnectionStatus, str | None]]):
    """The statuses that `note`, a handler for ``on_status_change``, has received, with their messages."""

    def note(self, status: ConnectionStatus, message: str | None) -> None:
        self.append((status, message))

    @property
    def names(self) -> list[str]:
        return [str(status) for status, _ in self]


# --- what a client reports


def test_a_client_that_never_connected_is_disconnected(client: Odyssey) -> None:
    assert not client.is_connected
    assert client.current_status is ConnectionStatus.DISCONNECTED
    assert client.current_session_id is None
    assert client.latest_frame is None
    assert client.last_applied_prompt is None


def test_a_connected_client_shows_its_session(client: Odyssey) -> None:
    session = client.connect()
    assert client.is_connected
    assert client.current_status == "connected"
    assert client.current_session_id == session.session_id
    assert session.session_id
    assert session.is_connected
    assert not session.has_ended
    assert session.stream_id is None


@pytest.mark.parametrize("able", [True, False])
def test_a_session_has_the_capabilities_of_its_streamer(
    able: bool, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    session = make_client(make_emulator(image_to_video=able)).connect()
    assert session.capabilities is not None
    assert session.capabilities.image_to_video is able


def test_a_session_without_capabilities_in_its_answer_has_none_of_them(
    emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    emulator.faults.add(
        Fault(
            step="POST /sessions/request",
            action="answer",
            status=200,
            body={"session_id": "s-1", "signalling_url": emulator.api_url.replace("http", "ws") + "/signaling"},
        ),
        Fault(step="POST /sessions/token", action="hang", times=None),
    )
    connecting = in_background(client.connect)
    eventually(lambda: client._session is not None and client._session.capabilities is not None)
    assert client._session is not None
    assert client._session.capabilities is not None
    assert client._session.capabilities.image_to_video is False
    emulator.faults.clear()
    client.close()
    assert isinstance(connecting.exception(SOON_S), OdysseyConnectionError)


def test_after_leaving_a_client_is_disconnected(client: Odyssey) -> None:
    session = client.connect()
    client.disconnect()
    assert not client.is_connected
    assert client.current_status is ConnectionStatus.DISCONNECTED
    assert client.current_session_id is None
    assert session.has_ended
    session.wait(timeout=PATIENCE_S)


def test_statuses_come_in_the_documented_order(client: Odyssey) -> None:
    told = Statuses()
    with client.connect(on_status_change=told.note):
        pass
    eventually(lambda: "disconnected" in told.names)  # disconnect() may return before that
    assert told.names == ["authenticating", "connecting", "connected", "disconnected"]


def test_a_refused_key_goes_from_authenticating_to_failed(emulator: Emulator, make_client: MakeClient) -> None:
    client = make_client(emulator, "ody_invalid_key")
    told = Statuses()
    with pytest.raises(OdysseyAuthError):
        client.connect(on_status_change=told.note)
    eventually(lambda: told.names == ["authenticating", "failed"])
    assert client.current_status is ConnectionStatus.FAILED


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("POST /auth/token", "authenticating"),
        ("POST /sessions/request", "connecting"),
        ("GET /signaling/config", "connecting"),
        ("signaling handshake", "connecting"),
    ],
)
def test_the_status_can_be_asked_for_while_connecting(
    step: str, status: str, emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    emulator.faults.add(Fault(step=step, action="hang"))
    connecting = in_background(client.connect)
    eventually(lambda: not emulator.faults.pending)
    eventually(lambda: client.current_status == status)
    assert not client.is_connected
    assert client.current_session_id is None
    client.disconnect()
    assert isinstance(connecting.exception(SOON_S), OdysseyConnectionError)


def test_what_needs_nothing_of_each_other_is_asked_for_at_the_same_time(
    client: Odyssey, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)  # each call waits for the other

    def together(name: str) -> None:
        call = getattr(ServiceApi, name)

        def wait_and_call(*args: Any, **options: Any) -> Any:
            both.wait(PATIENCE_S)
            return call(*args, **options)

        monkeypatch.setattr(ServiceApi, name, wait_and_call)

    together("session_token")
    together("signaling_config")
    client.connect(timeout=PATIENCE_S)
    assert not both.broken


# --- keys


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        ("ody_invalid_1", "invalid_api_key", "Invalid API key: check api_key or ODYSSEY_API_KEY"),
        (
            "ody_suspended_1",
            "access_denied",
            "API key access denied: Access denied: this account is suspended",
        ),
        (
            "sk_1",
            "malformed_api_key",
            "Invalid API key format: Value error, API key must start with 'ody_' (body.api_key)",
        ),
        (
            "ody_a b",
            "malformed_api_key",
            "Invalid API key format: it contains blanks or invalid characters; copy it again",
        ),
        (" ", "missing_api_key", "The API key is empty: pass Odyssey(api_key=…) or set ODYSSEY_API_KEY"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_auth_error(
    key: str, code: str, text: str, emulator: Emulator, make_client: MakeClient
) -> None:
    with pytest.raises(OdysseyAuthError) as caught:
        make_client(emulator, key).connect()
    assert str(caught.value) == text
    assert caught.value.code == code
    assert not caught.value.recoverable


def test_a_missing_key_is_an_auth_error(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    with Odyssey(api_url=emulator.api_url) as client, pytest.raises(OdysseyAuthError, match=r"No API key: pass"):
        client.connect()


def test_key_and_address_come_from_the_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", emulator.api_key)
    monkeypatch.setenv("ODYSSEY_API_URL", emulator.api_url)
    with Odyssey() as client, client.connect() as session:
        assert session.is_connected


# --- more than one connect


def test_a_second_connect_returns_the_session(client: Odyssey) -> None:
    session = client.connect()
    assert client.connect() is session
    assert session.start_stream("A cat")
    assert client.connect() is session
    assert session.stream_id is not None


def test_a_connect_while_another_thread_connects_is_refused_and_harms_nothing(
    client: Odyssey, monkeypatch: pytest.MonkeyPatch, in_background: Background
) -> None:
    go_on = threading.Event()
    access_token = ServiceApi.access_token

    def wait_and_call(*args: Any, **options: Any) -> Any:
        assert go_on.wait(PATIENCE_S)
        return access_token(*args, **options)

    monkeypatch.setattr(ServiceApi, "access_token", wait_and_call)
    first = in_background(client.connect)
    eventually(lambda: client.current_status is ConnectionStatus.AUTHENTICATING)
    with pytest.raises(OdysseyConnectionError, match=r"Another thread is connecting this client") as caught:
        client.connect()
    go_on.set()
    assert caught.value.code == "connecting"
    assert first.result(PATIENCE_S).is_connected


def test_eight_threads_connect_and_have_one_session(
    emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    emulator.faults.add(Fault(step="POST /auth/token", action="delay", seconds=0.5))
    outcomes = [in_background(client.connect) for _ in range(8)]
    errors = [outcome.exception(SOON_S) for outcome in outcomes]
    assert {error.code for error in errors if isinstance(error, OdysseyConnectionError)} <= {"connecting"}
    assert {outcome.result() for outcome, error in zip(outcomes, errors, strict=True) if error is None} == {
        client._session
    }
    assert client.is_connected


def test_a_client_connects_again_after_leaving(client: Odyssey) -> None:
    ids = set()
    for _ in range(3):
        with client.connect(timeout=SOON_S) as session:
            ids.add(session.session_id)
    assert len(ids) == 3


def test_ten_connects_in_a_row_leave_nothing(emulator: Emulator, make_client: MakeClient) -> None:
    client = make_client(emulator)
    for _ in range(10):
        client.connect(timeout=SOON_S)
        client.disconnect()


def test_a_session_that_was_left_stays_left_when_the_client_connects_again(client: Odyssey) -> None:
    first = client.connect()
    first.disconnect()
    second = client.connect()
    assert first.status is ConnectionStatus.DISCONNECTED
    first.disconnect()
    assert second.is_connected


def test_a_closed_client_does_not_connect(client: Odyssey) -> None:
    client.connect()
    client.close()
    with pytest.raises(OdysseyConnectionError, match=r"The client is closed; create another one") as caught:
        client.connect()
    assert caught.value.code == "closed"


def test_closing_and_leaving_may_be_repeated(client: Odyssey) -> None:
    client.disconnect()
    client.connect()
    for _ in range(2):
        client.disconnect()
    for _ in range(2):
        client.close()
    client.disconnect()


def test_a_client_connects_after_a_failure(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=500))
    with pytest.raises(OdysseyConnectionError):
        client.connect()
    assert client.connect(timeout=SOON_S).is_connected


def test_two_clients_of_one_key_meet_the_limit_of_the_account(
    emulator: Emulator, client: Odyssey, make_client: MakeClient
) -> None:
    client.connect()
    with pytest.raises(ConcurrentLimitReachedError) as caught:
        make_client(emulator).connect()
    assert caught.value.code == "CONCURRENT_LIMIT_REACHED"
    assert caught.value.details == {"active_count": 1, "limit": 1}
    assert caught.value.action == "End another session, or wait until it is cleared"


@pytest.mark.parametrize("timeout", ["1", True, b"1"])
def test_a_timeout_that_is_no_number_is_a_type_error(client: Odyssey, timeout: Any) -> None:
    with pytest.raises(TypeError, match=r"timeout must be a number of seconds or None"):
        client.connect(timeout=timeout)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_below_zero_is_refused(client: Odyssey, timeout: float) -> None:
    with pytest.raises(OdysseyConfigError, match=r"timeout must be 0 s or more"):
        client.connect(timeout=timeout)


@pytest.mark.parametrize("timeout", [None, float("inf"), 1e300])
def test_a_connect_may_take_for_ever(client: Odyssey, timeout: float | None) -> None:
    assert client.connect(timeout=timeout).is_connected


# --- queueing


def test_a_client_queues_until_a_streamer_is_free(
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    in_background: Background,
) -> None:
    told = Statuses()
    emulator = make_emulator(streamers=1)
    before_us = make_client(emulator, "ody_first").connect()
    client = make_client(emulator, "ody_second")
    queueing = in_background(client.connect, timeout=PATIENCE_S, on_status_change=told.note)
    eventually(lambda: ("connecting", "Waiting for a streamer") in told)
    assert client.current_status is ConnectionStatus.CONNECTING
    assert not queueing.done()
    before_us.disconnect()
    assert queueing.result(PATIENCE_S).is_connected


def test_without_a_queue_it_fails_at_once(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    emulator = make_emulator(streamers=0)
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=418, after=1))
    with pytest.raises(OdysseyConnectionError, match=r"^No streamers available") as caught:
        make_client(emulator, queue_timeout_s=0).connect()
    assert caught.value.code == "no_streamers"
    assert caught.value.status == 503
    assert caught.value.recoverable
    assert len(emulator.faults.pending) == 1, "it was asked for once"


def test_a_queue_that_does_not_move_times_out(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    client = make_client(make_emulator(streamers=0), queue_timeout_s=1.2)
    with pytest.raises(OdysseyConnectionTimeoutError) as caught:
        client.connect()
    assert str(caught.value).startswith("Timed out waiting for a streamer after 1.2 s")
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status == 503
    eventually(lambda: client.current_status is ConnectionStatus.FAILED)


def test_leaving_ends_the_queueing(
    make_emulator: MakeEmulator,
    make_client: MakeClient,
    in_background: Background,
) -> None:
    told = Statuses()
    client = make_client(make_emulator(streamers=0))
    queueing = in_background(client.connect, on_status_change=told.note)
    eventually(lambda: ("connecting", "Waiting for a streamer") in told)
    client.disconnect()
    error = queueing.exception(SOON_S)
    assert isinstance(error, OdysseyConnectionError)
    assert error.code == "disconnected"


# --- a connect that takes too long

HANGS: Final = {
    "the key": (Fault(step="POST /auth/token", action="hang"), "authenticating"),
    "the regions": (Fault(step="GET /regions", action="hang"), "requesting a session"),
    "the session": (Fault(step="POST /sessions/request", action="hang"), "requesting a session"),
    "the session token": (
        Fault(step="POST /sessions/token", action="hang"),
        "opening the signaling connection",
    ),
    "the ICE servers": (
        Fault(step="GET /signaling/config", action="hang"),
        "opening the signaling connection",
    ),
    "the handshake": (Fault(step="signaling handshake", action="hang"), "opening the signaling connection"),
    "the offer": (Fault(step="signaling offer", action="silence"), "waiting for the offer"),
    "the media": (Fault(step="signaling answer", action="silence"), "waiting for video"),
}


def hanging(
    client: Odyssey, emulator: Emulator, fault: Fault, timeout_s: float, in_background: Background
) -> tuple[BaseException | None, bool]:
    """Return the error of a connect, and whether the connect was still waiting when ``fault`` struck.

    If it was not, the fault may have struck the goodbye, which then does not give the session back.
    """
    emulator.faults.add(fault)
    connecting = in_background(client.connect, timeout=timeout_s)
    eventually(lambda: not emulator.faults.pending or connecting.done())
    session = client._session
    was_there = not emulator.faults.pending and session is not None and not session.has_ended
    return connecting.exception(PATIENCE_S), was_there


@pytest.mark.parametrize("where", HANGS)
def test_a_connect_that_takes_too_long_says_where_and_gives_its_session_back(
    where: str, make_emulator: MakeEmulator, make_client: MakeClient, in_background: Background
) -> None:
    fault, doing = HANGS[where]
    for timeout_s in growing_timeouts(0.5):  # until this machine reaches the fault in time
        emulator = make_emulator()  # a new one each time: the goodbye of an earlier attempt may come late
        client = make_client(emulator)
        error, was_there = hanging(client, emulator, fault, timeout_s, in_background)
        if was_there and str(error).endswith(doing):
            break
    assert str(error) == f"Not connected within {timeout_s:g} s, still {doing}"
    assert isinstance(error, OdysseyConnectionTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.recoverable
    assert client.connect(timeout=PATIENCE_S).is_connected


@pytest.mark.parametrize("where", HANGS)
def test_leaving_from_another_thread_ends_a_connect_and_gives_its_session_back(
    where: str, emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    fault, _ = HANGS[where]
    emulator.faults.add(fault)
    connecting = in_background(client.connect)
    eventually(lambda: not emulator.faults.pending)
    client.disconnect()
    error = connecting.exception(SOON_S)
    assert isinstance(error, OdysseyConnectionError)
    assert error.code == "disconnected"
    assert str(error) == "The client disconnected"
    eventually(lambda: sessions_are_free(emulator.api_url, emulator.api_key))  # the goodbye may come late


@pytest.mark.parametrize("where", ["the key", "the session", "the handshake", "the media"])
@pytest.mark.usefixtures("unhurried")
def test_closing_from_another_thread_ends_a_connect_and_gives_its_session_back(
    where: str, emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    fault, _ = HANGS[where]
    emulator.faults.add(fault)
    connecting = in_background(client.connect)
    eventually(lambda: not emulator.faults.pending)
    client.close()
    assert isinstance(connecting.exception(SOON_S), OdysseyConnectionError)
    assert sessions_are_free(emulator.api_url, emulator.api_key)


@pytest.mark.usefixtures("unhurried")
def test_closing_waits_for_the_session_that_another_thread_is_giving_back(
    emulator: Emulator, client: Odyssey, in_background: Background
) -> None:
    emulator.faults.add(HANGS["the handshake"][0])
    connecting = in_background(client.connect)
    eventually(lambda: not emulator.faults.pending)
    emulator.faults.add(Fault(step="signaling handshake", action="delay", seconds=0.4))
    leaving = in_background(client.disconnect)
    eventually(lambda: not emulator.faults.pending)
    client.close()
    assert sessions_are_free(emulator.api_url, emulator.api_key)
    assert isinstance(connecting.exception(SOON_S), OdysseyConnectionError)
    leaving.result(SOON_S)


def test_a_session_that_is_granted_after_the_timeout_is_given_back(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="POST /sessions/request", action="delay", seconds=1.0))
    with pytest.raises(OdysseyConnectionTimeoutError):
        client.connect(timeout=0.5)
    assert client.connect(timeout=SOON_S).is_connected


def test_no_time_at_all_is_too_little(client: Odyssey) -> None:
    with pytest.raises(OdysseyConnectionTimeoutError, match=r"Not connected within 0 s"):
        client.connect(timeout=0)
    assert client.connect(timeout=SOON_S).is_connected


@pytest.mark.usefixtures("unhurried")
def test_a_session_that_is_left_is_free_at_once(emulator: Emulator, client: Odyssey) -> None:
    client.connect().disconnect()
    assert sessions_are_free(emulator.api_url, emulator.api_key)


# --- ICE servers


@pytest.mark.parametrize(
    "fault",
    [
        Fault(step="GET /signaling/config", action="answer", status=500),
        Fault(step="GET /signaling/config", action="answer", status=404),
        Fault(step="GET /signaling/config", action="answer", status=200, body="<html>"),
        Fault(step="GET /signaling/config", action="reset", times=3),
    ],
    ids=["500", "404", "no JSON", "reset"],
)
def test_without_its_ice_servers_it_connects_all_the_same(
    fault: Fault, emulator: Emulator, client: Odyssey, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(fault)
    assert client.connect(timeout=SOON_S).is_connected
    assert "no ICE servers from the service, falling back to public STUN" in caplog.text


def test_a_list_of_ice_servers_that_is_missing_is_empty(
    emulator: Emulator, client: Odyssey, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(Fault(step="GET /signaling/config", action="answer", status=200, body={}))
    assert client.connect(timeout=SOON_S).is_connected
    assert "falling back" not in caplog.text


def test_it_connects_when_there_are_no_ice_servers(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    assert make_client(make_emulator(ice_servers=[])).connect().is_connected


def test_regions_that_cannot_be_had_do_not_hold_it_up(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.add(Fault(step="GET /regions", action="answer", status=500))
    assert client.connect(timeout=SOON_S).is_connected


def test_a_region_that_does_not_answer_is_not_waited_for(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(regions={"far": 0.0, "near": 0.0})
    emulator.faults.add(Fault(step="ping", action="hang"))
    with make_client(emulator).connect(timeout=SOON_S) as session:
        assert session.is_connected


# --- ways to call connect


def test_it_works_inside_a_running_event_loop(emulator: Emulator, make_client: MakeClient) -> None:
    async def main() -> int:
        with make_client(emulator).connect(timeout=SOON_S) as session:
            session.start_stream("A cat", portrait=False)
            return next(session.frames(timeout=SOON_S)).width

    assert asyncio.run(main()) == 512


def test_leaving_the_with_of_a_session_leaves_it(client: Odyssey) -> None:
    with client.connect() as session:
        assert session.is_connected
    assert session.has_ended
    assert client.connect().is_connected


@pytest.mark.usefixtures("unhurried")
def test_leaving_the_with_of_a_client_leaves_its_session(emulator: Emulator) -> None:
    with Odyssey(emulator.api_key, api_url=emulator.api_url) as client:
        session = client.connect()
    assert session.has_ended
    assert sessions_are_free(emulator.api_url, emulator.api_key)


def test_what_the_with_raises_gets_through(client: Odyssey) -> None:
    with pytest.raises(ZeroDivisionError), client.connect():
        1 / 0  # noqa: B018 - raising is the point
    assert not client.is_connected


def test_a_session_that_nobody_holds_is_left_in_the_end(emulator: Emulator) -> None:
    client = Odyssey(emulator.api_key, api_url=emulator.api_url)
    client.connect()
    client._session = None
    eventually(lambda: sessions_are_free(emulator.api_url, emulator.api_key))
    client.close()


def test_a_client_whose_connect_failed_is_let_go_of(emulator: Emulator) -> None:
    client = Odyssey("ody_invalid_key", api_url=emulator.api_url)
    with pytest.raises(OdysseyAuthError):
        client.connect()
    client.close()
    session = weakref.ref(client._session) if client._session is not None else lambda: None
    gone = weakref.ref(client)
    del client
    eventually(lambda: gc.collect() >= 0 and gone() is None and session() is None)


def test_waiting_for_a_session_ends_with_it(session: Session, in_background: Background) -> None:
    with pytest.raises(OdysseyConnectionTimeoutError, match="Not ended within 0 s"):
        session.wait(timeout=0)
    waiting = in_background(lambda: session.wait(timeout=PATIENCE_S))
    eventually(lambda: is_waited_for(session._driver.ended))
    session.disconnect()
    waiting.result(PATIENCE_S)


def test_the_representations_show_no_secret(emulator: Emulator, client: Odyssey) -> None:
    session = client.connect()
    for shown in (repr(client), repr(session), repr(client.config)):
        assert emulator.api_key not in shown


# --- a system at its limits


@pytest.mark.parametrize("name", ["odyssey-session", "odyssey-callbacks", "odyssey-worker"])
def test_a_lack_of_threads_is_reported_and_the_next_connect_works(
    client: Odyssey, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patch:
        no_thread_is_started(patch, name)
        with pytest.raises(OdysseyConnectionError) as told:
            client.connect(on_connected=lambda: None, timeout=SOON_S)
    assert told.value.code == "no_resources"
    assert client.connect(timeout=SOON_S).is_connected


def test_a_thread_that_only_saves_time_can_be_done_without(
    client: Odyssey, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_thread_is_started(monkeypatch, "odyssey-import")
    assert client.connect(timeout=SOON_S).is_connected


def no_thread_is_started(patch: pytest.MonkeyPatch, name: str) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    patch.setattr(threading.Thread, "start", refuse)
