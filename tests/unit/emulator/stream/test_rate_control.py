"""The bit rate of a stream that follows its link, on simulated links."""

from __future__ import annotations

import collections
import random
from typing import Final

import attrs
import pytest

from odyssey_proto.emulator._stream.rate_control import LEAST_BITS_PER_S, FixedRate, RateController, rate_of
from odyssey_proto.emulator._stream.transport_cc import REFERENCE_S, Report
from tests.support.clocks import Time

MOST: Final = 6_000_000
PERIOD_S: Final = 0.05
REPORT_S: Final = 0.06
SIZE: Final = 1200  # bytes


@attrs.define(kw_only=True)
class Link:
    """A link with a queue that drops what does not fit."""

    bits_per_s: float
    buffer_s: float = 0.2
    delay_s: float = 0.02
    loss: float = 0.0
    jitter_s: float = 0.0
    clock_ahead_s: float = 0.0
    """How far the receiver's clock is ahead."""
    free_at: float = 0.0

    def arrival(self, at: float, rng: random.Random) -> float | None:
        """Return when a packet sent ``at`` arrives, by the receiver's clock; None if it is lost."""
        queued_s = max(0.0, self.free_at - at)
        if queued_s > self.buffer_s:
            return None
        self.free_at = at + queued_s + 8 * SIZE / self.bits_per_s
        jitter_s = rng.uniform(0, self.jitter_s)
        lost = rng.random() < self.loss
        return None if lost else self.free_at + self.delay_s + jitter_s + self.clock_ahead_s


@attrs.define
class Run:
    """The outcome of each second."""

    rates: list[float] = attrs.field(factory=list)
    """In Mbit/s, at the end of each second."""
    lost: list[int] = attrs.field(factory=list)
    queue_s: list[float] = attrs.field(factory=list)
    """The longest time in the queue."""


def run(controller: RateController, time: Time, link: Link, seconds: int, seed: int = 0) -> Run:
    """Send pictures at the controller's rate over ``link``, and report as receivers do."""
    rng = random.Random(seed)
    found = Run()
    # For each packet: its number, when it arrives or would have arrived, and when it arrives (None if it is lost).
    fates = collections.deque[tuple[int, float, float | None]]()
    on_their_way = collections.deque[tuple[float, Report]]()
    began = time.at
    debt, report_at = 0.0, time.at + REPORT_S
    for second in range(seconds):
        lost, queue_s = 0, 0.0
        for frame in range(round(1 / PERIOD_S)):
            debt += controller.bits_per_s * PERIOD_S
            count = int(debt / (8 * SIZE))
            debt -= count * 8 * SIZE
            start = began + second + frame * PERIOD_S
            for each in range(count):
                time.at = max(time.at, start + each * 0.4 * PERIOD_S / count)
                queue_s = max(queue_s, link.free_at - time.at)
                arrival = link.arrival(time.at, rng)
                lost += arrival is None
                fates.append((controller.number(SIZE), arrival or link.free_at + link.delay_s, arrival))
            end = start + PERIOD_S
            while report_at < end:
                known = [
                    fates.popleft() for _ in range(len(fates)) if fates[0][1] - link.clock_ahead_s <= report_at
                ]
                if known:
                    on_their_way.append((report_at + link.delay_s, report_of(known)))
                report_at += REPORT_S
            while on_their_way and on_their_way[0][0] <= end:
                at, report = on_their_way.popleft()
                time.at = max(time.at, at)
                controller.take_report(report)
        found.rates.append(controller.bits_per_s / 1e6)
        found.lost.append(lost)
        found.queue_s.append(queue_s)
    return found


def report_of(known: list[tuple[int, float, float | None]]) -> Report:
    reference = int(known[0][1] / REFERENCE_S)
    arrivals = tuple(None if at is None else at - reference * REFERENCE_S for _, _, at in known)
    return Report(known[0][0], reference % (1 << 24), arrivals)


def begin(most: int = MOST) -> tuple[RateController, Time]:
    time = Time()
    return RateController(most, time.now), time


@pytest.mark.parametrize("mbit_per_s", [0.5, 1, 2.5])
@pytest.mark.parametrize("buffer_s", [0.2, 1.0])
def test_it_falls_at_once_to_what_a_slow_link_carries(buffer_s: float, mbit_per_s: float) -> None:
    controller, time = begin()
    assert controller.bits_per_s == 3_000_000
    found = run(controller, time, Link(bits_per_s=mbit_per_s * 1e6, buffer_s=buffer_s), 20)
    used = [rate / mbit_per_s for rate in found.rates]
    assert max(used[1:]) <= 1.15, found
    assert min(used[1:]) >= 0.4, found
    assert sum(used[8:]) / len(used[8:]) >= 0.85, found
    assert sum(found.lost[2:]) == 0, found
    assert max(found.queue_s[5:]) <= 0.25, found


def test_it_rises_to_the_maximum_on_a_fast_link() -> None:
    controller, time = begin()
    found = run(controller, time, Link(bits_per_s=20e6), 10)
    assert found.rates[-1] == 6.0
    assert found.rates == sorted(found.rates)


def test_it_follows_a_link_that_becomes_slower_and_faster_again() -> None:
    controller, time = begin()
    link = Link(bits_per_s=4e6)
    assert run(controller, time, link, 15).rates[-1] > 2.9
    link.bits_per_s = 1.5e6
    slow = run(controller, time, link, 10)
    assert 0.9 < slow.rates[-1] < 1.6, slow
    link.bits_per_s = 4e6
    assert run(controller, time, link, 20).rates[-1] > 2.9


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "weather", [{"loss": 0.05}, {"jitter_s": 0.04}, {"delay_s": 0.1, "loss": 0.02}], ids=["loss", "jitter", "far"]
)
def test_loss_and_jitter_of_a_link_with_room_do_not_bring_it_down(weather: dict[str, float], seed: int) -> None:
    controller, time = begin()
    found = run(controller, time, Link(bits_per_s=20e6, **weather), 15, seed)
    assert min(found.rates) >= 2.7, found
    assert found.rates[-1] > 3.5, found


def test_heavy_loss_brings_it_down() -> None:
    controller, time = begin()
    assert run(controller, time, Link(bits_per_s=20e6, loss=0.3), 20).rates[-1] < 0.4


@pytest.mark.parametrize("ahead_s", [-50.0, 1e6, REFERENCE_S * (1 << 24) - 100 - 3])
def test_neither_the_receivers_clock_nor_its_wraparound_matters(ahead_s: float) -> None:
    controller, time = begin()
    found = run(controller, time, Link(bits_per_s=2e6, clock_ahead_s=ahead_s), 10)
    assert all(1.2 < rate < 2.3 for rate in found.rates[2:]), found


def test_it_rises_no_further_than_what_was_tried() -> None:
    """A stream whose pictures need few bits is no sign that the link carries many."""
    controller, time = begin()
    for place in range(200):
        time.at += 0.1
        numbers = [controller.number(SIZE) for _ in range(10)]  # 0.96 Mbit/s
        controller.take_report(Report(numbers[0], place, (0.02,) * 10))
    assert controller.bits_per_s == 3_000_000


def test_reports_of_what_was_never_sent_change_nothing() -> None:
    controller, time = begin()
    for _ in range(10):
        time.at += 0.1
        controller.take_report(Report(100, 7, (0.0, None, 5.0)))
        controller.take_report(Report(200, 7, ()))
    assert controller.bits_per_s == 3_000_000


def test_a_receivers_estimate_is_followed_within_bounds() -> None:
    controller, _ = begin()
    for estimate, rate in ((2_000_000, 2_000_000), (10_000, LEAST_BITS_PER_S), (50_000_000, MOST)):
        controller.take_estimate(estimate)
        assert controller.bits_per_s == rate


def test_reports_count_more_than_estimates() -> None:
    controller, _ = begin()
    controller.take_report(Report(controller.number(SIZE), 0, (0.01,)))
    controller.take_estimate(500_000)
    assert controller.bits_per_s == 3_000_000


def test_a_rate_is_fixed_or_adapts_or_is_left_to_the_library() -> None:
    assert rate_of(None, adapts=False) is None
    fixed = rate_of(MOST, adapts=False)
    assert isinstance(fixed, FixedRate)
    fixed.take_estimate(500_000)
    assert (fixed.bits_per_s, fixed.most) == (MOST, MOST)
    adapting = rate_of(400_000, adapts=True)
    assert isinstance(adapting, RateController)
    assert (adapting.bits_per_s, adapting.most) == (LEAST_BITS_PER_S, 400_000)
