"""The session: every step from connecting to the end, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._base.limits import REPORTS_MOST_HELD
from odyssey_proto._model import events
from odyssey_proto._model.events import ConnectionStatus
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import (
    KEEPALIVE_INTERVAL_S,
    OFFER_GRACE_S,
    OPEN_DEADLINE_S,
    REJOIN_DEADLINE_S,
    SESSION_KEPT_S,
    VIDEO_DEADLINE_S,
)
from odyssey_proto.core.session_machine import SessionMachine, SessionState
from odyssey_proto.core.spare import SPARE_KEPT_S
from odyssey_proto.core.stream_machine import StreamState
from tests.support.rig import GOODBYE_LINK, LOST, REFUSED, SESSION, Rig, failures, joined, only, texts

if TYPE_CHECKING:
    from collections.abc import Callable


def test_every_state_has_a_status() -> None:
    assert set(SessionMachine._statuses) == set(SessionState)


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
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE_S),
        effects.AcceptOffer(1, "offer"),
        effects.AddCandidate(1, candidate),
        effects.SendSignaling(1, wire.Answer(sdp="answer")),
        events.StatusChanged(status=ConnectionStatus.CONNECTED, at=100.0),
        effects.Succeed(7, None),
    ]
    assert rig.core.session_id == "s-1"
    assert rig.core.capabilities == wire.StreamerCapabilities(image_to_video=False)


def test_a_candidate_that_the_answer_lacks_is_sent_later() -> None:
    rig = Rig().to_linked()
    late = wire.IceCandidate(candidate="candidate:2", sdp_mid="0", sdp_mline_index=0)
    assert rig.give(inputs.CandidateFound(1, late)) == [effects.SendSignaling(1, late)]


def test_the_channel_may_open_before_the_video_comes() -> None:
    rig = Rig().to_linked()
    rig.give(inputs.ChannelOpened(1, 1000))
    assert rig.core.session is SessionState.CONNECTING
    rig.give(inputs.VideoReceived(1))
    assert rig.core.session is SessionState.CONNECTED


@pytest.mark.parametrize("stage", ["authenticating", "queueing"])
def test_a_failed_step_fails_the_connect_with_its_error(stage: str) -> None:
    rig = Rig()
    rig.give(inputs.Connect(7))
    if stage == "queueing":
        rig.give(inputs.Authenticated())
    event, status, fail = rig.give(inputs.StepFailed(REFUSED))
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
    assert rig.give(NO_STREAMER) == []
    assert rig.later(0.5) == [effects.RequestSession()]
    error = failures(rig.give(NO_STREAMER))[0]
    assert isinstance(error, errors.OdysseyConnectionTimeoutError)
    assert str(error).startswith("Timed out waiting for a streamer after 1.5 s")
    assert rig.core.session is SessionState.FAILED


def test_a_queue_timeout_of_zero_fails_at_once_with_the_answer_of_the_service() -> None:
    rig = Rig(queue_timeout_s=0).to_queueing()
    assert texts(rig.give(NO_STREAMER)) == {0: "No streamers available"}


NO_SLOT = inputs.SlotUnavailable(errors.usage_error("CONCURRENT_LIMIT_REACHED", "1 of 1 open"), "it is ours")


def waiting_for_slot(**advanced: Any) -> Rig:
    rig = Rig(**advanced)
    rig.give(inputs.Connect(0, wait_for_slot=True), inputs.Authenticated())
    return rig


def test_a_limit_of_open_sessions_fails_the_connect_at_once_with_the_way_out() -> None:
    rig = Rig(queue_timeout_s=30).to_queueing()
    error = failures(rig.give(NO_SLOT))[0]
    assert isinstance(error, errors.ConcurrentLimitReachedError)
    assert (str(error), error.retry_after) == ("1 of 1 open; it is ours", SESSION_KEPT_S)
    assert rig.core.session is SessionState.FAILED


def test_whoever_wants_to_wait_asks_every_three_seconds_until_another_session_has_ended() -> None:
    rig = waiting_for_slot(queue_timeout_s=0)
    text = "Waiting for another session of the account to end"
    assert rig.give(NO_SLOT) == [events.StatusChanged(status=ConnectionStatus.CONNECTING, message=text, at=100.0)]
    assert rig.core.progress == (
        "waiting for another session of the account to end; the previous attempt: 1 of 1 open; it is ours"
    )
    for _ in range(30):
        assert rig.later(2.9) == []
        assert rig.later(0.1) == [effects.RequestSession()]
        assert rig.give(NO_SLOT) == []
    rig.later(3.0)
    assert len(only(rig.give(inputs.SessionGranted(SESSION)), effects.OpenLink)) == 1
    assert rig.core.progress == "opening the signaling connection"


def test_the_pause_that_the_service_wants_is_kept_to() -> None:
    rig = waiting_for_slot()
    slow = errors.usage_error("CONCURRENT_LIMIT_REACHED", "1 of 1 open", retry_after=7.0)
    rig.give(inputs.SlotUnavailable(slow))
    assert rig.later(6.9) == []
    assert rig.later(0.1) == [effects.RequestSession()]


def test_the_queue_for_a_streamer_begins_when_there_is_a_session_to_have() -> None:
    rig = waiting_for_slot(queue_timeout_s=1)
    rig.give(NO_SLOT)
    rig.later(3.0)
    assert only(rig.give(NO_STREAMER), events.StatusChanged)[0].message == "Waiting for a streamer"
    assert rig.core.progress == "waiting for a streamer"
    assert rig.later(1.0) == [effects.RequestSession()]
    assert isinstance(failures(rig.give(NO_STREAMER))[0], errors.OdysseyConnectionTimeoutError)


def test_leaving_ends_the_wait_for_another_session() -> None:
    rig = waiting_for_slot()
    rig.give(NO_SLOT)
    assert list(failures(rig.give(inputs.Disconnect()))) == [0]
    assert rig.later(10.0) == []


# --- links


def test_a_link_that_fails_is_tried_again_with_growing_waits_up_to_max_retries() -> None:
    rig = Rig(max_retries=2, initial_retry_delay_ms=100, retry_backoff_multiplier=3).to_connecting()
    outputs = rig.give(inputs.LinkFailed(1, LOST))
    assert outputs == [effects.CloseLink(1), events.ErrorOccurred(error=LOST, fatal=False, at=100.0)]
    assert rig.core.next_due == pytest.approx(100.1)
    assert rig.later(0.1) == [effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE_S)]
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core.next_due == pytest.approx(100.4)
    rig.later(0.3)
    assert texts(rig.give(inputs.LinkFailed(3, LOST))) == {0: str(LOST)}
    assert rig.core.session is SessionState.FAILED


def answered(status: int, *, recoverable: bool = False, retry_after: float | None = None) -> inputs.LinkFailed:
    """Return the failure of the first link, which a server refused with ``status``."""
    error = errors.OdysseyConnectionError(
        "no", code=f"http_{status}", status=status, recoverable=recoverable, retry_after=retry_after
    )
    return inputs.LinkFailed(1, error)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 426, 429, 500, 503])
def test_whatever_a_server_answers_at_first_is_tried_again_with_the_same_session(status: int) -> None:
    rig = Rig(max_retries=1, initial_retry_delay_ms=100).to_connecting()
    outputs = rig.give(answered(status))
    assert (failures(outputs), only(outputs, events.ErrorOccurred)[0].fatal) == ({}, False)
    assert rig.later(0.1) == [effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE_S)]
    rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2))
    assert effects.Succeed(0, None) in rig.give(inputs.ChannelOpened(2, 16384))


@pytest.mark.parametrize("code", ["refused", "unknown_host", "tls", "malformed", "unreachable"])
def test_whatever_the_network_does_at_first_is_tried_again(code: str) -> None:
    rig = Rig().to_connecting()
    assert failures(rig.give(inputs.LinkFailed(1, errors.OdysseyConnectionError("no", code=code)))) == {}
    assert rig.core.session is SessionState.CONNECTING


def test_with_credentials_a_refusal_is_tried_again_with_the_same_token() -> None:
    rig = joined(initial_retry_delay_ms=100)
    rig.give(answered(404))
    assert rig.later(0.1) == [effects.OpenLink(2, "s-1", "ws://host/signaling", OPEN_DEADLINE_S, token="token")]


@pytest.mark.parametrize(
    "code", ["invalid_url", "proxy", "ca_bundle", "untrusted_certificate", "closed", "internal"]
)
def test_what_waiting_cannot_help_is_not_tried_again_but_for_giving_the_session_back(code: str) -> None:
    rig = Rig().to_connecting()
    outputs = rig.give(inputs.LinkFailed(1, errors.OdysseyConnectionError("no", code=code)))
    assert texts(outputs) == {0: "no"}
    assert [link.with_video for link in only(outputs, effects.OpenLink)] == [False]


def test_a_failure_for_good_after_the_handshake_is_not_tried_again() -> None:
    rig = Rig().to_linked()
    assert texts(rig.give(inputs.LinkFailed(1, REFUSED, signaling_lost=False))) == {0: str(REFUSED)}


def test_the_server_says_when_to_try_again() -> None:
    rig = Rig(initial_retry_delay_ms=100).to_connecting()
    rig.give(answered(503, recoverable=True, retry_after=7.0))
    assert rig.core.next_due == rig.now + 7.0
    assert only(rig.later(7.0), effects.OpenLink)


def test_a_server_that_wants_the_next_try_after_the_end_of_the_session_is_taken_at_its_word() -> None:
    rig = Rig().to_connecting()
    error = failures(rig.give(answered(503, recoverable=True, retry_after=SESSION_KEPT_S)))[0]
    assert error.retry_after == SESSION_KEPT_S


def test_a_rejoin_waits_as_the_server_says() -> None:
    rig = Rig(initial_retry_delay_ms=100).to_connected()
    rig.give(answered(503, recoverable=True, retry_after=3.0))
    assert only(rig.later(2.9), effects.OpenLink) == []
    assert only(rig.later(0.1), effects.OpenLink)


# --- a session is used or given back


@pytest.mark.parametrize("url", [" ", "nonsense://x", "ws://", "ws://[::1", "ws://user:password@host"])
def test_a_session_without_a_usable_address_fails_with_its_id(url: str) -> None:
    rig = Rig().to_queueing()
    granted = wire.SessionResponse(session_id="s-9", signalling_url=url)
    outputs = rig.give(inputs.SessionGranted(granted))
    error = failures(outputs)[0]
    assert (type(error), error.session_id) == (errors.MalformedMessageError, "s-9")
    assert str(error).endswith("; the service clears the session after 40 s")
    assert only(outputs, effects.OpenLink | effects.CloseLink) == []
    assert (rig.core.session, rig.core.session_id) == (SessionState.FAILED, "s-9")


def test_a_late_session_without_a_usable_address_is_left_alone() -> None:
    rig = Rig().to_queueing()
    rig.give(inputs.Disconnect())
    assert rig.give(inputs.SessionGranted(wire.SessionResponse(session_id="s-9", signalling_url=" "))) == []


def test_a_session_that_a_server_does_not_know_yet_is_given_back_after_a_pause() -> None:
    rig = Rig(max_retries=0, initial_retry_delay_ms=100).to_connecting()
    assert GOODBYE_LINK in rig.give(answered(404))
    not_yet = errors.OdysseyConnectionError("no", code="unknown_session", status=404)
    assert rig.give(inputs.LinkFailed(2, not_yet)) == [effects.CloseLink(2)]
    assert only(rig.later(0.1), effects.OpenLink)[0].with_video is False
    assert effects.SendSignaling(3, wire.ClientDisconnecting()) in rig.give(inputs.SignalingOpened(3))
    assert rig.core.next_due is None


def test_a_goodbye_is_not_kept_for_later_than_the_driver_waits() -> None:
    rig = Rig(max_retries=0).to_connecting()
    rig.give(answered(503))
    busy = errors.OdysseyConnectionError("busy", status=503, recoverable=True, retry_after=60.0)
    assert rig.give(inputs.LinkFailed(2, busy)) == []
    assert rig.core.next_due is None


def test_a_session_that_is_refused_again_and_again_is_given_up() -> None:
    rig = Rig(max_retries=0, initial_retry_delay_ms=0).to_connecting()
    rig.give(answered(404))
    for link in (2, 3):
        rig.give(inputs.LinkFailed(link, REFUSED))
        rig.later(0)
    assert rig.give(inputs.LinkFailed(4, REFUSED)) == []
    assert rig.core.next_due is None


# --- messages that cannot be read


def unread(rig: Rig, kind: str | None) -> list[effects.Output]:
    error = errors.MalformedMessageError("Malformed", code="malformed", message_type=kind)
    return rig.give(inputs.Unreadable(rig.link, error))


def malformed(rig: Rig) -> list[effects.Output]:
    """Let an offer that was accepted turn out to be malformed."""
    error = errors.MalformedMessageError(
        "The streamer's offer has no video", code="malformed_offer", message_type="offer", recoverable=True
    )
    return rig.give(inputs.Unreadable(rig.link, error))


def test_an_offer_that_cannot_be_read_fails_the_connect_unless_another_one_follows() -> None:
    rig = Rig(max_retries=0).to_linked()
    (told,) = unread(rig, "offer")
    assert isinstance(told, events.ErrorOccurred)
    assert not told.fatal
    outputs = rig.later(OFFER_GRACE_S)
    assert type(failures(outputs)[0]) is errors.MalformedMessageError
    assert effects.SendSignaling(1, wire.ClientDisconnecting()) in outputs
    assert rig.core.session is SessionState.FAILED


@pytest.mark.parametrize("before", [True, False])
def test_an_offer_that_can_be_read_is_accepted_beside_one_that_cannot(before: bool) -> None:
    rig = Rig().to_linked()
    if before:
        unread(rig, "offer")
    assert rig.hear(wire.Offer(sdp="good")) == [effects.AcceptOffer(1, "good")]
    if not before:
        unread(rig, "offer")
    assert rig.later(OFFER_GRACE_S) == []
    rig.give(inputs.VideoReceived(1))
    assert effects.Succeed(0, None) in rig.give(inputs.ChannelOpened(1, 16384))


def test_an_offer_that_cannot_be_answered_fails_the_connect_unless_another_one_follows() -> None:
    rig = Rig(max_retries=0).to_linked()
    assert rig.hear(wire.Offer(sdp="v=0")) == [effects.AcceptOffer(1, "v=0")]
    (told,) = malformed(rig)
    assert isinstance(told, events.ErrorOccurred)
    assert not told.fatal
    assert rig.core.progress.startswith("waiting for the offer")
    assert failures(rig.later(OFFER_GRACE_S))[0].code == "malformed_offer"


def test_an_offer_that_can_be_answered_is_used_after_one_that_cannot() -> None:
    rig = Rig(max_retries=0).to_linked()
    rig.hear(wire.Offer(sdp="v=0"))
    malformed(rig)
    assert rig.hear(wire.Offer(sdp="good")) == [effects.AcceptOffer(1, "good")]
    assert rig.later(OFFER_GRACE_S) == []


def test_an_offer_that_cannot_be_answered_harms_no_other_that_is_being_answered() -> None:
    rig = Rig(max_retries=0).to_linked()
    rig.hear(wire.Offer(sdp="good"))
    rig.hear(wire.Offer(sdp="v=0"))
    malformed(rig)
    assert rig.later(OFFER_GRACE_S) == []
    rig.hear(wire.Offer(sdp="v=0"))
    malformed(rig)
    unread(rig, "offer")
    assert rig.later(OFFER_GRACE_S) == []
    malformed(rig)
    assert failures(rig.later(OFFER_GRACE_S)), "none is left"


@pytest.mark.parametrize("refuse", [malformed, lambda rig: unread(rig, "offer")])
def test_after_an_offer_that_is_of_no_use_another_attempt_may_bring_a_better_one(
    refuse: Callable[[Rig], object],
) -> None:
    rig = Rig(max_retries=1, initial_retry_delay_ms=100).to_linked()
    if refuse is malformed:
        rig.hear(wire.Offer(sdp="v=0"))
    refuse(rig)
    rig.later(OFFER_GRACE_S)
    assert [output.link for output in rig.later(0.1) if isinstance(output, effects.OpenLink)] == [2]
    rig.give(inputs.SignalingOpened(2))
    assert rig.hear(wire.Offer(sdp="good")) == [effects.AcceptOffer(2, "good")]


def test_an_offer_that_cannot_be_answered_is_reported_while_connected() -> None:
    rig = Rig().to_connected()
    rig.hear(wire.Offer(sdp="v=0"))
    assert [type(output) for output in malformed(rig)] == [events.ErrorOccurred]
    assert rig.core.session is SessionState.CONNECTED


def test_an_error_that_cannot_be_read_fails_the_connect_at_once() -> None:
    rig = Rig().to_linked()
    outputs = unread(rig, "error")
    assert type(failures(outputs)[0]) is errors.MalformedMessageError
    assert effects.SendSignaling(1, wire.ClientDisconnecting()) in outputs
    assert rig.core.session is SessionState.FAILED


def test_an_error_that_cannot_be_read_ends_a_connected_session() -> None:
    rig = Rig().to_streaming()
    rig.interact("more")
    assert list(failures(unread(rig, "error"))) == [2]
    assert isinstance(rig.core.error, errors.MalformedMessageError)


@pytest.mark.parametrize("kind", [None, "ice_candidate", "stream_ended", "something_new"])
def test_another_message_that_cannot_be_read_is_reported_and_the_connect_goes_on(kind: str | None) -> None:
    rig = Rig().to_linked()
    (told,) = unread(rig, kind)
    assert isinstance(told, events.ErrorOccurred)
    assert not told.fatal
    assert rig.core.session is SessionState.CONNECTING


def test_an_offer_that_cannot_be_read_is_reported_while_connected() -> None:
    rig = Rig().to_connected()
    assert [type(output) for output in unread(rig, "offer")] == [events.ErrorOccurred]
    assert rig.core.session is SessionState.CONNECTED


def test_an_error_without_a_reason_is_unknown() -> None:
    rig = Rig().to_linked()
    error = failures(rig.hear(wire.SignalingError(reason=wire.SignalingErrorReason(""))))[0]
    assert (error.code, str(error)) == ("unknown", "The service reported an unknown error")


# --- what the streamer says before the connection is complete


def test_a_stream_that_ends_while_the_connection_is_rejoined_is_over() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(0)
    assert rig.give(inputs.SignalingOpened(2), inputs.ChannelOpened(2, 16384)) == []
    assert rig.hear(wire.StreamEnded()) == []
    outputs = rig.give(inputs.VideoReceived(2))
    assert only(outputs, events.StreamEnded) == [events.StreamEnded(at=rig.now)]
    assert rig.state == (SessionState.CONNECTED, StreamState.NONE)


def test_a_clean_close_before_video_is_a_failed_link_that_says_where_it_was() -> None:
    rig = Rig(max_retries=0).to_linked()
    error = failures(rig.give(inputs.SignalingClosed(1)))[0]
    assert str(error) == "The service closed the connection while waiting for the offer"
    assert isinstance(error, errors.OdysseyConnectionError)


def test_no_video_in_time_is_a_failed_link() -> None:
    rig = Rig(max_retries=0).to_linked()
    rig.hear(wire.Offer(sdp="v=0"))
    error = failures(rig.later(VIDEO_DEADLINE_S))[0]
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
    assert rig.later(KEEPALIVE_INTERVAL_S - 0.1) == []
    assert rig.later(0.1) == [effects.SendSignaling(1, wire.Keepalive())]
    assert rig.later(KEEPALIVE_INTERVAL_S) == [effects.SendSignaling(1, wire.Keepalive())]


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
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE_S, with_video=False)
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
    assert rig.later(1.0) == [effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE_S)]
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
    rig.now += SESSION_KEPT_S
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core.session is SessionState.FAILED


def test_a_link_that_opens_while_reconnecting_keeps_the_session_for_longer() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    rig.give(inputs.SignalingOpened(2))
    rig.give(inputs.LinkFailed(2, LOST))
    assert rig.core._agenda._due[inputs.Due.GIVE_UP] == rig.now + SESSION_KEPT_S


def test_giving_up_while_a_link_opens_closes_that_link() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(1.0)
    assert effects.CloseLink(2) in rig.later(SESSION_KEPT_S)


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


def test_calls_held_while_reconnecting_fail_when_the_session_is_left() -> None:
    rig = Rig().to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.end()
    assert list(failures(rig.give(inputs.Disconnect()))) == [2]


# --- with credentials


def test_with_credentials_the_link_is_all_there_is_to_make() -> None:
    rig = Rig()
    assert rig.give(inputs.Join(0, SESSION, "token", 60.0)) == [
        events.StatusChanged(status=ConnectionStatus.CONNECTING, at=100.0),
        effects.OpenLink(1, "s-1", "ws://host/signaling", OPEN_DEADLINE_S, token="token"),
    ]
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1))
    assert effects.Succeed(0, None) in rig.give(inputs.ChannelOpened(1, 16384))


def test_a_lost_connection_is_rejoined_with_the_same_token() -> None:
    rig = joined()
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    rig.give(inputs.LinkFailed(1, LOST))
    assert rig.later(1.0) == [effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE_S, token="token")]


@pytest.mark.parametrize(("valid_for", "is_doubtful"), [(-5.0, False), (600.0, True)])
def test_a_token_that_has_expired_by_this_clock_is_refused_once(valid_for: float, is_doubtful: bool) -> None:
    rig = Rig()
    rig.give(inputs.Join(0, SESSION, "token", valid_for, is_doubtful))
    refused = errors.OdysseyConnectionError("refused", code="credentials_refused", status=403)
    outputs = rig.give(inputs.LinkFailed(1, refused))
    assert [error.code for error in failures(outputs).values()] == ["credentials_refused"]
    assert rig.core.status is ConnectionStatus.FAILED
    assert not only(outputs, effects.OpenLink)  # not even one to say goodbye


def test_a_token_that_has_expired_by_this_clock_is_tried_again_after_any_other_failure() -> None:
    rig = Rig()
    rig.give(inputs.Join(0, SESSION, "token", 600.0, is_doubtful=True))
    rig.give(inputs.LinkFailed(1, LOST))
    assert only(rig.later(1.0), effects.OpenLink)


def test_a_token_that_the_service_accepts_is_not_spent_whatever_this_clock_says() -> None:
    rig = Rig()
    rig.give(inputs.Join(0, SESSION, "token", -5.0), inputs.SignalingOpened(1), inputs.VideoReceived(1))
    rig.give(inputs.ChannelOpened(1, 16384), inputs.LinkFailed(1, LOST))
    assert rig.later(1.0) == [effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE_S, token="token")]


def test_with_a_spent_token_a_lost_connection_is_the_end() -> None:
    rig = joined()
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    rig.now += 59.5
    rig.core._session._kept_until = rig.now + SESSION_KEPT_S
    rig.give(inputs.LinkFailed(1, LOST))
    outputs = rig.later(1.0)
    assert [event.error.code for event in only(outputs, events.ErrorOccurred)] == ["credentials_expired"]
    assert not only(outputs, effects.OpenLink)  # not even one to say goodbye
    assert rig.core.status is ConnectionStatus.FAILED


# --- gaps that are reported early


def test_a_gap_that_is_reported_before_the_channel_is_open_comes_after_the_connection() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(0)
    assert rig.give(inputs.SignalingOpened(2), inputs.VideoReceived(2), inputs.VideoResumed(2.0)) == []
    outputs = rig.give(inputs.ChannelOpened(2, 16384))
    assert outputs == [
        events.StatusChanged(status=ConnectionStatus.CONNECTED, at=rig.now),
        events.GapEvent(seconds=2.0, frames_missed=39, at=rig.now),
    ]
    rig.give(inputs.LinkFailed(2, LOST))
    rig.later(0)
    rig.give(inputs.SignalingOpened(3), inputs.VideoReceived(3))
    assert only(rig.give(inputs.ChannelOpened(3, 16384)), events.GapEvent) == []


def test_a_gap_is_reported_before_the_end_of_its_stream() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(0)
    rig.give(inputs.SignalingOpened(2), inputs.VideoResumed(2.0))
    outputs = rig.give(inputs.Disconnect())
    kinds = [type(output) for output in outputs]
    assert kinds.index(events.GapEvent) < kinds.index(events.StreamEnded)


def test_a_link_that_brings_frames_and_fails_before_its_channel_opens_is_paused_again() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    rig.give(inputs.LinkFailed(1, LOST))
    rig.later(0)
    rig.give(inputs.SignalingOpened(2), inputs.VideoResumed(2.0))
    assert effects.PauseFrames() in rig.give(inputs.LinkFailed(2, LOST))


# --- faults of the driver, and forked children


BROKEN = errors.internal(ZeroDivisionError())


def test_a_broken_driver_ends_the_session_and_says_goodbye() -> None:
    rig = Rig().to_streaming()
    rig.interact("more")
    outputs = rig.give(inputs.Broken(BROKEN))
    assert (rig.state, rig.core.error, rig.core.next_due) == (
        (SessionState.FAILED, StreamState.NONE),
        BROKEN,
        None,
    )
    assert effects.SendSignaling(1, wire.ClientDisconnecting()) in outputs
    assert list(failures(outputs)) == [2]
    assert [end.error for end in only(outputs, effects.EndFrames)] == [BROKEN]


@pytest.mark.parametrize("stage", ["fresh", "to_queueing", "to_connecting"])
def test_a_broken_driver_without_an_open_link_opens_none(stage: str) -> None:
    rig = Rig()
    if stage != "fresh":
        getattr(rig, stage)()
    outputs = rig.give(inputs.Broken(BROKEN))
    assert rig.core.session is SessionState.FAILED
    assert only(outputs, effects.OpenLink) == []


def test_a_driver_that_breaks_after_the_end_has_failed_too() -> None:
    rig = Rig().to_connected()
    rig.give(inputs.Disconnect())
    assert rig.give(inputs.Broken(BROKEN)) == []
    assert (rig.core.session, rig.core.error) == (SessionState.FAILED, BROKEN)


@pytest.mark.parametrize("stage", ["fresh", "to_queueing", "to_linked", "to_streaming", "left"])
def test_in_a_forked_child_the_session_is_over_and_nothing_is_done(stage: str) -> None:
    rig = Rig()
    match stage:
        case "fresh":
            pass
        case "left":
            rig.to_connected().give(inputs.Disconnect())
        case _:
            getattr(rig, stage)()
    assert rig.give(inputs.Forgotten()) == []
    assert (rig.core.session, rig.core.is_over, rig.core.next_due) == (SessionState.DISCONNECTED, True, None)


def test_a_streamer_that_reports_without_end_before_the_connection_is_ready_is_cut_short() -> None:
    rig = Rig().to_linked()
    for _ in range(REPORTS_MOST_HELD + 10):
        rig.hear(wire.InteractiveStreamError(reason="x", message="y"))
    outputs = rig.give(inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    assert len([each for each in outputs if isinstance(each, events.StreamFailed)]) == REPORTS_MOST_HELD


# --- suspecting the link


def silent(rig: Rig, *, packets: int = 700) -> list[effects.Output]:
    """Let a stream that has just begun have a frame, and then nothing for 2 s; return the last outputs."""
    at = rig.now
    for _ in range(2):
        rig.later(1.0)
        rig.give(inputs.VideoSeen(rig.link, at + 1.0, packets))
    rig.later(1.0)
    return rig.give(inputs.VideoSeen(rig.link, at + 1.0, packets))


def test_a_suspected_link_has_the_next_one_prepared_which_is_discarded_when_it_is_trusted_again() -> None:
    rig = Rig().to_streaming()
    assert silent(rig) == [
        effects.PrepareLink(effects.OpenLink(2, "s-1", "ws://host/signaling", REJOIN_DEADLINE_S))
    ]
    rig.later(1.0)
    assert rig.give(inputs.VideoSeen(1, 101.0, 701)) == []
    assert only(rig.later(SPARE_KEPT_S), effects.DiscardLink) == [effects.DiscardLink(2)]
    assert rig.core.session is SessionState.CONNECTED


def test_a_link_after_a_discarded_one_has_another_number() -> None:
    rig = Rig(initial_retry_delay_ms=0).to_streaming()
    silent(rig)
    rig.later(1.0)
    rig.give(inputs.VideoSeen(1, 101.0, 701))
    rig.later(SPARE_KEPT_S)
    rig.give(inputs.LinkFailed(1, LOST))
    assert [opened.link for opened in only(rig.later(0), effects.OpenLink)] == [3]


def test_reports_of_a_link_that_is_only_prepared_are_ignored() -> None:
    rig = Rig().to_streaming()
    silent(rig)
    assert only(rig.give(inputs.LinkFailed(2, LOST)), effects.Ignored)
    assert rig.core.session is SessionState.CONNECTED


def test_without_reconnecting_or_with_a_spent_token_nothing_is_prepared() -> None:
    assert silent(Rig(reconnect=False).to_streaming()) == []
    rig = joined()
    rig.give(inputs.SignalingOpened(1), inputs.VideoReceived(1), inputs.ChannelOpened(1, 16384))
    rig.core._session._token_until = rig.now
    rig.start()
    rig.hear(wire.StreamStarted(stream_id="st-1"))
    assert only(silent(rig), effects.PrepareLink) == []
