"""Limits for a sender: how a sender that obeys them uses simulated links."""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from odyssey_proto._net.webrtc.bandwidth import Bandwidth, limit
from tests.support.rtcp import read_limit

if TYPE_CHECKING:
    from collections.abc import Callable

FPS: Final = 20
PACKET_BYTES: Final = 1200
HEAD_BYTES: Final = 40
MBIT: Final = 1e6


@attrs.define(kw_only=True)
class Sending:
    """A sender, which obeys limits by default, and a link with a queue. The clocks of both ends are unrelated."""

    seed: int
    rate: Callable[[float], float]
    """The rate that the link carries at a given time, in bits per s."""
    start: float = 3 * MBIT
    """The rate of the sender until it gets the first limit, in bits per s."""
    paced: bool = False
    """Whether the sender spreads the packets of a frame over time."""
    queue_s: float = 0.2
    loss: float = 0.0
    """The share of packets lost at random, out of those that the link does not drop because its queue is full."""
    jitter_s: float = 0.0
    longer_from: float = float("inf")
    """The time from which the path is longer by 80 ms, in s."""
    pause: tuple[float, float] = (0.0, 0.0)
    """Begin and end of the time in which nothing is sent, in s; a large picture follows."""
    obeys: bool = True
    seconds: list[list[float]] = attrs.field(factory=list)
    """For each second: bits sent, packets sent, packets lost."""
    limits: list[tuple[float, int]] = attrs.field(factory=list)

    def run(self, seconds: int) -> Sending:
        rng, bandwidth = random.Random(self.seed), Bandwidth()
        self.seconds = [[0.0, 0, 0] for _ in range(seconds)]
        events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        now, bits_per_s, free_at, number, highest, came = 0.0, self.start, 0.0, 0, 0, 0

        def at(when: float, what: Callable[..., None], *of: Any) -> None:
            heapq.heappush(events, (when, rng.getrandbits(60), what, of))

        def show(frame: int) -> None:
            begin, end = self.pause
            if begin <= now < end:
                at(end, show, 0)
                return
            size = bits_per_s / FPS / 8 * rng.uniform(0.7, 1.3) * (1 if frame else 3)
            count = max(1, round(size / PACKET_BYTES))
            for part in range(count):
                at(now + (part / count * 0.8 / FPS if self.paced else part * 0.0002), send, size / count)
            at(now + 1 / FPS, show, frame + 1)

        def send(size: float) -> None:
            nonlocal free_at, number
            number += 1
            second = self.seconds[int(now)]
            second[0] += 8 * size
            second[1] += 1
            begin = max(now, free_at)
            if begin - now > self.queue_s or rng.random() < self.loss:
                second[2] += 1
                return
            free_at = begin + (size + HEAD_BYTES) * 8 / self.rate(now)
            longer = 0.08 if now >= self.longer_from else 0.0
            at(free_at + 0.02 + longer + rng.uniform(0, 2 * self.jitter_s), receive, size, now, number)

        def receive(size: float, sent: float, place: int) -> None:
            nonlocal highest, came
            highest, came = max(highest, place), came + 1
            lost = highest - came
            bandwidth.take(int(size), sent=sent - 9000, now=now + 7, lost=lost, expected=highest)
            if (found := bandwidth.due(now + 7)) is not None:
                self.limits.append((now, found))
                if self.obeys:
                    at(now + 0.02, obey, found)

        def obey(to: int) -> None:
            nonlocal bits_per_s
            bits_per_s = min(6 * MBIT, max(0.3 * MBIT, to))

        at(0.0, show, 0)
        while events[0][0] < seconds:
            now, _, what, of = heapq.heappop(events)
            what(*of)
        return self

    def sent(self, begin: int, end: int) -> float:
        """Return the average number of bits sent per second from ``begin`` to ``end``."""
        return sum(second[0] for second in self.seconds[begin:end]) / (end - begin)

    def lost(self, begin: int, end: int) -> float:
        """Return the share of packets lost from ``begin`` to ``end``."""
        part = self.seconds[begin:end]
        return sum(second[2] for second in part) / sum(second[1] for second in part)


def constant(rate: float) -> Callable[[float], float]:
    return lambda _: rate


@pytest.mark.parametrize("paced", [False, True], ids=["each frame in one go", "paced"])
@pytest.mark.parametrize("mbit", [0.5, 1, 2, 4])
@pytest.mark.parametrize("jitter_s", [0, 0.02])
def test_a_sender_uses_the_link_without_losing_anything(mbit: float, paced: bool, jitter_s: float) -> None:
    for seed in range(2):
        found = Sending(seed=seed, rate=constant(mbit * MBIT), paced=paced, jitter_s=jitter_s).run(25)
        assert 0.75 < found.sent(5, 25) / (mbit * MBIT) < 1, seed
        assert found.lost(5, 25) < 0.002, seed
        assert found.lost(0, 5) < 0.4, seed


def test_a_sender_that_begins_below_what_the_link_carries_reaches_it() -> None:
    found = Sending(seed=1, rate=constant(4 * MBIT), start=MBIT).run(25)
    assert found.sent(10, 25) > 3 * MBIT
    assert found.lost(0, 25) < 0.002


def test_a_link_that_becomes_slower_is_followed_within_two_seconds_and_back() -> None:
    found = Sending(seed=1, rate=lambda at: (1 if 10 <= at < 20 else 4) * MBIT).run(60)
    assert found.lost(12, 20) < 0.002
    assert found.sent(12, 20) > 0.7 * MBIT
    assert found.sent(50, 60) > 3 * MBIT


@pytest.mark.parametrize("loss", [0.02, 0.05, 0.1, 0.2])
def test_packets_that_are_lost_at_any_rate_do_not_slow_a_sender_down_for_long(loss: float) -> None:
    for seed in range(3):
        found = Sending(seed=seed, rate=constant(20 * MBIT), loss=loss).run(45)
        assert found.sent(35, 45) > 3 * MBIT, seed


def test_a_link_that_drops_what_it_cannot_carry_at_once_is_left_half_empty_rather_than_full() -> None:
    found = Sending(seed=1, rate=constant(MBIT), queue_s=0.02).run(25)
    assert found.lost(10, 25) < 0.12
    assert found.sent(10, 25) > 0.4 * MBIT


def test_a_longer_path_is_not_taken_for_a_queue_for_ever() -> None:
    found = Sending(seed=1, rate=constant(8 * MBIT), start=4 * MBIT, longer_from=10).run(40)
    assert found.sent(30, 40) > 3 * MBIT


def test_a_pause_is_not_taken_for_a_slow_link() -> None:
    for seed in range(5):
        found = Sending(seed=seed, rate=constant(4 * MBIT), pause=(10, 13)).run(25)
        before = [value for at, value in found.limits if 8 <= at < 10]
        after = [value for at, value in found.limits if 13 <= at < 15]
        assert min(after) > 0.6 * min(before), seed


@pytest.mark.parametrize(
    ("pause_s", "set_by_s"),
    [(40, -64), (100, -64), (0, -3600), (1, -3600), (0, 3600)],
    ids=lambda seconds: str(seconds),
)
def test_a_clock_that_was_set_is_not_taken_for_a_queue(pause_s: float, set_by_s: float) -> None:
    """The counter of send times wraps every 64 s; after a pause of more than 32 s, the wraps cannot be counted."""
    bandwidth = Bandwidth()
    number = 0
    for began, sent in ((5.0, 0.0), (15.0 + pause_s, 10 + pause_s + set_by_s)):
        for moment in range(1000):
            number += 1
            at = moment / 100
            bandwidth.take(1000, sent=sent + at, now=began + at, lost=0, expected=number)
            assert bandwidth.estimate is None or bandwidth.estimate == pytest.approx(1.2 * MBIT), at


def test_a_sender_that_does_not_obey_still_gets_the_limit_of_a_full_link() -> None:
    found = Sending(seed=1, rate=constant(MBIT), obeys=False).run(20)
    assert all(limit < MBIT for at, limit in found.limits if at > 2)


def test_limits_are_sent_twice_a_second_and_whenever_they_fall() -> None:
    found = Sending(seed=1, rate=lambda at: (1 if at >= 10.05 else 4) * MBIT).run(20)
    steady = [at for at, _ in found.limits if 3 <= at < 8]
    assert 8 <= len(steady) <= 11
    assert min(at for at, value in found.limits if value < 1.5 * MBIT) < 12


def test_nothing_is_known_at_first() -> None:
    bandwidth = Bandwidth()
    assert bandwidth.due(1.0) is None
    bandwidth.take(1000, sent=0.0, now=1.0, lost=0, expected=1)
    assert (bandwidth.rate, bandwidth.due(1.0), bandwidth.estimate) == (0.0, None, None)


@pytest.mark.parametrize("value", [0, 262_143, 262_144, 3_456_789, 2**40])
def test_a_limit_is_packed_to_within_its_18_bits(value: int) -> None:
    sender, told, streams = read_limit(limit(value, sender=7, sources=[8, 9]))
    assert (sender, streams) == (7, [8, 9])
    assert value - (value >> 17) <= told <= value


def test_a_limit_is_laid_out_as_the_specification_says() -> None:
    assert limit(1_000_000, sender=0x01020304, sources=[0x0A0B0C0D]) == bytes.fromhex(
        "8f ce 0005"  # version 2, format 15; type 206; 5 words follow
        "01020304"  # SSRC of packet sender
        "00000000"  # SSRC of media source: always 0
        "52454d42"  # REMB
        "01 0b d090"  # one SSRC; exponent 2, mantissa 250,000
        "0a0b0c0d"
    )
