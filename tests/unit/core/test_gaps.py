"""The gaps in the video of a connection: each is reported once, and none too early."""

from __future__ import annotations

import pytest

from odyssey_proto._model.events import GapEvent
from odyssey_proto.core.effects import PauseFrames
from odyssey_proto.core.gaps import Gaps
from odyssey_proto.core.inputs import VideoResumed
from odyssey_proto.core.machine import Agenda
from odyssey_proto.core.silence import Silence

NOW = 100.0


@pytest.fixture
def agenda() -> Agenda:
    found = Agenda()
    found.now = NOW
    return found


@pytest.fixture
def silence() -> Silence:
    """The silence of a stream that began at 90 s and has had no frame."""
    found = Silence()
    found.begin(90.0, 20.0)
    return found


@pytest.fixture
def gaps(agenda: Agenda, silence: Silence) -> Gaps:
    return Gaps(agenda, silence)


def told(agenda: Agenda) -> list[float]:
    """Return the lengths of the gaps that were reported since the last call, in s."""
    return [output.seconds for output in agenda.drain() if isinstance(output, GapEvent)]


@pytest.mark.parametrize(("seconds", "missed"), [(0.01, 0), (0.05, 0), (1.0, 19), (1.26, 24)])
def test_a_gap_that_is_over_is_reported_with_the_frames_that_were_missed(
    agenda: Agenda, gaps: Gaps, seconds: float, missed: int
) -> None:
    gaps.report(VideoResumed(seconds))
    assert agenda.drain() == [GapEvent(seconds=seconds, frames_missed=missed, at=NOW)]


def test_gaps_that_are_held_are_reported_once_and_in_order(agenda: Agenda, gaps: Gaps) -> None:
    gaps.hold(VideoResumed(2.0))
    gaps.hold(VideoResumed(1.5))
    assert told(agenda) == []
    gaps.report_held()
    gaps.report_held()
    assert told(agenda) == [2.0, 1.5]


def test_the_loss_of_a_link_pauses_the_frames(agenda: Agenda, gaps: Gaps) -> None:
    gaps.begin(None)
    assert agenda.drain() == [PauseFrames()]


@pytest.mark.parametrize(("video_at", "lasting"), [(98.0, [2.0]), (None, [])])
def test_a_gap_that_lasts_is_reported_at_the_end_if_there_was_video(
    agenda: Agenda, gaps: Gaps, video_at: float | None, lasting: list[float]
) -> None:
    gaps.begin(video_at)
    gaps.report_last()
    assert told(agenda) == lasting


def test_what_was_held_comes_before_what_lasts(agenda: Agenda, gaps: Gaps) -> None:
    gaps.begin(97.0)
    gaps.hold(VideoResumed(3.0))
    gaps.begin(99.0)
    gaps.report_last()
    assert told(agenda) == [3.0, 0.0], "the frame that ended the first gap came just now"


@pytest.mark.parametrize("report", [Gaps.hold, Gaps.report], ids=["held", "reported"])
def test_a_gap_is_over_with_the_first_frame(agenda: Agenda, silence: Silence, gaps: Gaps, report: object) -> None:
    gaps.begin(98.0)
    report(gaps, VideoResumed(2.0))  # type: ignore[operator]  # one of two methods
    gaps.report_last()
    assert told(agenda) == [2.0]
    assert silence.gone_for(NOW) == 0.0, "that frame is known, though nobody has looked"


def test_what_was_forgotten_is_not_reported(agenda: Agenda, gaps: Gaps) -> None:
    gaps.begin(98.0)
    gaps.hold(VideoResumed(2.0))
    gaps.begin(99.0)
    gaps.forget()
    gaps.report_last()
    assert told(agenda) == []
