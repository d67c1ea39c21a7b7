"""The errors of a session, and when it raises them, on links without a network."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import (
    BroadcastInfo,
    ConnectionStatus,
    GapEvent,
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyEventHandlers,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    Session,
    StatusChanged,
    StreamEnded,
    StreamStarted,
)
from odyssey_proto.core import inputs
from tests.support.links import PATIENCE_S, FakeService, answer
from tests.support.processes import eventually, is_waited_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Background

SHORT_S = 0.05
DEAD = OdysseyConnectionError("gone for good", code="gone")
LOST = OdysseyConnectionError("the line is dead", code="lost", recoverable=True)
READY = wire.BroadcastReady(webrtc_url="https://live.example.org/s", spectator_token="token")


@pytest.fixture
def service(nothing_left: None) -> FakeService:
    return FakeService()


@pytest.fixture
def session(service: FakeService) -> Iterator[Session]:
    with service.session() as session:
        yield session


def silent(*_: object) -> None:
    """Answer nothing."""


def leave(session: Session) -> None:
    """Disconnect, and wait for the end, however busy the machine is: `disconnect` waits only about a second."""
    session.disconnect()
    assert session._driver.ended.wait(PATIENCE_S)


# --- the state


def test_a_connected_session_knows_what_the_service_granted(session: Session) -> None:
    assert (session.status, session.is_connected, session.has_ended) == (ConnectionStatus.CONNECTED, True, False)
    assert (session.session_id, session.stream_id) == ("s-1", None)
    assert session.capabilities == wire.StreamerCapabilities(image_to_video=True)
    assert "s-1" in repr(session)


def test_a_stream_is_known_while_it_runs(session: Session) -> None:
    assert session.start_stream("A cat") == session.stream_id == "st-1"
    assert session.last_applied_prompt == "A cat"
    assert session.interact("It runs") == session.last_applied_prompt == "It runs"
    session.end_stream()
    left: tuple[object, ...] = (session.stream_id, session.last_applied_prompt, session.latest_frame)
    assert left == (None, None, None)


# --- the wrong moment

CALLS: dict[str, Callable[[Session], object]] = {
    "start stream": lambda session: session.start_stream("A cat"),
    "interact": lambda session: session.interact("It runs"),
    "end stream": lambda session: session.end_stream(),
    "iterate over frames": lambda session: session.frames(),
    "record": lambda session: session.record("nowhere.mp4"),
    "wait": lambda session: session.wait_for(StreamEnded, timeout=PATIENCE_S),
}


@pytest.mark.parametrize("what", CALLS)
def test_after_it_was_left_a_call_says_that_there_is_no_connection(session: Session, what: str) -> None:
    leave(session)
    with pytest.raises(OdysseyStreamError, match=f"^Cannot {what}: client is disconnected$") as caught:
        CALLS[what](session)
    assert caught.value.code == "not_connected"


@pytest.mark.parametrize("what", CALLS)
def test_after_it_failed_a_call_says_why(service: FakeService, session: Session, what: str) -> None:
    service.links[0].fail(DEAD)
    with pytest.raises(OdysseyConnectionError, match="gone for good"):
        session.wait(timeout=PATIENCE_S)
    with pytest.raises(OdysseyStreamError, match=rf"^Cannot {what}: client is failed \(gone for good\)"):
        CALLS[what](session)


def test_without_a_stream_there_is_nothing_to_steer(session: Session) -> None:
    with pytest.raises(OdysseyStreamError, match="no stream is active"):
        session.interact("It runs")
    assert session.is_connected


def test_without_a_stream_an_end_returns_and_sends_nothing(service: FakeService, session: Session) -> None:
    session.end_stream()
    assert service.links[0].sent == []


def test_a_second_stream_is_refused(session: Session) -> None:
    session.start_stream("A cat")
    with pytest.raises(OdysseyStreamError) as caught:
        session.start_stream("A dog")
    assert caught.value.code == "wrong_stream_state"
    assert session.last_applied_prompt == "A cat"


def test_an_image_is_refused_where_the_streamer_takes_none(service: FakeService) -> None:
    service.requesting = lambda: _granted(image_to_video=False)
    with service.session() as session, pytest.raises(OdysseyStreamError, match="cannot start from an image"):
        session.start_stream("A cat", image=b"never looked at")
    leave(session)
    assert service.links[0].sent == [wire.ClientDisconnecting()]


def _granted(**able: bool) -> Any:
    from odyssey_proto.core import SessionGranted

    return SessionGranted(
        wire.SessionResponse(
            session_id="s-1", signalling_url="ws://127.0.0.1:1", capabilities=wire.StreamerCapabilities(**able)
        )
    )


# --- giving up


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.interact("It runs", timeout=SHORT_S),
        lambda session: session.end_stream(timeout=SHORT_S),
        lambda session: session.wait_for(GapEvent, timeout=SHORT_S),
        lambda session: session.wait_for_broadcast(timeout=SHORT_S),
        lambda session: next(session.frames(timeout=SHORT_S)),
        lambda session: next(session.events(timeout=SHORT_S)),
    ],
    ids=["interact", "end_stream", "wait_for", "wait_for_broadcast", "frames", "events"],
)
def test_what_waits_in_vain_raises_and_the_session_goes_on(
    service: FakeService, session: Session, call: Callable[[Session], object]
) -> None:
    session.start_stream("A cat")
    service.answering = silent
    with pytest.raises(OdysseyStreamTimeoutError):
        call(session)
    assert session.is_connected


def test_waiting_for_the_end_in_vain_raises(session: Session) -> None:
    with pytest.raises(OdysseyConnectionTimeoutError, match="Not ended within 0 s"):
        session.wait(timeout=0)
    assert session.is_connected


@pytest.mark.parametrize("call", [Session.wait, Session.events, Session.wait_for_broadcast, Session.frames])
def test_a_timeout_that_is_none_is_refused(session: Session, call: Callable[..., object]) -> None:
    with pytest.raises(OdysseyConfigError, match="timeout must be 0 s or more"):
        call(session, timeout=-1)


# --- waiting while it ends


WAITING: dict[str, Callable[[Session], object]] = {
    "interact": lambda session: session.interact("It runs"),
    "end_stream": lambda session: session.end_stream(),
    "wait_for": lambda session: session.wait_for(GapEvent),
    "wait_for_broadcast": lambda session: session.wait_for_broadcast(),
}


@pytest.mark.parametrize("what", WAITING)
def test_calls_that_wait_raise_when_the_session_is_left(
    service: FakeService, session: Session, what: str, in_background: Background
) -> None:
    session.start_stream("A cat")
    service.answering = silent
    waiting = in_background(WAITING[what], session)
    sent, events = service.links[0].sent, session._driver.events
    eventually(lambda: len(sent) > 1 or len(events._readers) > 0)
    session.disconnect()
    with pytest.raises(OdysseyStreamError):
        waiting.result(PATIENCE_S)


def test_whoever_waits_for_the_end_returns_when_it_is_left(session: Session, in_background: Background) -> None:
    waiting = in_background(session.wait)
    eventually(lambda: is_waited_for(session._driver.ended))
    session.disconnect()
    assert waiting.result(PATIENCE_S) is None


# --- frames


def test_frames_come_in_order_and_end_with_the_stream(service: FakeService, session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames(queue_size=5)
    service.links[0].show(3)
    session.end_stream()
    assert [frame.timestamp_ms for frame in frames] == [0, 50, 100]


def test_frames_raise_what_broke_the_session_after_those_that_came_before(
    service: FakeService, session: Session
) -> None:
    session.start_stream("A cat")
    frames = session.frames()
    service.links[0].show()
    service.links[0].fail(DEAD)
    assert next(frames).index == 0
    with pytest.raises(OdysseyConnectionError, match="gone for good"):
        next(frames)


def test_a_queue_that_may_lose_nothing_says_that_it_has(service: FakeService, session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames("error", queue_size=2)
    service.links[0].show(3)
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(OdysseyStreamError, match="A video frame was lost") as caught:
        next(frames)
    assert caught.value.code == "frame_overflow"


def test_the_newest_frame_is_there_for_all(service: FakeService, session: Session) -> None:
    session.start_stream("A cat")
    service.links[0].show(2)
    assert session.latest_frame is not None
    assert session.latest_frame.index == 1


# --- events


def test_events_come_in_order_and_end_with_the_session(session: Session) -> None:
    events = session.events()
    session.start_stream("A cat")
    session.end_stream()
    session.disconnect()
    assert [type(event) for event in events] == [StreamStarted, StreamEnded, StatusChanged]


def test_an_event_is_awaited_by_its_kind(session: Session, in_background: Background) -> None:
    waiting = in_background(lambda: session.wait_for(StreamStarted, timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) > 0)
    session.start_stream("A cat")
    assert waiting.result(PATIENCE_S).stream_id == "st-1"


def test_there_is_no_waiting_for_what_is_no_event(session: Session) -> None:
    with pytest.raises(TypeError, match="is not an event class"):
        session.wait_for(int)  # type: ignore[type-var]  # that is the point


def test_a_broadcast_that_is_known_is_returned_at_once(service: FakeService, session: Session) -> None:
    session.start_stream("A cat", broadcast=True)
    service.links[0].hear(READY)
    eventually(lambda: session.broadcast)
    assert session.wait_for_broadcast(timeout=0) == BroadcastInfo("https://live.example.org/s", "token")


def test_a_stream_that_ends_first_has_no_broadcast(
    service: FakeService, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", broadcast=True)
    waiting = in_background(lambda: session.wait_for_broadcast(timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) > 0)
    service.links[0].hear(wire.StreamEnded())
    with pytest.raises(OdysseyStreamError):
        waiting.result(PATIENCE_S)


REFUSED = wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="Not this")
OVER = wire.InteractiveStreamError(reason=wire.StreamErrorReason("session_timeout"), message="Too long")


def test_a_refused_prompt_of_another_thread_does_not_end_the_wait_for_the_broadcast(
    service: FakeService, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", broadcast=True)
    waiting = in_background(lambda: session.wait_for_broadcast(timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) > 0)
    service.answering = lambda link, _: link.hear(REFUSED)
    with pytest.raises(OdysseyStreamError, match="Not this"):
        session.interact("No")
    service.links[0].hear(READY)
    assert waiting.result(PATIENCE_S) == session.broadcast


@pytest.mark.parametrize("error", [REFUSED, OVER])
def test_an_error_that_answers_no_call_or_ends_the_stream_ends_the_wait_for_the_broadcast(
    error: wire.InteractiveStreamError, service: FakeService, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", broadcast=True)
    waiting = in_background(lambda: session.wait_for_broadcast(timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) > 0)
    service.links[0].hear(error)
    with pytest.raises(OdysseyStreamError, match=error.message) as told:
        waiting.result(PATIENCE_S)
    assert told.value.code == "no_broadcast"


@pytest.mark.parametrize(("kind", "ends_wait"), [("broadcast_ready", True), ("update_acknowledged", False)])
def test_a_report_of_the_broadcast_that_cannot_be_read_ends_the_wait_for_it(
    kind: str, ends_wait: bool, service: FakeService, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat", broadcast=True)
    waiting = in_background(lambda: session.wait_for_broadcast(timeout=PATIENCE_S))
    eventually(lambda: len(session._driver.events._readers) > 0)
    service.links[0].post(inputs.Unreadable(1, MalformedMessageError("No", message_type=kind)))
    if not ends_wait:
        service.links[0].hear(READY)
        assert waiting.result(PATIENCE_S) == session.broadcast
        return
    with pytest.raises(MalformedMessageError):
        waiting.result(PATIENCE_S)


def test_a_start_that_times_out_has_ended_its_frames_before_it_raises(
    service: FakeService, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odyssey_proto._live.waiting_calls._ABANDONED_WITHIN_S", PATIENCE_S)

    def busy(*_: object) -> None:
        service.answering = silent
        eventually(lambda: session._driver._waiting._abandoned)  # the driver is busy when the call is given up

    service.answering = busy
    with pytest.raises(OdysseyStreamTimeoutError):
        session.start_stream("A cat", timeout=SHORT_S)
    frames = session._driver.hub.subscribe()  # those of the next stream
    session._driver._waiting._abandon(-1)  # returns after the driver has taken all that came before
    assert not frames.closed


def test_a_start_that_timed_out_is_no_stream_when_it_starts_after_all(
    service: FakeService, session: Session
) -> None:
    service.answering = silent
    with pytest.raises(OdysseyStreamTimeoutError):
        session.start_stream("A cat", timeout=SHORT_S)
    link = service.links[0]
    link.hear(wire.StreamStarted(stream_id="late"))
    eventually(lambda: [type(each) for each in link.sent[-1:]] == [wire.InteractiveStreamEnd])
    assert session.stream_id is None
    service.answering = answer
    link.hear(wire.StreamEnded())
    assert session.start_stream("A dog", timeout=PATIENCE_S) == "st-1"


# --- losses and the end


def test_calls_wait_for_the_next_link(service: FakeService, session: Session) -> None:
    session.start_stream("A cat")
    service.links[0].fail(LOST)
    assert session.interact("It runs") == "It runs"
    assert len(service.links) == 2


def test_a_with_block_gives_the_session_back(service: FakeService) -> None:
    with service.session() as session:
        pass
    assert session.has_ended
    assert session._driver.ended.wait(PATIENCE_S)
    assert service.links[0].sent == [wire.ClientDisconnecting()]


def test_a_with_block_that_fails_gives_it_back_too(service: FakeService) -> None:
    with pytest.raises(ZeroDivisionError), service.session() as session:
        raise ZeroDivisionError
    assert session.has_ended


def test_leaving_twice_is_leaving_once(service: FakeService, session: Session) -> None:
    session.disconnect()
    leave(session)
    assert service.links[0].sent == [wire.ClientDisconnecting()]


def test_a_session_that_is_let_go_of_is_left(service: FakeService) -> None:
    session = service.session()
    gone, driver = weakref.ref(session), session._driver
    del session
    gc.collect()
    assert gone() is None
    assert driver.ended.wait(PATIENCE_S)
    driver.join(PATIENCE_S)
    assert service.links[0].sent == [wire.ClientDisconnecting()]


def test_one_with_handlers_goes_on_without_anybody(service: FakeService) -> None:
    called: list[str] = []
    session = service.session(OdysseyEventHandlers(on_stream_started=called.append))
    driver = session._driver
    del session
    gc.collect()
    assert not driver.leaving
    driver.start_leaving()
    driver.join(PATIENCE_S)


def test_an_iterator_keeps_its_session(service: FakeService) -> None:
    session = service.session()
    driver, events = session._driver, session.events(timeout=PATIENCE_S)
    del session
    gc.collect()
    assert not driver.leaving
    del events
    gc.collect()
    assert driver.ended.wait(PATIENCE_S)
    driver.join(PATIENCE_S)


def test_stats_stay_after_the_end(service: FakeService, session: Session) -> None:
    session.start_stream("A cat")
    service.links[0].show(3)
    leave(session)
    stats = session.stats()
    assert (stats.frames_received, stats.width, stats.height) == (3, 16, 16)
    assert session.stats() == stats
