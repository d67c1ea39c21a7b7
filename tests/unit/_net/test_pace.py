"""The limit of events per second, with room for a burst."""

from __future__ import annotations

import pytest

from odyssey_proto._net.pace import Pace
from tests.support.clocks import Time


def test_a_burst_may_come_at_once_and_the_rest_at_the_rate() -> None:
    clock = Time()
    pace = Pace(10, 5, clock)
    assert [round(pace.take(), 9) for _ in range(8)] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]
    clock.at += 0.3
    assert pace.take() == pytest.approx(0.1)


def test_a_pause_gives_the_burst_back_and_no_more() -> None:
    clock = Time()
    pace = Pace(10, 5, clock)
    for _ in range(5):
        assert pace.take() == 0
    clock.at += 1000
    assert [pace.take() > 0 for _ in range(6)] == [False] * 5 + [True]
