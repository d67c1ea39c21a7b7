"""The stream: every step from its start to its end, without I/O."""

from __future__ import annotations

from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model import events
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import REJOIN_DEADLINE_S, SESSION_KEPT_S, VIDEO_DEADLINE_S
from odyssey_proto.core.session_machine import SessionState
from odyssey_proto.core.stream_machine import StreamState
from tests.support.rig import CAT, LOST, Rig, failures, only, seen, texts


def test_calls_made_while_reconnecting_wait_and_are_made_then() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.interact("later") == []
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert only(outputs, effects.SendChannel) == [effects.SendChannel(2, wire.Update(prompt="later"))]


def test_a_held_call_that_does_not_fit_the_state_fails_then() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.interact("too early")
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert [str(error) for error in failures(outputs).values()] == [
        "Cannot interact: no stream is active; call start_stream() first"
    ]


@pytest.mark.parametrize("stage", ["starting", "ending"])
def test_a_stream_that_was_starting_or_ending_is_over_when_the_link_is_lost(stage: str) -> None:
    rig = Rig().to_connected()
    rig.start()
    if stage == "ending":
        rig.hear(wire.StreamStarted(stream_id="st-1"))
        rig.end()
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert rig.state == (SessionState.RECONNECTING, StreamState.NONE)
    (error,) = failures(outputs).values()
    assert isinstance(error, errors.OdysseyStreamError)
    assert (str(error), error.code, error.__cause__) == (
        "The connection ended before the answer: the line is dead",
        "lost",
        LOST,
    )


def back_after_a_loss_while(stage: str) -> tuple[Rig, list[effects.Output]]:
    """Lose the link while a stream is starting or ending, and rejoin."""
    rig = Rig().to_connected()
    rig.start()
    if stage == "ending":
        rig.hear(wire.StreamStarted(stream_id="st-1"))
        rig.end()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    return rig, rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))


@pytest.mark.parametrize("stage", ["starting", "ending"])
def test_a_stream_that_may_still_run_is_ended_when_the_session_is_back(stage: str) -> None:
    rig, outputs = back_after_a_loss_while(stage)
    assert only(outputs, effects.SendChannel) == [effects.SendChannel(2, wire.InteractiveStreamEnd())]
    assert rig.hear(wire.StreamEnded()) == [], "iterators that wait for the next stream go on"
    assert rig.start() == [effects.BeginFrames(101.0), effects.SendChannel(2, CAT)]


@pytest.mark.parametrize(
    "cleared",
    [wire.StreamEnded(), wire.InteractiveStreamError(reason=wire.StreamErrorReason("no_stream"), message="None")],
)
def test_a_start_waits_until_a_stream_that_may_still_run_is_ended(cleared: Any) -> None:
    rig, _ = back_after_a_loss_while("starting")
    assert rig.start() == []
    assert rig.hear(cleared) == [effects.BeginFrames(101.0), effects.SendChannel(2, CAT)]
    assert rig.hear(wire.StreamStarted(stream_id="st-2"))[-1] == effects.Succeed(2, "st-2")


def test_an_end_of_a_stream_that_may_still_run_succeeds_with_it() -> None:
    rig, _ = back_after_a_loss_while("ending")
    assert rig.end() == []
    assert rig.hear(wire.StreamEnded()) == [effects.Succeed(3, None)]
    assert rig.state == (SessionState.CONNECTED, StreamState.NONE)


def test_a_stream_that_may_still_run_is_ended_after_one_more_loss() -> None:
    rig, _ = back_after_a_loss_while("ending")
    rig.start()
    outputs = rig.give(inputs.LinkFailed(2, LOST))
    assert (list(failures(outputs)), only(outputs, effects.EndFrames)) == ([3], [])
    assert rig.state == (SessionState.RECONNECTING, StreamState.NONE)
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(3), inputs.VideoReceived(3), inputs.ChannelOpened(3, 16384))
    assert only(outputs, effects.SendChannel) == [effects.SendChannel(3, wire.InteractiveStreamEnd())]


# --- the stream


def test_a_start_goes_through_the_channel_and_succeeds_with_the_stream_id() -> None:
    rig = Rig().to_connected()
    assert rig.start() == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]
    assert rig.hear(wire.StreamStarted(stream_id="st-1", applied_prompt="A fine cat")) == [
        effects.BeginFrames(100.0),
        events.StreamStarted(stream_id="st-1", applied_prompt="A fine cat", at=100.0),
        effects.Succeed(1, "st-1"),
    ]
    assert (rig.core.stream_id, rig.core.applied_prompt) == ("st-1", "A fine cat")


def test_a_start_that_does_not_fit_the_channel_goes_through_signaling() -> None:
    rig = Rig().to_connected(size=50)
    assert only(rig.start(), effects.SendSignaling | effects.SendChannel) == [effects.SendSignaling(1, CAT)]


def test_a_start_with_an_image_goes_through_signaling() -> None:
    rig = Rig().to_connected()
    pictured = wire.InteractiveStreamStart(
        prompt="A cat", portrait=False, broadcast=False, input_image_base64="data:image/png;base64,AAAA"
    )
    outputs = rig.give(inputs.Start(1, pictured, 90))
    assert only(outputs, effects.SendSignaling | effects.SendChannel) == [effects.SendSignaling(1, pictured)]


@pytest.mark.parametrize("stage", ["never started", "refused", "ended", "ended by an error"])
def test_an_end_without_a_stream_is_answered_at_once_and_sends_nothing(stage: str) -> None:
    refused = wire.InteractiveStreamError(reason=wire.StreamErrorReason("lease_denied"), message="no")
    rig = Rig().to_streaming() if stage.startswith("ended") else Rig().to_connected()
    match stage:
        case "refused":
            rig.start()
            rig.hear(refused)
        case "ended":
            rig.hear(wire.StreamEnded())
        case "ended by an error":
            rig.hear(refused)
    before = rig.state
    for _ in range(2):
        [answer] = rig.end()
        assert isinstance(answer, effects.Succeed)
        assert rig.state == before


def test_an_end_without_a_stream_that_was_made_while_reconnecting_is_answered_when_the_session_is_back() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.end() == []
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert (only(outputs, effects.Succeed), only(outputs, effects.SendChannel)) == ([effects.Succeed(1, None)], [])


def test_an_interaction_succeeds_with_the_prompt_as_applied() -> None:
    rig = Rig().to_streaming()
    assert rig.interact("sleep") == [effects.SendChannel(1, wire.Update(prompt="sleep"))]
    assert rig.hear(wire.UpdateAcknowledged(prompt="The cat sleeps")) == [
        events.InteractAcknowledged(prompt="The cat sleeps", at=100.0),
        effects.Succeed(2, "The cat sleeps"),
    ]
    assert rig.core.applied_prompt == "The cat sleeps"


def test_interactions_queue_and_only_one_is_on_the_wire() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    assert rig.interact("two") == []
    outputs = rig.hear(wire.UpdateAcknowledged(prompt="one"))
    assert outputs[1:] == [effects.SendChannel(1, wire.Update(prompt="two")), effects.Succeed(2, "one")]
    assert rig.hear(wire.UpdateAcknowledged(prompt="two"))[1:] == [effects.Succeed(3, "two")]


def test_an_interaction_that_nobody_waits_for_keeps_its_place_until_it_is_acknowledged() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    rig.give(inputs.Abandon(2))
    outputs = rig.hear(wire.UpdateAcknowledged(prompt="one"))
    assert only(outputs, effects.Succeed) == []
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="two")), effects.Succeed) == [effects.Succeed(3, "two")]


def test_an_answer_that_nobody_waits_for_holds_up_the_next_interaction_for_5_s_at_most() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.later(1.0)
    rig.give(inputs.Abandon(2))
    assert rig.core.next_due != 105.0  # no interaction waits for that answer yet
    rig.later(1.0)
    assert rig.interact("two") == []
    assert rig.interact("three") == []
    assert only(rig.later(2.9), effects.SendChannel) == []
    assert only(rig.later(0.1), effects.SendChannel) == [effects.SendChannel(1, wire.Update(prompt="two"))]
    outputs = rig.hear(wire.UpdateAcknowledged(prompt="two"))
    assert outputs[1:] == [effects.SendChannel(1, wire.Update(prompt="three")), effects.Succeed(3, "two")]


def test_an_interaction_long_after_a_lost_answer_is_sent_at_once() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.give(inputs.Abandon(2))
    for _ in range(20):
        rig.later(1.0)
        seen(rig, rig.core._agenda.now)
    rig.interact("two")
    assert only(rig.later(0.0), effects.SendChannel) == [effects.SendChannel(1, wire.Update(prompt="two"))]


def test_an_interaction_whose_predecessor_is_abandoned_late_is_sent_at_once() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    assert only(rig.later(6.0), effects.SendChannel) == []
    rig.give(inputs.Abandon(2))
    assert only(rig.later(0.0), effects.SendChannel) == [effects.SendChannel(1, wire.Update(prompt="two"))]


def test_an_interaction_that_is_waited_for_holds_up_the_next_as_long_as_that_takes() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.give(inputs.Abandon(2))
    rig.interact("two")
    rig.hear(wire.UpdateAcknowledged(prompt="one"))  # "two" is on the wire, and its call waits
    rig.interact("three")
    assert only(rig.later(5.0), effects.SendChannel) == []


def test_an_abandoned_interaction_that_was_queued_is_never_sent() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    rig.give(inputs.Abandon(3))
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="one")), effects.SendChannel) == []


def test_ending_waits_for_the_word_of_the_service() -> None:
    rig = Rig().to_streaming()
    assert rig.end() == [effects.SendChannel(1, wire.InteractiveStreamEnd())]
    assert rig.hear(wire.StreamEnded()) == [
        effects.EndFrames(None),
        events.StreamEnded(at=100.0),
        effects.Succeed(2, None),
    ]
    assert rig.core.stream_id is None


def test_a_second_end_waits_for_the_same_word() -> None:
    rig = Rig().to_streaming()
    rig.end()
    assert rig.end() == []
    assert only(rig.hear(wire.StreamEnded()), effects.Succeed) == [
        effects.Succeed(2, None),
        effects.Succeed(3, None),
    ]


def test_an_interaction_on_the_wire_may_still_be_acknowledged_while_the_stream_ends() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    assert list(failures(rig.end())) == [3]
    assert effects.Succeed(2, "one") in rig.hear(wire.UpdateAcknowledged(prompt="one"))


def test_an_interaction_that_the_end_overtook_fails() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.end()
    assert str(failures(rig.hear(wire.StreamEnded()))[2]) == "The call was not answered: the stream has ended"


def test_ending_a_stream_that_is_still_starting_fails_the_start() -> None:
    rig = Rig().to_connected()
    rig.start()
    assert list(failures(rig.end())) == [1]
    assert rig.hear(wire.StreamStarted(stream_id="st-1")) == []
    assert rig.hear(wire.StreamEnded()) == [effects.EndFrames(None), effects.Succeed(2, None)]


def test_the_service_may_end_the_stream_by_itself() -> None:
    rig = Rig().to_streaming()
    assert rig.hear(wire.StreamEnded()) == [effects.EndFrames(None), events.StreamEnded(at=100.0)]
    assert rig.core.stream is StreamState.NONE


def test_a_stream_that_the_service_started_by_itself_is_taken() -> None:
    rig = Rig().to_connected()
    assert only(rig.hear(wire.StreamStarted(stream_id="st-9")), effects.Succeed) == []
    assert rig.core.stream is StreamState.STREAMING


@pytest.mark.parametrize(
    ("reason", "expected", "over"),
    [
        ("quota_exceeded", errors.MonthlyLimitReachedError, True),
        ("concurrent_limit_exceeded", errors.ConcurrentLimitReachedError, True),
        ("session_timeout", errors.StreamDurationExceededError, True),
        ("lease_denied", errors.OdysseyStreamError, True),
        ("moderation", errors.OdysseyStreamError, False),
        ("something_new", errors.OdysseyStreamError, False),
    ],
)
def test_a_stream_error_fails_what_it_answers_and_everything_where_the_stream_is_over(
    reason: str, expected: type[errors.OdysseyError], over: bool
) -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    outputs = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason(reason), message="no more"))
    failed = (2, 3) if over else (2,)
    assert {call: type(error) for call, error in failures(outputs).items()} == dict.fromkeys(failed, expected)
    assert all("no more" in text for text in texts(outputs).values())
    assert len({id(error) for error in failures(outputs).values()}) == len(failed)
    sent = [] if over else [effects.SendChannel(1, wire.Update(prompt="two"))]
    assert only(outputs, effects.SendChannel) == sent
    assert only(outputs, events.StreamFailed) == [
        events.StreamFailed(reason=reason, message="no more", ends_stream=over, answers_call=True, at=100.0)
    ]
    assert [type(ended.error) for ended in only(outputs, events.StreamEnded)] == ([expected] if over else [])
    assert rig.core.stream is (StreamState.NONE if over else StreamState.STREAMING)


@pytest.mark.parametrize(
    ("reason", "code", "text", "action"),
    [
        (
            "quota_exceeded",
            "MONTHLY_LIMIT_REACHED",
            "The hours of this month are used up",
            "Upgrade your plan, or wait until the month is over",
        ),
        (
            "concurrent_limit_exceeded",
            "CONCURRENT_LIMIT_EXCEEDED",
            "The account has its maximum number of open sessions",
            "Close another session, or wait until it has ended",
        ),
        (
            "session_timeout",
            "STREAM_DURATION_EXCEEDED",
            "The stream has reached its maximum duration",
            "Start another stream",
        ),
    ],
)
@pytest.mark.parametrize("words", ["no more", "", "Stream error occurred"])
def test_a_limit_that_the_streamer_reports_says_what_to_do(
    reason: str, code: str, text: str, action: str, words: str
) -> None:
    rig = Rig().to_connected()
    rig.start()
    refused = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason(reason), message=words))
    error = failures(refused)[1]
    assert isinstance(error, errors.OdysseyUsageError)
    assert (str(error), error.code) == (words if words == "no more" else text, code)
    assert (error.action, error.details) == (action, {})
    assert error.action_url == "https://developer.odyssey.ml/dashboard"


def test_a_stream_error_answers_a_pending_start_and_leaves_no_stream() -> None:
    rig = Rig().to_connected()
    rig.start()
    outputs = rig.hear(
        wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="not this")
    )
    error = failures(outputs)[1]
    assert (type(error), str(error), error.code) == (
        errors.OdysseyStreamError,
        "moderation: not this",
        "moderation",
    )
    assert (rig.core.stream, only(outputs, events.StreamEnded)) == (StreamState.NONE, [])


def test_after_a_stream_error_the_next_interaction_is_sent_at_once() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no"))
    assert rig.interact("two") == [effects.SendChannel(1, wire.Update(prompt="two"))]


def test_a_stream_error_while_ending_leaves_the_end_waiting() -> None:
    rig = Rig().to_streaming()
    rig.end()
    outputs = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no"))
    assert (failures(outputs), rig.core.stream) == ({}, StreamState.ENDING)


def test_an_error_that_ends_the_stream_answers_the_end_too() -> None:
    rig = Rig().to_streaming()
    rig.end()
    outputs = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("session_timeout"), message="no"))
    assert (only(outputs, effects.Succeed), rig.core.stream) == ([effects.Succeed(2, None)], StreamState.NONE)


def test_an_end_that_nobody_waits_for_any_more_is_asked_for_again() -> None:
    rig = Rig().to_streaming()
    rig.end()
    rig.give(inputs.Abandon(2))
    assert rig.end() == [effects.SendChannel(1, wire.InteractiveStreamEnd())]
    assert only(rig.hear(wire.StreamEnded()), effects.Succeed) == [effects.Succeed(3, None)]


def test_a_refused_start_ends_the_wait_for_its_frames_with_the_reason() -> None:
    rig = Rig().to_connected()
    rig.start()
    outputs = rig.hear(
        wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="not this")
    )
    assert [str(end.error) for end in only(outputs, effects.EndFrames)] == ["moderation: not this"]


def test_a_held_message_is_measured_against_the_channel_of_the_new_link() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.interact("later")
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 39))
    assert texts(outputs) == {
        2: "The message is too long: 40 bytes, and the limit is 39 bytes; shorten the prompt"
    }


def test_iterators_that_wait_for_a_stream_are_left_alone_when_a_link_is_lost() -> None:
    rig = Rig().to_connected()
    assert only(rig.give(inputs.LinkFailed(1, LOST)), effects.EndFrames) == []


def test_a_stream_error_without_a_stream_is_reported_and_changes_nothing() -> None:
    rig = Rig().to_connected()
    outputs = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no"))
    assert outputs == [events.StreamFailed(reason="moderation", message="no", ends_stream=False, at=100.0)]


def test_an_acknowledgement_too_many_is_ignored() -> None:
    rig = Rig().to_streaming()
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="x")), effects.Ignored)
    assert rig.core.applied_prompt == "A fine cat"


# --- checking that video arrives


def test_while_frames_come_they_are_looked_for_once_a_second() -> None:
    rig = Rig().to_streaming()
    for _ in range(3):
        assert rig.later(1.0) == [effects.CheckVideo(1)]
        assert seen(rig, rig.now) == []


def test_after_a_second_without_a_frame_a_keyframe_is_asked_for_once() -> None:
    rig = Rig().to_streaming()
    last = rig.now + 1.0
    rig.later(1.0)
    seen(rig, last)
    rig.later(1.0)
    assert seen(rig, last) == [effects.AskForKeyframe(1)]
    rig.later(1.0)
    assert seen(rig, last) == []


def figures(packet_at: float) -> inputs.LinkFigures:
    return inputs.LinkFigures(expected=0, lost=0, held_up_s=0.0, packet_at=packet_at)


def test_a_streamer_that_pauses_is_reported_and_the_link_goes_on() -> None:
    rig = Rig().to_streaming()
    rig.streamer_lives = False
    last = rig.now + 1.0
    rig.later(1.0)
    rig.give(inputs.VideoSeen(1, last, 100, figures=figures(last)))
    rig.later(1.0)
    outputs = rig.give(inputs.VideoSeen(1, last, 100, figures=figures(last)))
    assert outputs == [effects.AskForSignOfLife(1), effects.AskForKeyframe(1)]
    assert rig.give(inputs.SignOfLife(1)) == [events.VideoPaused(seconds=1.0, at=rig.now)]
    for _ in range(6):
        rig.later(1.0)
        rig.give(inputs.VideoSeen(1, last, 100, figures=figures(last)), inputs.SignOfLife(1))
    assert rig.core.session is SessionState.CONNECTED, "it would be lost after 6 s without a sign of life"


def test_the_first_frame_of_a_stream_may_take_longer() -> None:
    rig = Rig().to_streaming()
    for _ in range(int(VIDEO_DEADLINE_S) - 1):
        rig.later(1.0)
        seen(rig, None)
    assert rig.core.session is SessionState.CONNECTED
    rig.later(1.0)
    assert only(seen(rig, None), effects.CloseLink)


def test_a_process_that_stood_still_does_not_take_that_for_silence() -> None:
    rig = Rig().to_streaming()
    rig.later(1.0)
    seen(rig, rig.now)
    last = rig.now
    assert rig.later(60.0) == [effects.CheckVideo(1), effects.SendSignaling(1, wire.Keepalive())]
    assert seen(rig, last) == []
    assert rig.core.session is SessionState.CONNECTED


def test_a_session_that_no_link_brings_video_to_fails_in_the_end() -> None:
    rig = Rig().to_streaming()
    since = rig.now
    while not rig.core.is_over:
        assert rig.core.next_due is not None
        outputs = rig.later(rig.core.next_due - rig.now)
        if only(outputs, effects.CheckVideo):
            seen(rig, None)
        if only(outputs, effects.OpenLink):
            rig.give(
                inputs.SignalingOpened(rig.link),
                inputs.VideoReceived(rig.link),
                inputs.ChannelOpened(rig.link, 16384),
            )
    assert rig.state == (SessionState.FAILED, StreamState.NONE)
    assert rig.core.error is not None
    assert rig.core.error.code == "video_stalled"
    assert SESSION_KEPT_S <= rig.now - since <= SESSION_KEPT_S + REJOIN_DEADLINE_S


def test_a_stream_that_is_being_ended_needs_no_more_frames() -> None:
    rig = Rig().to_streaming()
    rig.end()
    assert rig.later(5.0) == []


def test_the_answer_about_frames_comes_too_late_for_a_stream_that_has_ended() -> None:
    rig = Rig().to_streaming()
    rig.later(1.0)
    rig.hear(wire.StreamEnded())
    assert only(seen(rig, None), effects.Ignored)


def test_a_pause_of_the_video_is_reported_with_the_number_of_frames_missed() -> None:
    rig = Rig().to_streaming()
    assert rig.give(inputs.VideoResumed(4.0)) == [events.GapEvent(seconds=4.0, frames_missed=79, at=100.0)]


# --- spectators


def test_a_broadcast_may_be_ready_before_the_stream_and_have_no_hls() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.hear(wire.BroadcastReady(webrtc_url="http://host/live/1", spectator_token="secret"))
    assert rig.core.broadcast == events.BroadcastInfo("http://host/live/1", "secret", None)


@pytest.mark.parametrize(
    "ready",
    [
        wire.BroadcastReady(),
        wire.BroadcastReady(webrtc_url="http://host"),
        wire.BroadcastReady(spectator_token="t"),
    ],
)
def test_a_broadcast_without_a_place_or_a_token_is_a_stream_error_of_our_own(ready: wire.BroadcastReady) -> None:
    rig = Rig().to_streaming()
    (told,) = rig.hear(ready)
    assert isinstance(told, events.StreamFailed)
    assert (told.reason, told.ends_stream, rig.core.stream) == ("broadcast_error", False, StreamState.STREAMING)


# --- what the service leaves out


def test_a_stream_without_an_id_is_a_stream() -> None:
    rig = Rig().to_connected()
    rig.start()
    outputs = rig.hear(wire.StreamStarted(stream_id=""))
    assert outputs[-2:] == [
        events.StreamStarted(stream_id="", applied_prompt=None, at=100.0),
        effects.Succeed(1, ""),
    ]
    assert (rig.core.stream, rig.core.stream_id) == (StreamState.STREAMING, "")
    refused = wire.InteractiveStreamError(reason=wire.StreamErrorReason("lease_denied"), message="no")
    assert only(rig.hear(refused), events.StreamFailed)[0].ends_stream
    assert rig.core.stream_id is None


def test_the_end_of_a_stream_without_an_id_is_reported() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.hear(wire.StreamStarted(stream_id=""))
    rig.end()
    assert only(rig.hear(wire.StreamEnded()), events.StreamEnded) == [events.StreamEnded(at=100.0)]


def test_an_empty_prompt_was_not_reported() -> None:
    rig = Rig().to_streaming()
    rig.interact("sleep")
    assert rig.hear(wire.UpdateAcknowledged(prompt="")) == [
        events.InteractAcknowledged(prompt="", at=100.0),
        effects.Succeed(2, ""),
    ]
    assert rig.core.applied_prompt is None


# --- a stream whose start has failed

END = effects.SendChannel(1, wire.InteractiveStreamEnd())


def test_an_end_that_crosses_a_start_does_not_fail_it() -> None:
    rig = Rig().to_connected()
    rig.start()
    assert only(rig.hear(wire.StreamEnded()), effects.Ignored)
    assert effects.Succeed(1, "st-1") in rig.hear(wire.StreamStarted(stream_id="st-1"))


def abandoned() -> Rig:
    """Return a session with a start that nobody waits for any more."""
    rig = Rig().to_connected()
    rig.start()
    (ended,) = rig.give(inputs.Abandon(1))
    assert isinstance(ended, effects.EndFrames)
    assert isinstance(ended.error, errors.OdysseyStreamError)
    assert ended.error.code == "start_given_up"
    return rig


def test_a_stream_that_starts_after_its_call_was_abandoned_is_ended() -> None:
    rig = abandoned()
    outputs = rig.hear(wire.StreamStarted(stream_id="late"))
    assert only(outputs, effects.SendChannel | events.StreamStarted | effects.Succeed) == [END]
    assert rig.core.stream_id is None
    assert rig.hear(wire.StreamEnded()) == []
    assert rig.start() == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]
    assert effects.Succeed(2, "st-2") in rig.hear(wire.StreamStarted(stream_id="st-2"))


def test_a_start_after_an_abandoned_one_has_that_ended_and_waits() -> None:
    rig = abandoned()
    assert rig.start() == [END]
    assert rig.hear(wire.StreamStarted(stream_id="late")) == []
    assert rig.hear(wire.StreamEnded()) == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]


def test_a_start_waits_5_s_at_most_for_the_end_of_one_that_was_abandoned() -> None:
    rig = abandoned()
    assert rig.start() == [END]
    rig.later(3.0)
    rig.give(inputs.Abandon(2))
    assert rig.start() == []
    assert rig.later(1.9) == []
    assert rig.later(0.1) == [effects.BeginFrames(105.0), effects.SendChannel(1, CAT)]
    assert only(rig.hear(wire.StreamEnded()), effects.Ignored)  # late, but before the answer to the start
    assert effects.Succeed(3, "st-3") in rig.hear(wire.StreamStarted(stream_id="st-3"))
    assert rig.core.stream is StreamState.STREAMING


def ended_for_nobody() -> Rig:
    """Return a session with an end that was not answered in time."""
    rig = Rig().to_streaming()
    assert rig.end() == [END]
    with pytest.raises(errors.OdysseyStreamError):
        rig.start()  # while somebody waits for the end
    rig.give(inputs.Abandon(2))
    return rig


def test_a_start_after_an_end_that_was_not_answered_in_time_waits_for_it() -> None:
    rig = ended_for_nobody()
    assert rig.start() == [effects.EndFrames(None), events.StreamEnded(at=100.0)]
    assert rig.core.stream_id is None
    assert rig.hear(wire.StreamEnded()) == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]
    assert effects.Succeed(4, "st-2") in rig.hear(wire.StreamStarted(stream_id="st-2"))


def test_a_start_long_after_an_end_that_was_not_answered_is_sent_at_once() -> None:
    rig = ended_for_nobody()
    rig.later(6.0)
    rig.start()
    assert only(rig.later(0.0), effects.SendChannel) == [effects.SendChannel(1, CAT)]


def test_a_start_after_an_end_that_is_never_answered_waits_5_s_at_most() -> None:
    rig = ended_for_nobody()
    rig.start()
    assert only(rig.later(4.9), effects.SendChannel) == []
    assert only(rig.later(0.1), effects.SendChannel) == [effects.SendChannel(1, CAT)]


def test_an_end_waits_5_s_at_most_for_that_of_a_start_that_was_abandoned() -> None:
    rig = abandoned()
    assert rig.end() == [END]
    assert rig.later(5.0) == [effects.Succeed(2, None)]
    assert rig.core.stream is StreamState.NONE


def test_an_end_after_an_abandoned_start_asks_for_it() -> None:
    rig = abandoned()
    assert rig.end() == [END]
    assert rig.end() == []
    assert rig.hear(wire.StreamEnded()) == [effects.Succeed(2, None), effects.Succeed(3, None)]


def test_an_abandoned_start_that_is_refused_is_reported_and_leaves_no_stream() -> None:
    rig = abandoned()
    refused = wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no")
    assert rig.hear(refused) == [
        events.StreamFailed(reason="moderation", message="no", ends_stream=False, at=100.0)
    ]
    assert rig.core.stream is StreamState.NONE


def test_a_start_that_is_abandoned_the_moment_it_is_answered_is_ended() -> None:
    rig = Rig().to_streaming()
    rig.interact("more")
    outputs = rig.give(inputs.Abandon(1))
    assert list(failures(outputs)) == [2]
    assert only(outputs, effects.SendChannel) == [END]
    assert [ended.error.code for ended in only(outputs, events.StreamEnded)] == ["start_given_up"]
    assert rig.hear(wire.StreamEnded()) == []
    assert rig.core.stream is StreamState.NONE


def test_a_start_that_is_abandoned_while_its_stream_reconnects_is_ended_then() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    assert only(rig.give(inputs.Abandon(1)), effects.SendChannel) == []
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert only(outputs, effects.SendChannel) == [effects.SendChannel(2, wire.InteractiveStreamEnd())]
    rig.hear(wire.StreamEnded())
    assert rig.core.stream is StreamState.NONE


def test_a_stream_that_starts_after_its_start_was_refused_is_ended() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no"))
    assert END in rig.hear(wire.StreamStarted(stream_id="late"))
    assert rig.core.stream is StreamState.ENDING
    rig.hear(wire.StreamEnded())
    assert rig.core.stream is StreamState.NONE


def test_a_stream_that_starts_after_it_was_ended_is_ended_again() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.end()
    rig.hear(wire.StreamEnded())
    assert END in rig.hear(wire.StreamStarted(stream_id="late"))


# --- messages that cannot be read


def unread(kind: str | None) -> errors.MalformedMessageError:
    return errors.MalformedMessageError("Malformed", code="malformed", message_type=kind)


def give_unread(rig: Rig, kind: str | None) -> tuple[errors.MalformedMessageError, list[effects.Output]]:
    error = unread(kind)
    outputs = rig.give(inputs.Unreadable(rig.link, error))
    assert outputs[0] == events.ErrorOccurred(error=error, fatal=False, at=100.0)
    return error, outputs[1:]


def test_a_start_whose_answer_cannot_be_read_fails_at_once_and_its_stream_is_ended() -> None:
    rig = Rig().to_connected()
    rig.start()
    error, outputs = give_unread(rig, "stream_started")
    assert [type(failure) for failure in failures(outputs).values()] == [errors.MalformedMessageError]
    assert outputs[:2] == [effects.EndFrames(error), END]
    assert rig.start() == []
    assert rig.hear(wire.StreamEnded()) == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]


def test_a_start_whose_refusal_cannot_be_read_fails_at_once() -> None:
    rig = Rig().to_connected()
    rig.start()
    error, outputs = give_unread(rig, "interactive_stream_error")
    assert (list(failures(outputs)), outputs[0]) == ([1], effects.EndFrames(error))
    assert rig.core.stream is StreamState.NONE
    assert END in rig.hear(wire.StreamStarted(stream_id="late"))


@pytest.mark.parametrize("kind", ["update_acknowledged", "interactive_stream_error"])
def test_an_interaction_whose_answer_cannot_be_read_fails_at_once(kind: str) -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    _, outputs = give_unread(rig, kind)
    assert [type(failure) for failure in failures(outputs).values()] == [errors.MalformedMessageError]
    assert outputs[0] == effects.SendChannel(1, wire.Update(prompt="two"))
    assert rig.core.stream is StreamState.STREAMING


@pytest.mark.parametrize("kind", ["stream_ended", "interactive_stream_error"])
def test_an_end_whose_answer_cannot_be_read_fails_at_once_and_the_stream_is_over(kind: str) -> None:
    rig = Rig().to_streaming()
    rig.end()
    _, outputs = give_unread(rig, kind)
    assert list(failures(outputs)) == [2]
    assert only(outputs, events.StreamEnded) == [events.StreamEnded(at=100.0)]
    assert rig.core.stream is StreamState.NONE


def test_an_error_that_cannot_be_read_answers_the_update_before_the_end() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.end()
    assert list(failures(give_unread(rig, "interactive_stream_error")[1])) == [2]
    assert rig.core.stream is StreamState.ENDING


def test_an_end_that_cannot_be_read_ends_the_stream() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    _, outputs = give_unread(rig, "stream_ended")
    assert list(failures(outputs)) == [2]
    assert only(outputs, events.StreamEnded)


def test_a_start_that_waits_for_an_end_that_cannot_be_read_is_made() -> None:
    rig = abandoned()
    rig.start()
    assert give_unread(rig, "stream_ended")[1] == [effects.BeginFrames(100.0), effects.SendChannel(1, CAT)]


@pytest.mark.parametrize("kind", [None, "broadcast_ready", "update_acknowledged", "something_new"])
@pytest.mark.parametrize("stage", ["to_connected", "starting", "to_streaming", "ending"])
def test_what_answers_no_call_is_reported_only(kind: str | None, stage: str) -> None:
    rig = Rig()
    match stage:
        case "starting":
            rig.to_connected().start()
        case "ending":
            rig.to_streaming().end()
        case _:
            getattr(rig, stage)()
    before = rig.state
    assert give_unread(rig, kind)[1] == []
    assert rig.state == before


# --- a streamer that is gone while no video need come


def silent_while(stage: str) -> Rig:
    """Return a session whose streamer vanishes just before it is asked to start, or to end, a stream."""
    rig = Rig().to_connected() if stage == "starting" else Rig().to_streaming()
    rig.streamer_lives = False
    rig.start() if stage == "starting" else rig.end()
    return rig


@pytest.mark.parametrize("stage", ["starting", "ending"])
def test_a_call_to_a_streamer_that_is_gone_fails_after_2_5_s_and_the_session_is_rejoined(stage: str) -> None:
    rig = silent_while(stage)
    for _ in range(4):
        assert rig.later(0.5) == [effects.AskForSignOfLife(1)]
    outputs = rig.later(0.5)
    (error,) = failures(outputs).values()
    assert (error.code, error.recoverable) == ("streamer_silent", True)
    assert "The streamer is gone: no sign of life for 2.5 s" in str(error)
    assert rig.state == (SessionState.RECONNECTING, StreamState.NONE)


@pytest.mark.parametrize("stage", ["starting", "ending"])
def test_a_streamer_that_is_there_may_take_its_time(stage: str) -> None:
    rig = silent_while(stage)
    rig.streamer_lives = True
    for _ in range(60):
        assert not failures(rig.later(0.5))
    rig.hear(wire.StreamStarted(stream_id="st-1") if stage == "starting" else wire.StreamEnded())
    assert rig.core.session is SessionState.CONNECTED


def test_a_process_that_stood_still_asks_again_before_it_gives_the_streamer_up() -> None:
    rig = silent_while("ending")
    assert only(rig.later(60.0), effects.AskForSignOfLife)
    for _ in range(4):
        assert only(rig.later(0.5), effects.AskForSignOfLife)
    assert failures(rig.later(0.5))


def test_a_sign_of_life_that_comes_after_the_answer_is_ignored() -> None:
    rig = Rig().to_streaming()
    assert rig.give(inputs.SignOfLife(1)) == []


# --- gaps in the video


def away(video_at: float | None) -> Rig:
    """Return a session that has lost its link in a stream whose newest frame came at ``video_at``."""
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.now += 10.0
    rig.give(inputs.LinkFailed(1, LOST, video_at=video_at))
    rig.later(0)
    rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2))
    return rig


def gaps(outputs: list[effects.Output]) -> list[float]:
    return [round(event.seconds, 3) for event in only(outputs, events.GapEvent)]


def test_a_stream_that_ends_in_a_gap_reports_it_before_its_end() -> None:
    rig = away(video_at=109.0)
    outputs = rig.give(inputs.ChannelOpened(2, 16384))
    assert gaps(outputs) == []
    rig.later(0.5)
    outputs = rig.hear(wire.StreamEnded())
    assert [type(output) for output in outputs] == [events.GapEvent, effects.EndFrames, events.StreamEnded]
    assert gaps(outputs) == [1.5]


def test_a_session_that_ends_in_a_gap_reports_it_before_the_end_of_the_stream() -> None:
    outputs = away(video_at=109.0).give(inputs.Disconnect())
    kinds = [type(output) for output in outputs]
    assert kinds.index(events.GapEvent) < kinds.index(effects.EndFrames) < kinds.index(events.StreamEnded)
    assert gaps(outputs) == [1.0]


def test_a_stream_that_never_had_a_frame_has_no_gap() -> None:
    assert gaps(away(video_at=None).give(inputs.Disconnect())) == []


def test_what_no_link_reported_is_known_from_the_last_look() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.later(1.0)
    seen(rig, 100.5)
    rig.give(inputs.LinkFailed(1, LOST))
    assert gaps(rig.give(inputs.Disconnect())) == [0.5]


def test_two_links_that_bring_frames_are_two_gaps_each_reported_once() -> None:
    rig = away(video_at=109.0)
    assert gaps(rig.give(inputs.VideoResumed(1.0))) == []
    assert effects.PauseFrames() in rig.give(inputs.LinkFailed(2, LOST, video_at=110.0))
    rig.later(1.0)
    rig.give(inputs.SignalingOpened(3), inputs.VideoReceived(3), inputs.VideoResumed(2.0))
    outputs = rig.give(inputs.ChannelOpened(3, 16384))
    assert gaps(outputs) == [1.0, 2.0]
    assert isinstance(outputs[0], events.StatusChanged)
    assert gaps(rig.hear(wire.StreamEnded())) == []


def test_two_gaps_of_one_stream_do_not_overlap() -> None:
    rig = away(video_at=109.0)
    rig.give(inputs.VideoResumed(1.0))
    rig.give(inputs.SignalingClosed(2))  # which does not say when the newest frame came
    rig.later(0.5)
    assert gaps(rig.give(inputs.Disconnect())) == [1.0, 0.5]


def test_a_gap_before_the_start_is_confirmed_is_reported_after_the_start() -> None:
    rig = Rig().to_connected()
    rig.start()
    assert rig.give(inputs.VideoResumed(1.5)) == []
    kinds = [type(output) for output in rig.hear(wire.StreamStarted(stream_id="st-1"))]
    assert kinds == [effects.BeginFrames, events.StreamStarted, events.GapEvent, effects.Succeed]


def test_a_gap_of_a_stream_that_did_not_start_is_not_reported() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.give(inputs.VideoResumed(1.5))
    refused = wire.InteractiveStreamError(reason=wire.StreamErrorReason("lease_denied"), message="no")
    assert gaps(rig.hear(refused)) == []
    rig.start()
    assert gaps(rig.hear(wire.StreamStarted(stream_id="st-2"))) == []


# --- whom an error answers


def test_an_error_says_whether_it_answers_a_call() -> None:
    refused = wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no")
    rig = Rig().to_streaming()
    rig.interact("one")
    told = [only(rig.hear(refused), events.StreamFailed)[0].answers_call for _ in range(2)]
    assert told == [True, False]
