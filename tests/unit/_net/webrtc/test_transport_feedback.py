"""Reports on each packet: their bytes, when they are due, and what a sender can rebuild from them."""

from __future__ import annotations

import random
import struct
from typing import Final

import pytest

from odyssey_proto._net.webrtc.transport_feedback import TransportFeedback
from tests.support.rtcp import read_packet_report

LARGEST: Final = 1150  # bytes; encrypted, a report of this size still fits into a datagram


def reports(feedback: TransportFeedback, now: float = 1e9) -> list[bytes]:
    return feedback.due(now, sender=1, source=2)


def times_of(packets: list[bytes]) -> dict[int, float | None]:
    """Return the arrivals that the sender knows after these reports; an arrival, once reported, stays known."""
    found: dict[int, float | None] = {}
    for packet in packets:
        for number, at in read_packet_report(packet).times.items():
            if at is not None or number not in found:
                found[number] = at
    return found


def body(came: str) -> bytes:
    """Return the chunks and times of a report.

    It is about packets that did not come (``0``), or came 1 ms (``1``) or 70 ms (``2``) after the one before.
    """
    feedback = TransportFeedback()
    feedback.take(0, 0.0)
    reports(feedback)
    now = 0.64
    for number, kind in enumerate(came.replace(" ", ""), 1):
        if kind != "0":
            now += 0.07 if kind == "2" else 0.001
            feedback.take(number, now)
    (report,) = reports(feedback)
    read_packet_report(report)
    return report[20:]


def test_a_report_is_laid_out_as_the_specification_says() -> None:
    feedback = TransportFeedback()
    feedback.take(65534, 64.0)  # a multiple of 64 ms
    feedback.take(65535, 64.0005)
    feedback.take(1, 64.1)
    feedback.take(2, 64.09)  # before the one with the lower number
    (report,) = feedback.due(64.2, sender=0x01020304, source=0x05060708)
    assert report == bytes.fromhex(
        "8f cd 0006"  # version 2, format 15; type 205; 6 words follow
        "01020304"  # SSRC of packet sender
        "05060708"  # SSRC of media source
        "fffe 0005"  # base sequence number; packet status count
        "0003e8 00"  # reference time: 1000 · 64 ms; feedback packet count
        "d4a0"  # two-bit symbols: small, small, not received, large, large, and two beyond the end
        "00 02"  # 0; 0.5 ms
        "018e"  # 99.5 ms
        "ffd8"  # -10 ms
    )


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (221 * "0" + "1", [0b0_00_0000011011101, 0b0_01_0000000000001]),
        ("0 11111 000 111 00 1", [0b1_0_01111100011100, 0b0_01_0000000000001]),
        ("1 0 2 11 00 1", [0b1_1_01_00_10_01_01_00_00, 0b0_01_0000000000001]),
        (300 * "1", [0b0_01_0000100101100]),
        ("1" + 9 * "2", [0b1_1_01_10_10_10_10_10_10, 0b0_10_0000000000011]),
        ("1" + 8500 * "0" + "1", [0b1_0_10000000000000, 0b0_00_1111111111111, 0b0_00_0000100101000]),
    ],
    ids=["a run of 221 that were lost", "one bit each", "two bits each", "many", "far apart", "longer than a run"],
)
def test_packets_are_packed_as_in_the_examples_of_the_specification(came: str, expected: list[int]) -> None:
    found = body(came)
    assert found.startswith(struct.pack(f"!{len(expected)}H", *expected)), found.hex(" ", 2)


def test_a_report_is_due_100_ms_after_its_first_packet_and_50_ms_if_there_are_many() -> None:
    feedback = TransportFeedback()
    assert feedback.next_at is None
    feedback.take(1, 1.0)
    assert feedback.next_at == pytest.approx(1.1)
    for number in range(2, 9):
        feedback.take(number, 1.01)
    assert feedback.next_at == pytest.approx(1.05)
    assert reports(feedback, 1.04) == []
    assert len(reports(feedback, 1.05)) == 1
    assert feedback.next_at is None
    assert reports(feedback) == []


def test_what_came_late_is_reported_with_what_came_before_and_nothing_else_becomes_lost() -> None:
    feedback = TransportFeedback()
    for number in (1, 2, 4, 5):
        feedback.take(number, 1.0)
    assert read_packet_report(reports(feedback, 1.1)[0]).times == {1: 1.0, 2: 1.0, 3: None, 4: 1.0, 5: 1.0}
    feedback.take(3, 1.25)
    feedback.take(7, 1.25)
    (report,) = reports(feedback, 1.4)
    assert read_packet_report(report).times == {3: 1.25, 4: 1.0, 5: 1.0, 6: None, 7: 1.25}


def test_what_comes_twice_or_much_too_late_is_not_reported() -> None:
    feedback = TransportFeedback()
    for number in (1, 3):
        feedback.take(number, 1.0)
    reports(feedback, 1.1)
    feedback.take(4, 3.0)
    reports(feedback, 3.1)
    for number in (1, 2, 3, 4):
        feedback.take(number, 3.2)
    assert feedback.next_at is None


def test_a_new_numbering_is_reported_as_such() -> None:
    feedback = TransportFeedback()
    feedback.take(1, 1.0)
    feedback.take(40_000, 1.01)
    (report,) = reports(feedback)
    assert read_packet_report(report).times == {40_000: 1.01}


def test_reports_are_numbered_from_0_to_255() -> None:
    feedback = TransportFeedback()
    found = []
    for number in range(300):
        feedback.take(number, number)
        found += [read_packet_report(report).count for report in reports(feedback, number + 0.1)]
    assert found == [count % 256 for count in range(300)]


def test_a_pause_that_no_step_can_bridge_begins_another_report() -> None:
    feedback = TransportFeedback()
    feedback.take(1, 1.0)
    feedback.take(3, 20.0)  # this process did not run meanwhile
    first, second = map(read_packet_report, reports(feedback))
    assert (first.times, second.times) == ({1: 1.0}, {2: None, 3: 20.0})


def test_times_are_reported_for_ever() -> None:
    """The time at the head of a report wraps around after 12 days."""
    feedback = TransportFeedback()
    feedback.take(1, 2**24 * 0.064 + 1)
    (report,) = reports(feedback)
    assert read_packet_report(report).times == {1: 1.0}


@pytest.mark.parametrize("block", range(4))
def test_a_sender_rebuilds_when_each_packet_came(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        rng = random.Random(seed)
        loss, late_s, again = rng.choice((0, 0.02, 0.3)), rng.choice((0, 0.005, 0.06)), rng.choice((0, 0.02))
        first, per_s = rng.randrange(65536), rng.choice((20, 100, 1600, 8000))
        arrivals = []
        for place in range(rng.choice((5, 50, 50, 400, 900))):
            sent = 100 + place / per_s
            if place == 0 or rng.random() >= loss:
                came = sent + rng.random() * late_s
                arrivals += [(came, place)] + [(came + 0.1, place)] * (rng.random() < again)
        arrivals.sort()
        truth: dict[int, float] = {}
        feedback, sent_reports = TransportFeedback(), []
        for now, place in arrivals:
            while feedback.next_at is not None and feedback.next_at <= now:
                at = feedback.next_at
                sent_reports += reports(feedback, at)
            feedback.take((first + place) & 0xFFFF, now)
            truth.setdefault((first + place) & 0xFFFF, now)
        sent_reports += reports(feedback)
        known = times_of(sent_reports)
        came = {number: at for number, at in known.items() if at is not None}
        assert came.keys() == truth.keys(), seed
        assert max(abs(came[number] - truth[number]) for number in truth) <= 0.000126, seed
        highest = max(place for _, place in arrivals)
        lowest = min(place for _, place in arrivals)
        everything = {(first + place) & 0xFFFF for place in range(lowest, highest + 1)}
        assert known.keys() == everything, seed
        assert max(map(len, sent_reports)) <= LARGEST
