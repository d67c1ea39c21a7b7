"""Calls that wait for their answers."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto.core.inputs import End, Interact
from odyssey_proto.core.pending_calls import PendingCalls


def update(call: int) -> Interact:
    return Interact(call, wire.Update(prompt="more"), 40)


@pytest.fixture
def calls() -> PendingCalls:
    """A connect (1), a start (2), an update on the wire (3), one queued (4), an end (5) and one held (6)."""
    found = PendingCalls()
    found.connect, found.start = 1, 2
    found.queue_update(update(3))
    found.next_update()
    found.queue_update(update(4))
    found.add_end(5)
    found.hold(End(6))
    return found


def test_a_call_is_taken_once(calls: PendingCalls) -> None:
    assert [calls.take_connect(), calls.take_connect()] == [1, None]
    assert [calls.take_start(), calls.take_start()] == [2, None]
    assert [calls.take_ends(), calls.take_ends()] == [[5], []]
    assert [calls.take_held(), calls.take_held()] == [[End(6)], []]


def test_one_update_is_on_the_wire_at_a_time(calls: PendingCalls) -> None:
    assert calls.next_update() is None
    assert (calls.take_sent(), calls.has_update_sent) == (3, False)
    assert calls.next_update() == update(4)
    assert calls.take_sent() == 4
    assert calls.next_update() is None


def test_the_end_of_the_connection_takes_all_but_the_connect(calls: PendingCalls) -> None:
    assert calls.take_all() == [2, 3, 4, 5, 6]
    assert calls.take_all() == []
    assert calls.connect == 1


def test_the_end_of_the_stream_overtakes_what_was_not_sent(calls: PendingCalls) -> None:
    assert calls.take_unsent() == [2, 4]
    assert calls.take_unsent() == []
    assert calls.has_update_sent


def test_an_answer_takes_what_was_sent(calls: PendingCalls) -> None:
    assert calls.take_unanswered() == [2, 3]
    assert not calls.has_update_sent
    assert calls.take_queued() == [4]


def test_who_waits_for_the_end_is_known(calls: PendingCalls) -> None:
    assert calls.has_ends
    calls.take_ends()
    assert not calls.has_ends


def test_an_abandoned_update_on_the_wire_keeps_its_place(calls: PendingCalls) -> None:
    assert not calls.waits_for_nobody
    calls.abandon(3)
    assert calls.waits_for_nobody
    assert calls.has_update_sent
    assert (calls.next_update(), calls.take_sent()) == (None, None)
    assert calls.next_update() == update(4)
    calls.abandon(4)
    assert not calls.waits_for_nobody  # nothing is queued


@pytest.mark.parametrize(("abandoned", "left"), [(1, [2, 3, 4, 5, 6]), (2, [3, 4, 5, 6]), (4, [2, 3, 5, 6])])
def test_an_abandoned_call_is_forgotten(calls: PendingCalls, abandoned: int, left: list[int]) -> None:
    calls.abandon(abandoned)
    assert calls.connect == (None if abandoned == 1 else 1)
    assert calls.take_all() == left


@pytest.mark.parametrize(("abandoned", "left"), [(5, [2, 3, 4, 6]), (6, [2, 3, 4, 5])])
def test_an_abandoned_end_or_held_command_is_forgotten(
    calls: PendingCalls, abandoned: int, left: list[int]
) -> None:
    calls.abandon(abandoned)
    assert calls.take_all() == left
