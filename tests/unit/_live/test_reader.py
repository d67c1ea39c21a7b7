"""The iterator from which users read frames and events."""

from __future__ import annotations

import gc
import weakref

import pytest

from odyssey_proto import OdysseyConnectionError
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._live.reader import Reader


class Queue:
    """Returns the given items, then None; remembers the timeouts."""

    def __init__(self, *items: int) -> None:
        self.items = list(items)
        self.timeouts: list[float | None] = []

    def get(self, deadline: Deadline) -> int | None:
        self.timeouts.append(deadline.timeout)
        return self.items.pop(0) if self.items else None


class Origin:
    forked = False
    clock = MonotonicClock()

    def refuse_fork(self) -> None:
        if self.forked:
            raise OdysseyConnectionError("another process", code="forked")


class Owner:
    pass


def test_it_gives_what_comes_and_ends_with_it() -> None:
    assert list(Reader(None, Origin(), Queue(1, 2, 3), None)) == [1, 2, 3]


def test_it_stays_at_its_end() -> None:
    reader = Reader(None, Origin(), Queue(), None)
    assert [next(reader, "end"), next(reader, "end")] == ["end", "end"]


@pytest.mark.parametrize("timeout", [None, 0, 2.5])
def test_each_step_has_the_whole_timeout(timeout: float | None) -> None:
    queue = Queue(1, 2)
    assert list(Reader(None, Origin(), queue, timeout)) == [1, 2]
    assert queue.timeouts == [timeout] * 3


def test_it_is_refused_in_a_forked_child_and_takes_nothing() -> None:
    origin, queue = Origin(), Queue(1)
    origin.forked = True
    with pytest.raises(OdysseyConnectionError, match="another process"):
        next(Reader(None, origin, queue, None))
    assert queue.items == [1]


def test_it_keeps_its_owner_for_as_long_as_it_is_read() -> None:
    owner = Owner()
    gone = weakref.ref(owner)
    reader = Reader(owner, Origin(), Queue(1), None)
    del owner
    gc.collect()
    assert gone() is not None
    del reader
    gc.collect()
    assert gone() is None
