"""A lost connection: the session rejoins and stays the same, or reports why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import (
    ConnectionStatus,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import DEAF, LOSSES, lose, number_of, take
from tests.support.processes import PATIENCE_S, eventually, sessions_are_free

if TYPE_CHECKING:
    from odyssey_proto import Odyssey, Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient

SOON_S: Final = 10.0


@pytest.mark.parametrize("how", LOSSES)
def test_a_lost_connection_is_rejoined_and_frames_go_on(how: str, emulator: Emulator, session: Session) -> None:
    session_id, stream_id = session.session_id, session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=SOON_S)
    before = take(frames, 3)[-1]
    lost = lose(emulator, session, how)
    assert str(lost).startswith("The connection ended before the answer: ")
    assert lost.recoverable
    assert "Day" in session.interact("Day", timeout=PATIENCE_S)
    assert session.status is ConnectionStatus.CONNECTED
    assert (session.session_id, session.stream_id) == (session_id, stream_id)
    after = take(frames, 5)
    indices = [before.index, *(frame.index for frame in after)]
    assert indices == sorted(set(indices))
    assert number_of(after[-1]) > number_of(before)


def test_while_it_rejoins_it_is_reconnecting(
    emulator: Emulator, client: Odyssey, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", portrait=False)
    emulator.faults.add(DEAF)
    lost = lose(emulator, session)
    assert isinstance(lost, OdysseyStreamError)
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    assert client.current_status == "reconnecting"
    assert not client.is_connected
    assert not session.has_ended
    held = in_background(session.interact, "Night", timeout=PATIENCE_S)
    with pytest.raises(OdysseyStreamTimeoutError):
        session.interact("Now", timeout=0.1)
    assert not held.done()
    emulator.faults.clear()
    assert "Night" in held.result(PATIENCE_S)
    assert client.is_connected


def test_a_start_that_meets_the_loss_fails_and_can_be_repeated(emulator: Emulator, session: Session) -> None:
    emulator.faults.add(Fault(step="stream start", action="drop"))
    with pytest.raises(OdysseyStreamError, match=r"^The connection ended before the answer: "):
        session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
    assert session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)


def test_an_end_that_meets_the_loss_fails_and_another_stream_can_start(
    emulator: Emulator, session: Session
) -> None:
    session.start_stream("A cat", portrait=False)
    emulator.faults.add(Fault(step="stream end", action="drop"))
    with pytest.raises(OdysseyStreamError, match=r"^The connection ended before the answer: "):
        session.end_stream(timeout=PATIENCE_S)
    # The service did not get the call: its stream still runs, and only the client can end it.
    assert session.start_stream("A dog", portrait=False, timeout=PATIENCE_S)


def test_leaving_while_it_rejoins_ends_it_and_gives_the_session_back(
    emulator: Emulator, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", portrait=False)
    frames = session.frames()
    emulator.faults.add(DEAF)
    lose(emulator, session)
    held = in_background(session.interact, "Night")
    watching = in_background(lambda: sum(1 for _ in frames))
    emulator.faults.clear()
    session.disconnect()
    watching.result(SOON_S)  # more frames may have come: the session may have rejoined just before
    error = held.exception(SOON_S)
    assert error is None or isinstance(error, OdysseyStreamError)
    assert session.status is ConnectionStatus.DISCONNECTED
    eventually(lambda: sessions_are_free(emulator.api_url, emulator.api_key))  # leaving waits for a second at most


def test_leaving_a_service_that_is_gone_does_not_take_long(
    emulator: Emulator, session: Session, in_background: Background
) -> None:
    emulator.faults.add(DEAF)
    session.start_stream("A cat", portrait=False)
    lose(emulator, session)
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    in_background(session.disconnect).result(SOON_S)
    assert session.status is ConnectionStatus.DISCONNECTED


def test_a_session_that_the_service_has_forgotten_fails_with_the_reason(
    emulator: Emulator, client: Odyssey, session: Session
) -> None:
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=SOON_S)
    emulator.faults.add(
        Fault(step="POST /sessions/token", action="answer", status=404, body={"detail": "Session not found"})
    )
    lose(emulator, session)
    with pytest.raises(OdysseyConnectionError) as caught:
        session.wait(timeout=SOON_S)
    assert str(caught.value) == "The session is unknown, has ended, or belongs to another user"
    assert client.current_status is ConnectionStatus.FAILED
    with pytest.raises(OdysseyConnectionError, match=r"The session is unknown"):
        for _ in frames:
            pass


def test_a_session_that_may_not_be_rejoined_fails_with_the_reason(emulator: Emulator, session: Session) -> None:
    emulator.faults.add(Fault(step="signaling handshake", action="answer", status=403))
    session.start_stream("A cat", portrait=False)
    lose(emulator, session)
    with pytest.raises(OdysseyAuthError, match=r"^Session token refused"):
        session.wait(timeout=SOON_S)


@pytest.mark.parametrize("how", LOSSES)
def test_without_reconnect_a_loss_is_the_end(how: str, emulator: Emulator, make_client: MakeClient) -> None:
    client = make_client(emulator, reconnect=False)
    session = client.connect()
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=SOON_S)
    lost = lose(emulator, session, how)
    with pytest.raises(OdysseyConnectionError) as caught:
        session.wait(timeout=SOON_S)
    assert lost.code == caught.value.code
    assert client.current_status is ConnectionStatus.FAILED
    with pytest.raises(OdysseyConnectionError):
        for _ in frames:
            pass
    if how == "channels closed":  # signaling still works then, and says goodbye
        eventually(lambda: sessions_are_free(emulator.api_url, emulator.api_key))


def test_a_clean_end_by_the_service_is_no_loss(emulator: Emulator, client: Odyssey, session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    emulator.faults.add(Fault(step="stream update", action="close", code=1000))
    with pytest.raises(OdysseyStreamError, match=r"The service ended the session") as caught:
        session.interact("Night", timeout=PATIENCE_S)
    assert caught.value.code == "session_ended"
    session.wait(timeout=SOON_S)
    assert client.current_status is ConnectionStatus.DISCONNECTED


@pytest.mark.usefixtures("signaling_comes_first")
def test_a_service_that_stops_says_so(emulator: Emulator, client: Odyssey, session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    emulator.stop()
    with pytest.raises(OdysseyError, match=r"^Streamer disconnected$"):
        session.wait(timeout=SOON_S)
    assert client.current_status is ConnectionStatus.FAILED
    with pytest.raises(OdysseyConnectionError, match=r"refuses connections"):
        client.connect(timeout=SOON_S)


def test_losses_one_after_another_are_all_rejoined(emulator: Emulator, session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    for _ in range(3):
        lose(emulator, session)
        assert "Day" in session.interact("Day", timeout=PATIENCE_S)
    assert next(session.frames(timeout=SOON_S))
