"""The state machine of a spectator: every step, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    ErrorOccurred,
    GapEvent,
    LinkQuality,
    LinkQualityChanged,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    SpectatorTokenError,
    StatusChanged,
    StreamEnded,
    VideoPaused,
)
from odyssey_proto.core import effects, inputs
from odyssey_proto.core.deadlines import REJOIN_DEADLINE_S
from odyssey_proto.core.effects import Way
from odyssey_proto.core.spare import SPARE_KEPT_S
from odyssey_proto.core.spectator_machine import OPEN_WITHIN_S, REOPEN_WITHIN_S, SpectatorMachine, SpectatorState

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = (Way.WEBRTC, Way.HLS)
LOST = OdysseyConnectionError("the line is dead", code="lost", recoverable=True)
REFUSED = OdysseyConnectionError("refused", code="refused", recoverable=True)
REJECTED = OdysseyConnectionError("rejected", code="rejected", status=400)
GONE = OdysseyConnectionError("no such stream", code="stream_not_found", status=404)
NO_TOKEN = SpectatorTokenError("the token was refused", code="invalid_spectator_token", status=401)
BUSY = OdysseyConnectionError("too many", code="http_503", status=503, recoverable=True, retry_after=7.0)
TAKEN_AWAY = OdysseyConnectionError("access denied", code="http_403", status=403)


class Rig:
    """A spectator, and the current time."""

    def __init__(self, ways: tuple[Way, ...] = (Way.WEBRTC,), *, reconnect: bool = True) -> None:
        advanced = AdvancedConfig(initial_retry_delay_ms=1000, max_retry_delay_ms=2000)
        self.core = SpectatorMachine(advanced, ways, reconnect=reconnect)
        self.now = 100.0

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

    def to_opening(self) -> Rig:
        self.give(inputs.Watch(7))
        return self

    def to_watching(self) -> Rig:
        self.to_opening().give(inputs.LinkReady(1))
        return self

    def fail(self, error: Any = LOST) -> list[effects.Output]:
        return self.give(inputs.LinkFailed(self.link, error))

    def to_reopening(self) -> Rig:
        self.to_watching().fail()
        self.later(0)
        return self


def only(outputs: list[effects.Output], kind: type) -> list[Any]:
    return [output for output in outputs if isinstance(output, kind)]


def statuses(outputs: list[effects.Output]) -> list[ConnectionStatus]:
    return [event.status for event in only(outputs, StatusChanged)]


def test_every_state_has_a_status() -> None:
    assert set(SpectatorMachine._statuses) == set(SpectatorState)


def test_a_fresh_spectator_is_disconnected_and_waits_for_nothing() -> None:
    core = Rig().core
    assert (core.status, core.next_due, core.outputs(), core.is_over) == (
        ConnectionStatus.DISCONNECTED,
        None,
        [],
        False,
    )


def test_watching_opens_a_link_and_answers_when_it_is_ready() -> None:
    rig = Rig()
    assert rig.give(inputs.Watch(7)) == [
        StatusChanged(status=ConnectionStatus.CONNECTING, at=100.0),
        effects.BeginFrames(100.0),
        effects.OpenBroadcast(1, Way.WEBRTC, OPEN_WITHIN_S),
    ]
    assert rig.core.snapshot().progress == "connecting over WebRTC"
    assert rig.give(inputs.LinkReady(1)) == [
        StatusChanged(status=ConnectionStatus.CONNECTED, at=100.0),
        effects.Succeed(7, None),
    ]


def test_a_second_watch_is_refused_and_changes_nothing() -> None:
    rig = Rig().to_watching()
    with pytest.raises(OdysseyConnectionError) as refused:
        rig.give(inputs.Watch(8))
    assert refused.value.code == "not_idle"
    assert rig.core.state is SpectatorState.WATCHING


def test_hls_is_tried_if_webrtc_fails() -> None:
    rig = Rig(BOTH).to_opening()
    assert rig.fail(REFUSED) == [
        effects.PauseFrames(),
        ErrorOccurred(error=REFUSED, fatal=False, at=100.0),
        effects.CloseLink(1),
        effects.OpenBroadcast(2, Way.HLS, OPEN_WITHIN_S),
    ]
    assert effects.Succeed(7, None) in rig.give(inputs.LinkReady(2))
    assert rig.core.next_due is None, "HLS comes in pieces: nobody looks for frames"


def test_if_no_way_works_the_error_is_that_of_the_best_with_the_other_in_its_text() -> None:
    rig = Rig(BOTH).to_opening()
    rig.fail(REFUSED)
    outputs = rig.fail(GONE)
    (failed,) = only(outputs, effects.Fail)
    assert (failed.call, failed.error.code) == (7, "refused")
    assert str(failed.error) == failed.error.message == "refused; over HLS: no such stream"
    assert str(REFUSED) == "refused"
    assert rig.core.snapshot().error is not None
    assert statuses(outputs) == [ConnectionStatus.FAILED]


def test_a_refused_token_is_no_reason_for_another_way() -> None:
    rig = Rig(BOTH).to_opening()
    (failed,) = only(rig.fail(NO_TOKEN), effects.Fail)
    assert isinstance(failed.error, SpectatorTokenError)


def test_a_stream_that_webrtc_does_not_know_is_looked_for_over_hls() -> None:
    assert only(Rig(BOTH).to_opening().fail(GONE), effects.OpenBroadcast)


def test_a_server_that_asks_to_come_back_later_is_asked_again_then() -> None:
    rig = Rig().to_opening()
    outputs = rig.fail(BUSY)
    assert outputs == [
        effects.PauseFrames(),
        ErrorOccurred(error=BUSY, fatal=False, at=100.0),
        effects.CloseLink(1),
    ]
    assert rig.later(6.9) == []
    assert rig.later(0.1) == [effects.OpenBroadcast(2, Way.WEBRTC, OPEN_WITHIN_S)]
    assert effects.Succeed(7, None) in rig.give(inputs.LinkReady(2))


def test_a_server_that_stays_busy_is_an_error_after_two_waits() -> None:
    rig = Rig().to_opening()
    for _ in range(2):
        rig.fail(BUSY)
        rig.later(7)
    (failed,) = only(rig.fail(BUSY), effects.Fail)
    assert (failed.error.status, failed.error.retry_after) == (503, 7.0)


def test_a_server_that_asks_for_more_than_a_minute_is_an_error_at_once() -> None:
    later = OdysseyConnectionError("too many", status=503, recoverable=True, retry_after=61.0)
    assert only(Rig().to_opening().fail(later), effects.Fail)


@pytest.mark.parametrize(("within_s", "waits"), [(6.0, False), (7.0, False), (8.0, True), (None, True)])
def test_a_server_that_asks_for_more_time_than_the_caller_has_is_an_error_at_once(
    within_s: float | None, waits: bool
) -> None:
    rig = Rig()
    rig.give(inputs.Watch(7, within_s))
    failed = only(rig.fail(BUSY), effects.Fail)
    assert [str(each.error) for each in failed] == (
        [] if waits else ["too many; the server can be asked again after 7 s"]
    )


def test_a_busy_server_is_no_reason_to_wait_if_there_is_another_way() -> None:
    rig = Rig(BOTH).to_opening()
    assert only(rig.fail(BUSY), effects.OpenBroadcast) == [effects.OpenBroadcast(2, Way.HLS, OPEN_WITHIN_S)]
    rig.fail(REFUSED)
    assert rig.later(6.9) == []
    assert rig.later(0.1) == [effects.OpenBroadcast(3, Way.WEBRTC, OPEN_WITHIN_S)]


def test_who_waits_for_a_busy_server_may_leave() -> None:
    rig = Rig().to_opening()
    rig.fail(BUSY)
    outputs = rig.give(inputs.Disconnect())
    assert statuses(outputs) == [ConnectionStatus.DISCONNECTED]
    assert rig.core.next_due is None


def test_after_a_loss_a_busy_server_is_not_asked_before_it_allows() -> None:
    rig = Rig().to_reopening()
    rig.fail(BUSY)
    assert rig.later(6.9) == []
    assert rig.later(0.1) == [effects.OpenBroadcast(3, Way.WEBRTC, REJOIN_DEADLINE_S)]


def test_what_hls_has_shown_and_now_refuses_has_ended() -> None:
    rig = Rig((Way.HLS,)).to_watching()
    assert StreamEnded(error=None, at=100.0) in rig.fail(TAKEN_AWAY)
    assert rig.core.state is SpectatorState.ENDED


def test_what_hls_refuses_after_a_loss_has_ended() -> None:
    rig = Rig((Way.HLS,)).to_reopening()
    assert StreamEnded(error=None, at=100.0) in rig.fail(TAKEN_AWAY)
    assert rig.core.state is SpectatorState.ENDED


def test_what_hls_has_never_shown_has_not_ended_when_it_is_refused() -> None:
    rig = Rig(BOTH).to_reopening()
    rig.fail(REFUSED)
    rig.fail(TAKEN_AWAY)
    assert rig.core.state is SpectatorState.REOPENING
    assert Rig((Way.HLS,)).to_opening().fail(TAKEN_AWAY)[-2] == StatusChanged(
        status=ConnectionStatus.FAILED, message="access denied", at=100.0
    )


def test_without_reconnecting_a_loss_is_the_end() -> None:
    rig = Rig(reconnect=False).to_watching()
    outputs = rig.fail()
    assert outputs == [
        ErrorOccurred(error=LOST, fatal=True, at=100.0),
        effects.EndFrames(LOST),
        effects.CloseLink(1),
        StatusChanged(status=ConnectionStatus.FAILED, message="the line is dead", at=100.0),
    ]


def test_a_loss_that_will_not_pass_is_the_end() -> None:
    assert statuses(Rig().to_watching().fail(REJECTED)) == [ConnectionStatus.FAILED]


def test_a_stream_that_the_server_no_longer_knows_has_ended() -> None:
    rig = Rig().to_watching()
    assert StreamEnded(error=None, at=100.0) in rig.fail(GONE)
    assert rig.core.state is SpectatorState.ENDED


def test_a_loss_is_followed_by_another_connection_at_once_and_then_after_pauses() -> None:
    rig = Rig(BOTH).to_watching()
    assert rig.fail() == [
        StatusChanged(status=ConnectionStatus.RECONNECTING, at=100.0),
        effects.PauseFrames(),
        ErrorOccurred(error=LOST, fatal=False, at=100.0),
        effects.CloseLink(1),
    ]
    assert rig.later(0) == [effects.OpenBroadcast(2, Way.WEBRTC, REJOIN_DEADLINE_S)]
    assert only(rig.fail(REFUSED), effects.OpenBroadcast) == [effects.OpenBroadcast(3, Way.HLS, REJOIN_DEADLINE_S)]
    assert only(rig.fail(REFUSED), effects.OpenBroadcast) == []
    assert rig.later(0.9) == []
    assert rig.later(0.1) == [effects.OpenBroadcast(4, Way.WEBRTC, REJOIN_DEADLINE_S)]
    rig.fail(REFUSED)
    rig.fail(REFUSED)
    assert rig.later(1.9) == []
    assert rig.later(0.1) == [effects.OpenBroadcast(6, Way.WEBRTC, REJOIN_DEADLINE_S)]


def test_what_comes_back_reports_the_gap_and_is_watched_again() -> None:
    rig = Rig().to_reopening()
    rig.now += 3
    outputs = rig.give(inputs.LinkReady(2))
    assert statuses(outputs) == [ConnectionStatus.CONNECTED]
    assert only(outputs, effects.Succeed) == []
    assert rig.give(inputs.VideoResumed(4.0)) == [GapEvent(seconds=4.0, frames_missed=79, at=103.0)]
    assert rig.core.next_due == rig.now + 1


def test_a_gap_that_is_reported_too_early_comes_after_the_connection() -> None:
    rig = Rig().to_reopening()
    assert rig.give(inputs.VideoResumed(2.0)) == []
    outputs = rig.give(inputs.LinkReady(2))
    assert [type(output) for output in outputs] == [StatusChanged, GapEvent]
    rig.fail()
    rig.later(0)
    assert only(rig.give(inputs.LinkReady(3)), GapEvent) == []


def test_a_stream_that_is_gone_after_a_loss_has_ended() -> None:
    rig = Rig(BOTH).to_reopening()
    outputs = rig.fail(GONE)
    assert effects.EndFrames(None) in outputs
    assert StreamEnded(error=None, at=rig.now) in outputs
    assert statuses(outputs) == [ConnectionStatus.DISCONNECTED]
    assert rig.core.error is None


def test_a_token_that_is_refused_after_a_loss_is_the_end() -> None:
    rig = Rig(BOTH).to_reopening()
    assert statuses(rig.fail(NO_TOKEN)) == [ConnectionStatus.FAILED]
    assert rig.core.error is NO_TOKEN


def test_it_is_given_up_after_40_s_with_what_happened_last() -> None:
    rig = Rig().to_reopening()
    rig.fail(REFUSED)
    rig.now = 100.0 + REOPEN_WITHIN_S
    outputs = rig.later(0)
    assert statuses(outputs) == [ConnectionStatus.FAILED]
    error = rig.core.error
    assert error is not None
    assert (error.code, error.recoverable) == ("peer_lost", True)
    assert str(error) == "the line is dead; it was not back within 40 s; the last attempt: refused"


def test_it_is_given_up_also_while_an_attempt_hangs() -> None:
    rig = Rig().to_reopening()
    outputs = rig.later(REOPEN_WITHIN_S)
    assert effects.CloseLink(2) in outputs
    assert str(rig.core.error) == "the line is dead; it was not back within 40 s"


def test_silence_is_answered_with_a_keyframe_and_then_with_another_connection() -> None:
    rig = Rig().to_watching()
    assert rig.later(1) == [effects.CheckVideo(1)]
    assert rig.give(inputs.VideoSeen(1, 101.0)) == []
    assert rig.later(1) == [effects.CheckVideo(1)]
    assert rig.give(inputs.VideoSeen(1, 101.0)) == [effects.AskForKeyframe(1)]
    for _ in range(4):
        rig.later(1)
        assert rig.give(inputs.VideoSeen(1, 101.0)) == []
    assert rig.later(1) == [effects.CheckVideo(1)]
    outputs = rig.give(inputs.VideoSeen(1, 101.0))
    assert statuses(outputs) == [ConnectionStatus.RECONNECTING]
    assert effects.CloseLink(1) in outputs


def test_a_broadcast_that_pauses_is_reported_and_a_bad_link_is() -> None:
    rig = Rig().to_watching()
    rig.later(1)
    seen = inputs.LinkFigures(expected=0, lost=0, held_up_s=0.0, packet_at=101.0)
    assert rig.give(inputs.VideoSeen(1, 101.0, 100, figures=seen)) == []
    rig.later(1)
    outputs = rig.give(inputs.VideoSeen(1, 101.0, 100, figures=seen))
    assert outputs == [effects.AskForKeyframe(1), effects.AskForSignOfLife(1)]
    assert rig.give(inputs.SignOfLife(1)) == [VideoPaused(seconds=1.0, at=102.0)]
    rig.later(1)
    slow = inputs.LinkFigures(expected=0, lost=0, held_up_s=0.0, round_trip_s=0.5, packet_at=103.0)
    (change,) = rig.give(inputs.VideoSeen(1, 103.0, 200, figures=slow))
    assert (type(change), change.quality) == (LinkQualityChanged, LinkQuality.POOR)


def silent(rig: Rig, seconds: float, at: float | None = None) -> list[effects.Output]:
    """Let ``seconds`` pass while the newest frame is still that of ``at`` (None: no frame); return all outputs."""
    outputs: list[effects.Output] = []
    until = rig.now + seconds
    while rig.core.next_due is not None and rig.core.next_due <= until:
        for output in rig.later(rig.core.next_due - rig.now):
            outputs.append(output)
            if isinstance(output, effects.CheckVideo):
                outputs += rig.give(inputs.VideoSeen(output.link, at))
    rig.now = until
    return outputs


def test_a_broadcast_that_connects_and_brings_no_video_is_given_up_after_40_s() -> None:
    rig = Rig().to_watching()
    silent(rig, 5, at=101.0)
    while rig.now < 200 and not rig.core.is_over:
        if rig.core._link is not None and rig.core.state is SpectatorState.REOPENING:
            rig.give(inputs.LinkReady(rig.link))
        silent(rig, 0.1, at=101.0)
    assert rig.core.state is SpectatorState.FAILED
    assert 101.0 + REOPEN_WITHIN_S <= rig.now < 101.0 + REOPEN_WITHIN_S + 10
    assert str(rig.core.error).endswith("it was not back within 40 s")


def test_a_way_that_connects_and_brings_no_video_is_followed_by_the_other() -> None:
    rig = Rig(BOTH).to_watching()
    outputs = silent(rig, 21, at=None)
    assert only(outputs, effects.OpenBroadcast) == [effects.OpenBroadcast(2, Way.HLS, REJOIN_DEADLINE_S)]
    rig.fail(REFUSED)
    assert only(rig.later(1), effects.OpenBroadcast) == [effects.OpenBroadcast(3, Way.WEBRTC, REJOIN_DEADLINE_S)]


def test_video_that_came_back_has_40_s_again() -> None:
    rig = Rig().to_watching()
    for _ in range(3):
        rig.fail()
        rig.later(30)
        rig.give(inputs.LinkReady(rig.link))
        rig.later(1)
        rig.give(inputs.VideoSeen(rig.link, rig.now))
    assert rig.core.state is SpectatorState.WATCHING


@pytest.mark.parametrize("moment", [Rig.to_opening, Rig.to_reopening])
def test_a_broadcast_may_end_before_its_link_is_ready(moment: Callable[[Rig], Rig]) -> None:
    rig = moment(Rig())
    outputs = rig.give(inputs.BroadcastEnded(rig.link))
    assert rig.core.state is SpectatorState.ENDED
    assert StreamEnded(error=None, at=100.0) in outputs
    assert [failed.error.code for failed in only(outputs, effects.Fail)] in ([], ["stream_not_found"])
    assert bool(only(outputs, effects.Fail)) == (moment is Rig.to_opening)


def test_the_broadcast_may_end() -> None:
    rig = Rig().to_watching()
    assert rig.give(inputs.BroadcastEnded(1)) == [
        effects.EndFrames(None),
        StreamEnded(error=None, at=100.0),
        effects.CloseLink(1),
        StatusChanged(status=ConnectionStatus.DISCONNECTED, message="The broadcast has ended", at=100.0),
    ]
    assert rig.core.next_due is None


def test_leaving_says_goodbye() -> None:
    rig = Rig().to_watching()
    assert rig.give(inputs.Disconnect()) == [
        effects.SayGoodbye(1),
        effects.EndFrames(None),
        effects.CloseLink(1),
        StatusChanged(status=ConnectionStatus.DISCONNECTED, message="The broadcast was left", at=100.0),
    ]
    assert rig.give(inputs.Disconnect()) == []


@pytest.mark.parametrize("error", [None, OdysseyConnectionTimeoutError("not in time", code="timeout")])
def test_leaving_ends_connecting(error: OdysseyConnectionTimeoutError | None) -> None:
    rig = Rig().to_opening()
    (failed,) = only(rig.give(inputs.Disconnect(error)), effects.Fail)
    assert failed.error.code == ("closed" if error is None else "timeout")


def test_leaving_before_the_beginning_and_between_two_attempts_closes_no_link() -> None:
    assert only(Rig().give(inputs.Disconnect()), effects.CloseLink) == []
    rig = Rig().to_reopening()
    rig.fail(REFUSED)
    assert only(rig.give(inputs.Disconnect()), effects.CloseLink) == []


def test_an_abandoned_connect_is_not_answered() -> None:
    rig = Rig().to_opening()
    rig.give(inputs.Abandon(6))
    rig.give(inputs.Abandon(7))
    assert only(rig.give(inputs.Disconnect()), effects.Fail) == []


def test_what_a_link_says_that_was_given_up_is_not_heard() -> None:
    rig = Rig().to_reopening()
    assert rig.give(inputs.LinkReady(1)) == [effects.Ignored("LinkReady of a link that was given up")]


def test_what_comes_at_a_wrong_moment_is_ignored() -> None:
    rig = Rig().to_opening()
    assert rig.give(inputs.VideoSeen(1, None)) == [effects.Ignored("VideoSeen in opening")]
    rig.core._agenda.wake_at(inputs.Due.CHECK, rig.now)
    assert rig.later(0) == [effects.Ignored("look for frames in opening")]


def test_a_fault_of_the_driver_is_the_end_with_this_error() -> None:
    error = OdysseyConnectionError("a fault", code="internal")
    rig = Rig().to_watching()
    assert statuses(rig.give(inputs.Broken(error))) == [ConnectionStatus.FAILED]
    assert rig.give(inputs.Broken(LOST)) == []
    assert rig.core.snapshot().error is error


def test_in_a_forked_child_it_is_over_and_nothing_is_done() -> None:
    rig = Rig().to_watching()
    assert rig.give(inputs.Forgotten()) == []
    assert rig.core.is_over
    assert rig.give(inputs.Forgotten()) == []


# --- gaps in the video


def gaps(outputs: list[Any]) -> list[float]:
    return [round(event.seconds, 3) for event in only(outputs, GapEvent)]


def away() -> Rig:
    """Return a spectator that has just lost a link whose newest frame came at 100 s."""
    rig = Rig().to_watching()
    rig.now += 1.0
    rig.give(inputs.LinkFailed(1, LOST, video_at=100.0))
    rig.later(0)
    return rig


@pytest.mark.parametrize(
    "end", [inputs.Disconnect(), inputs.BroadcastEnded(2), inputs.Broken(LOST), inputs.LinkFailed(2, GONE)]
)
def test_one_that_ends_in_a_gap_reports_it_before_the_end(end: inputs.Input) -> None:
    rig = away()
    outputs = rig.give(end)
    kinds = [type(output) for output in outputs]
    assert gaps(outputs) == [1.0]
    assert kinds.index(GapEvent) < kinds.index(effects.EndFrames)


def test_a_link_that_brings_frames_and_fails_is_paused_and_each_gap_is_reported_once() -> None:
    rig = away()
    assert gaps(rig.give(inputs.VideoResumed(1.0))) == []
    assert effects.PauseFrames() in rig.give(inputs.LinkFailed(2, LOST, video_at=101.0))
    rig.later(2.0)
    outputs = rig.give(inputs.VideoResumed(2.0), inputs.LinkReady(3))
    assert gaps(outputs) == [1.0, 2.0]
    assert statuses(outputs) == [ConnectionStatus.CONNECTED]
    assert gaps(rig.give(inputs.BroadcastEnded(3))) == []


def test_two_gaps_do_not_overlap() -> None:
    rig = away()
    rig.give(inputs.VideoResumed(1.0))
    rig.give(inputs.LinkFailed(2, LOST))  # which does not say when the newest frame came
    rig.later(0.5)
    assert gaps(rig.give(inputs.Disconnect())) == [1.0, 0.5]


def test_what_never_had_a_frame_has_no_gap() -> None:
    rig = Rig().to_watching()
    rig.give(inputs.LinkFailed(1, LOST))
    assert gaps(rig.give(inputs.Disconnect())) == []


def test_frames_of_another_way_before_the_connection_are_a_gap_that_is_reported_after_it() -> None:
    rig = Rig(BOTH).to_opening()
    rig.give(inputs.LinkFailed(1, LOST, video_at=100.0))
    outputs = rig.give(inputs.VideoResumed(1.0), inputs.LinkReady(2))
    assert [type(output) for output in outputs] == [StatusChanged, GapEvent, effects.Succeed]


# --- left before it began


@pytest.mark.parametrize(("end", "code"), [(inputs.Disconnect(), "closed"), (inputs.Broken(LOST), "lost")])
def test_watching_after_the_end_says_why_it_is_over(end: inputs.Input, code: str) -> None:
    rig = Rig()
    rig.give(end)
    with pytest.raises(OdysseyConnectionError) as refused:
        rig.give(inputs.Watch(7))
    assert refused.value.code == code


# --- suspecting the link


def suspected(ways: tuple[Way, ...] = (Way.WEBRTC,), *, reconnect: bool = True) -> tuple[Rig, list[Any]]:
    """Return a spectator that has had a frame and then nothing for 2 s, and the links that it prepares."""
    rig = Rig(ways, reconnect=reconnect).to_watching()
    outputs: list[Any] = []
    for _ in range(3):
        rig.later(1.0)
        outputs = rig.give(inputs.VideoSeen(1, 101.0, 700))
    return rig, only(outputs, effects.PrepareLink)


def lose_silently(rig: Rig) -> list[effects.Output]:
    outputs: list[effects.Output] = []
    for _ in range(4):
        rig.later(1.0)
        outputs = rig.give(inputs.VideoSeen(1, 101.0, 700))
    assert rig.core.state is SpectatorState.REOPENING
    return [*outputs, *rig.later(0)]


def test_a_suspected_broadcast_is_prepared_once_more_and_opened_when_it_is_lost() -> None:
    rig, prepared = suspected(BOTH)
    plan = effects.OpenBroadcast(2, Way.WEBRTC, REJOIN_DEADLINE_S)
    assert prepared == [effects.PrepareLink(plan)]
    outputs = lose_silently(rig)
    assert only(outputs, effects.PrepareLink | effects.DiscardLink | effects.OpenBroadcast) == [plan]


def test_what_is_prepared_for_a_broadcast_that_goes_on_is_discarded_after_a_while() -> None:
    rig, _ = suspected()
    rig.later(1.0)
    assert rig.give(inputs.VideoSeen(1, 101.0, 701)) == []
    rig.later(1.0)
    rig.give(inputs.VideoSeen(1, 105.0, 800))
    assert only(rig.later(SPARE_KEPT_S), effects.DiscardLink) == [effects.DiscardLink(2)]
    assert rig.core.state is SpectatorState.WATCHING


def test_what_is_prepared_for_one_way_is_discarded_if_another_is_tried() -> None:
    rig, _ = suspected(BOTH)
    rig.give(inputs.LinkFailed(1, LOST))
    rig.core._silent = Way.WEBRTC
    outputs = rig.later(0)
    assert only(outputs, effects.DiscardLink | effects.OpenBroadcast) == [
        effects.DiscardLink(2),
        effects.OpenBroadcast(3, Way.HLS, REJOIN_DEADLINE_S),
    ]


def test_what_is_prepared_is_discarded_when_the_spectator_leaves() -> None:
    rig, _ = suspected()
    assert only(rig.give(inputs.Disconnect()), effects.DiscardLink) == [effects.DiscardLink(2)]


def test_without_reconnecting_no_broadcast_is_prepared() -> None:
    assert suspected(reconnect=False)[1] == []
