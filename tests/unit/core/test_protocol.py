"""The state machine: every step of a session and a stream, without I/O."""

from __future__ import annotations

import itertools
from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model import events
from odyssey_proto._model.config import AdvancedConfig
from odyssey_proto._model.events import ConnectionStatus
from odyssey_proto._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from odyssey_proto.core import effects, inputs, protocol
from odyssey_proto.core.protocol import KEEPALIVE_INTERVAL, OPEN_DEADLINE, REJOIN_DEADLINE, SESSION_KEPT, Protocol
from odyssey_proto.core.table import SessionState, StreamState

SESSION = wire.SessionResponse(session_id="s-1", signalling_url="ws://host/signaling")
LOST = errors.OdysseyConnectionError("the line is dead", code="lost", recoverable=True)
REFUSED = errors.OdysseyAuthError("no", code="refused")
CAT = wire.InteractiveStreamStart(prompt="A cat", portrait=False, broadcast=False)


class Rig:
    """A protocol, the time, and everything that it handed out."""

    def __init__(self, *, reconnect: bool = True, **advanced: Any) -> None:
        self.core = Protocol(AdvancedConfig(**advanced), reconnect=reconnect)
        self.now = 100.0
        self.calls = itertools.count(1)

    def give(self, *items: inputs.Input) -> list[effects.Output]:
        for item in items:
            self.core.receive(item, self.now)
        return self.core.outputs()

    def later(self, seconds: float) -> list[effects.Output]:
        self.now += seconds
        self.core.advance(self.now)
        return self.core.outputs()

    @property
    def link(self) -> int:
        return self.core._links

    def hear(self, message: Any) -> list[effects.Output]:
        return self.give(inputs.Received(self.link, message))

    def to_queueing(self) -> Rig:
        self.give(inputs.Connect(0), inputs.Authenticated())
        return self

    def to_connecting(self) -> Rig:
        self.to_queueing().give(inputs.SessionGranted(SESSION))
        return self

    def to_linked(self) -> Rig:
        self.to_connecting().give(inputs.SignalingOpened(self.link))
        return self

    def to_connected(self, *, size: int = 16384) -> Rig:
        self.to_linked().give(inputs.VideoReceived(self.link), inputs.ChannelOpened(self.link, size))
        return self

    def to_streaming(self) -> Rig:
        self.to_connected().start()
        self.hear(wire.StreamStarted(stream_id="st-1", applied_prompt="A fine cat"))
        return self

    def start(self) -> list[effects.Output]:
        return self.give(inputs.Start(next(self.calls), CAT, 60))

    def interact(self, prompt: str) -> list[effects.Output]:
        return self.give(inputs.Interact(next(self.calls), wire.Update(prompt=prompt), 40))

    def end(self) -> list[effects.Output]:
        return self.give(inputs.End(next(self.calls)))

    @property
    def state(self) -> tuple[SessionState, StreamState]:
        return self.core.session, self.core.stream


GOODBYE_LINK = effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE, with_video=False)


def texts(outputs: list[effects.Output]) -> dict[int, str]:
    return {call: str(error) for call, error in failures(outputs).items()}


def only(outputs: list[effects.Output], kind: type) -> list[Any]:
    return [output for output in outputs if isinstance(output, kind)]


def failures(outputs: list[effects.Output]) -> dict[int, errors.OdysseyError]:
    return {output.call: output.error for output in only(outputs, effects.Fail)}


def test_a_fresh_session_is_disconnected_and_waits_for_nothing() -> None:
    core = Rig().core
    assert (core.status, core.next_due, core.outputs(), core.is_over) == (
        ConnectionStatus.DISCONNECTED,
        None,
        [],
        False,
    )


def test_connecting_goes_through_every_step_in_order() -> None:
    rig = Rig()
    outputs = rig.give(inputs.Connect(7))
    outputs += rig.give(inputs.Authenticated())
    outputs += rig.give(inputs.SessionGranted(SESSION))
    outputs += rig.give(inputs.SignalingOpened(1))
    outputs += rig.hear(wire.Offer(sdp="offer"))
    candidate = wire.IceCandidate(candidate="candidate:1", sdp_mid="0", sdp_mline_index=0)
    outputs += rig.hear(candidate)
    outputs += rig.give(inputs.Answered(1, "answer"), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    assert outputs == [
        events.StatusChanged(status=ConnectionStatus.AUTHENTICATING, at=100.0),
        effects.Authenticate(),
        events.StatusChanged(status=ConnectionStatus.CONNECTING, at=100.0),
        effects.RequestSession(),
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE),
        effects.AcceptOffer(1, "offer"),
        effects.AddCandidate(1, candidate),
        effects.SendSignaling(1, wire.Answer(sdp="answer")),
        events.StatusChanged(status=ConnectionStatus.CONNECTED, at=100.0),
        effects.Succeed(7, None),
    ]
    assert rig.core.session_id == "s-1"
    assert rig.core.capabilities == wire.StreamerCapabilities(image_to_video=False)


def test_the_channel_may_open_before_the_video_comes() -> None:
    rig = Rig().to_linked()
    rig.give(inputs.ChannelOpened(1, 1000))
    assert rig.core.session is SessionState.CONNECTING
    rig.give(inputs.VideoReceived(1))
    assert rig.core.session is SessionState.CONNECTED


def test_capabilities_are_those_of_the_session() -> None:
    rig = Rig().to_queueing()
    able = wire.StreamerCapabilities(image_to_video=True)
    rig.give(
        inputs.SessionGranted(wire.SessionResponse(session_id="s", signalling_url="ws://h", capabilities=able))
    )
    assert rig.core.capabilities == able


def test_a_second_connect_is_refused_and_changes_nothing() -> None:
    rig = Rig().to_connecting()
    with pytest.raises(errors.OdysseyConnectionError, match="Cannot connect: this session is connecting"):
        rig.give(inputs.Connect(9))
    assert (rig.core.session, rig.core.outputs()) == (SessionState.CONNECTING, [])


@pytest.mark.parametrize("stage", ["authenticating", "queueing"])
def test_a_failed_step_fails_the_connect_with_its_error(stage: str) -> None:
    rig = Rig()
    rig.give(inputs.Connect(7))
    if stage == "queueing":
        rig.give(inputs.Authenticated())
    event, fail, status = rig.give(inputs.StepFailed(REFUSED))
    assert event == events.ErrorOccurred(error=REFUSED, fatal=True, at=100.0)
    assert isinstance(fail, effects.Fail)
    assert (fail.call, type(fail.error), vars(fail.error)) == (7, type(REFUSED), vars(REFUSED))
    assert fail.error is not REFUSED, "one exception that is raised in two places collects both tracebacks"
    assert status == events.StatusChanged(status=ConnectionStatus.FAILED, message="no", at=100.0)
    assert rig.core.error is REFUSED


NO_STREAMER = inputs.StreamerUnavailable(errors.OdysseyConnectionError("No streamers available", status=503))


def test_it_asks_for_a_streamer_again_every_second_and_says_once_that_it_waits() -> None:
    rig = Rig(queue_timeout_s=3).to_queueing()
    assert rig.give(NO_STREAMER) == [
        events.StatusChanged(status=ConnectionStatus.CONNECTING, message="Waiting for a streamer", at=100.0)
    ]
    assert rig.later(0.9) == []
    assert rig.later(0.1) == [effects.RequestSession()]
    assert rig.give(NO_STREAMER) == []


def test_the_queue_ends_with_a_timeout_when_no_streamer_came_free() -> None:
    rig = Rig(queue_timeout_s=1.5).to_queueing()
    rig.give(NO_STREAMER)
    rig.later(1.0)
    error = failures(rig.give(NO_STREAMER))[0]
    assert isinstance(error, errors.OdysseyConnectionTimeoutError)
    assert str(error).startswith("Timed out waiting for a streamer after 1.5 s")
    assert rig.core.session is SessionState.FAILED


def test_a_queue_timeout_of_zero_fails_at_once_with_the_answer_of_the_service() -> None:
    rig = Rig(queue_timeout_s=0).to_queueing()
    assert texts(rig.give(NO_STREAMER)) == {0: "No streamers available"}


# --- links


def test_a_link_that_fails_is_tried_again_with_growing_waits_up_to_max_retries() -> None:
    rig = Rig(max_retries=2, initial_retry_delay_ms=100, retry_backoff_multiplier=3).to_connecting()
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert outputs == [effects.CloseLink(1), events.ErrorOccurred(error=LOST, fatal=False, at=100.0)]
    assert rig.core.next_due == pytest.approx(100.1)
    assert rig.later(0.1) == [effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE)]
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core.next_due == pytest.approx(100.4)
    rig.later(0.3)
    assert texts(rig.give(inputs.LinkFailed(3, LOST))) == {0: str(LOST)}
    assert rig.core.session is SessionState.FAILED


def test_a_refusal_of_the_link_is_not_tried_again_but_for_giving_the_session_back() -> None:
    rig = Rig().to_connecting()
    outputs = rig.give(inputs.LinkFailed(1, REFUSED))
    assert texts(outputs) == {0: str(REFUSED)}
    assert [link.with_video for link in only(outputs, effects.OpenLink)] == [False]


def test_what_a_given_up_link_still_tells_is_ignored() -> None:
    rig = Rig().to_linked()
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.give(inputs.VideoReceived(1)) == [effects.Ignored("VideoReceived of a link that was given up")]


def test_a_clean_close_before_video_is_a_failed_link_that_says_where_it_was() -> None:
    rig = Rig(max_retries=0).to_linked()
    error = failures(rig.give(inputs.SignalingClosed(1)))[0]
    assert str(error) == "The service closed the connection while waiting for the offer"
    assert isinstance(error, errors.OdysseyConnectionError)


def test_no_video_in_time_is_a_failed_link() -> None:
    rig = Rig(max_retries=0).to_linked()
    rig.hear(wire.Offer(sdp="v=0"))
    error = failures(rig.later(protocol.VIDEO_DEADLINE))[0]
    assert isinstance(error, errors.OdysseyConnectionTimeoutError)
    assert str(error) == "No video within 20 s: waiting for video took too long"


def test_a_failure_of_the_peer_alone_still_says_goodbye() -> None:
    rig = Rig(max_retries=0).to_linked()
    outputs = rig.give(inputs.LinkFailed(1, LOST, signaling_lost=False))
    assert effects.SendSignaling(1, wire.ClientDisconnecting()) in outputs
    assert outputs.index(effects.SendSignaling(1, wire.ClientDisconnecting())) < outputs.index(
        effects.CloseLink(1)
    )


def test_when_signaling_is_lost_for_good_the_session_is_given_back_through_another_link() -> None:
    rig = Rig(reconnect=False).to_connected()
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert GOODBYE_LINK in outputs
    assert rig.give(inputs.SignalingOpened(2)) == [
        effects.SendSignaling(2, wire.ClientDisconnecting()),
        effects.CloseLink(2),
    ]


def test_a_goodbye_link_that_fails_is_left_alone() -> None:
    rig = Rig(reconnect=False).to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.give(inputs.LinkFailed(2, LOST)) == []


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("streamer_not_available", "Streamer not available"),
        ("streamer_disconnected", "Streamer disconnected"),
        ("duration_limit_reached", "The session has reached its longest duration"),
        ("unknown", "The service reported an unknown error"),
        ("something_new", "The service ended the session: something_new"),
    ],
)
def test_an_error_of_the_service_is_fatal_and_keeps_its_reason(reason: str, text: str) -> None:
    rig = Rig().to_linked()
    error = failures(rig.hear(wire.SignalingError(reason=wire.SignalingErrorReason(reason))))[0]
    assert (str(error), error.code, rig.core.session) == (text, reason, SessionState.FAILED)


def test_keepalives_go_out_every_ten_seconds_while_the_link_is_up() -> None:
    rig = Rig().to_connected()
    assert rig.later(KEEPALIVE_INTERVAL - 0.1) == []
    assert rig.later(0.1) == [effects.SendSignaling(1, wire.Keepalive())]
    assert rig.later(KEEPALIVE_INTERVAL) == [effects.SendSignaling(1, wire.Keepalive())]


def test_a_new_offer_while_connected_is_accepted_again() -> None:
    assert Rig().to_connected().hear(wire.Offer(sdp="again")) == [effects.AcceptOffer(1, "again")]


# --- leaving


def test_leaving_says_goodbye_and_closes_the_link() -> None:
    rig = Rig().to_connected()
    assert rig.give(inputs.Disconnect()) == [
        effects.SendSignaling(1, wire.ClientDisconnecting()),
        effects.CloseLink(1),
        events.StatusChanged(status=ConnectionStatus.DISCONNECTED, message="The client disconnected", at=100.0),
    ]
    assert rig.core.next_due is None


def test_leaving_twice_does_nothing_more() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.Disconnect())
    assert rig.give(inputs.Disconnect()) == []


def test_leaving_before_connecting_ends_the_session() -> None:
    rig = Rig()
    rig.give(inputs.Disconnect())
    assert rig.core.is_over


def test_a_session_granted_after_leaving_is_taken_and_given_back() -> None:
    rig = Rig().to_queueing()
    assert failures(rig.give(inputs.Disconnect()))[0].code == "disconnected"
    assert rig.give(inputs.SessionGranted(SESSION)) == [
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE, with_video=False)
    ]
    assert rig.give(inputs.SignalingOpened(1)) == [
        effects.SendSignaling(1, wire.ClientDisconnecting()),
        effects.CloseLink(1),
    ]


def test_leaving_while_a_link_opens_gives_it_up_for_one_that_says_goodbye() -> None:
    rig = Rig().to_connecting()
    outputs = rig.give(inputs.Disconnect())
    assert only(outputs, effects.OpenLink | effects.CloseLink) == [effects.CloseLink(1), GOODBYE_LINK]
    assert effects.SendSignaling(2, wire.ClientDisconnecting()) in rig.give(inputs.SignalingOpened(2))


def test_leaving_between_two_links_opens_one_to_say_goodbye() -> None:
    rig = Rig().to_connecting()
    rig.give(inputs.LinkFailed(1, LOST))
    assert GOODBYE_LINK in rig.give(inputs.Disconnect())


def test_leaving_with_an_error_hands_it_to_the_calls() -> None:
    rig = Rig().to_connecting()
    assert texts(rig.give(inputs.Disconnect(LOST))) == {0: str(LOST)}


def test_a_clean_close_by_the_service_ends_the_session_without_an_error() -> None:
    rig = Rig().to_streaming()
    rig.interact("more")
    outputs = rig.give(inputs.SignalingClosed(1))
    assert only(outputs, events.StreamEnded)[0].error is None
    assert [str(error) for error in failures(outputs).values()] == [
        "The connection ended before the answer: The service ended the session"
    ]
    assert (rig.core.status, rig.core.error) == (ConnectionStatus.DISCONNECTED, None)
    assert only(outputs, effects.SendSignaling) == []


# --- reconnecting


def test_a_lost_link_is_rejoined_as_the_same_session_and_the_stream_goes_on() -> None:
    rig = Rig(initial_retry_delay_ms=1000).to_streaming()
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert outputs == [
        events.StatusChanged(status=ConnectionStatus.RECONNECTING, at=100.0),
        effects.PauseFrames(),
        effects.CloseLink(1),
        events.ErrorOccurred(error=LOST, fatal=False, at=100.0),
    ]
    assert rig.later(1.0) == [effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE)]
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert only(outputs, events.StatusChanged)[0].status is ConnectionStatus.CONNECTED
    assert (rig.state, rig.core.stream_id) == ((SessionState.CONNECTED, StreamState.STREAMING), "st-1")


def test_reconnecting_goes_on_beyond_max_retries_until_the_session_is_forgotten() -> None:
    rig = Rig(max_retries=0, initial_retry_delay_ms=1000, max_retry_delay_ms=1000).to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    outputs: list[effects.Output] = []
    for _ in range(39):
        outputs = rig.later(1.0)
        assert only(outputs, effects.OpenLink)
        rig.give(inputs.LinkFailed(rig.link, LOST))
    outputs = rig.later(1.0)
    assert rig.core.session is SessionState.FAILED
    assert "not back within 40 s" in str(rig.core.error)
    assert only(outputs, events.ErrorOccurred)[-1].fatal


def test_a_failure_at_the_very_end_of_reconnecting_is_final() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    rig.now += SESSION_KEPT
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core.session is SessionState.FAILED


def test_a_link_that_opens_while_reconnecting_keeps_the_session_for_longer() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    rig.give(inputs.SignalingOpened(2))
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core._due[inputs.Due.GIVE_UP] == rig.now + SESSION_KEPT


def test_giving_up_while_a_link_opens_closes_that_link() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    assert effects.CloseLink(2) in rig.later(SESSION_KEPT)


def test_a_refusal_ends_reconnecting_at_once() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    rig.give(inputs.LinkFailed(2, REFUSED))
    assert (rig.core.session, rig.core.error) == (SessionState.FAILED, REFUSED)


def test_a_definite_loss_while_connected_is_not_rejoined() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, REFUSED))
    assert rig.core.session is SessionState.FAILED


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


def test_calls_held_while_reconnecting_fail_when_the_session_is_left() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.end()
    assert list(failures(rig.give(inputs.Disconnect()))) == [2]


def test_an_abandoned_held_call_is_not_made() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.interact("nobody waits")
    rig.give(inputs.Abandon(2))
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert only(outputs, effects.SendChannel) == []


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
    """Lose the link while a stream was starting or ending, and rejoin."""
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


def test_messages_beyond_every_limit_are_refused_before_anything_is_sent() -> None:
    rig = Rig().to_connected(size=1000)
    with pytest.raises(errors.OdysseyStreamError, match="67108865 bytes, and the most is 67108864"):
        rig.give(inputs.Start(1, CAT, SIGNALING_MESSAGE_LIMIT + 1))
    rig.start()
    rig.hear(wire.StreamStarted(stream_id="st-1"))
    with pytest.raises(errors.OdysseyStreamError, match="1001 bytes, and the most is 1000"):
        rig.give(inputs.Interact(9, wire.Update(prompt="long"), 1001))
    assert rig.core.outputs() == []


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (inputs.Start(1, CAT, 60), "start stream"),
        (inputs.Interact(1, wire.Update(prompt="x"), 40), "interact"),
        (inputs.End(1), "end stream"),
    ],
)
@pytest.mark.parametrize(
    ("stage", "status"),
    [("fresh", "disconnected"), ("to_connecting", "connecting"), ("left", "disconnected"), ("failed", "failed")],
)
def test_stream_commands_need_a_connection(command: inputs.Input, what: str, stage: str, status: str) -> None:
    rig = Rig()
    match stage:
        case "to_connecting":
            rig.to_connecting()
        case "left":
            rig.to_connected().give(inputs.Disconnect())
        case "failed":
            rig.to_queueing().give(inputs.StepFailed(REFUSED))
    before = rig.state
    with pytest.raises(errors.OdysseyStreamError, match=f"^Cannot {what}: client is {status}"):
        rig.give(command)
    assert (rig.state, rig.core.outputs()) == (before, [])


def test_the_end_of_a_stream_that_an_error_has_ended_is_answered_once_and_sends_nothing() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("internal_error"), message="no"))
    before = rig.state
    [answer] = rig.end()
    assert isinstance(answer, effects.Succeed)
    assert rig.state == before
    with pytest.raises(errors.OdysseyStreamError, match=r"no stream is active"):
        rig.end()


@pytest.mark.parametrize(
    ("stage", "command", "why"),
    [
        ("none", "interact", "no stream is active"),
        ("none", "end", "no stream is active"),
        ("starting", "start", "still starting"),
        ("starting", "interact", "still starting"),
        ("streaming", "start", "a stream is active already"),
        ("ending", "start", "still ending"),
        ("ending", "interact", "still ending"),
    ],
)
def test_stream_commands_at_the_wrong_moment_raise_and_change_nothing(stage: str, command: str, why: str) -> None:
    rig = Rig().to_connected()
    if stage != "none":
        rig.start()
    if stage in ("streaming", "ending"):
        rig.hear(wire.StreamStarted(stream_id="st-1"))
    if stage == "ending":
        rig.end()
    before = rig.state
    with pytest.raises(errors.OdysseyStreamError, match=why):
        rig.interact("x") if command == "interact" else getattr(rig, command)()
    assert (rig.state, rig.core.outputs()) == (before, [])


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
    assert outputs[1:] == [effects.Succeed(2, "one"), effects.SendChannel(1, wire.Update(prompt="two"))]
    assert rig.hear(wire.UpdateAcknowledged(prompt="two"))[1:] == [effects.Succeed(3, "two")]


def test_an_interaction_that_nobody_waits_for_keeps_its_place_until_it_is_acknowledged() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    rig.give(inputs.Abandon(2))
    outputs = rig.hear(wire.UpdateAcknowledged(prompt="one"))
    assert only(outputs, effects.Succeed) == []
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="two")), effects.Succeed) == [effects.Succeed(3, "two")]


def test_an_abandoned_interaction_that_was_queued_is_never_sent() -> None:
    rig = Rig().to_streaming()
    rig.interact("one")
    rig.interact("two")
    rig.give(inputs.Abandon(3))
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="one")), effects.SendChannel) == []


def test_an_abandoned_connect_is_answered_to_nobody() -> None:
    rig = Rig().to_connecting()
    rig.give(inputs.Abandon(0))
    assert failures(rig.give(inputs.Disconnect())) == {}


def test_an_abandoned_start_still_becomes_a_stream() -> None:
    rig = Rig().to_connected()
    rig.start()
    rig.give(inputs.Abandon(1))
    outputs = rig.hear(wire.StreamStarted(stream_id="st-1"))
    assert (only(outputs, effects.Succeed), rig.core.stream) == ([], StreamState.STREAMING)


def test_an_abandoned_end_still_ends() -> None:
    rig = Rig().to_streaming()
    rig.end()
    rig.give(inputs.Abandon(2))
    assert only(rig.hear(wire.StreamEnded()), effects.Succeed) == []
    assert rig.core.stream is StreamState.NONE


def test_ending_waits_for_the_word_of_the_service() -> None:
    rig = Rig().to_streaming()
    assert rig.end() == [effects.SendChannel(1, wire.InteractiveStreamEnd())]
    assert rig.hear(wire.StreamEnded()) == [
        effects.Succeed(2, None),
        effects.EndFrames(None),
        events.StreamEnded(at=100.0),
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
    assert rig.hear(wire.StreamEnded()) == [effects.Succeed(2, None), effects.EndFrames(None)]


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
    assert texts(outputs) == dict.fromkeys(failed, "no more")
    assert len({id(error) for error in failures(outputs).values()}) == len(failed)
    sent = [] if over else [effects.SendChannel(1, wire.Update(prompt="two"))]
    assert only(outputs, effects.SendChannel) == sent
    assert only(outputs, events.StreamFailed) == [
        events.StreamFailed(reason=reason, message="no more", ends_stream=over, at=100.0)
    ]
    assert [type(ended.error) for ended in only(outputs, events.StreamEnded)] == ([expected] if over else [])
    assert rig.core.stream is (StreamState.NONE if over else StreamState.STREAMING)


def test_a_stream_error_answers_a_pending_start_and_leaves_no_stream() -> None:
    rig = Rig().to_connected()
    rig.start()
    outputs = rig.hear(
        wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="not this")
    )
    error = failures(outputs)[1]
    assert (type(error), str(error), error.code) == (errors.OdysseyStreamError, "not this", "moderation")
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
    assert [str(end.error) for end in only(outputs, effects.EndFrames)] == ["not this"]


def test_a_held_message_is_measured_against_the_channel_of_the_new_link() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.interact("later")
    rig.later(1.0)
    outputs = rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 39))
    assert texts(outputs) == {2: "The message is too long: 40 bytes, and the most is 39; shorten the prompt"}


def test_iterators_that_wait_for_a_stream_are_left_alone_when_a_link_is_lost() -> None:
    rig = Rig().to_connected()
    assert only(rig.give(inputs.LinkFailed(1, LOST)), effects.EndFrames) == []


def test_a_stream_error_without_a_stream_is_told_and_changes_nothing() -> None:
    rig = Rig().to_connected()
    outputs = rig.hear(wire.InteractiveStreamError(reason=wire.StreamErrorReason("moderation"), message="no"))
    assert outputs == [events.StreamFailed(reason="moderation", message="no", ends_stream=False, at=100.0)]


@pytest.mark.parametrize(
    "message",
    [wire.UpdateAcknowledged(prompt="x"), wire.StreamEnded(), wire.BroadcastReady()],
    ids=lambda message: message.type,
)
def test_answers_that_nobody_asked_for_are_ignored(message: Any) -> None:
    rig = Rig().to_connected()
    (ignored,) = rig.hear(message)
    assert isinstance(ignored, effects.Ignored)
    assert message.type in ignored.what
    assert rig.state == (SessionState.CONNECTED, StreamState.NONE)


def test_an_acknowledgement_too_many_is_ignored() -> None:
    rig = Rig().to_streaming()
    assert only(rig.hear(wire.UpdateAcknowledged(prompt="x")), effects.Ignored)
    assert rig.core.applied_prompt == "A fine cat"


def test_a_moment_that_means_nothing_any_more_is_ignored() -> None:
    rig = Rig().to_linked()
    rig.core._due[inputs.Due.ASK_AGAIN] = rig.now
    assert rig.later(0) == [effects.Ignored("ask for a streamer again in connecting, stream none")]


def test_everything_ends_when_the_connection_fails_in_mid_stream() -> None:
    rig = Rig(reconnect=False).to_streaming()
    rig.interact("one")
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert list(failures(outputs)) == [2]
    assert only(outputs, events.StreamEnded) == [events.StreamEnded(error=LOST, at=100.0)]
    assert only(outputs, events.StatusChanged)[-1].status is ConnectionStatus.FAILED


# --- watching that video comes


def seen(rig: Rig, at: float | None) -> list[effects.Output]:
    return rig.give(inputs.VideoSeen(rig.link, at))


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


def test_a_stream_without_frames_is_rejoined_on_another_link() -> None:
    rig = Rig().to_streaming()
    rig.later(1.0)
    seen(rig, rig.now)
    last = rig.now
    outputs = []
    while not outputs or rig.core.session is SessionState.CONNECTED:
        assert rig.core.next_due is not None
        rig.later(rig.core.next_due - rig.now)
        outputs = seen(rig, last)
    assert rig.now - last == protocol.SILENCE_LIMIT
    assert effects.PauseFrames() in outputs
    assert effects.CloseLink(1) in outputs
    assert [event.error.code for event in only(outputs, events.ErrorOccurred)] == ["video_stalled"]
    assert rig.state == (SessionState.RECONNECTING, StreamState.STREAMING)


def test_the_first_frame_of_a_stream_may_take_longer() -> None:
    rig = Rig().to_streaming()
    for _ in range(int(protocol.VIDEO_DEADLINE) - 1):
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
    assert SESSION_KEPT <= rig.now - since <= SESSION_KEPT + REJOIN_DEADLINE


def test_a_stream_that_is_being_ended_needs_no_more_frames() -> None:
    rig = Rig().to_streaming()
    rig.end()
    assert rig.later(5.0) == []


def test_the_answer_about_frames_comes_too_late_for_a_stream_that_has_ended() -> None:
    rig = Rig().to_streaming()
    rig.later(1.0)
    rig.hear(wire.StreamEnded())
    assert only(seen(rig, None), effects.Ignored)


def test_a_pause_of_the_video_is_told_with_what_was_missed() -> None:
    rig = Rig().to_streaming()
    assert rig.give(inputs.VideoResumed(4.0)) == [events.GapEvent(seconds=4.0, frames_missed=79, at=100.0)]


# --- spectators


def test_a_broadcast_is_told_and_known_until_the_stream_ends() -> None:
    rig = Rig().to_streaming()
    info = events.BroadcastInfo("http://host/live/1", "secret", "http://host/live/1.m3u8")
    ready = wire.BroadcastReady(
        webrtc_url=info.webrtc_url, spectator_token=info.spectator_token, broadcast_url=info.hls_url
    )
    assert rig.hear(ready) == [events.BroadcastReady(info=info, at=100.0)]
    assert rig.core.broadcast == info
    rig.hear(wire.StreamEnded())
    assert rig.core.broadcast is None


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


# --- with credentials


def joined(**advanced: Any) -> Rig:
    rig = Rig(**advanced)
    rig.give(inputs.Join(0, SESSION, "token", 60.0))
    return rig


def test_with_credentials_the_link_is_all_there_is_to_make() -> None:
    rig = Rig()
    assert rig.give(inputs.Join(0, SESSION, "token", 60.0)) == [
        events.StatusChanged(status=ConnectionStatus.CONNECTING, at=100.0),
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE, token="token"),
    ]
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1))
    assert effects.Succeed(0, None) in rig.give(inputs.ChannelOpened(1, 16384))


def test_nobody_joins_twice() -> None:
    with pytest.raises(errors.OdysseyConnectionError, match=r"^Cannot connect: "):
        joined().give(inputs.Join(1, SESSION, "token", 60.0))


def test_a_lost_connection_is_rejoined_with_the_same_token() -> None:
    rig = joined()
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.later(1.0) == [effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE, token="token")]


def test_with_a_spent_token_a_lost_connection_is_the_end() -> None:
    rig = joined()
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    rig.now += 59.5
    rig.core._kept_until = rig.now + SESSION_KEPT
    rig.give(inputs.LinkFailed(1, LOST))
    outputs = rig.later(1.0)
    assert [event.error.code for event in only(outputs, events.ErrorOccurred)] == ["credentials_expired"]
    assert not only(outputs, effects.OpenLink)  # nor one to say goodbye
    assert rig.core.status is ConnectionStatus.FAILED


def test_what_is_waited_for_is_told_with_why_the_attempt_before_failed() -> None:
    rig = Rig().to_linked()
    assert rig.core.progress == "waiting for the offer"
    rig.give(inputs.LinkFailed(rig.link, LOST))
    assert rig.core.progress == "waiting to try again; the attempt before: the line is dead"
    rig.later(1.0)
    assert rig.core.progress == "opening the signaling connection; the attempt before: the line is dead"
    rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.ChannelOpened(2, 16384))
    assert rig.core.progress == "connected"
