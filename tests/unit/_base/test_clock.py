"""The clock and deadlines, on a clock that the test sets."""

import sys
import time

import pytest

from odyssey_proto._base.clock import Deadline, MonotonicClock, SteadyClock, _finest, seconds_since
from tests.support.clocks import Time


def test_the_monotonic_clock_is_the_machines() -> None:
    machines = _finest(sys.platform, sys.version_info[:2])
    before, now, after = machines(), MonotonicClock().now(), machines()
    assert before <= now <= after


@pytest.mark.parametrize(
    ("platform", "python", "clock"),
    [
        ("win32", (3, 11), time.perf_counter),
        ("win32", (3, 12), time.perf_counter),
        ("win32", (3, 13), time.monotonic),
        ("linux", (3, 11), time.monotonic),
        ("darwin", (3, 12), time.monotonic),
    ],
)
def test_no_system_gets_a_clock_of_coarse_steps(platform: str, python: tuple[int, int], clock: object) -> None:
    assert _finest(platform, python) is clock


def test_a_steady_clock_goes_on_where_another_jumps_back() -> None:
    clock = Time()
    steady = SteadyClock(clock)
    clock.at += 5.0
    assert steady.now() == 105.0
    clock.at -= 3600.0
    assert steady.now() == 105.0
    clock.at += 2.0
    assert steady.now() == 107.0


def test_a_steady_clock_lets_a_jump_ahead_through() -> None:
    clock = Time()
    steady = SteadyClock(clock)
    clock.at += 3600.0
    assert steady.now() == 3700.0


def test_a_steady_clock_takes_a_thread_that_was_slow_for_no_jump() -> None:
    class Slow:
        """A clock whose third reading is long out of date by the time that a slow thread uses it."""

        def __init__(self) -> None:
            self.readings = [100.0, 4000.0, 200.0, 4000.5]

        def now(self) -> float:
            return self.readings.pop(0)

    steady = SteadyClock(Slow())
    assert [steady.now(), steady.now()] == [4000.0, 4000.5]


def test_the_seconds_since_a_date_are_negative_if_it_is_in_the_future() -> None:
    assert 3599 < seconds_since(time.time() - 3600) < 3700
    assert seconds_since(time.time() + 3600) < -3500


def test_a_deadline_counts_down_to_zero_and_not_below() -> None:
    clock = Time()
    deadline = Deadline(5.0, clock)
    assert (deadline.remaining(), deadline.expired) == (5.0, False)
    clock.at += 4.0
    assert (deadline.remaining(), deadline.expired) == (1.0, False)
    clock.at += 1.0
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
    clock.at += 60.0
    assert (deadline.remaining(), deadline.expired) == (0.0, True)


def test_a_deadline_of_zero_has_passed_at_once() -> None:
    assert Deadline(0.0, Time()).expired


def test_a_deadline_in_the_past_has_nothing_left() -> None:
    deadline = Deadline(-1.0, Time())
    assert (deadline.remaining(), deadline.expired) == (0.0, True)


@pytest.mark.parametrize("forever", [None, float("inf"), sys.maxsize])
def test_no_limit_never_passes(forever: float | None) -> None:
    clock = Time()
    deadline = Deadline(forever, clock)
    clock.at += 1e12
    assert (deadline.remaining(), deadline.expired) == (None, False)


def test_it_keeps_the_whole_span_for_messages() -> None:
    clock = Time()
    deadline = Deadline(5.0, clock)
    clock.at += 3.0
    assert deadline.timeout == 5.0


@pytest.mark.parametrize(("timeout", "expected"), [(5.0, 1.0), (0.5, 0.5), (None, 1.0)])
def test_a_single_wait_can_be_capped(timeout: float | None, expected: float) -> None:
    assert Deadline(timeout, Time()).remaining(at_most=1.0) == expected


@pytest.mark.parametrize(("timeout", "expected"), [(5.0, 2.0), (1.0, 1.0), (None, 2.0)])
def test_a_step_never_outlives_its_call(timeout: float | None, expected: float) -> None:
    clock = Time()
    step = Deadline(timeout, clock).within(2.0)
    assert step.remaining() == expected
    clock.at += expected
    assert step.expired


def test_repr_shows_the_time_left() -> None:
    assert repr(Deadline(2.5, Time())) == "Deadline(2.500 s left)"
    assert repr(Deadline(None, Time())) == "Deadline(never)"


def test_a_wait_is_cut_into_turns_so_that_a_signal_is_seen() -> None:
    clock = Time()
    deadline = Deadline(0.5, clock)
    seen = []
    for seconds in deadline.waits():
        seen.append(round(seconds, 3))
        clock.at += seconds
    assert seen == [0.2, 0.2, 0.1]


def test_a_deadline_that_has_passed_is_waited_for_once_and_0_s() -> None:
    assert list(Deadline(0, Time()).waits()) == [0.0]


def test_without_a_limit_the_turns_do_not_end() -> None:
    turns = Deadline(None, Time()).waits()
    assert [next(turns) for _ in range(100)] == [0.2] * 100


@pytest.mark.parametrize("timeout", [0.001, 0.0156, 0.1, 0.5])
def test_on_a_clock_of_coarse_steps_a_deadline_is_kept_to_the_step(timeout: float) -> None:
    step = 0.0156

    class Coarse(Time):
        def now(self) -> float:
            return self.at // step * step

    clock = Coarse()
    deadline = Deadline(timeout, clock)
    turns = 0
    for seconds in deadline.waits():
        clock.at += max(seconds, 0.001)  # the shortest wait of such a system
        turns += 1
    assert timeout - step <= clock.at - 100.0 <= timeout + 2 * step
    assert turns <= 20
