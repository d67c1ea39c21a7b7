"""Calls that wait for a driver: what they return or raise, and what the driver hears if they are given up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import OdysseyConnectionError, OdysseyStreamError
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.errands import AbandonedError
from odyssey_proto._live.waiting_calls import WaitingCalls
from odyssey_proto.core import inputs
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from odyssey_proto._base.clock import Clock
    from tests.conftest import Background

PATIENCE_S = 30.0
LATE = OdysseyConnectionError("it took too long", code="late")
OVER = OdysseyStreamError("not connected", code="over")
LOST = OdysseyConnectionError("the line is dead", code="lost")


class Inbox:
    """The inbox of a driver: it records what calls post, and ``taking`` is how the driver reacts."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.posted: list[inputs.Input] = []
        self.has_ended = False
        self.taking: Callable[[inputs.Input], object] = lambda _: None
        self.calls = WaitingCalls(self._post, lambda: self.has_ended, clock or MonotonicClock())

    def _post(self, item: inputs.Input) -> None:
        self.posted.append(item)
        self.taking(item)

    def ask(self, timeout: float | None = PATIENCE_S) -> object:
        return self.calls.ask(inputs.End, timeout, expired=lambda: LATE, refusal=lambda: OVER)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def test_a_call_returns_its_answer_and_each_has_a_number_of_its_own(inbox: Inbox) -> None:
    inbox.taking = lambda item: inbox.calls.answer(item.call, value=f"answer {item.call}")  # type: ignore[union-attr]
    assert (inbox.ask(), inbox.ask()) == ("answer 1", "answer 2")
    assert inbox.posted == [inputs.End(1), inputs.End(2)]


def test_answers_reach_the_calls_that_they_are_for(inbox: Inbox, in_background: Background) -> None:
    waiting = []
    for number in (1, 2):
        waiting.append(in_background(inbox.ask))
        eventually(lambda: len(inbox.posted) == number)  # noqa: B023 - it is called at once
    inbox.calls.answer(2, value="two")
    inbox.calls.answer(1, value="one")
    assert [each.result(PATIENCE_S) for each in waiting] == ["one", "two"]


def test_an_error_is_raised(inbox: Inbox) -> None:
    inbox.taking = lambda _: inbox.calls.answer(1, error=LOST)
    with pytest.raises(OdysseyConnectionError, match="the line is dead"):
        inbox.ask()


def test_an_answer_to_a_call_that_does_not_wait_is_ignored(inbox: Inbox) -> None:
    inbox.calls.answer(7, value="nobody")
    inbox.calls.note_abandoned(7)
    assert inbox.posted == []


def test_a_call_to_a_driver_that_has_ended_is_refused(inbox: Inbox) -> None:
    inbox.has_ended = True
    with pytest.raises(OdysseyStreamError, match="not connected"):
        inbox.ask()


def test_a_call_that_was_answered_just_before_the_end_returns(inbox: Inbox) -> None:
    def answer_and_end(_: inputs.Input) -> None:
        inbox.calls.answer(1, value="just in time")
        inbox.has_ended = True

    inbox.taking = answer_and_end
    assert inbox.ask() == "just in time"


def test_a_call_that_takes_too_long_is_given_up_and_has_had_its_effects_when_it_raises(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odyssey_proto._live.waiting_calls._ABANDONED_WITHIN_S", PATIENCE_S)
    effects = threading.Event()

    def drive(item: inputs.Input) -> None:
        if isinstance(item, inputs.Abandon):
            threading.Thread(target=lambda: (effects.set(), inbox.calls.note_abandoned(item.call))).start()

    inbox.taking = drive
    with pytest.raises(OdysseyConnectionError, match="it took too long"):
        inbox.ask(timeout=0)
    assert inbox.posted == [inputs.End(1), inputs.Abandon(1)]
    assert effects.is_set()
    inbox.calls.answer(1, value="too late")


def test_a_call_that_is_given_up_does_not_wait_for_a_driver_that_has_ended(inbox: Inbox) -> None:
    def end(item: inputs.Input) -> None:
        inbox.has_ended = isinstance(item, inputs.Abandon)

    inbox.taking = end
    with pytest.raises(OdysseyConnectionError, match="it took too long"):
        inbox.ask(timeout=0)
    assert inbox.posted[-1] == inputs.Abandon(1)


def test_an_answer_at_the_last_moment_is_returned() -> None:
    class AnsweringClock:
        """Answers the call at the third reading: after the wait, and before the call is given up."""

        def __init__(self) -> None:
            self.looks = 0

        def now(self) -> float:
            self.looks += 1
            if self.looks == 3:
                inbox.calls.answer(1, value="at last")
            return float(self.looks)

    inbox = Inbox(AnsweringClock())
    assert inbox.ask(timeout=1.5) == "at last"
    assert inbox.posted == [inputs.End(1)]


def test_a_call_that_is_interrupted_is_given_up() -> None:
    class Interrupted:
        def now(self) -> float:
            raise KeyboardInterrupt

    inbox = Inbox(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        inbox.ask()
    assert inbox.posted == [inputs.End(1), inputs.Abandon(1)]


def test_a_call_whose_caller_is_gone_ends(inbox: Inbox, in_background: Background) -> None:
    waiting = in_background(inbox.ask, timeout=None)
    eventually(lambda: inbox.posted == [inputs.End(1)])
    inbox.calls._drop(1)
    with pytest.raises(AbandonedError):
        waiting.result(PATIENCE_S)
    inbox.calls._drop(1)
    assert inbox.posted == [inputs.End(1), inputs.Abandon(1)], "it is given up once"


def test_the_end_fails_all_calls_each_with_an_error_of_its_own(inbox: Inbox, in_background: Background) -> None:
    waiting = [in_background(inbox.ask) for _ in range(2)]
    eventually(lambda: len(inbox.posted) == 2)
    inbox.has_ended = True
    inbox.calls.fail_all(LOST)
    raised = [each.exception(PATIENCE_S) for each in waiting]
    assert [str(error) for error in raised] == ["the line is dead"] * 2
    assert len({id(error) for error in (*raised, LOST)}) == 3


def test_the_end_lets_go_of_a_call_that_is_being_given_up(inbox: Inbox, in_background: Background) -> None:
    giving_up = threading.Event()
    inbox.taking = lambda item: giving_up.set() if isinstance(item, inputs.Abandon) else None
    waiting = in_background(inbox.ask, timeout=0)
    assert giving_up.wait(PATIENCE_S)
    inbox.calls.fail_all(LOST)
    assert waiting.exception(PATIENCE_S) is LATE
