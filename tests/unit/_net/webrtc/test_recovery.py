"""Requests for lost packets: when, how often, and what they repair, also over 1,000 simulated links."""

from __future__ import annotations

import random
from typing import Final

import pytest

from odyssey_proto._net.webrtc.recovery import OUTAGE_S, TRIES, Recovery
from tests.support.lossy import Link, show


def taking(*numbers: int, now: float = 0.0, **options: object) -> Recovery:
    recovery = Recovery(**options)  # type: ignore[arg-type]  # as given
    for number in numbers:
        recovery.take(number, now)
    return recovery


def requests(recovery: Recovery, until: float) -> list[tuple[float, list[int]]]:
    """Return all requests up to ``until``, with their times, if no packet comes."""
    made = []
    while recovery.next_at is not None and recovery.next_at <= until:
        now = recovery.next_at
        if numbers := recovery.due(now):
            made.append((round(now, 4), numbers))
    return made


@pytest.mark.parametrize("first", [0, 1, 65533, 65535])
def test_the_first_numbers_are_like_all_others(first: int) -> None:
    recovery = taking(first, (first + 3) % 65536)
    assert recovery.due(0.0) == sorted(((first + 1) % 65536, (first + 2) % 65536), key=lambda each: each < first)
    assert not recovery.has_given_up((first - 1) % 65536)


def test_what_is_missing_is_requested_at_once() -> None:
    recovery = taking(65534, 65535, 2)
    assert recovery.due(0.0) == [0, 1]
    assert recovery.due(0.001) == []
    assert recovery.requested == 2


def test_it_is_requested_again_after_a_round_trip_and_later_and_later_until_it_is_given_up() -> None:
    recovery = taking(1, 3, round_trip=lambda: 0.1)
    times = [at for at, _ in requests(recovery, 60)]
    assert times == pytest.approx([0, 0.135, 0.27, 0.405, 0.54, 0.7425])
    assert recovery.missing_since(2) is None
    assert recovery.has_given_up(2)
    assert recovery.next_at is None
    often = taking(1, 3, round_trip=lambda: 0.002)
    assert len(requests(often, 60)) == TRIES


@pytest.mark.parametrize(
    ("round_trip_s", "until"),
    [
        (0.1, 0.9),
        (0.3, 0.7),
        (0.6, 1.2),  # three round trips, less the one for the request
    ],
)
def test_what_senders_keep_no_longer_is_not_requested(round_trip_s: float, until: float) -> None:
    recovery = taking(*range(0, 1000, 2), round_trip=lambda: round_trip_s)  # more than can be requested at once
    times = [at for at, _ in requests(recovery, 60)]
    assert until - 0.05 <= times[-1] <= until
    assert recovery.next_at is None


def test_the_round_trip_is_measured_from_a_request_that_was_made_once() -> None:
    recovery = taking(1, 3)
    assert recovery.due(0.0) == [2]
    recovery.take(2, 0.04, again=True)
    assert (recovery.repair_s, recovery.repaired) == (0.04, 1)
    recovery.take(5, 0.2)
    assert [at for at, _ in requests(recovery, 0.4)] == pytest.approx([0.2, 0.28, 0.36])  # 40 ms + 4 · 10 ms
    recovery.take(4, 0.41, again=True)  # nobody knows which request was answered
    assert recovery.repair_s == 0.04


def test_a_request_that_was_made_too_early_shows_how_long_the_round_trip_is() -> None:
    recovery = taking(1, 3, round_trip=lambda: 0.04)
    assert [at for at, _ in requests(recovery, 0.08)] == pytest.approx([0, 0.06])
    recovery.take(2, 0.07, again=True)  # 10 ms after the second request: it answers the first
    assert recovery.repair_s == pytest.approx(0.07)


def test_as_long_as_no_round_trip_is_known_no_request_counts_as_too_early() -> None:
    recovery = taking(1, 3)
    assert [at for at, _ in requests(recovery, 0.2)] == pytest.approx([0, 0.135])
    recovery.take(2, 0.175, again=True)  # 40 ms after the second request: it may answer either
    assert recovery.repair_s is None


def test_it_waits_for_packets_that_others_overtake_as_long_as_they_took_before() -> None:
    recovery = taking(1, 3)
    recovery.take(2, 0.02)
    recovery.take(5, 0.2)
    assert recovery.due(0.2) == []
    assert recovery.next_at == pytest.approx(0.2 + 0.0225, abs=0.001)
    recovery.take(4, 0.215)
    assert requests(recovery, 2) == []
    recovery.take(6, 60.0)
    recovery.take(8, 60.0)
    assert recovery.due(60.001) == [7], "what was learned is forgotten"


def test_it_never_waits_for_them_longer_than_50_ms() -> None:
    recovery = taking(1, 3)
    recovery.take(2, 0.3)
    recovery.take(5, 0.31)
    assert recovery.due(0.36) == [4]


def test_packets_that_look_alike_are_told_apart_by_the_time_they_take() -> None:
    recovery = taking(1, 4, round_trip=lambda: 0.1)
    recovery.due(0.0)
    recovery.take(2, 0.02)  # too early to answer a request
    recovery.take(3, 0.1)
    assert (recovery.repaired, recovery.repair_s) == (1, pytest.approx(0.1))


def test_a_packet_answers_a_request_if_it_comes_no_sooner_than_it_can() -> None:
    recovery = Recovery(lambda: 0.1)
    assert not recovery.answers(2, 0.0)
    for number in (1, 4):
        recovery.take(number, 0.0)
    assert not recovery.answers(2, 0.1), "it was not requested yet"
    assert recovery.due(0.0) == [2, 3]
    assert [recovery.answers(2, at) for at in (0.04, 0.06)] == [False, True]
    assert not recovery.answers(4, 0.1)


def test_the_end_of_a_frame_is_requested_if_the_frame_just_stops() -> None:
    recovery = Recovery()
    recovery.take(1, 0.0, marked=True)
    recovery.take(2, 0.05, marked=False)
    assert requests(recovery, 1) == [(0.062, [3, 4])]
    recovery.take(3, 0.1, again=True, marked=True)
    assert recovery.repair_s == pytest.approx(0.038)
    assert recovery.next_at is None


def test_what_was_requested_with_the_end_of_a_frame_is_not_requested_twice() -> None:
    recovery = Recovery(lambda: 0.1)
    recovery.take(1, 0.0, marked=True)
    recovery.take(2, 0.05, marked=False)
    recovery.due(0.062)
    recovery.take(5, 0.1, marked=True)
    assert requests(recovery, 0.2) == [(0.197, [3, 4])]


def test_a_sender_without_marks_or_with_pauses_is_not_asked_for_ends() -> None:
    unmarked = Recovery()
    for number in range(5):
        unmarked.take(number, number * 0.05, marked=False)
    assert unmarked.next_at is None
    paced = Recovery()
    for number in range(20):
        paced.take(number, number * 0.02, marked=number % 5 == 0)
        paced.due(number * 0.02 + 0.019)
    assert paced.requested <= 2, "it has learned how the sender paces its packets"


def test_while_many_packets_are_lost_each_request_is_made_twice() -> None:
    recovery = Recovery()
    for number in range(0, 400, 2):  # half of them
        recovery.take(number, number / 100)
        recovery.due(number / 100)
        if number:
            recovery.take(number - 1, number / 100 + 0.01, again=True)
    assert recovery.loss > 0.3
    recovery.take(400, 4.0)
    assert [(at, numbers) for at, numbers in requests(recovery, 4.015)] == [(4.0, [399]), (4.012, [399])]


def losing(every: int, *, comes_twice: bool) -> Recovery:
    """Return a `Recovery` after 8 s in which one in ``every`` packets was lost, and came again after 0.1 s."""
    recovery = Recovery(lambda: 0.1)
    for number in range(4000):
        now = number / 500
        if number % every != 1:
            recovery.take(number, now)
        recovery.due(now)
        if number % every == 51:
            recovery.take(number - 50, now, again=True)
            if comes_twice:
                recovery.take(number - 50, now, again=True)
    return recovery


@pytest.mark.parametrize("every", [60, 100])
def test_while_some_packets_are_lost_requests_are_made_twice_if_no_packet_comes_twice_for_that(every: int) -> None:
    lost = 4000 // every
    assert losing(every, comes_twice=False).requested >= 1.8 * lost
    cautious = losing(every, comes_twice=True)
    assert cautious.requested <= 1.3 * lost
    assert cautious.repaired >= lost - 1


def test_while_hardly_a_packet_is_lost_no_request_is_made_twice() -> None:
    assert losing(400, comes_twice=False).requested == 10


def test_requests_are_limited() -> None:
    recovery = taking(0, 2000)
    assert len(recovery.due(0.0)) == 150
    made = sum(len(numbers) for _, numbers in requests(recovery, 0.8))
    assert made == pytest.approx(24, abs=2), "30 a second, and half of the packets that come: none"
    assert recovery.is_spent(0.8)
    assert not recovery.is_spent(1.3)


def test_while_requests_are_limited_none_is_made_twice_at_once() -> None:
    recovery = taking(*range(0, 800, 2))
    recovery.take(801, 1.0)  # now it is known that many are lost
    recovery.take(900, 1.05)
    assert recovery.due(1.05) == [*range(802, 900)]
    assert recovery.loss > 0.035
    assert requests(recovery, 1.1) == [], "no copy 12 ms later"


def test_a_keyframe_that_arrives_is_repaired_before_what_is_older() -> None:
    recovery = taking(0, 300)
    recovery.prefer_from(250)
    assert recovery.due(0.0)[:50] == [*range(250, 300), *range(1, 101)][:50]
    recovery = taking(0, 300)
    recovery.give_up_before(250)
    assert recovery.due(0.0) == [*range(250, 300)]
    assert recovery.has_given_up(1)
    assert recovery.has_given_up(249)
    assert not recovery.has_given_up(250)
    nothing = Recovery()
    nothing.prefer_from(1)
    nothing.give_up_before(1)
    assert not nothing.has_given_up(0)


def test_more_than_a_thousand_numbers_are_kept_but_not_more_than_could_be_repaired() -> None:
    recovery = taking(0, 1501)
    assert recovery.missing_since(1) == 0.0
    assert recovery.take(1501 + 5000, 0.1)
    assert recovery.missing_since(1502) is None


def test_what_the_buffer_has_passed_is_not_requested_any_more() -> None:
    recovery = taking(65530, 4)
    recovery.passed(2)
    assert recovery.due(0.0) == [2, 3]


def test_what_an_outage_has_swallowed_is_left_out_unless_all_is_wanted() -> None:
    assert not taking(1, 2).take(9, OUTAGE_S - 0.1)
    latest, complete = taking(1, 2), taking(1, 2, wants_all=lambda: True)
    assert latest.take(9, OUTAGE_S + 0.1)
    assert latest.due(OUTAGE_S + 0.1) == []
    assert not complete.take(9, OUTAGE_S + 0.1)
    assert complete.due(OUTAGE_S + 0.1) == [*range(3, 9)]
    assert not taking(1, 2).take(3, 60.0), "a pause is no outage"


def test_a_process_that_did_not_look_at_its_socket_is_no_outage() -> None:
    recovery = Recovery()
    recovery.take(1, 0.0, timestamp=2**32 - 4500)
    assert not recovery.take(3, 1.0, timestamp=4500), "the video goes on where it was"
    assert recovery.take(9, 2.0, timestamp=4500 + 90_000)


def test_a_request_that_comes_late_is_put_off_once_since_the_packet_may_wait_to_be_read() -> None:
    recovery = taking(1, 3)
    assert recovery.due(0.2) == []
    assert requests(recovery, 0.3)[0] == (0.205, [2])
    recovery = taking(1, 3)
    assert recovery.due(0.2) == []
    recovery.take(2, 0.201)
    assert requests(recovery, 1) == []


def test_a_new_numbering_resets_the_recovery() -> None:
    recovery = taking(10_000, 10_002)
    recovery.take(100, 0.1)
    recovery.take(102, 0.1)
    assert recovery.due(0.1) == [101]


def test_packets_that_the_first_one_overtook_are_waited_for() -> None:
    recovery = taking(20)
    recovery.take(17, 0.0)
    assert recovery.due(0.01) == [18, 19]
    recovery = taking(20)
    recovery.want_before(20, 0.0)
    assert requests(recovery, 0.02) == [(0.012, [17, 18, 19])]


# --- with the buffer, over simulated links

_SEEDS: Final = 100


def sizes(seed: int, frames: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randint(1, 8) for _ in range(frames)]


@pytest.mark.parametrize("tells_again", [True, False])
@pytest.mark.parametrize(
    "link",
    [
        Link(loss=0.02, round_trip_s=0.1),
        Link(loss=0.05, round_trip_s=0.04),
        Link(bursts=0.03),
    ],
    ids=str,
)
def test_whatever_is_lost_hardly_a_frame_is(link: Link, tells_again: bool) -> None:
    sent = shown = lost = again = keyframes = 0
    for seed in range(_SEEDS):
        found = show(link, sizes(seed, 24), seed, tells_again=tells_again)
        assert not found.corrupt, f"seed {seed}"
        sent += found.sent
        shown += len(found.shown)
        lost += found.lost
        again += found.again
        keyframes += found.keyframes
    assert shown >= 0.995 * sent
    assert again <= 1.5 * lost
    assert keyframes <= 0.1 * _SEEDS


def test_packets_that_only_overtake_each_other_are_hardly_requested() -> None:
    packets = again = 0
    for seed in range(30):
        found = show(Link(jitter_s=0.02), sizes(seed, 100), seed)
        assert (found.corrupt, found.share, found.keyframes) == (0, 1.0, 0), f"seed {seed}"
        packets += found.packets
        again += found.again
    assert again <= 0.03 * packets


@pytest.mark.parametrize("seconds", [0.4, 1.0])
def test_after_an_outage_the_next_frame_is_a_keyframe_and_at_once(seconds: float) -> None:
    for seed in range(_SEEDS // 2):
        begin = 0.5 + seed / 1000
        found = show(Link(outages=((begin, begin + seconds),)), sizes(seed, 50), seed)
        assert (found.corrupt, found.keyframes) == (0, 1), f"seed {seed}"
        assert found.longest_freeze_s() <= seconds + 0.05 + 3 * 0.05, f"seed {seed}"


def test_if_everything_is_wanted_an_outage_costs_only_time() -> None:
    for seed in range(_SEEDS // 4):
        link = Link(outages=((0.5, 1.1),))
        found = show(link, sizes(seed, 50), seed, complete=True)
        assert (found.corrupt, found.share) == (0, 1.0), f"seed {seed}"
        assert show(link, sizes(seed, 50), seed).share < 1, "by default the latest frames are wanted"


@pytest.mark.parametrize(("round_trip_s", "longest_s"), [(0.04, 1.5), (0.1, 2.0)])
def test_a_sender_that_is_too_fast_for_the_link_at_first_is_seen_after_a_second(
    round_trip_s: float, longest_s: float
) -> None:
    for seed in range(8):
        link = Link(rate=100, round_trip_s=round_trip_s, loss=0.002)  # 1 Mbit/s
        found = show(link, [1] * 200, seed, follows=6_000_000)
        ages = sorted(age for _, age in found.shown)
        assert not found.corrupt, f"seed {seed}"
        assert found.share >= 0.85, f"seed {seed}: in 10 s, of which one is lost at the beginning"
        assert found.longest_freeze_s() <= longest_s, f"seed {seed}"
        assert ages[int(0.95 * len(ages))] <= 0.5, f"seed {seed}"
        assert found.keyframes <= 5, f"seed {seed}"


def test_a_sender_that_stays_too_fast_is_asked_for_no_more_than_can_come() -> None:
    for seed in range(5):
        found = show(Link(rate=100, loss=0.002), [15] * 200, seed)  # 3 Mbit/s
        assert not found.corrupt, f"seed {seed}"
        assert found.requested <= 150 + 10 * (30 + 100 / 2), f"seed {seed}"
        assert found.keyframes <= 15, f"seed {seed}"


def test_a_link_that_is_full_is_not_filled_with_requests() -> None:
    for seed in range(20):
        found = show(Link(rate=60), sizes(seed, 60), seed)  # it carries two thirds of the packets sent
        assert not found.corrupt, f"seed {seed}"
        assert found.keyframes <= 12, f"seed {seed}"
        assert found.requested <= 150 + 30 * 5 + found.packets / 2, f"seed {seed}"


def test_over_links_of_any_kind_no_picture_is_ever_corrupt_and_video_resumes() -> None:
    for seed in range(2 * _SEEDS):
        rng = random.Random(seed)
        link = Link(
            round_trip_s=rng.choice((0.002, 0.02, 0.1, 0.3)),
            loss=rng.choice((0, 0.01, 0.1, 0.3)),
            bursts=rng.choice((0, 0.05)),
            jitter_s=rng.choice((0, 0.005, 0.03)),
            rate=rng.choice((0, 0, 150)),
            outages=((0.4, 0.4 + rng.random()),) if rng.random() < 0.3 else (),
        )
        complete, tells_again = rng.random() < 0.3, rng.random() < 0.7
        found = show(link, sizes(seed, 30), seed, complete=complete, tells_again=tells_again)
        assert not found.corrupt, f"seed {seed}: {link}"
