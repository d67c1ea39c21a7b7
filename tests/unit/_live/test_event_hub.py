"""Events for readers: in order, each to every reader, until the end."""

from __future__ import annotations

import concurrent.futures
import gc
from queue import Empty

import pytest

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import OdysseyStreamTimeoutError
from odyssey_proto._base.limits import EVENTS_MOST_WAITING, EVENTS_MOST_WAITING_BYTES
from odyssey_proto._live.event_hub import EventHub, EventQueue
from odyssey_proto._model.events import BroadcastInfo, BroadcastReady, InteractAcknowledged, StreamStarted

CLOCK = MonotonicClock()
FIRST, SECOND = (StreamStarted(stream_id=name, applied_prompt=None, at=0.0) for name in ("one", "two"))


def read(queue: EventQueue) -> list[object]:
    got: list[object] = []
    while (event := queue.get(Deadline(10.0, CLOCK))) is not None:
        got.append(event)
    return got


def test_every_reader_gets_every_event_from_when_it_began() -> None:
    hub = EventHub()
    early = hub.subscribe()
    hub.publish(FIRST)
    late = hub.subscribe()
    hub.publish(SECOND)
    hub.close()
    assert (read(early), read(late)) == ([FIRST, SECOND], [SECOND])


def test_a_reader_that_waits_is_woken_by_an_event_and_by_the_end() -> None:
    hub = EventHub()
    queue = hub.subscribe()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reading = pool.submit(read, queue)
        hub.publish(FIRST)
        hub.close()
        assert reading.result(10) == [FIRST]


def test_without_an_event_in_time_it_can_be_asked_again() -> None:
    hub = EventHub()
    queue = hub.subscribe()
    with pytest.raises(OdysseyStreamTimeoutError, match=r"^No event within 0 s$"):
        queue.get(Deadline(0.0, CLOCK))
    hub.publish(FIRST)
    assert queue.get(Deadline(0.0, CLOCK)) == FIRST


def test_after_the_end_nothing_comes_any_more() -> None:
    hub = EventHub()
    queue = hub.subscribe()
    hub.close()
    hub.publish(FIRST)
    assert read(queue) == []
    assert read(hub.subscribe()) == []


def test_a_reader_that_was_let_go_of_is_forgotten() -> None:
    hub = EventHub()
    queue = hub.subscribe()
    del queue
    gc.collect()
    hub.publish(FIRST)
    assert not hub._readers


def test_a_reader_that_never_reads_keeps_the_newest_events(caplog: pytest.LogCaptureFixture) -> None:
    hub = EventHub()
    queue = hub.subscribe()
    hub.publish(FIRST)
    for _ in range(EVENTS_MOST_WAITING):
        hub.publish(SECOND)
    hub.close()
    assert read(queue) == [SECOND] * EVENTS_MOST_WAITING
    assert [record.levelname for record in caplog.records if "behind" in record.message] == ["WARNING"]


def test_a_queue_is_closed_once() -> None:
    queue = EventHub().subscribe()
    queue.close()
    queue.close()
    assert queue._events.qsize() == 1, "the end"


def test_an_end_that_was_taken_and_not_put_back_is_still_the_end() -> None:
    queue = EventHub().subscribe()
    queue.close()
    queue._events.get()
    assert [queue.get(Deadline(0.0, CLOCK)) for _ in range(2)] == [None, None]


def test_an_exception_of_a_handler_is_not_taken_for_an_empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def get(self, timeout: float) -> None:
            raise Empty("a handler's")

    queue = EventHub().subscribe()
    monkeypatch.setattr(queue, "_events", Interrupted())
    with pytest.raises(Empty, match="a handler's"):
        queue.get(Deadline(10.0, CLOCK))


def test_the_texts_of_events_that_wait_for_a_reader_take_a_bounded_memory() -> None:
    queue = EventQueue()
    long = InteractAcknowledged(prompt="x" * (EVENTS_MOST_WAITING_BYTES // 10), at=0.0)
    for _ in range(2):  # the limit also holds after some were read
        for _ in range(30):
            queue.put(long)
        assert len(queue) == 10
        for _ in range(5):
            assert queue.get(Deadline(10.0, CLOCK)) is long
    queue.put(BroadcastReady(info=BroadcastInfo("x" * EVENTS_MOST_WAITING_BYTES, "token"), at=0.0))
    assert len(queue) == 1, "one event is kept, however large"
    queue.put(FIRST)
    queue.close()
    assert read(queue) == [FIRST]
