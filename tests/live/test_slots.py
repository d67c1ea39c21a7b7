"""The limit of open sessions: what a refusal says about those of this process, and waiting for the end of one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    MonthlyLimitReachedError,
    OdysseyConnectionTimeoutError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import timed_out
from tests.support.processes import PATIENCE_S, script

if TYPE_CHECKING:
    from odyssey_proto import Odyssey
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

NOBODY = "a killed process's session is freed about 40 s after its last keepalive"


def refused(client: Odyssey) -> ConcurrentLimitReachedError:
    with pytest.raises(ConcurrentLimitReachedError) as caught:
        client.connect()
    assert caught.value.retry_after is not None
    return caught.value


def test_a_session_of_another_client_of_this_process_is_named(
    emulator: Emulator, client: Odyssey, make_client: MakeClient
) -> None:
    session = client.connect()
    other = make_client(emulator)
    error = refused(other)
    ways = "close() it, or connect(replace=True)"
    hint = f"this process still holds session {session.session_id} of another Odyssey object: {ways}"
    assert str(error) == f"You have 1 active session(s), the limit is 1; {hint}"
    assert (error.retry_after, error.code, error.status) == (40.0, "CONCURRENT_LIMIT_REACHED", 429)
    client.close()
    assert other.connect().is_connected


def test_all_sessions_of_this_process_are_named(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    emulator = make_emulator(concurrent_sessions=2, streamers=3)
    ids = sorted(str(make_client(emulator).connect().session_id) for _ in range(2))
    assert f"still holds sessions {ids[0]}, {ids[1]} of other" in str(refused(make_client(emulator)))


def test_a_session_of_another_key_is_not_named(
    make_emulator: MakeEmulator, client: Odyssey, make_client: MakeClient
) -> None:
    client.connect()
    emulator = make_emulator(concurrent_sessions=0)
    assert NOBODY in str(refused(make_client(emulator)))


def test_a_session_that_a_key_has_elsewhere_is_not_named(emulator: Emulator, make_client: MakeClient) -> None:
    code = "session = client.connect()\nsay('connected')\nsys.stdin.readline()\nclient.close()"
    with script(code, emulator.api_url) as process:
        assert process.said() == ["connected"]
        assert str(refused(make_client(emulator, "ody_test"))).endswith(NOBODY)
        process.tell()
        assert process.ended() == 0


def test_a_session_that_has_ended_is_not_named(
    emulator: Emulator, client: Odyssey, make_client: MakeClient
) -> None:
    client.connect().disconnect()
    body = {"error": "CONCURRENT_LIMIT_REACHED", "message": "Too many", "action": "Wait"}
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=429, body=body))
    assert str(refused(make_client(emulator))) == f"Too many; {NOBODY}"


def test_a_client_that_is_connected_and_wants_credentials_too_has_the_session_itself(client: Odyssey) -> None:
    session = client.connect()
    with pytest.raises(ConcurrentLimitReachedError) as caught:
        client.create_client_credentials()
    hint = f"this Odyssey object still holds session {session.session_id}: disconnect() first"
    assert str(caught.value).endswith(hint)
    assert caught.value.retry_after == 40.0


def test_a_connect_may_wait_until_another_session_has_ended(
    emulator: Emulator, client: Odyssey, make_client: MakeClient, in_background: Background
) -> None:
    client.connect()
    waits = threading.Event()
    other = make_client(emulator)
    connecting = in_background(
        other.connect,
        wait_for_slot=True,
        on_status_change=lambda _, text: waits.set() if text and "another session" in text else None,
        timeout=PATIENCE_S,
    )
    assert waits.wait(PATIENCE_S)
    assert not connecting.done()
    client.close()
    assert connecting.result(PATIENCE_S).is_connected


def test_a_connect_that_waits_for_nothing_says_what_it_waited_for(
    emulator: Emulator, client: Odyssey, make_client: MakeClient
) -> None:
    session = client.connect()
    error, timeout_s = timed_out(
        make_client(emulator), lambda error: "waiting for another session" in str(error), wait_for_slot=True
    )
    waiting = "still waiting for another session of the account to end; the previous attempt: "
    assert str(error).startswith(f"Not connected within {timeout_s:g} s, {waiting}")
    assert f"session {session.session_id} of another Odyssey object" in str(error)


def test_a_connect_that_waits_does_not_wait_for_the_end_of_the_month(emulator: Emulator, client: Odyssey) -> None:
    body = {"error": "MONTHLY_LIMIT_REACHED", "message": "All used", "action": "Wait"}
    emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=429, body=body))
    with pytest.raises(MonthlyLimitReachedError):
        client.connect(wait_for_slot=True)


def test_a_queue_of_a_second_and_a_half_asks_at_its_end(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(streamers=0)
    client = make_client(emulator, queue_timeout_s=1.5)
    for _ in range(5):  # if the first two answers take half a second on a busy machine, there is no third request
        emulator.faults.clear()
        emulator.faults.add(Fault(step="POST /sessions/request", action="answer", status=503, times=3))
        with pytest.raises(OdysseyConnectionTimeoutError, match=r"Timed out waiting for a streamer after 1\.5 s"):
            client.connect()
        if not emulator.faults.pending:
            break
    assert not emulator.faults.pending, "it asked at 0, 1 and 1.5 s"
