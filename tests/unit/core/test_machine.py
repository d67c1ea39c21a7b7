"""Rows, the step through them, the agenda, and the status that users see."""

from __future__ import annotations

from enum import Enum

import attrs

from odyssey_proto._base.errors import OdysseyStreamError
from odyssey_proto._model.events import ConnectionStatus, StatusChanged
from odyssey_proto.core import effects
from odyssey_proto.core.effects import Ignored
from odyssey_proto.core.inputs import Due
from odyssey_proto.core.machine import Agenda, Machine, StatusMachine, by_state, nothing, row


class Light(Enum):
    RED = "red"
    GREEN = "green"


@attrs.frozen
class Wait:
    seconds: float


class Traffic(Machine):
    def __init__(self) -> None:
        self.state = Light.RED
        self.waited = 0.0

    def is_long(self, item: Wait) -> bool:
        return item.seconds > 10

    def note(self, item: Wait) -> None:
        self.waited += item.seconds


ROWS = by_state(
    (
        row((Light.RED,), Wait, Light.GREEN, Traffic.note, Traffic.is_long),
        row((Light.RED,), Wait, None, Traffic.note),
        row((Light.RED, Light.GREEN), Due.CHECK, Light.RED, nothing),
    )
)


def test_the_first_row_whose_guard_holds_is_taken() -> None:
    traffic = Traffic()
    assert traffic.step(ROWS, Wait(5), Wait)
    assert (traffic.state, traffic.waited) == (Light.RED, 5)
    assert traffic.step(ROWS, Wait(15), Wait)
    assert (traffic.state, traffic.waited) == (Light.GREEN, 20)


def test_without_a_row_nothing_changes() -> None:
    traffic = Traffic()
    traffic.state = Light.GREEN
    assert not traffic.step(ROWS, Wait(5), Wait)
    assert (traffic.state, traffic.waited) == (Light.GREEN, 0)


def test_a_row_may_do_nothing_but_lead_on() -> None:
    traffic = Traffic()
    traffic.state = Light.GREEN
    assert traffic.step(ROWS, Due.CHECK, Due.CHECK)
    assert traffic.state is Light.RED


def test_a_guard_that_never_holds_leaves_the_input_without_a_row() -> None:
    rows = by_state((row((Light.RED,), Wait, Light.GREEN, Traffic.note, Traffic.is_long),))
    assert not Traffic().step(rows, Wait(5), Wait)


def test_rows_are_found_by_state_and_input_in_their_order() -> None:
    assert [row.target for row in ROWS[Light.RED, Wait]] == [Light.GREEN, None]
    assert (Light.GREEN, Wait) not in ROWS


def test_outputs_are_drained_once_and_in_order() -> None:
    agenda = Agenda()
    agenda.ignore("one")
    agenda.put(Ignored("two"))
    assert agenda.drain() == [Ignored("one"), Ignored("two")]
    assert agenda.drain() == []


def test_moments_come_in_their_order_and_not_before_their_time() -> None:
    agenda = Agenda()
    agenda.wake_at(Due.KEEPALIVE, 3.0)
    agenda.wake_at(Due.CHECK, 2.0)
    agenda.wake_at(Due.VIDEO, 9.0)
    assert agenda.next_due == 2.0
    agenda.now = 5.0
    assert (agenda.take_due(), agenda.overslept) == (Due.CHECK, 3.0)
    assert (agenda.take_due(), agenda.overslept) == (Due.KEEPALIVE, 2.0)
    assert agenda.take_due() is None
    assert agenda.next_due == 9.0


def test_a_moment_that_is_cancelled_or_put_off_does_not_come() -> None:
    agenda = Agenda()
    for due in (Due.KEEPALIVE, Due.CHECK, Due.VIDEO):
        agenda.wake_at(due, 1.0)
    agenda.wake_at(Due.VIDEO, 7.0)
    agenda.cancel(Due.CHECK, Due.REJOIN)
    agenda.now = 5.0
    assert (agenda.take_due(), agenda.take_due()) == (Due.KEEPALIVE, None)
    agenda.cancel()
    assert (agenda.next_due, agenda.take_due()) == (None, None)


def test_what_follows_is_taken_in_its_order() -> None:
    agenda = Agenda()
    agenda.follow_with("one")
    agenda.follow_with("two")
    assert [agenda.take_next(), agenda.take_next(), agenda.take_next()] == ["one", "two", None]


def test_what_is_scheduled_by_a_time_is_not_put_off() -> None:
    agenda = Agenda()
    agenda.wake_by(Due.ANSWER, 3.0)
    agenda.wake_by(Due.ANSWER, 4.0)
    assert agenda.next_due == 3.0
    agenda.wake_by(Due.ANSWER, 2.0)
    assert agenda.next_due == 2.0


def test_what_is_not_scheduled_cannot_be_put_off() -> None:
    agenda = Agenda()
    agenda.put_off(Due.GIVE_UP, 3.0)
    assert agenda.next_due is None
    agenda.wake_at(Due.GIVE_UP, 3.0)
    agenda.put_off(Due.GIVE_UP, 7.0)
    assert agenda.next_due == 7.0


class Lift(Enum):
    CALLED = "called"
    COMING = "coming"
    HERE = "here"
    BROKEN = "broken"


class LiftMachine(StatusMachine):
    state = Lift.CALLED
    _statuses = {  # noqa: RUF012 - a class variable in the base class
        Lift.CALLED: ConnectionStatus.CONNECTING,
        Lift.COMING: ConnectionStatus.CONNECTING,
        Lift.HERE: ConnectionStatus.CONNECTED,
        Lift.BROKEN: ConnectionStatus.FAILED,
    }
    _over = (Lift.BROKEN,)


def test_a_status_is_reported_when_it_changes() -> None:
    agenda = Agenda()
    agenda.now = 2.0
    lift = LiftMachine(agenda)
    lift.enter(Lift.COMING)
    lift.enter(None)
    assert (agenda.drain(), lift.status, lift.is_over) == ([], ConnectionStatus.CONNECTING, False)
    lift.enter(Lift.HERE)
    assert agenda.drain() == [StatusChanged(status=ConnectionStatus.CONNECTED, at=2.0)]
    lift._report_status("Step in")
    assert agenda.drain() == [StatusChanged(status=ConnectionStatus.CONNECTED, message="Step in", at=2.0)]


def test_the_end_cancels_what_was_scheduled_and_is_reported_by_the_action() -> None:
    agenda = Agenda()
    lift = LiftMachine(agenda)
    agenda.wake_at(Due.CHECK, 3.0)
    lift.enter(Lift.BROKEN)
    assert (agenda.drain(), agenda.next_due, lift.is_over) == ([], None, True)
    agenda.wake_at(Due.REJOIN, 4.0)  # as the action of the end does
    lift.enter(None)
    assert agenda.next_due == 4.0


def test_answers_come_last_and_the_rest_keeps_its_order() -> None:
    agenda = Agenda()
    failed = effects.Fail(2, OdysseyStreamError("no"))
    for output in (effects.Succeed(1, None), effects.EndFrames(None), failed, effects.PauseFrames()):
        agenda.put(output)
    assert agenda.drain() == [effects.EndFrames(None), effects.PauseFrames(), effects.Succeed(1, None), failed]
    assert agenda.drain() == []
