"""Typed events of a live session, read one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import (
    ConnectionStatus,
    ErrorOccurred,
    Event,
    GapEvent,
    InteractAcknowledged,
    LinkQualityChanged,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    StatusChanged,
    StreamEnded,
    StreamStarted,
    VideoPaused,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Odyssey, Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background

SOON_S: Final = 10.0


def test_every_reader_gets_all_events_in_order_until_the_session_ends(session: Session) -> None:
    readers = [session.events(timeout=SOON_S) for _ in range(2)]
    stream_id = session.start_stream("A cat")
    session.interact("Night")
    session.end_stream()
    session.disconnect()
    first, second = (list(reader) for reader in readers)
    assert first == second
    video = (GapEvent, LinkQualityChanged, VideoPaused)  # a busy machine causes some of these
    first = [event for event in first if not isinstance(event, video)]
    assert [type(event) for event in first] == [StreamStarted, InteractAcknowledged, StreamEnded, StatusChanged]
    assert isinstance(first[0], StreamStarted)
    assert first[0].stream_id == stream_id
    moments = [event.at for event in first]
    assert moments == sorted(moments)


def test_a_reader_of_a_session_that_has_ended_gets_nothing(session: Session) -> None:
    session.disconnect()
    assert list(session.events()) == []


def test_a_reader_can_go_on_after_a_timeout(session: Session) -> None:
    reader = session.events(timeout=0.05)
    with pytest.raises(OdysseyStreamTimeoutError, match=r"^No event within 0\.05 s$"):
        next(reader)
    session.start_stream("A cat")
    assert isinstance(next(reader), StreamStarted)


def test_waiting_for_a_kind_of_event_returns_the_next_one(session: Session, in_background: Background) -> None:
    events = session.events()
    waiting = in_background(lambda: session.wait_for(StreamEnded, timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) == 2)  # the call waits
    session.start_stream("A cat")
    session.end_stream()
    assert waiting.result(PATIENCE_S) is next(event for event in events if isinstance(event, StreamEnded))


def test_waiting_for_an_event_ends_with_the_session(session: Session, in_background: Background) -> None:
    waiting = in_background(session.wait_for, StreamStarted)
    eventually(lambda: session._driver.events._readers)  # the call waits
    session.disconnect()
    with pytest.raises(OdysseyStreamError, match=r"^Cannot wait: client is disconnected"):
        waiting.result(PATIENCE_S)


@pytest.mark.parametrize("kind", [int, Event, "StreamStarted", None])
def test_what_is_no_kind_of_event_cannot_be_waited_for(kind: object, session: Session) -> None:
    with pytest.raises(TypeError, match=r"is not an event class; known are StatusChanged, "):
        session.wait_for(kind)  # type: ignore[type-var]  # that is the point


def test_the_events_of_a_lost_connection_include_the_gap(emulator: Emulator, session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames(timeout=SOON_S)
    before = next(frames)
    reader = session.events(timeout=SOON_S)
    emulator.faults.add(Fault(step="stream update", action="drop"))
    with pytest.raises(OdysseyStreamError):
        session.interact("Night")
    told: list[Event] = []
    is_back = False
    while not is_back or not isinstance(told[-1], GapEvent):  # a busy machine may make another gap before
        told.append(next(reader))
        is_back |= isinstance(told[-1], StatusChanged) and told[-1].status is ConnectionStatus.CONNECTED
    gap = told[-1]
    assert isinstance(gap, GapEvent)
    assert [event.status for event in told if isinstance(event, StatusChanged)] == [
        ConnectionStatus.RECONNECTING,
        ConnectionStatus.CONNECTED,
    ]
    assert any(isinstance(event, ErrorOccurred) and not event.fatal for event in told)
    assert gap.seconds > 0
    assert gap.frames_missed == max(0, round(gap.seconds * 20) - 1)
    times = [before.timestamp_ms]
    while times[-1] - times[0] < gap.seconds * 1000:
        times.append(next(frames).timestamp_ms)
    assert times == sorted(set(times)), "time goes on over the gap"


def test_a_stream_whose_pictures_stop_is_rejoined(emulator: Emulator, client: Odyssey, session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames(timeout=PATIENCE_S)
    next(frames)
    reader = session.events(timeout=PATIENCE_S)
    emulator.faults.add(Fault(step="media", action="silence", times=None))
    error = next(reader)
    while not isinstance(error, ErrorOccurred):
        error = next(reader)
    emulator.faults.clear()
    assert (error.error.code, error.fatal) == ("video_stalled", False)
    while not isinstance(next(reader), GapEvent):
        pass
    assert client.is_connected
    next(frames)
