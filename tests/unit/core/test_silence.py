"""Checking that video arrives: the action that the silence calls for."""

from __future__ import annotations

import math

import pytest

from odyssey_proto.core.silence import (
    KEYFRAME_AFTER_S,
    PAUSE_LIMIT_S,
    SILENCE_LIMIT_S,
    SUSPECT_AFTER_S,
    Silence,
    Verdict,
)


@pytest.fixture
def silence() -> Silence:
    """Return a `Silence` that had a frame at 100 s."""
    found = Silence()
    found.begin(99.0, 20.0)
    assert found.judge(100.0, 100.0) is Verdict.WAIT
    return found


def test_while_frames_come_it_looks_every_second(silence: Silence) -> None:
    for now in (101.0, 102.0, 103.0):
        assert silence.judge(now, now) is Verdict.WAIT
        assert silence.next_look(now) == now + KEYFRAME_AFTER_S


def test_it_looks_again_when_the_newest_frame_is_a_second_old(silence: Silence) -> None:
    assert silence.judge(100.25, 101.0) is Verdict.WAIT
    assert silence.next_look(101.0) == 101.25


def test_a_keyframe_is_asked_for_once(silence: Silence) -> None:
    assert silence.judge(100.0, 101.0) is Verdict.ASK_FOR_KEYFRAME
    assert silence.judge(100.0, 102.0) is Verdict.WAIT
    assert silence.next_look(102.0) == 103.0
    assert silence.next_look(105.5) == 100.0 + SILENCE_LIMIT_S


def test_after_a_frame_a_keyframe_is_asked_for_again(silence: Silence) -> None:
    silence.judge(100.0, 101.0)
    assert silence.judge(101.5, 102.0) is Verdict.WAIT
    assert silence.judge(101.5, 102.5) is Verdict.ASK_FOR_KEYFRAME


def test_at_the_limit_the_link_is_lost(silence: Silence) -> None:
    assert silence.judge(100.0, 100.0 + SILENCE_LIMIT_S) is Verdict.LOST


@pytest.mark.parametrize("packets", [None, 700])
def test_a_link_on_which_nothing_arrives_is_lost_at_the_limit(silence: Silence, packets: int | None) -> None:
    assert silence.judge(100.0, 101.0, packets) is Verdict.ASK_FOR_KEYFRAME
    assert silence.judge(100.0, 105.9, packets) is Verdict.WAIT
    assert silence.judge(100.0, 106.0, packets) is Verdict.LOST


@pytest.mark.parametrize("packets", [None, 700])
def test_a_silent_link_of_an_address_that_was_left_is_lost_soon(silence: Silence, packets: int | None) -> None:
    silence.judge(100.25, 100.25, packets)
    assert silence.judge(100.5, 101.0, packets, has_moved=True) is Verdict.WAIT, "video still comes"
    assert silence.judge(100.5, 101.5, packets, has_moved=True) is Verdict.LOST


def test_a_link_of_an_address_that_was_left_is_kept_while_anything_arrives(silence: Silence) -> None:
    assert silence.judge(100.0, 101.0, 700, has_moved=True) is Verdict.ASK_FOR_KEYFRAME
    assert silence.judge(100.0, 102.0, 701, has_moved=True) is Verdict.WAIT
    assert silence.judge(100.0, 103.0, 701, has_moved=True) is Verdict.LOST


def test_a_link_on_which_anything_arrives_is_kept_for_longer(silence: Silence) -> None:
    assert silence.judge(100.0, 101.0, 700) is Verdict.ASK_FOR_KEYFRAME
    now, packets = 102.0, 701
    while now < 100.0 + PAUSE_LIMIT_S:
        assert silence.judge(100.0, now, packets) is Verdict.WAIT
        at = silence.next_look(now)
        assert now < at <= now + KEYFRAME_AFTER_S
        now, packets = at, packets + 1
    assert silence.judge(100.0, now, packets) is Verdict.LOST


def test_a_link_on_which_nothing_arrives_any_more_is_lost_when_that_is_certain(silence: Silence) -> None:
    for now, packets in ((101.0, 700), (105.0, 701), (106.0, 702), (107.0, 702)):
        assert silence.judge(100.0, now, packets) is not Verdict.LOST
    assert silence.judge(100.0, 108.0, 702) is Verdict.LOST


def test_a_link_that_loses_what_would_be_frames_is_kept_as_long_as_it_does(silence: Silence) -> None:
    for second in range(1, 60):
        assert silence.judge(100.0, 100.0 + second, 700 + second, is_lossy=True) is not Verdict.LOST
        assert silence.next_look(100.0 + second) == 101.0 + second
    assert (silence.gone_for(160.0), silence.unexplained_for(160.0)) == (60.0, 1.0)
    assert silence.judge(100.0, 164.9, 759) is Verdict.WAIT
    assert silence.judge(100.0, 165.0, 759) is Verdict.LOST
    silence.expect(165.0, 5.0)
    assert silence.unexplained_for(169.0) == 10.0, "over all links"
    assert silence.judge(None, 169.0, 1, is_lossy=True) is not Verdict.LOST
    assert silence.judge(None, 173.9, 1) is Verdict.WAIT
    assert silence.judge(None, 174.0, 1) is Verdict.LOST


def test_the_first_frame_of_a_link_has_no_more_time_for_other_packets() -> None:
    silence = Silence()
    silence.expect(100.0, 5.0)
    for second in range(1, 5):
        assert silence.judge(None, 100.0 + second, 700 + second) is not Verdict.LOST
    assert silence.judge(None, 105.0, 705) is Verdict.LOST


def test_the_first_frame_of_a_link_may_take_as_long_as_was_said() -> None:
    silence = Silence()
    silence.expect(100.0, 20.0)
    assert silence.judge(None, 101.0) is Verdict.ASK_FOR_KEYFRAME
    assert silence.judge(None, 119.9) is Verdict.WAIT
    assert silence.judge(None, 120.0) is Verdict.LOST


def test_a_frame_of_the_link_before_is_none_of_this_one(silence: Silence) -> None:
    silence.expect(105.0, 5.0)
    assert silence.judge(100.0, 110.0) is Verdict.LOST


def test_what_is_gone_is_counted_over_all_links(silence: Silence) -> None:
    silence.expect(105.0, 5.0)
    assert silence.gone_for(107.0) == 7.0


@pytest.mark.parametrize(("overslept", "verdict"), [(0.9, Verdict.LOST), (60.0, Verdict.WAIT)])
def test_a_process_that_stood_still_does_not_take_that_for_silence(
    silence: Silence, overslept: float, verdict: Verdict
) -> None:
    silence.look_late(160.0, overslept)
    assert silence.judge(100.0, 160.0) is verdict


def test_a_sign_of_life_counts_like_packets(silence: Silence) -> None:
    assert silence.has_video
    assert silence.judge(100.0, 105.0, 700) is Verdict.ASK_FOR_KEYFRAME
    silence.note_sign(105.5)
    assert silence.judge(100.0, 106.0, 700) is Verdict.WAIT
    assert silence.judge(100.0, 107.0, 700) is Verdict.LOST


def test_the_silence_of_a_link_lasts_since_its_newest_frame(silence: Silence) -> None:
    assert silence.silent_for(102.0) == 2.0
    silence.note_newest(101.5)
    assert silence.silent_for(102.0) == 0.5
    silence.expect(105.0, 5.0)
    assert (silence.silent_for(107.0), silence.has_video) == (2.0, False)


def test_the_newest_frame_of_a_lost_link_is_known_to_the_moment(silence: Silence) -> None:
    silence.note_newest(None)
    assert silence.gone_for(101.0) == 1.0
    silence.note_newest(100.75)
    silence.note_newest(100.5)  # an older one
    assert silence.gone_for(101.0) == 0.25


def test_whether_any_link_had_video_is_known_until_the_next_stream(silence: Silence) -> None:
    assert silence.had_video
    silence.expect(105.0, 5.0)
    assert silence.had_video
    silence.begin(110.0, 20.0)
    assert not silence.had_video


def test_how_long_a_link_without_frames_is_kept_while_anything_arrives_can_be_set() -> None:
    patient, hasty, endless = Silence(60.0), Silence(3.0), Silence(math.inf)
    for silence in (patient, hasty, endless):
        silence.expect(99.0, 20.0)
        silence.judge(100.0, 100.0, 700)
        silence.judge(100.0, 102.9, 701)
    assert hasty.judge(100.0, 103.0, 702) is Verdict.LOST
    for second in range(103, 160):
        assert patient.judge(100.0, second, 600 + second) is Verdict.WAIT or second == 103
        assert endless.judge(100.0, second, 600 + second) is not Verdict.LOST
    assert patient.judge(100.0, 160.0, 800) is Verdict.LOST
    assert endless.judge(100.0, 1e6, 801) is not Verdict.LOST
    assert endless.judge(100.0, 1e6 + 2, 801) is Verdict.LOST, "if nothing arrives, it is lost"


def test_a_link_is_suspected_at_the_moment_when_nothing_has_come_for_long(silence: Silence) -> None:
    silence.judge(100.5, 100.75, 700)
    assert silence.next_look(100.75) == 101.5
    silence.judge(100.5, 101.5, 700)
    assert silence.next_look(101.5) == 102.5
    silence.judge(100.5, 102.5, 700)
    assert silence.next_look(102.5) == 100.75 + SUSPECT_AFTER_S, "when a look last found more packets"
    assert not silence.is_suspicious
    assert silence.judge(100.5, 102.75, 700) is Verdict.WAIT
    assert silence.is_suspicious
    assert silence.next_look(102.75) == 103.75


@pytest.mark.parametrize(("newest", "packets"), [(103.9, 702), (100.0, 701)], ids=["a frame", "a report"])
def test_a_suspicion_ends_with_whatever_arrives(silence: Silence, newest: float, packets: int) -> None:
    silence.judge(100.0, 101.0, 700)
    silence.judge(100.0, 103.0, 700)
    assert silence.is_suspicious
    silence.judge(newest, 104.0, packets)
    assert not silence.is_suspicious


def test_a_sender_that_pauses_and_reports_is_not_suspected(silence: Silence) -> None:
    now, packets = 101.0, 700
    while now < 100.0 + PAUSE_LIMIT_S - 1.5:
        silence.judge(100.0, now, packets)
        assert not silence.is_suspicious
        now, packets = now + 1.5, packets + 1


def test_without_a_count_of_packets_nothing_is_suspected(silence: Silence) -> None:
    silence.judge(100.0, 105.0)
    assert not silence.is_suspicious


def test_before_its_first_frame_a_link_is_not_suspected(silence: Silence) -> None:
    silence.judge(100.0, 101.0, 700)
    silence.judge(100.0, 103.0, 700)
    silence.expect(103.0, 5.0)
    assert not silence.is_suspicious
    silence.judge(100.0, 104.0, 20)
    silence.judge(100.0, 107.0, 20)
    assert not silence.is_suspicious


def test_a_process_that_stood_still_suspects_nothing(silence: Silence) -> None:
    silence.judge(100.0, 101.0, 700)
    silence.look_late(160.0, 58.0)
    silence.judge(100.0, 160.0, 700)
    assert not silence.is_suspicious
