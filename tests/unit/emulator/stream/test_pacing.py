"""The times at which the packets of a stream leave."""

from __future__ import annotations

import random
from typing import Final

import pytest

from odyssey_proto.emulator._stream.pacing import Pacer

PERIOD_S: Final = 0.05
AT_MOST_S: Final = 0.8 * PERIOD_S
SIZE: Final = 1250  # bytes: 10,000 bits


def packet(number: int, size: int = SIZE) -> bytes:
    return number.to_bytes(4).ljust(size, b"\0")


def number(data: bytes) -> int:
    return int.from_bytes(data[:4])


def left(pacer: Pacer, since: float, until: float, step: float = 0.000_1) -> list[tuple[float, int]]:
    """Return when each packet left, and its number; packets are taken as soon as the pacer allows it."""
    found = []
    now = since
    while (wait := pacer.wait_s(now)) is not None and now + wait < until:
        now += max(wait, step)
        found += [(now, number(data)) for data in pacer.take(now)]
    return found


def test_a_picture_leaves_at_two_and_a_half_times_the_rate() -> None:
    pacer = Pacer(lambda: 4_000_000, AT_MOST_S)
    for each in range(20):  # a picture of 4 Mbit/s: 20 ms at 10 Mbit/s
        pacer.put(packet(each), 1.0)
    times = [round(at - 1.0, 3) for at, _ in left(pacer, 1.0, 2.0)]
    assert times[0] == 0.0
    assert times == pytest.approx([each / 1000 for each in range(20)], abs=0.000_6)


def test_a_large_picture_leaves_before_the_next_one_comes() -> None:
    pacer = Pacer(lambda: 1_000_000, AT_MOST_S)
    for each in range(60):
        pacer.put(packet(each), 0.0)
    found = left(pacer, 0.0, 1.0)
    assert [each for _, each in found] == list(range(60))
    assert 0.03 < found[-1][0] <= AT_MOST_S


def test_what_is_sent_again_goes_first() -> None:
    pacer = Pacer(lambda: 1_000_000, AT_MOST_S)
    for each in range(5):
        pacer.put(packet(each), 0.0)
    assert [number(data) for data in pacer.take(0.0)] == [0]
    pacer.put(packet(101), 0.001, again=True)
    pacer.put(packet(102), 0.001, again=True)
    assert [each for _, each in left(pacer, 0.001, 1.0)] == [101, 102, 1, 2, 3, 4]


def test_nothing_leaves_early_after_a_pause() -> None:
    pacer = Pacer(lambda: 1_000_000, AT_MOST_S)
    pacer.put(packet(0), 0.0)
    pacer.take(0.0)
    assert pacer.wait_s(0.0) is None
    for each in (1, 2):
        pacer.put(packet(each), 10.0)
    assert [number(data) for data in pacer.take(10.0)] == [1]
    assert pacer.wait_s(10.0) == pytest.approx(0.004)


def test_a_packet_does_not_overtake_the_time_that_the_last_one_takes() -> None:
    pacer = Pacer(lambda: 1_000_000, AT_MOST_S)
    pacer.put(packet(0), 0.0)
    pacer.take(0.0)
    pacer.put(packet(1), 0.001)
    assert pacer.take(0.001) == []
    assert pacer.wait_s(0.001) == pytest.approx(0.003)
    assert [number(data) for data in pacer.take(0.004)] == [1]


def test_what_is_late_leaves_at_once() -> None:
    """A loop that was held up catches up, and no packet is lost or sent twice."""
    pacer = Pacer(lambda: 1_000_000, AT_MOST_S)
    for each in range(60):
        pacer.put(packet(each), 0.0)
    assert [number(data) for data in pacer.take(1.0)] == list(range(60))
    assert pacer.take(1.0) == []


@pytest.mark.parametrize("seed", range(10))
def test_no_packet_waits_longer_than_it_may_and_all_leave_in_order(seed: int) -> None:
    rng = random.Random(seed)
    pacer = Pacer(lambda: rng.choice([300_000, 1_000_000, 16_000_000]), AT_MOST_S)
    put_at, found = dict[int, float](), list[tuple[float, int]]()
    for frame in range(100):
        now = frame * PERIOD_S * rng.uniform(0.9, 1.0) if frame else 0.0
        now = max([now, *(at for at, _ in found[-1:])])
        for _ in range(rng.randint(1, 120)):
            put_at[len(put_at)] = now
            pacer.put(packet(len(put_at) - 1, rng.randint(100, 1300)), now)
        found += left(pacer, now, (frame + 1) * PERIOD_S)
    found += left(pacer, 100 * PERIOD_S, 1000.0)
    assert [each for _, each in found] == list(range(len(put_at)))
    assert max(at - put_at[each] for at, each in found) <= AT_MOST_S + 0.002
