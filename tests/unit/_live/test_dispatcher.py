"""Handlers: called in order on one thread, even if one of them fails or blocks."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._base.limits import EVENTS_MOST_WAITING, EVENTS_MOST_WAITING_BYTES
from odyssey_proto._live.dispatcher import Dispatcher
from odyssey_proto._live.handlers import OdysseyEventHandlers
from odyssey_proto._model import events
from odyssey_proto._model.events import ConnectionStatus
from odyssey_proto._video.frame import VideoFrame
from tests.support.clocks import HandClock
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odyssey_proto._base.clock import Clock

PICTURE = np.zeros((16, 16, 3), np.uint8)
ERROR = OdysseyConnectionError("lost")
INFO = events.BroadcastInfo("http://host/live", "token")
STARTED = events.StreamStarted(stream_id="st-1", applied_prompt=None, at=0.0)
ENDED = events.StreamEnded(at=0.0)


def status(new: ConnectionStatus) -> events.StatusChanged:
    return events.StatusChanged(status=new, message="why", at=0.0)


def frame(index: int) -> VideoFrame:
    return VideoFrame.from_ndarray(PICTURE, index=index)


class Journal:
    """Handlers that note their arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def handler(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))

    @property
    def all(self) -> OdysseyEventHandlers:
        names = [name for name in dir(OdysseyEventHandlers) if name.startswith("on_")]
        return OdysseyEventHandlers(**{name: self.handler(name) for name in names})


@contextlib.contextmanager
def running(
    handlers: OdysseyEventHandlers, clock: Clock | None = None, *, awaits_start: bool = False
) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(handlers, clock, awaits_start=awaits_start)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.finish()
        dispatcher.join(PATIENCE_S)
        assert not dispatcher._thread.is_alive()


@pytest.mark.parametrize(
    ("event", "call"),
    [
        (status(ConnectionStatus.CONNECTING), ("on_status_change", ConnectionStatus.CONNECTING, "why")),
        (STARTED, ("on_stream_started", "st-1")),
        (ENDED, ("on_stream_ended",)),
        (
            events.StreamFailed(reason="moderation", message="no", ends_stream=False, at=0.0),
            ("on_stream_error", "moderation", "no"),
        ),
        (events.InteractAcknowledged(prompt="Night", at=0.0), ("on_interact_acknowledged", "Night")),
        (events.BroadcastReady(info=INFO, at=0.0), ("on_broadcast_ready", INFO)),
        (events.ErrorOccurred(error=ERROR, fatal=True, at=0.0), ("on_error", ERROR, True)),
    ],
)
def test_each_event_has_its_handler_and_the_documented_arguments(
    event: events.Event, call: tuple[object, ...]
) -> None:
    journal = Journal()
    with running(journal.all) as dispatcher:
        dispatcher.publish(event)
    assert journal.calls == [call]


def test_a_gap_has_no_documented_handler() -> None:
    journal = Journal()
    with running(journal.all) as dispatcher:
        dispatcher.publish(events.GapEvent(seconds=4.0, frames_missed=79, at=0.0))
    assert journal.calls == []


def test_connected_is_reported_once_and_disconnected_at_the_end() -> None:
    journal = Journal()
    steps = (
        ConnectionStatus.CONNECTED,
        ConnectionStatus.RECONNECTING,
        ConnectionStatus.CONNECTED,
        ConnectionStatus.FAILED,
    )
    with running(journal.all) as dispatcher:
        for step in steps:
            dispatcher.publish(status(step))
    assert [name for name, *_ in journal.calls] == [
        "on_status_change",
        "on_connected",
        "on_status_change",
        "on_status_change",
        "on_status_change",
        "on_disconnected",
    ]


def test_what_never_was_connected_is_not_disconnected() -> None:
    journal = Journal()
    with running(journal.all) as dispatcher:
        dispatcher.publish(status(ConnectionStatus.FAILED))
    assert [name for name, *_ in journal.calls] == ["on_status_change"]


def test_handlers_that_are_not_there_are_not_missed() -> None:
    with running(OdysseyEventHandlers()) as dispatcher:
        dispatcher.publish(STARTED)
        dispatcher.put(frame(0))
        dispatcher.close(None)
    assert dispatcher.counts.received == 0


def test_a_slow_handler_sees_the_newest_frame_and_how_many_it_missed() -> None:
    shown: list[VideoFrame] = []
    busy, go_on = threading.Event(), threading.Event()

    def show(picture: VideoFrame) -> None:
        shown.append(picture)
        busy.set()
        go_on.wait(PATIENCE_S)

    with running(OdysseyEventHandlers(on_video_frame=show)) as dispatcher:
        dispatcher.put(frame(0))
        assert busy.wait(PATIENCE_S)
        for index in range(1, 5):
            dispatcher.put(frame(index))
        dispatcher.close(None)
        go_on.set()
    assert [(picture.index, picture.dropped_before) for picture in shown] == [(0, 0), (4, 3)]
    counts = dispatcher.counts
    assert (counts.received, counts.delivered, counts.dropped) == (5, 2, 3)


def test_events_come_before_the_frame_that_waits_but_the_last_frame_before_the_end() -> None:
    order: list[object] = []
    begun, go_on = threading.Event(), threading.Event()

    def started(_: str) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    handlers = OdysseyEventHandlers(
        on_stream_started=started,
        on_video_frame=lambda picture: order.append(picture.index),
        on_interact_acknowledged=order.append,
        on_stream_ended=lambda: order.append("ended"),
    )
    with running(handlers) as dispatcher:
        dispatcher.publish(STARTED)
        assert begun.wait(PATIENCE_S)
        dispatcher.put(frame(0))
        dispatcher.publish(events.InteractAcknowledged(prompt="Night", at=0.0))
        dispatcher.close(None)
        dispatcher.publish(ENDED)
        go_on.set()
    assert order == ["Night", 0, "ended"]


@pytest.mark.parametrize("problem", [ValueError("no"), SystemExit(1)])
def test_a_handler_that_raises_is_reported_and_stops_nothing(problem: BaseException) -> None:
    journal = Journal()

    def broken(_: str) -> None:
        raise problem

    handlers = OdysseyEventHandlers(
        on_stream_started=broken, on_error=journal.handler("error"), on_stream_ended=journal.handler("ended")
    )
    with running(handlers) as dispatcher:
        dispatcher.publish(STARTED)
        dispatcher.publish(ENDED)
    assert journal.calls == [("error", problem, False), ("ended",)]


@pytest.mark.parametrize("name", ["on_stream_started", "on_error"])
def test_where_no_handler_hears_of_it_the_interpreter_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)

    def broken(*_: object) -> None:
        raise ValueError("no")

    journal = Journal()
    handlers = OdysseyEventHandlers(**{name: broken, "on_stream_ended": journal.handler("ended")})
    with running(handlers) as dispatcher:
        dispatcher.publish(
            STARTED if name == "on_stream_started" else events.ErrorOccurred(error=ERROR, fatal=False, at=0.0)
        )
        dispatcher.publish(ENDED)
    assert [str(found.exc_value) for found in heard] == ["no"]
    assert journal.calls == [("ended",)]


class Failing:
    """A handler that fails in the same way again and again, while the clock moves on."""

    def __init__(self, clock: HandClock, each_s: float, *errors: Exception) -> None:
        self._clock, self._each_s, self._errors = clock, each_s, errors
        self.calls = 0

    def __call__(self, *_: object) -> None:
        self._clock.time += self._each_s
        self.calls += 1
        raise self._errors[self.calls % len(self._errors)]


def fail(times: int, failing: Failing, clock: HandClock, **others: Any) -> None:
    with running(OdysseyEventHandlers(on_stream_started=failing, **others), clock) as dispatcher:
        for _ in range(times):
            dispatcher.publish(STARTED)
    assert failing.calls == times


def test_a_handler_that_fails_for_each_frame_is_reported_once_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    clock = HandClock()
    fail(100, Failing(clock, 0.0625, ValueError("no")), clock)  # 6.25 s
    assert [str(found.exc_value) for found in heard] == ["no"] * 7
    assert caplog.messages == [
        "on_stream_started raised ValueError",
        *["on_stream_started raised ValueError again, after 15 times that were not logged"] * 6,
        "on_stream_started raised ValueError 3 more times",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_a_failure_of_another_kind_or_of_another_handler_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    clock = HandClock()
    failing = Failing(clock, 0.0, ValueError("no"), KeyError("x"))
    handlers = OdysseyEventHandlers(on_stream_started=failing, on_stream_ended=Failing(clock, 0.0, KeyError("y")))
    with running(handlers, clock) as dispatcher:
        for event in [STARTED] * 6 + [ENDED] * 2:
            dispatcher.publish(event)
    assert [str(found.exc_value) for found in heard] == ["'x'", "no", "'y'"]
    assert sorted(caplog.messages[3:]) == [
        "on_stream_ended raised KeyError 1 more times",
        "on_stream_started raised KeyError 2 more times",
        "on_stream_started raised ValueError 2 more times",
    ]


def test_failures_that_on_error_hears_of_are_logged_once_a_second_and_passed_on_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = HandClock()
    heard: list[Exception] = []
    fail(20, Failing(clock, 0.0, ValueError("no")), clock, on_error=lambda error, _: heard.append(error))
    assert len(heard) == 20
    assert caplog.messages == [
        "on_stream_started raised ValueError",
        "on_stream_started raised ValueError 19 more times",
    ]


def test_one_that_fails_rarely_is_reported_each_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    clock = HandClock()
    fail(5, Failing(clock, 1.0, ValueError("no")), clock)
    assert caplog.messages == ["on_stream_started raised ValueError"] * 5


def test_a_hook_that_fails_itself_stops_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    def hook(_: object) -> None:
        raise ValueError("I/O operation on closed file.")

    monkeypatch.setattr(threading, "excepthook", hook)
    journal, clock = Journal(), HandClock()
    failing = Failing(clock, 1.0, ValueError("no"))
    handlers = OdysseyEventHandlers(on_stream_started=failing, on_stream_ended=journal.handler("ended"))
    with running(handlers, clock) as dispatcher:
        dispatcher.publish(STARTED)
        dispatcher.publish(STARTED)
        dispatcher.publish(ENDED)
    assert journal.calls == [("ended",)]


def test_a_handler_that_does_not_return_is_left_behind_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()
    with running(OdysseyEventHandlers(on_stream_ended=lambda: bool(go_on.wait(PATIENCE_S)))) as dispatcher:
        dispatcher.publish(ENDED)
        dispatcher.finish()
        with caplog.at_level(logging.WARNING, "odyssey_proto"):
            dispatcher.join(0.05)
        assert "a handler is still running" in caplog.text
        go_on.set()


def test_a_handler_that_waits_for_the_end_of_all_handlers_is_not_waited_for() -> None:
    joined = threading.Event()
    dispatchers: list[Dispatcher] = []

    def wait() -> None:
        dispatchers[0].join(None)
        joined.set()

    with running(OdysseyEventHandlers(on_stream_ended=wait)) as dispatcher:
        dispatchers.append(dispatcher)
        dispatcher.publish(ENDED)
        assert joined.wait(PATIENCE_S)


# --- frames that are there before their stream is reported


def test_frames_wait_until_the_start_of_their_stream_is_reported() -> None:
    order: list[object] = []
    handlers = OdysseyEventHandlers(
        on_status_change=lambda *_: order.append("status"),
        on_stream_started=lambda _: order.append("started"),
        on_video_frame=lambda picture: order.append(picture.index),
        on_stream_ended=lambda: order.append("ended"),
    )
    with running(handlers, awaits_start=True) as dispatcher:
        for first in (0, 10):
            dispatcher.put(frame(first))
            dispatcher.publish(status(ConnectionStatus.CONNECTED))
            dispatcher.put(frame(first + 1))
            dispatcher.publish(STARTED)
            dispatcher.close(None)
            dispatcher.publish(ENDED)
    assert order == ["status", "started", 1, "ended", "status", "started", 11, "ended"]
    counts = dispatcher.counts
    assert (counts.received, counts.delivered, counts.dropped) == (4, 2, 2)


def test_frames_of_a_stream_whose_start_failed_are_passed_to_nobody() -> None:
    journal = Journal()
    handlers = OdysseyEventHandlers(
        on_video_frame=journal.handler("frame"), on_stream_started=journal.handler("started")
    )
    with running(handlers, awaits_start=True) as dispatcher:
        dispatcher.put(frame(0))
        dispatcher.close(None)
        dispatcher.publish(STARTED)
    assert journal.calls == [("started", "st-1")]
    counts = dispatcher.counts
    assert (counts.received, counts.delivered, counts.dropped) == (1, 0, 1)


def test_handlers_that_are_far_behind_miss_the_oldest_events(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    dispatcher = Dispatcher(
        OdysseyEventHandlers(on_stream_started=journal.handler("started"), on_stream_ended=None)
    )
    dispatcher.publish(STARTED)
    for _ in range(EVENTS_MOST_WAITING + 5):
        dispatcher.publish(ENDED)
    dispatcher.start()
    dispatcher.finish()
    dispatcher.join(PATIENCE_S)
    assert journal.calls == []
    assert len([record for record in caplog.records if "events behind" in record.message]) == 1


def test_texts_and_frames_that_wait_for_handlers_take_a_bounded_memory() -> None:
    blocked, prompts, frames = threading.Event(), [], []

    def note(frame: VideoFrame) -> None:
        frames.append(frame)
        blocked.wait()

    handlers = OdysseyEventHandlers(on_video_frame=note, on_interact_acknowledged=prompts.append)
    large = VideoFrame.from_ndarray(np.zeros((1024, 1024, 3), np.uint8), index=0)
    most = EVENTS_MOST_WAITING_BYTES // large._picture.nbytes
    with running(handlers) as dispatcher, contextlib.ExitStack() as held:
        held.callback(blocked.set)

        def show() -> None:
            dispatcher.publish(STARTED)
            dispatcher.put(large)
            dispatcher.close(None)

        show()
        eventually(lambda: frames)  # its handler holds up all that follows
        for _ in range(3 * most):
            show()
        assert len([item for item in dispatcher._waiting if isinstance(item, VideoFrame)]) <= most
        for _ in range(200):
            dispatcher.publish(events.InteractAcknowledged(prompt="x" * 1_000_000, at=0.0))
        assert dispatcher._waiting_bytes <= EVENTS_MOST_WAITING_BYTES
        dispatcher.publish(events.InteractAcknowledged(prompt="y" * (EVENTS_MOST_WAITING_BYTES + 1), at=0.0))
        assert len(dispatcher._waiting) == 1, "one event is kept, however large"
    assert [prompt[0] for prompt in prompts] == ["y"]
    assert dispatcher.counts.received == dispatcher.counts.delivered + dispatcher.counts.dropped
    assert dispatcher._waiting_bytes == 0
