"""The building blocks of a stream's actions: answers to its calls, and the loss of its video."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model import events
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import ANSWER_GRACE_S, SESSION_KEPT_S, VIDEO_DEADLINE_S
from odyssey_proto.core.signs_of_life import ASK_EVERY_S
from odyssey_proto.core.spare import SPARE_KEPT_S
from odyssey_proto.core.stream_machine import StreamState
from tests.support.rig import LOST, Rig, failures, only, seen

MODERATION = wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no")


def test_a_command_at_the_wrong_moment_says_what_to_do() -> None:
    rig = Rig().to_connected()
    with pytest.raises(errors.OdysseyStreamError, match=r"^Cannot interact: no stream is active") as caught:
        rig.interact("x")
    assert (caught.value.operation, caught.value.session_id) == ("interact", "s-1")


def test_a_lost_link_fails_the_calls_with_its_error_as_cause() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    error = failures(rig.give(inputs.LinkFailed(1, LOST)))[2]
    assert (error.code, error.recoverable, error.__cause__) == ("lost", True, LOST)


def test_an_error_fails_the_update_on_the_wire_and_sends_the_next() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    outputs = rig.hear(MODERATION)
    assert (list(failures(outputs)), outputs[-2]) == (
        [2],
        effects.SendChannel(1, wire.Update(prompt="two")),
    )
    assert only(rig.hear(MODERATION), effects.SendChannel) == []


def test_an_update_waits_only_so_long_for_the_answer_to_one_that_was_given_up() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    assert rig.give(inputs.Abandon(2)) == []
    assert only(rig.later(ANSWER_GRACE_S - 0.1), effects.SendChannel) == []
    assert only(rig.later(0.1), effects.SendChannel) == [effects.SendChannel(1, wire.Update(prompt="two"))]


def test_the_end_of_a_stream_fails_its_updates_and_is_reported_once() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    outputs = rig.hear(wire.StreamEnded())
    assert list(failures(outputs)) == [2, 3]
    assert outputs[:2] == [effects.EndFrames(None), events.StreamEnded(at=rig.now)]


def test_a_start_that_fails_has_no_end_to_report() -> None:
    rig = Rig().to_connected()
    rig.start()
    outputs = rig.hear(MODERATION)
    assert (len(only(outputs, effects.EndFrames)), only(outputs, events.StreamEnded)) == (1, [])


def test_a_message_that_cannot_be_read_is_reported_and_is_not_fatal() -> None:
    rig = Rig().to_connected()
    error = errors.MalformedMessageError("no")
    assert rig.give(inputs.Unreadable(1, error)) == [events.ErrorOccurred(error=error, fatal=False, at=rig.now)]


def test_ends_are_asked_for_once_while_one_is_awaited() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.give(inputs.Abandon(1))
    assert rig.end() == [effects.SendChannel(1, wire.InteractiveStreamEnd())]
    assert rig.end() == []
    assert rig.hear(wire.StreamEnded()) == [effects.Succeed(2, None), effects.Succeed(3, None)]
    assert rig.core.stream is StreamState.NONE


@pytest.mark.parametrize(("age_s", "recoverable"), [(VIDEO_DEADLINE_S, True), (SESSION_KEPT_S, False)])
def test_a_link_without_video_is_lost(age_s: float, recoverable: bool) -> None:
    rig = Rig().to_streaming()
    # One step of this length would count as oversleeping, not as silence.
    rig.core._stream._silence.look_late = lambda now, overslept: None  # type: ignore[method-assign]
    rig.later(age_s)
    lost = only(seen(rig, None), events.ErrorOccurred)[0].error
    assert (lost.code, lost.recoverable) == ("video_stalled", recoverable)


def test_a_gap_counts_the_frames_that_were_missed() -> None:
    rig = Rig().to_streaming()
    (gap,) = rig.give(inputs.VideoResumed(1.0))
    assert gap == events.GapEvent(seconds=1.0, frames_missed=19, at=rig.now)


def test_a_gap_that_comes_too_early_is_reported_when_the_session_is_back() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST, video_at=rig.now))
    rig.later(0)
    assert rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.VideoResumed(2.0)) == []
    outputs = rig.give(inputs.ChannelOpened(2, 16384))
    assert [gap.seconds for gap in only(outputs, events.GapEvent)] == [2.0]


def test_a_gap_that_lasts_is_reported_with_the_end() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST, video_at=rig.now))
    rig.now += 0.5
    assert [gap.seconds for gap in only(rig.give(inputs.Disconnect()), events.GapEvent)] == [0.5]


def test_a_lost_link_without_a_stream_pauses_nothing() -> None:
    outputs = Rig().to_connected().give(inputs.LinkFailed(1, LOST))
    assert only(outputs, effects.PauseFrames) == []


def test_while_an_end_is_awaited_the_streamer_is_asked_for_signs_of_life() -> None:
    rig = Rig().to_streaming()
    rig.streamer_lives = False
    rig.end()
    assert rig.later(ASK_EVERY_S) == [effects.AskForSignOfLife(1)]
    rig.give(inputs.SignOfLife(1))
    for _ in range(4):
        assert rig.later(ASK_EVERY_S) == [effects.AskForSignOfLife(1)]
    (error,) = failures(rig.later(ASK_EVERY_S)).values()
    assert error.code == "streamer_silent"


def looked(rig: Rig, seconds: float, packets: int) -> list[effects.Output]:
    """Let time pass, and answer the look for video: the newest frame came 1 s after the start of the stream."""
    rig.later(seconds)
    return only(
        rig.give(inputs.VideoSeen(1, 101.0, packets)),
        effects.PrepareLink | effects.DiscardLink | events.ErrorOccurred,
    )


def suspected() -> Rig:
    """Return a session whose link has been suspected since 103 s, and whose next link is prepared."""
    rig = Rig().to_streaming()
    assert looked(rig, 1.0, 700) == []
    assert looked(rig, 1.0, 700) == []
    assert [each.plan.link for each in looked(rig, 1.0, 700)] == [2]
    return rig


def test_the_next_link_is_prepared_once_and_opened_only_when_this_one_is_lost() -> None:
    rig = suspected()
    for _ in range(3):
        assert looked(rig, 1.0, 700) == []
    (lost,) = looked(rig, 1.0, 700)
    assert lost.error.code == "video_stalled"
    (opened,) = only(rig.later(0), effects.OpenLink)
    assert (opened.link, rig.now) == (2, 107.0), "at once: the pause was part of the silence"


def test_what_arrives_ends_the_suspicion_and_what_is_prepared_is_kept_for_a_while() -> None:
    rig = suspected()
    assert looked(rig, 1.0, 701) == []
    assert rig.core._connection.spare.suspected_since is None
    assert only(rig.later(SPARE_KEPT_S), effects.DiscardLink) == [effects.DiscardLink(2)]


def test_the_end_of_a_stream_ends_the_suspicion() -> None:
    rig = suspected()
    rig.hear(wire.StreamEnded())
    assert rig.core._connection.spare.suspected_since is None
    assert only(rig.later(SPARE_KEPT_S), effects.DiscardLink) == [effects.DiscardLink(2)]
