"""A service that dies or stops at each step of the protocol: it is reported, and the client closes.

`tests/measured` measures the time that this takes; here, only a hang fails.
"""

from __future__ import annotations

import functools
import json
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
import requests

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    ErrorOccurred,
    GapEvent,
    Odyssey,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    OdysseyStreamError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.ports import port_for_later
from tests.support.processes import PATIENCE_S, Process, emulator_process, eventually, loaded_command
from tests.support.texts import is_one_clear_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto import Session
    from tests.conftest import Background

KEY: Final = "ody_test"
CONNECTS_FOR_S: Final = 5.0
"""The timeout of a connect that hangs. All but very busy machines reach each of its steps in this time."""
GOES_ON: Final = ("asking for the regions", "pinging", "queueing")
"""The steps of a connect that a client leaves by itself after 1 or 2 s. `hold` then holds it at a later one."""


@attrs.frozen
class Rig:
    """An emulator in a separate process, which can hold a client at a step."""

    process: Process
    url: str

    def add(self, **fault: Any) -> Fault:
        """Add a fault to its script."""
        added = Fault(**fault)
        answer = requests.post(f"{self.url}/_emulator/faults", json=[added.to_dict()], timeout=PATIENCE_S)
        assert answer.ok, answer.text
        return added

    def has_struck(self, fault: Fault) -> bool:
        """Return whether the step of a fault has been reached."""
        return fault.to_dict() not in requests.get(f"{self.url}/_emulator/faults", timeout=PATIENCE_S).json()

    def wait_until_struck(self, fault: Fault) -> None:
        """Wait until the step of a fault has been reached."""
        eventually(lambda: self.has_struck(fault))

    def kill(self) -> None:
        """Kill it; its machine then refuses connections."""
        self.process.signal(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, so that it neither answers nor refuses anything."""
        self.process.signal(signal.SIGSTOP)


@pytest.fixture
def rig(nothing_left: None) -> Iterator[Rig]:
    with emulator_process() as (process, url):
        yield Rig(process, url)


@pytest.fixture
def clients(nothing_left: None) -> Iterator[list[Odyssey]]:
    """Clients that are closed at the end."""
    made: list[Odyssey] = []
    yield made
    for client in made:
        closes_at_all(client)


def client_of(rig: Rig, clients: list[Odyssey], *, reconnect: bool) -> Odyssey:
    once = AdvancedConfig(max_retries=0, initial_retry_delay_ms=10, max_retry_delay_ms=50)
    clients.append(Odyssey(KEY, api_url=rig.url, advanced=once, reconnect=reconnect))
    return clients[-1]


def closes_at_all(client: Odyssey) -> None:
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < PATIENCE_S


def outcome(call: Callable[[], object]) -> object:
    """Return the result or error of a call."""
    try:
        return call()
    except OdysseyError as error:
        return error


def started(client: Odyssey) -> Session:
    session = client.connect(timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
    return session


def watch(session: Session) -> int:
    return sum(1 for _ in session.frames())


def streaming(client: Odyssey) -> Session:
    session = started(client)
    next(session.frames(timeout=PATIENCE_S))
    return session


CONNECTING: Final[dict[str, dict[str, Any]]] = {
    "authenticating": {"step": "POST /auth/token", "action": "hang"},
    "asking for the regions": {"step": "GET /regions", "action": "hang"},
    "pinging": {"step": "ping", "action": "hang"},
    "requesting a session": {"step": "POST /sessions/request", "action": "hang"},
    "queueing": {"step": "POST /sessions/request", "action": "answer", "status": 503},
    "getting a session token": {"step": "POST /sessions/token", "action": "hang"},
    "asking for ICE servers": {"step": "GET /signaling/config", "action": "hang"},
    "shaking hands": {"step": "signaling handshake", "action": "hang"},
    "waiting for the offer": {"step": "signaling offer", "action": "silence"},
    "waiting for video": {"step": "signaling answer", "action": "silence"},
}
"""Steps of a connect, and the fault that holds a client there."""


def hold(rig: Rig, where: str) -> Fault:
    """Hold clients that connect at a step, and return the fault that strikes first."""
    fault = rig.add(**CONNECTING[where])
    if where in GOES_ON:
        rig.add(step="POST /sessions/request", action="hang", times=None)
    return fault


LIVE: Final[dict[str, tuple[dict[str, Any] | None, Callable[[Odyssey], Session], Callable[[Session], object]]]] = {
    "idle": (
        None,
        lambda client: client.connect(timeout=PATIENCE_S),
        lambda session: session.wait(timeout=PATIENCE_S),
    ),
    "starting": (
        {"step": "stream start", "action": "silence"},
        lambda client: client.connect(timeout=PATIENCE_S),
        lambda session: session.start_stream("A cat", timeout=PATIENCE_S),
    ),
    "streaming": (None, streaming, watch),
    "in interact": (
        {"step": "stream update", "action": "silence"},
        started,
        lambda session: session.interact("Night", timeout=PATIENCE_S),
    ),
    "ending": (
        {"step": "stream end", "action": "silence"},
        started,
        lambda session: session.end_stream(timeout=PATIENCE_S),
    ),
}
"""Steps of a session: the fault that holds a client there, the way there, and the call that then waits."""


# --- killed


@pytest.mark.parametrize("where", CONNECTING)
def test_a_service_killed_while_a_client_connects_is_a_typed_error_at_once(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    fault = hold(rig, where)
    client = client_of(rig, clients, reconnect=False)
    connecting = in_background(outcome, lambda: client.connect(timeout=2 * PATIENCE_S))
    rig.wait_until_struck(fault)
    rig.kill()
    error = connecting.result(PATIENCE_S)
    assert isinstance(error, OdysseyConnectionError)
    assert not isinstance(error, TimeoutError)
    assert is_one_clear_line(error)
    assert client.current_status is ConnectionStatus.FAILED


@pytest.mark.parametrize("where", LIVE)
def test_a_service_killed_during_a_session_is_a_typed_error_at_once(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    holding, get_there, wait = LIVE[where]
    client = client_of(rig, clients, reconnect=False)
    session = get_there(client)
    fault = None if holding is None else rig.add(**holding)
    waiting = in_background(outcome, lambda: wait(session))
    if fault is not None:
        rig.wait_until_struck(fault)
    rig.kill()
    error = waiting.result(PATIENCE_S)
    assert isinstance(error, OdysseyConnectionError | OdysseyStreamError)
    assert not isinstance(error, TimeoutError)
    assert is_one_clear_line(error)
    assert client.current_status is ConnectionStatus.FAILED


@pytest.mark.parametrize("where", LIVE)
def test_a_service_killed_during_a_session_is_looked_for_again_at_once(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    holding, get_there, wait = LIVE[where]
    client = client_of(rig, clients, reconnect=True)
    session = get_there(client)
    fault = None if holding is None else rig.add(**holding)
    waiting = in_background(outcome, lambda: wait(session))
    if fault is not None:
        rig.wait_until_struck(fault)
    rig.kill()
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    assert not session.has_ended
    closes_at_all(client)
    ended = waiting.result(PATIENCE_S)
    assert not isinstance(ended, TimeoutError)


def test_a_service_killed_while_a_session_rejoins_is_looked_for_again(
    rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    client = client_of(rig, clients, reconnect=True)
    session = streaming(client)
    frames = session.frames()
    watching = in_background(outcome, lambda: sum(1 for _ in frames))
    deaf = rig.add(step="signaling handshake", action="hang")
    rig.add(step="stream update", action="drop")
    with pytest.raises(OdysseyStreamError, match=r"^The connection ended before the answer: "):
        session.interact("Night", timeout=PATIENCE_S)
    rig.wait_until_struck(deaf)
    rig.kill()
    happening = session.events(timeout=PATIENCE_S)
    assert any(isinstance(event, ErrorOccurred) for event in happening)  # later connections are refused
    assert session.status is ConnectionStatus.RECONNECTING
    closes_at_all(client)
    count = watching.result(PATIENCE_S)
    assert isinstance(count, int)


def test_a_session_ends_if_a_restarted_service_does_not_know_it(
    tmp_path: Path, clients: list[Odyssey], in_background: Background
) -> None:
    arguments = ["emulator", "--data-dir", str(tmp_path), "--size", "512x64", "--no-record"]
    arguments += ["--port", str(port_for_later())]
    with loaded_command(*arguments) as process:
        rig = Rig(process, json.loads(process.line())["api_url"])
        client = client_of(rig, clients, reconnect=True)
        session = streaming(client)
        watching = in_background(outcome, lambda: watch(session))
        rig.kill()
        eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    with loaded_command(*arguments) as process:
        assert json.loads(process.line())["api_url"] == rig.url
        error = watching.result(PATIENCE_S)
        assert isinstance(error, OdysseyConnectionError)
        assert str(error) == "The session is unknown, has ended, or belongs to another user"
        assert session.status is ConnectionStatus.FAILED
        assert client.connect(timeout=PATIENCE_S).is_connected


# --- stopped: nothing is refused, nothing is answered


@pytest.mark.parametrize("where", CONNECTING)
def test_a_service_stopped_while_a_client_connects_is_a_timeout(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    fault = hold(rig, where)
    client = client_of(rig, clients, reconnect=False)
    for limit_s in (CONNECTS_FOR_S, 4 * CONNECTS_FOR_S):  # a busy machine may not get there in time
        connecting = in_background(outcome, functools.partial(client.connect, timeout=limit_s))
        eventually(lambda: rig.has_struck(fault) or connecting.done())  # noqa: B023  # called at once
        if rig.has_struck(fault):
            break
    else:
        pytest.fail("the step was not reached")
    rig.stop()
    error = connecting.result(PATIENCE_S)
    assert isinstance(error, OdysseyConnectionTimeoutError)
    assert str(error).startswith(f"Not connected within {limit_s:g} s, still ")
    closes_at_all(client)


@pytest.mark.parametrize("where", LIVE)
def test_a_service_stopped_during_a_session_can_be_left(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    holding, get_there, wait = LIVE[where]
    client = client_of(rig, clients, reconnect=True)
    session = get_there(client)
    fault = None if holding is None else rig.add(**holding)
    waiting = in_background(outcome, lambda: wait(session))
    if fault is not None:
        rig.wait_until_struck(fault)
    rig.stop()
    closes_at_all(client)
    ended = waiting.result(PATIENCE_S)
    assert not isinstance(ended, TimeoutError)
    assert session.status is ConnectionStatus.DISCONNECTED


@pytest.mark.parametrize("where", ["streaming", "in interact"])
def test_a_service_stopped_during_a_stream_is_a_typed_error(
    where: str, rig: Rig, clients: list[Odyssey], in_background: Background
) -> None:
    holding, get_there, wait = LIVE[where]
    client = client_of(rig, clients, reconnect=False)
    session = get_there(client)
    next(session.frames(timeout=PATIENCE_S))
    fault = None if holding is None else rig.add(**holding)
    waiting = in_background(outcome, lambda: wait(session))
    if fault is not None:
        rig.wait_until_struck(fault)
    rig.stop()
    error = waiting.result(PATIENCE_S)
    assert isinstance(error, OdysseyConnectionError | OdysseyStreamError)
    assert "No video for " in str(error)


def test_a_service_stopped_for_a_while_goes_on_with_the_same_stream(rig: Rig, clients: list[Odyssey]) -> None:
    client = client_of(rig, clients, reconnect=True)
    session = streaming(client)
    stream_id = session.stream_id
    happening = session.events(timeout=PATIENCE_S)
    frames = session.frames("latest", timeout=PATIENCE_S)
    before = next(frames)
    rig.stop()
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    rig.process.signal(signal.SIGCONT)
    gap = next(event for event in happening if isinstance(event, GapEvent))
    assert gap.seconds > 1
    assert next(frames).index > before.index
    assert session.stream_id == stream_id
