"""Receiver reports about a stream, even if lost packets are retransmitted (RFC 3550, 6.4 and A.8)."""

from __future__ import annotations

import random
from typing import Final

import pytest

from odyssey_proto._net.webrtc.reception import Reception

CLOCK_RATE: Final = 90_000


def taking(*numbers: int) -> Reception:
    reception = Reception(CLOCK_RATE)
    for number in numbers:
        take(reception, number)
    return reception


def take(reception: Reception, number: int, *, repaired: bool = False) -> None:
    reception.take(number, timestamp=0, now=0.0, repaired=repaired)


def test_the_highest_number_includes_how_often_the_numbers_wrapped_around() -> None:
    reception = Reception(CLOCK_RATE)
    for place in range(65_000, 3 * 65_536 + 5, 500):
        take(reception, place % 65_536)
    assert reception.highest == 3 * 65_536 - 108
    assert reception.received == 264
    assert reception.expected == reception.highest - 64_999


def test_the_fraction_is_that_since_the_last_report() -> None:
    reception = taking(1, 2, 4, 5)
    assert reception.fraction() == 51  # 1 of 5
    for number in (6, 7, 8, 9):
        take(reception, number)
    assert reception.fraction() == 0
    take(reception, 109)
    assert reception.fraction() == 253  # 99 of 100
    assert reception.fraction() == 0, "nothing was sent since"
    assert (reception.lost, reception.expected) == (100, 109)


def test_a_packet_that_others_overtook_is_not_lost() -> None:
    reception = taking(1, 3, 2)
    assert (reception.lost, reception.fraction()) == (0, 0)


def test_one_that_comes_because_it_was_requested_stays_lost() -> None:
    reception = taking(1, 3)
    take(reception, 2, repaired=True)
    assert (reception.lost, reception.received, reception.fraction()) == (1, 3, 85)


def test_one_that_comes_twice_makes_up_for_no_other() -> None:
    reception = taking(1, 3, 3, 1, 4)
    take(reception, 2, repaired=True)
    take(reception, 2)
    assert reception.lost == 1


def test_what_was_lost_long_ago_is_forgotten() -> None:
    reception = taking(1, 3, 2003, 2)
    assert reception.lost == 2000


def test_a_single_number_that_does_not_fit_changes_nothing() -> None:
    reception = taking(1, 2, 30_000, 3, 30_002)
    assert (reception.highest, reception.lost) == (3, 0)


def test_two_in_a_row_begin_a_new_numbering() -> None:
    reception = taking(1, 3, 30_000, 30_001, 30_003)
    assert (reception.highest, reception.lost, reception.expected) == (30_003, 1, 3)
    assert reception.fraction() == 85


def test_no_report_overflows() -> None:
    reception = taking(1)
    for number in range(0, 65_536 * 160, 2_900):
        take(reception, (1 + number) % 65_536)
    assert reception.lost > 0x7FFFFF
    assert reception.lost_in_report == 0x7FFFFF
    assert reception.fraction() == 255


@pytest.mark.parametrize("first", [0, 2**32 - 9000])
def test_jitter_is_how_much_the_times_between_frames_vary(first: int) -> None:
    reception = Reception(CLOCK_RATE)
    for frame in range(200):
        late_s = 0.01 if frame % 2 else 0.0
        for part in range(3):
            reception.take(
                frame * 3 + part,
                timestamp=(first + frame * 4500) % 2**32,
                now=frame * 0.05 + late_s + part * 0.001,
                repaired=False,
            )
    assert reception.jitter == pytest.approx(900, abs=2)  # 10 ms


def test_a_pause_is_no_jitter() -> None:
    reception = Reception(CLOCK_RATE)
    reception.take(1, timestamp=0, now=0.0, repaired=False)
    reception.take(2, timestamp=4500, now=60.0, repaired=False)
    assert reception.jitter == 0


def test_reports_are_right_whatever_happens_to_the_packets() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        loss, count, first = rng.choice((0, 0.05, 0.4)), rng.choice((20, 300, 2000)), rng.randrange(65_536)
        events: list[tuple[float, int, bool]] = []
        lost = 0
        for place in range(count):
            if place and place < count - 1 and rng.random() < loss:
                lost += 1
                if rng.random() < 0.8:
                    events.append((place + 50 + rng.random() * 20, place, True))
                continue
            at = place + rng.random() * rng.choice((0, 3)) * (0 < place < count - 1)
            events.append((at, place, False))
            if rng.random() < 0.05:
                events.append((at + rng.random() * 60, place, True))
        reception = Reception(CLOCK_RATE)
        for _, place, repaired in sorted(events):
            take(reception, (first + place) % 65_536, repaired=repaired)
        assert (reception.lost, reception.expected) == (lost, count), seed
        assert reception.highest == first + count - 1, seed
        assert reception.fraction() == (lost << 8) // count, seed
