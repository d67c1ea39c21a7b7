"""A sender that pauses, a bad network and a silent one: the requests and the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from odyssey_proto._model.events import LinkProblem, LinkQuality, LinkQualityChanged, VideoPaused
from odyssey_proto.core.effects import AskForSignOfLife
from odyssey_proto.core.inputs import LinkFigures, SignOfLife, VideoSeen
from odyssey_proto.core.link_watch import LinkWatch
from odyssey_proto.core.machine import Agenda
from odyssey_proto.core.silence import PAUSE_LIMIT_S, SILENCE_LIMIT_S, Silence, Verdict

if TYPE_CHECKING:
    from odyssey_proto.core.effects import Output

ASK = AskForSignOfLife(1)


class Link:
    """A link that is looked at once a second. Its first frame comes at 100 s."""

    def __init__(self) -> None:
        self.agenda, self.silence = Agenda(), Silence()
        self.watch = LinkWatch(self.silence, self.agenda)
        self.silence.begin(99.0, 20.0)
        self.agenda.now = self.packet_at = 100.0
        self.frame_at: float | None = 100.0
        self.expected, self.lost, self.held_up_s = 0, 0, 0.0
        self.verdict = Verdict.WAIT
        self.packets = 0
        assert self.look() == []

    def look(self) -> list[Output]:
        figures = LinkFigures(
            expected=self.expected, lost=self.lost, held_up_s=self.held_up_s, packet_at=self.packet_at
        )
        item = VideoSeen(1, self.frame_at, self.packets, figures=figures)
        self.verdict = self.watch.judge(item)
        self.watch.look(item)
        return self.agenda.drain()

    def plays(self) -> list[Output]:
        """Look after a second with frames, the newest of which has just come."""
        self.agenda.now += 1
        self.frame_at = self.packet_at = self.agenda.now
        self.expected += 100
        self.packets += 100
        return self.look()

    def is_silent(self) -> list[Output]:
        """Look after a second without any packet."""
        self.agenda.now += 1
        return self.look()

    def breaks_up(self, *, lost: int = 0) -> list[Output]:
        """Look after a second with packets of video, but without a whole frame."""
        self.agenda.now += 1
        self.packet_at = self.agenda.now
        self.expected += 100
        self.lost += lost
        self.packets += 100
        return self.look()

    def lives(self) -> list[Output]:
        """Hear a sign of life, right after a look."""
        self.agenda.now += 0.05
        self.watch.hear(SignOfLife(1))
        found = self.agenda.drain()
        self.agenda.now -= 0.05
        return found


@pytest.fixture
def link() -> Link:
    found = Link()
    assert found.plays() == []
    return found


def test_while_frames_come_nothing_is_asked_or_reported(link: Link) -> None:
    for _ in range(10):
        assert link.plays() == []
    assert link.lives() == []


def test_a_sender_that_pauses_is_reported_once_as_soon_as_it_shows_that_it_lives(link: Link) -> None:
    assert link.is_silent() == [ASK]
    assert link.lives() == [VideoPaused(seconds=pytest.approx(1.05), at=pytest.approx(102.05))]
    for _ in range(3):
        assert link.is_silent() == [ASK]
        assert link.lives() == []


def test_the_next_pause_is_reported_again(link: Link) -> None:
    for _ in range(2):
        assert link.is_silent() == [ASK]
        (pause,) = link.lives()
        assert isinstance(pause, VideoPaused)
        assert link.plays() == []


def test_a_pause_does_not_affect_the_quality_of_the_link(link: Link) -> None:
    for _ in range(6):
        link.is_silent()
        link.lives()
    link.held_up_s += 6.0  # as if the sender's clock had stood still
    assert [link.plays() for _ in range(10)] == [[]] * 10


def test_a_sign_of_life_that_comes_after_the_video_is_no_pause(link: Link) -> None:
    assert link.is_silent() == [ASK]
    link.silence.note_newest(link.agenda.now)  # a gap was just reported
    assert link.lives() == []


def test_a_sender_that_pauses_and_shows_that_it_lives_is_kept_for_longer(link: Link) -> None:
    for _ in range(int(PAUSE_LIMIT_S) - 1):
        assert ASK in link.is_silent()
        link.lives()
        assert link.verdict is not Verdict.LOST
    link.is_silent()
    assert link.verdict is Verdict.LOST


def test_a_silent_network_makes_the_link_bad(link: Link) -> None:
    assert link.is_silent() == [ASK]
    ask, change = link.is_silent()
    assert ask == ASK
    assert isinstance(change, LinkQualityChanged)
    assert (change.quality, change.problems, change.frozen_s) == (LinkQuality.BAD, (LinkProblem.FREEZES,), 2.0)
    assert link.is_silent() == [ASK]


def test_packets_without_a_whole_frame_are_a_bad_network_and_no_pause(link: Link) -> None:
    (poor,) = link.breaks_up()
    (bad,) = link.breaks_up()
    assert isinstance(poor, LinkQualityChanged)
    assert isinstance(bad, LinkQualityChanged)
    assert (poor.quality, bad.quality) == (LinkQuality.POOR, LinkQuality.BAD)
    assert link.lives() == []


def test_a_link_that_loses_packets_of_the_video_is_kept_as_long_as_others_arrive(link: Link) -> None:
    for _ in range(60):
        link.breaks_up(lost=66)
        assert link.verdict is not Verdict.LOST
    for _ in range(int(SILENCE_LIMIT_S)):
        assert link.verdict is not Verdict.LOST
        link.is_silent()
    link.is_silent()
    assert link.verdict is Verdict.LOST, "the network has brought nothing for as long as on any other link"


def test_if_hardly_a_packet_is_lost_the_network_does_not_explain_why_no_frame_comes(link: Link) -> None:
    for _ in range(int(PAUSE_LIMIT_S) - 1):
        link.breaks_up(lost=2)
        assert link.verdict is not Verdict.LOST
    link.breaks_up(lost=2)
    assert link.verdict is Verdict.LOST


@pytest.mark.parametrize("seconds", [5.0, 20.0])
def test_so_is_one_whose_first_frame_does_not_come_and_it_is_bad(seconds: float, link: Link) -> None:
    link.silence.expect(link.agenda.now, seconds)
    link.watch.renew()
    link.frame_at = None
    assert link.is_silent() == []
    found = [change for _ in range(60) for change in link.breaks_up(lost=66)]
    assert link.verdict is not Verdict.LOST
    assert [change.quality for change in found if isinstance(change, LinkQualityChanged)] == [
        LinkQuality.POOR,
        LinkQuality.BAD,
    ]


def test_video_that_begins_late_is_no_freeze(link: Link) -> None:
    link.silence.expect(link.agenda.now, 20.0)
    link.watch.renew()
    link.frame_at = None
    for _ in range(5):
        assert link.is_silent() == []
    assert link.breaks_up() == []


@pytest.mark.parametrize(("overslept_s", "changes"), [(0.1, 1), (0.3, 0)])
def test_what_came_late_while_this_machine_was_busy_is_not_the_networks_fault(
    overslept_s: float, changes: int, link: Link
) -> None:
    link.agenda.overslept = overslept_s
    link.held_up_s += 1.0
    assert len(link.plays()) == changes


def test_before_the_first_frame_of_a_link_nothing_is_asked(link: Link) -> None:
    link.silence.expect(link.agenda.now, 5.0)
    link.watch.renew()
    assert link.is_silent() == []
    assert link.lives() == []


def test_without_figures_nothing_is_asked_or_reported(link: Link) -> None:
    for _ in range(4):
        link.agenda.now += 1
        assert link.watch.judge(VideoSeen(1, 100.0)) is not Verdict.LOST
        link.watch.look(VideoSeen(1, 100.0))
        assert link.agenda.drain() == []


def test_another_stream_is_judged_by_itself(link: Link) -> None:
    link.is_silent()
    link.watch.renew()
    assert link.lives() == [], "what was asked about the stream before"
    link.held_up_s += 30.0
    assert [link.plays() for _ in range(3)] == [[]] * 3


@pytest.mark.parametrize(
    ("round_trip_s", "at", "is_asked"),
    [(0.5, 102.0, True), (0.28, 102.0, True), (0.5, 102.5, False), (0.27, 0.0, False), (None, None, False)],
)
def test_a_long_round_trip_is_measured_again_after_a_while(
    link: Link, round_trip_s: float | None, at: float | None, is_asked: bool
) -> None:
    for _ in range(10):
        link.plays()
    link.agenda.now = link.frame_at = 112.0
    figures = LinkFigures(
        expected=link.expected, lost=0, held_up_s=0.0, round_trip_s=round_trip_s, round_trip_at=at, packet_at=112.0
    )
    link.silence.judge(112.0, 112.0, link.packets)
    link.watch.look(VideoSeen(1, 112.0, link.packets, figures=figures))
    assert (ASK in link.agenda.drain()) is is_asked
    assert link.lives() == [], "it is no pause"
