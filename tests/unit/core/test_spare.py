"""The link that is prepared beside a suspected one: when it is prepared, used and discarded."""

from __future__ import annotations

import pytest

from odyssey_proto.core.effects import DiscardLink, OpenBroadcast, PrepareLink, Way
from odyssey_proto.core.inputs import Due
from odyssey_proto.core.machine import Agenda
from odyssey_proto.core.spare import SPARE_KEPT_S, Spare

PLAN = OpenBroadcast(2, Way.WEBRTC, 5.0)


@pytest.fixture
def agenda() -> Agenda:
    found = Agenda()
    found.now = 100.0
    return found


@pytest.fixture
def spare(agenda: Agenda) -> Spare[OpenBroadcast]:
    """Return the `Spare` of a link that has been suspected since 100 s; now it is 101 s."""
    found: Spare[OpenBroadcast] = Spare(agenda)
    found.suspect(lambda: PLAN)
    assert agenda.drain() == [PrepareLink(PLAN)]
    agenda.now = 101.0
    return found


def not_again() -> OpenBroadcast:
    raise AssertionError("there is a plan already")


def test_a_suspected_link_has_one_link_prepared(agenda: Agenda, spare: Spare[OpenBroadcast]) -> None:
    spare.suspect(not_again)
    assert (agenda.drain(), spare.suspected_since) == ([], 100.0)
    assert (spare.take(), spare.take(), spare.suspected_since) == (PLAN, None, None)
    assert agenda.drain() == [], "opening it is up to the machine"


def test_what_is_prepared_is_kept_for_a_while_and_its_machine_discards_it(
    agenda: Agenda, spare: Spare[OpenBroadcast]
) -> None:
    spare.trust()
    assert (spare.suspected_since, agenda.next_due) == (None, 101.0 + SPARE_KEPT_S)
    agenda.now += SPARE_KEPT_S
    assert agenda.take_due() is Due.SPARE
    spare.drop()
    assert (agenda.drain(), spare.take()) == ([DiscardLink(2)], None)


def test_a_link_that_is_suspected_again_finds_what_is_prepared(
    agenda: Agenda, spare: Spare[OpenBroadcast]
) -> None:
    spare.trust()
    agenda.now = 105.0
    spare.suspect(not_again)
    assert (spare.suspected_since, agenda.next_due) == (105.0, None)
    assert spare.take() == PLAN


@pytest.mark.parametrize("end", [Spare.take, Spare.drop], ids=["taken", "dropped"])
def test_nothing_is_scheduled_for_what_is_gone(agenda: Agenda, spare: Spare[OpenBroadcast], end: object) -> None:
    spare.trust()
    end(spare)  # type: ignore[operator]  # one of two methods
    assert agenda.next_due is None


def test_if_no_link_may_follow_none_is_prepared(agenda: Agenda) -> None:
    spare: Spare[OpenBroadcast] = Spare(agenda)
    spare.suspect(None)
    assert spare.suspected_since == 100.0
    spare.trust()
    spare.drop()
    assert (agenda.drain(), agenda.next_due, spare.take()) == ([], None, None)
