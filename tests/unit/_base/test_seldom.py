"""Reports that repeat: some are passed on, the others are counted."""

from __future__ import annotations

from odyssey_proto._base.seldom import Seldom
from tests.support.clocks import HandClock


def test_one_of_each_kind_passes_in_a_second_and_the_others_are_counted() -> None:
    clock = HandClock()
    reports: Seldom[str] = Seldom(clock)
    assert [reports.passed(kind) for kind in "aabab"] == [0, None, 0, None, None]
    clock.time += 0.75
    assert [reports.passed(kind) for kind in "ab"] == [None, None]
    assert reports.held_back() == {"a": 3, "b": 2}
    clock.time += 0.25
    assert [reports.passed(kind) for kind in "aab"] == [3, None, 2]
    assert reports.held_back() == {"a": 1}


def test_one_that_comes_once_a_second_always_passes() -> None:
    clock = HandClock()
    reports: Seldom[None] = Seldom(clock)
    for _ in range(5):
        assert reports.passed(None) == 0
        clock.time += 1
    assert reports.held_back() == {}
