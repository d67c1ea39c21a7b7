"""Counters of a session: rates, means, and losses found by sequence numbers and timestamps."""

from __future__ import annotations

import pytest

from odyssey_proto._live.session_stats import link_figures, session_stats
from odyssey_proto._net.webrtc.jitter import MarkerJitterBuffer
from odyssey_proto._video import stamp
from odyssey_proto._video.frame_hub import FrameHub
from odyssey_proto._video.meters import Freezes, LinkMeter, Mean, Rate, VideoTotals
from tests.support.clocks import Time
from tests.support.pictures import decoded
from tests.support.rtp import packets

FRAME: int = 4500  # of the RTP clock: 50 ms


def totals_of(numbers: list[int]) -> VideoTotals:
    """Return the totals after packets with these sequence numbers."""
    totals = VideoTotals(Time())
    meter = LinkMeter(totals)
    for number in numbers:
        meter.take_packet(number, 0, 1000, 100.0)
    return totals


def lost_frames(*frames: tuple[int, bool], interval: int = FRAME, start: int = 0) -> int:
    """Return the number of lost frames, given the place of each frame and whether it follows the one before."""
    totals = VideoTotals(Time())
    meter = LinkMeter(totals)
    for place, follows in frames:
        meter.take_frame((start + place * interval) % 2**32, follows=follows)
    return totals.frames_lost


class TestRate:
    def test_is_nothing_before_anything_came(self) -> None:
        assert Rate().per_second(5.0) == 0

    def test_is_what_came_in_the_last_2_s(self) -> None:
        rate = Rate()
        for moment in range(100):
            rate.add(3, 10 + moment * 0.05)
        assert rate.per_second(15.0) == pytest.approx(60, rel=0.06)

    def test_fades_when_nothing_comes_any_more(self) -> None:
        rate = Rate()
        for moment in range(100):
            rate.add(1, moment * 0.05)
        assert 0 < rate.per_second(6.0) < 15
        assert rate.per_second(7.2) == 0

    def test_of_the_first_moment_is_not_exaggerated(self) -> None:
        rate = Rate()
        rate.add(1, 10.0)
        assert rate.per_second(10.001) == 1

    def test_keeps_no_more_than_its_window(self) -> None:
        rate = Rate()
        for moment in range(100_000):
            rate.add(1, moment * 0.001)
        assert len(rate._buckets) < 50


class TestFreezes:
    def frames(self, *ready_ms: int, interval_ms: int = 50) -> Freezes:
        """Return the freezes of frames that were sent every ``interval_ms`` and were ready at these times."""
        freezes = Freezes()
        for number, at in enumerate(ready_ms):
            freezes.take(at / 1000, number * interval_ms)
        return freezes

    def test_there_are_none_before_and_while_frames_come(self) -> None:
        assert Freezes().so_far(100.0) == (0, 0.0, 0.0)
        assert self.frames(*range(0, 5000, 50)).so_far(5.0) == (0, 0.0, 0.0)

    @pytest.mark.parametrize(("gap_ms", "count"), [(200, 0), (201, 1), (1000, 1)])
    def test_a_picture_that_stands_more_than_150_ms_too_long_is_one(self, gap_ms: int, count: int) -> None:
        freezes = self.frames(0, 50, 100, 100 + gap_ms, 150 + gap_ms)
        assert freezes.so_far(0.1 + gap_ms / 1000) == (count, *2 * [pytest.approx(count * gap_ms / 1000)])

    def test_the_longest_is_kept_and_one_that_lasts_counts(self) -> None:
        freezes = self.frames(0, 50, 800, 850, 1200)
        assert freezes.so_far(1.3) == (2, pytest.approx(1.1), pytest.approx(0.75))
        assert freezes.so_far(2.2) == (3, pytest.approx(2.1), pytest.approx(1.0))

    def test_the_time_between_two_streams_is_none(self) -> None:
        freezes = self.frames(0, 50, 100)
        freezes.restart()
        assert freezes.so_far(9.0) == (0, 0.0, 0.0)
        freezes.take(9.0, 5000)
        freezes.take(9.05, 5050)
        assert freezes.so_far(9.1) == (0, 0.0, 0.0)

    def test_one_that_lasts_at_the_end_counts_if_the_end_is_an_error(self) -> None:
        freezes = self.frames(0, 50, 100)
        freezes.restart(frozen_until=3.1)
        freezes.restart(frozen_until=9.0)
        assert freezes.so_far(20.0) == (1, pytest.approx(3.0), pytest.approx(3.0))
        calm = self.frames(0, 50, 100)
        calm.restart(frozen_until=0.12)
        assert calm.so_far(20.0) == (0, 0.0, 0.0)

    def test_the_interval_is_learned_from_the_sender(self) -> None:
        slow = self.frames(*range(0, 20_000, 200), interval_ms=200)
        slow.take(20.14, 20_000)
        assert slow.so_far(20.14) == (0, 0.0, 0.0), "0.34 s is not 150 ms more than 0.2 s"
        fast = self.frames(*range(0, 1600, 16), interval_ms=16)
        assert fast.so_far(1.584 + 0.167) == (1, pytest.approx(0.167), pytest.approx(0.167))

    def test_frames_that_were_lost_do_not_lengthen_the_interval(self) -> None:
        freezes = Freezes()
        for number in range(100):
            freezes.take(number * 0.05, number * 50)
        freezes.take(5.35, 5350)
        freezes.take(5.4, 5400)
        assert freezes.so_far(5.61) == (2, pytest.approx(0.61), pytest.approx(0.4))


class TestMean:
    def test_is_none_of_nothing(self) -> None:
        assert Mean(Time()).ms is None

    def test_is_the_average_in_ms(self) -> None:
        mean = Mean(Time())
        mean.add(0.001)
        mean.add(0.003)
        assert mean.ms == pytest.approx(2)

    def test_takes_how_long_something_ran(self) -> None:
        time = Time()
        mean = Mean(time)
        with mean.measured():
            time.at += 0.25
        assert mean.ms == 250

    def test_does_not_count_what_raised(self) -> None:
        mean = Mean(Time())
        with pytest.raises(ZeroDivisionError), mean.measured():
            _ = 1 / 0
        assert mean.ms is None


class TestPackets:
    def test_that_come_one_after_the_other_are_counted_and_none_is_lost(self) -> None:
        totals = totals_of([7, 8, 9])
        assert (totals.packets, totals.packets_lost, totals.payload_bytes) == (3, 0, 3000)

    def test_that_are_missing_are_lost(self) -> None:
        assert totals_of([7, 8, 11, 12, 14]).packets_lost == 3

    def test_that_come_late_or_again_are_lost_no_more(self) -> None:
        assert totals_of([7, 10, 9, 11, 8]).packets_lost == 0

    def test_that_come_twice_make_up_for_no_other(self) -> None:
        assert totals_of([7, 9, 9, 9, 7]).packets_lost == 1

    def test_are_counted_across_the_end_of_their_numbers(self) -> None:
        assert totals_of([65533, 65534, 1, 2, 0]).packets_lost == 1

    @pytest.mark.parametrize("far", [20_000, 50_000])
    def test_of_another_numbering_are_no_loss(self, far: int) -> None:
        assert totals_of([7, 8, far, far + 1, far + 3]).packets_lost == 1

    def test_of_another_link_go_on_in_the_same_totals(self) -> None:
        totals = totals_of([7, 9])
        LinkMeter(totals).take_packet(40_000, 0, 10, 200.0)
        assert (totals.packets, totals.packets_lost) == (3, 1)

    def test_that_come_evenly_have_no_jitter(self) -> None:
        totals = VideoTotals(Time())
        meter = LinkMeter(totals)
        for number in range(100):
            meter.take_packet(number, 2**32 - 9000 + number * FRAME, 1, 5 + number * 0.05)
        assert totals.jitter_s == pytest.approx(0, abs=1e-9)

    def test_that_come_unevenly_have_a_jitter_of_that_size(self) -> None:
        totals = VideoTotals(Time())
        meter = LinkMeter(totals)
        for number in range(400):
            meter.take_packet(number, number * FRAME, 1, 5 + number * 0.05 + (number % 2) * 0.01)
        assert totals.jitter_s == pytest.approx(0.01, rel=0.01)

    def test_after_a_pause_make_no_jitter_of_it(self) -> None:
        totals = VideoTotals(Time())
        meter = LinkMeter(totals)
        meter.take_packet(1, 0, 1, 5.0)
        meter.take_packet(2, FRAME, 1, 500.0)
        assert not totals.jitter_s


class TestFrames:
    def test_that_follow_each_other_are_not_lost_however_far_apart(self) -> None:
        assert lost_frames((0, True), (1, True), (2, True), (90, True), (91, True)) == 0

    def test_that_are_missing_are_lost(self) -> None:
        assert lost_frames((0, True), (1, True), (5, False), (6, True)) == 3

    def test_of_which_the_beginning_is_missing_are_held_and_not_lost(self) -> None:
        assert lost_frames((0, True), (1, True), (2, False)) == 0

    def test_are_counted_across_the_end_of_their_timestamps(self) -> None:
        assert lost_frames((0, True), (1, True), (5, False), start=2**32 - 2 * FRAME) == 3

    def test_are_counted_at_any_pace(self) -> None:
        assert lost_frames((0, True), (1, True), (4, False), interval=1500) == 2

    def test_that_are_lost_after_a_pause_are_not_counted_by_its_length(self) -> None:
        assert lost_frames((0, True), (1, True), (50, True), (51, True), (54, False)) == 2

    def test_that_are_lost_while_the_clock_is_set_ahead_are_not_counted_by_that(self) -> None:
        assert lost_frames((0, True), (1, True), (72_000, False), (72_001, True)) == 1

    def test_before_any_pace_is_known_are_not_guessed(self) -> None:
        assert lost_frames((0, True), (9, False)) == 0


class TestSessionStats:
    def hub(self, time: Time) -> FrameHub:
        hub = FrameHub(clock=time)
        hub.begin(time.at)
        return hub

    def test_of_a_session_without_video_are_zeros_and_nones(self) -> None:
        time = Time()
        stats = session_stats(FrameHub(clock=time), VideoTotals(time), age_s=1.5)
        assert (stats.age_s, stats.frames_received, stats.reconnects, stats.fps) == (1.5, 0, 0, 0)
        assert (stats.width, stats.codec, stats.decode_ms, stats.convert_ms, stats.latency_ms) == (None,) * 5
        assert (stats.freezes, stats.freeze_s, stats.longest_freeze_s) == (0, 0.0, 0.0)
        assert (stats.bandwidth_bps, stats.target_delay_ms) == (None, None)

    def test_include_freezes_the_bandwidth_and_the_target_delay(self) -> None:
        time = Time(100.0)
        hub, totals = self.hub(time), VideoTotals(time)
        smooth = hub.subscribe("error", 100, "smooth")
        for sent, ready_at in ((0, 100.0), (50, 100.05), (100, 100.5), (150, 100.55)):
            time.at = ready_at
            hub.publish(decoded(pts=sent * 90), ready_at)
        totals.bandwidth_bps = 2e6
        stats = session_stats(hub, totals, age_s=0)
        assert (stats.freezes, stats.target_delay_ms, stats.bandwidth_bps) == (1, 0.0, 2e6)
        assert stats.freeze_s == stats.longest_freeze_s == pytest.approx(0.45)
        assert smooth is not None
        hub.end()
        time.at = 200.0
        assert session_stats(hub, totals, age_s=0).freezes == 1, "after the end no picture stands still"

    def test_count_what_iterators_took_and_missed(self) -> None:
        time = Time()
        hub = self.hub(time)
        queue = hub.subscribe("latest")
        for _ in range(3):
            hub.publish(decoded(), time.at)
        stats = session_stats(hub, VideoTotals(time), age_s=0)
        assert (stats.frames_received, stats.frames_delivered, stats.frames_dropped) == (3, 0, 2)
        assert (stats.width, stats.height, len(queue)) == (64, 48, 1)

    def test_include_the_time_of_a_conversion_which_a_second_look_does_not_repeat(self) -> None:
        time = Time()
        hub = self.hub(time)
        hub.publish(decoded(), time.at)
        assert hub.latest is not None
        assert hub.latest.data is hub.latest.data
        assert hub.converting._count == 1
        assert session_stats(hub, VideoTotals(time), age_s=0).convert_ms == 0  # the clock stands still

    def test_count_gaps_including_one_that_lasts(self) -> None:
        time = Time()
        hub, totals = self.hub(time), VideoTotals(time)
        hub.publish(decoded(), 100.0)
        hub.publish(decoded(), 103.0)
        time.at = 103.5
        assert (session_stats(hub, totals, age_s=0).gaps, session_stats(hub, totals, age_s=0).gap_s) == (1, 3.0)
        hub.pause()
        assert session_stats(hub, totals, age_s=0).gap_s == 3.5
        time.at = 110.0
        assert (session_stats(hub, totals, age_s=0).gaps, session_stats(hub, totals, age_s=0).gap_s) == (2, 10.0)
        hub.note_gap(3.0)
        assert (session_stats(hub, totals, age_s=0).gaps, session_stats(hub, totals, age_s=0).gap_s) == (2, 10.0)
        hub.note_gap(7.0)  # it is reported when the stream ends during it
        hub.close()
        time.at = 200.0
        assert (session_stats(hub, totals, age_s=0).gaps, session_stats(hub, totals, age_s=0).gap_s) == (2, 10.0)

    def test_of_a_stream_that_has_ended_count_only_the_gaps_that_were_reported(self) -> None:
        time = Time()
        hub = self.hub(time)
        hub.publish(decoded(), 100.0)
        hub.publish(decoded(), 103.0)  # its report would come after the end
        time.at = 105.0
        assert session_stats(hub, VideoTotals(time), age_s=0).gaps == 2
        hub.end()
        assert (session_stats(hub, VideoTotals(time), age_s=0).gaps, hub.gaps(time.at)) == (0, (0, 0.0))

    def test_the_time_between_two_streams_is_no_gap(self) -> None:
        time = Time()
        hub = self.hub(time)
        hub.publish(decoded(), 100.0)
        hub.end()
        time.at = 160.0
        hub.begin(time.at)
        hub.publish(decoded(), 160.0)
        assert session_stats(hub, VideoTotals(time), age_s=0).gaps == 0

    @pytest.mark.parametrize(
        ("stamped_ms", "is_local", "latency_ms"),
        [
            (99_970, True, 30.0),
            (99_970, False, None),
            (0, True, None),  # a dark picture reads like this
            (100_500, True, None),  # of another clock
            (None, True, None),
        ],
    )
    def test_the_latency_is_that_of_the_stamp_where_it_is_one_of_this_machine(
        self, stamped_ms: int | None, is_local: bool, latency_ms: float | None
    ) -> None:
        time = Time(100.0)
        hub, totals = self.hub(time), VideoTotals(time)
        totals.is_local = is_local
        picture = decoded(640, 64)
        if stamped_ms is not None:
            stamp.draw(picture, 3, stamped_ms)
        hub.publish(picture, time.at)
        assert session_stats(hub, totals, age_s=0).latency_ms == latency_ms


class TestJitterBuffer:
    def test_counts_packets_and_frames(self) -> None:
        time = Time()
        totals = VideoTotals(time)
        buffer = MarkerJitterBuffer(time, totals)
        for packet in packets([2, 3, 1]):
            buffer.add(packet)
        assert (totals.packets, totals.packets_lost, totals.frames_lost, totals.frames_held) == (6, 0, 0, 0)

    def test_counts_frames_that_are_lost_and_those_held_back_until_a_keyframe(self) -> None:
        time = Time()
        totals = VideoTotals(time)
        buffer = MarkerJitterBuffer(time, totals)
        sent = packets([1] * 700, keyframes=(0, 650))
        for packet in sent[:55] + sent[57:]:
            time.at += 0.05
            buffer.add(packet)
        assert (totals.packets, totals.packets_lost) == (698, 2)
        assert (totals.frames_lost, totals.frames_held) == (3, 650 - 58), "the next may lack its beginning"


def test_the_figures_of_a_link_are_those_of_its_packets_and_frames() -> None:
    totals = totals_of([1, 2, 5, 6, 9])  # 3, 4, 7 and 8 are missing
    totals.repaired, totals.in_vain = 3, 1
    totals.held_up_s, totals.frames_lost, totals.frames_held = 0.5, 4, 2
    totals.note_round_trip(0.02)
    assert (link_figures(totals).round_trip_s, link_figures(totals).round_trip_at) == (0.02, 100.0)
    totals.note_repair(0.04)
    figures = link_figures(totals)
    assert (figures.expected, figures.lost) == (8, 7)
    assert figures.held_up_s == pytest.approx(0.8)
    assert (figures.round_trip_s, figures.packet_at) == (0.04, 100.0)


def test_the_round_trip_of_a_link_is_the_one_that_was_measured_last() -> None:
    time = Time(100.0)
    totals = VideoTotals(time)
    totals.note_repair(None)
    totals.note_round_trip(None)
    assert (totals.path_s, totals.path_at) == (None, None)
    totals.note_repair(0.5)
    time.at = 110.0
    totals.note_repair(0.5)  # nothing was repaired since
    totals.note_round_trip(0.7)
    assert (totals.path_s, totals.path_at) == (0.5, 100.0), "channels are acknowledged late"
    time.at = 111.0
    totals.note_round_trip(0.7)
    assert (totals.path_s, totals.path_at) == (0.5, 100.0), "nothing was sent there since"
    totals.note_round_trip(0.6)
    assert (totals.path_s, totals.path_at) == (0.6, 111.0)
    totals.note_path(0.1)
    assert (totals.path_s, totals.round_trip_s, totals.repair_s) == (0.1, 0.6, 0.5)
