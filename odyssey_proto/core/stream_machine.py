"""The life of a stream in a connected session: NONE → STARTING → STREAMING → ENDING → NONE.

Everything that affects the state of a stream is here: its states, its actions, and the rows that lead from one to
the other. The session's machine steps this one with `LinkUp`, `LinkLost` and `SessionOver`; this one passes
something to the session as a following input (`Agenda.follow_with`).

If the link is lost while a stream starts or ends, the stream may still run at the service. It is then *cleared*:
ended as soon as the link is back, before anything else.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import attrs
import odyssey_models as wire

from .._base import errors, secrets
from .._base.public_path import publish
from .._model.events import (
    BroadcastInfo,
    BroadcastReady,
    GapEvent,
    InteractAcknowledged,
    StreamEnded,
    StreamFailed,
    StreamStarted,
)
from .deadlines import FRAME_INTERVAL_S, REJOIN_DEADLINE_S, SESSION_KEPT_S, VIDEO_DEADLINE_S
from .effects import (
    AskForKeyframe,
    BeginFrames,
    CheckVideo,
    EndFrames,
    Fail,
    SendChannel,
    SendSignaling,
    Succeed,
)
from .inputs import Due, End, Interact, LinkFailed, Start, VideoResumed, VideoSeen
from .machine import Machine, by_state, nothing, row
from .silence import Silence, Verdict

if TYPE_CHECKING:
    from .machine import Agenda, Row
    from .pending_calls import PendingCalls
    from .session_link import SessionLink

__all__ = [
    "COMMAND_NAMES",
    "STREAM_ROWS",
    "STREAM_TABLE",
    "LinkLost",
    "LinkUp",
    "SessionOver",
    "StreamMachine",
    "StreamState",
]

COMMAND_NAMES: Final[dict[type, str]] = {Start: "start stream", Interact: "interact", End: "end stream"}
"""The names of a stream's commands in errors."""

# The reasons that end the stream, and the errors that they are raised as (spec/asyncapi.yaml).
_USAGE_CODES: Final = {
    "quota_exceeded": (
        "MONTHLY_LIMIT_REACHED",
        "The hours of this month are used up",
        "Upgrade your plan, or wait until the month is over",
    ),
    "concurrent_limit_exceeded": (
        "CONCURRENT_LIMIT_EXCEEDED",
        "The account has its maximum number of open sessions",
        "Close another session, or wait until it has ended",
    ),
    "session_timeout": (
        "STREAM_DURATION_EXCEEDED",
        "The stream has reached its maximum duration",
        "Start another stream",
    ),
}
"""By reason: the error's code, its text if the streamer gave none, and what the user can do."""
_NO_WORDS: Final = ("", "Stream error occurred")
_ACTION_URL: Final = "https://developer.odyssey.ml/dashboard"
_ENDING_REASONS: Final = frozenset({*_USAGE_CODES, "lease_denied"})


class StreamState(Enum):
    """The state of the stream."""

    NONE = "none"
    STARTING = "starting"
    STREAMING = "streaming"
    ENDING = "ending"


X = StreamState
_STREAM_IS: Final = {
    X.NONE: "no stream is active; call start_stream() first",
    X.STARTING: "the stream is still starting; wait for it, or call end_stream()",
    X.STREAMING: "a stream is active already; call end_stream() first",
    X.ENDING: "the stream is still ending; wait for it, call end_stream() again, or disconnect()",
}


@attrs.frozen
class LinkUp:
    """The session has a link with video and control channel: the first, or a new one after a loss."""


@attrs.frozen
class LinkLost:
    """The session has lost its link, and is trying to open another."""

    error: errors.OdysseyError


@attrs.frozen
class SessionOver:
    """The session has ended, for any reason."""

    error: errors.OdysseyError
    """The reason, for the calls that wait."""
    broken_by: errors.OdysseyError | None
    """The error that ended the session; None if it ended on request."""


class StreamMachine(Machine):
    """The streams of a session, one at a time."""

    state: StreamState

    def __init__(self, agenda: Agenda, connection: SessionLink, calls: PendingCalls) -> None:
        self.state = StreamState.NONE
        self.stream_id: str | None = None
        self.applied_prompt: str | None = None
        """The prompt in effect, as rewritten by the service, if the service reported it."""
        self.broadcast: BroadcastInfo | None = None
        """Where the stream can be watched; None until the broadcast is ready."""
        self._agenda = agenda
        self._connection = connection
        self._calls = calls
        self._silence = Silence()
        self._clearing = False

    # --- commands

    def refusal(self, item: Start | Interact | End) -> errors.OdysseyStreamError:
        """Return the error for a command that does not fit the state."""
        what = COMMAND_NAMES[type(item)]
        return errors.OdysseyStreamError(
            f"Cannot {what}: {_STREAM_IS[self.state]}",
            code="wrong_stream_state",
            operation=what,
            session_id=self._connection.session_id,
        )

    def hold(self, item: Start | Interact | End) -> None:
        """Keep a command for later."""
        self._calls.hold(item)

    def make_held_calls(self, _: object = None) -> None:
        """Carry out the held commands, as if they came now."""
        for command in self._calls.take_held():
            try:
                self._connection.refuse_oversize(command)
                if not self.step(STREAM_ROWS, command, type(command)):
                    raise self.refusal(command)
            except errors.OdysseyError as error:
                self._agenda.put(Fail(command.call, error))

    # --- the session's link

    def go_on_streaming(self, _: LinkUp) -> None:
        """Expect frames again."""
        self._silence.expect(self._agenda.now, REJOIN_DEADLINE_S)
        self._look_again()
        self.make_held_calls()

    def must_clear(self, _: object) -> bool:
        """Return whether a stream that this side has given up may still run at the service."""
        return self._clearing

    def clear(self, _: LinkUp) -> None:
        """End a stream that may still run at the service."""
        self._send_end()
        self.make_held_calls()

    def fail_calls(self, item: LinkLost | SessionOver) -> None:
        """Fail all calls that wait for the stream."""
        for call in self._calls.take_all():
            failure = errors.OdysseyStreamError(
                f"The connection ended before the answer: {item.error.message}",
                code=item.error.code,
                session_id=self._connection.session_id,
                operation="stream",
                recoverable=item.error.recoverable,
            )
            failure.__cause__ = item.error
            self._agenda.put(Fail(call, failure))

    def lose_uncertain(self, item: LinkLost) -> None:
        """Give up a stream that the service may consider started, or not yet ended."""
        self.fail_calls(item)
        self._finish(item.error)
        self._clearing = True

    def end_with_session(self, item: SessionOver) -> None:
        """Fail the calls that still wait, and end the stream."""
        self.fail_calls(item)
        self._finish(item.broken_by)

    # --- starting

    def start(self, item: Start) -> None:
        """Send the start: through the channel if it fits and has no image, else through the WebSocket."""
        self._calls.start = item.call
        self._agenda.put(BeginFrames(self._agenda.now))
        limit = self._connection.channel_limit
        fits = limit is not None and item.size <= limit and item.message.input_image_base64 is None
        send = SendChannel if fits else SendSignaling
        self._agenda.put(send(self._connection.current, item.message, item.text))

    def started(self, message: wire.StreamStarted) -> None:
        """Answer the start; a stream that nobody here asked for is accepted too."""
        now = self._agenda.now
        self.stream_id, self.applied_prompt = message.stream_id, message.applied_prompt
        self._agenda.put(BeginFrames(now))
        self._silence.begin(now, VIDEO_DEADLINE_S)
        self._look_again()
        self._agenda.put(StreamStarted(stream_id=self.stream_id, applied_prompt=self.applied_prompt, at=now))
        if (call := self._calls.take_start()) is not None:
            self._agenda.put(Succeed(call, self.stream_id))

    def can_be_watched(self, message: wire.BroadcastReady) -> bool:
        """Return whether the service said where spectators can watch, and with which token."""
        return bool(message.webrtc_url and message.spectator_token)

    def note_broadcast(self, message: wire.BroadcastReady) -> None:
        """Report where spectators can watch."""
        self.broadcast = BroadcastInfo(
            message.webrtc_url or "", message.spectator_token or "", message.broadcast_url or None
        )
        self._agenda.put(BroadcastReady(info=self.broadcast, at=self._agenda.now))

    def report_broadcast_error(self, _: wire.BroadcastReady) -> None:
        """Report a broadcast that nobody can watch."""
        text = "The broadcast is ready, but the service did not say where spectators can watch it"
        self._agenda.put(
            StreamFailed(reason="broadcast_error", message=text, ends_stream=False, at=self._agenda.now)
        )

    # --- checking that video arrives

    def look_for_video(self, _: Due) -> None:
        """Have the driver report when the newest frame came."""
        self._silence.look_late(self._agenda.now, self._agenda.overslept)
        self._agenda.put(CheckVideo(self._connection.current))

    def judge_video(self, item: VideoSeen) -> None:
        """Wait, ask for a keyframe, or give up the link."""
        verdict = self._silence.judge(item.at, self._agenda.now)
        if verdict is Verdict.LOST:
            self._lose_video()
            return
        if verdict is Verdict.ASK_FOR_KEYFRAME:
            self._agenda.put(AskForKeyframe(self._connection.current))
        self._look_again()

    def _look_again(self) -> None:
        self._agenda.wake_at(Due.CHECK, self._silence.next_look(self._agenda.now))

    def _lose_video(self) -> None:
        gone_for = self._silence.gone_for(self._agenda.now)
        error = errors.OdysseyConnectionError(
            f"No video for {gone_for:.1f} s",
            code="video_stalled",
            session_id=self._connection.session_id,
            recoverable=gone_for < SESSION_KEPT_S,  # after that, rejoining has already been tried
        )
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    def report_gap(self, item: VideoResumed) -> None:
        """Report the frames that were missed."""
        missed = max(0, round(item.seconds / FRAME_INTERVAL_S) - 1)
        self._agenda.put(GapEvent(seconds=item.seconds, frames_missed=missed, at=self._agenda.now))

    # --- interacting

    def interact(self, item: Interact) -> None:
        """Send an update after those before it."""
        self._calls.queue_update(item)
        self._send_next_update()

    def _send_next_update(self) -> None:
        if (update := self._calls.next_update()) is not None:
            self._agenda.put(SendChannel(self._connection.current, update.message, update.text))

    def has_update_sent(self, _: wire.UpdateAcknowledged) -> bool:
        """Return whether an update is on the wire."""
        return self._calls.has_update_sent

    def acknowledge(self, message: wire.UpdateAcknowledged) -> None:
        """Answer the update that is on the wire, and send the next."""
        self.applied_prompt = message.prompt
        self._agenda.put(InteractAcknowledged(prompt=message.prompt, at=self._agenda.now))
        if (call := self._calls.take_sent()) is not None:
            self._agenda.put(Succeed(call, message.prompt))
        self._send_next_update()

    # --- errors of the stream

    def ends_stream(self, message: wire.InteractiveStreamError) -> bool:
        """Return whether this error ends the stream."""
        return str(message.reason) in _ENDING_REASONS

    def end_by_error(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the calls that wait for the stream, and end the stream."""
        self.report_error(message, ends_stream=self.stream_id is not None)
        self._answer_ends()
        for call in (*self._calls.take_unanswered(), *self._calls.take_queued()):
            self._agenda.put(Fail(call, _refusal(message, self._connection.session_id)))
        self._finish(_refusal(message, self._connection.session_id))

    def fail_update(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the update that it answers, and send the next: the stream continues."""
        self.report_error(message)
        for call in self._calls.take_unanswered():
            self._agenda.put(Fail(call, _refusal(message, self._connection.session_id)))
        self._send_next_update()

    def report_error(self, message: wire.InteractiveStreamError, *, ends_stream: bool = False) -> None:
        """Report an error."""
        self._agenda.put(
            StreamFailed(
                reason=secrets.one_line(str(message.reason)),
                message=secrets.one_line(message.message),
                ends_stream=ends_stream,
                at=self._agenda.now,
            )
        )

    # --- ending

    def end(self, item: End) -> None:
        """Ask the streamer to end the stream; calls that were not sent yet fail."""
        self._calls.add_end(item.call)
        self._agenda.cancel(Due.CHECK)  # the last frame may come long before the end
        error = _unanswered("the stream was ended meanwhile", self._connection.session_id)
        for call in self._calls.take_unsent():
            self._agenda.put(Fail(call, errors.again(error)))
        self._send_end()

    def end_too(self, item: End) -> None:
        """Wait for the end in progress; ask again if no call waits for it, as request or answer may be lost."""
        if not self._calls.has_ends:
            self._send_end()
        self._calls.add_end(item.call)

    def end_when_cleared(self, item: End) -> None:
        """Wait for the end of a stream that may still run at the service."""
        self._calls.add_end(item.call)

    def end_nothing(self, item: End) -> None:
        """Answer at once: callers, such as a handler of errors, cannot know whether the stream has just ended."""
        self._agenda.put(Succeed(item.call, None))

    def ended(self, _: wire.StreamEnded) -> None:
        """Answer the calls that wait for the end; the others fail."""
        self._answer_ends()
        error = _unanswered("the stream has ended", self._connection.session_id)
        for call in (*self._calls.take_unanswered(), *self._calls.take_queued()):
            self._agenda.put(Fail(call, errors.again(error)))
        self._finish(None)

    def cleared(self, _: wire.StreamEnded | wire.InteractiveStreamError) -> None:
        """Continue: no stream runs at the service any more."""
        self._clearing = False
        self._answer_ends()
        self.make_held_calls()

    def _send_end(self) -> None:
        self._agenda.put(SendChannel(self._connection.current, wire.InteractiveStreamEnd()))

    def _answer_ends(self) -> None:
        for call in self._calls.take_ends():
            self._agenda.put(Succeed(call, None))

    def _finish(self, error: errors.OdysseyError | None) -> None:
        had_begun = self.stream_id is not None
        self._agenda.put(EndFrames(error))
        self.stream_id = self.applied_prompt = self.broadcast = None
        self._agenda.cancel(Due.CHECK)
        if had_begun:
            self._agenda.put(StreamEnded(error=error, at=self._agenda.now))


def _refusal(message: wire.InteractiveStreamError, session_id: str | None) -> errors.OdysseyError:
    reason = secrets.one_line(str(message.reason))
    text = secrets.one_line(message.message)
    if reason in _USAGE_CODES:
        code, own_text, action = _USAGE_CODES[reason]
        return errors.usage_error(
            code,
            own_text if text in _NO_WORDS else text,
            action=action,
            action_url=_ACTION_URL,
            session_id=session_id,
            operation="stream",
        )
    text = text or reason
    return errors.OdysseyStreamError(text, code=reason, session_id=session_id, operation="stream")


def _unanswered(why: str, session_id: str | None) -> errors.OdysseyStreamError:
    return errors.OdysseyStreamError(
        f"The call was not answered: {why}", code="stream_ended", session_id=session_id, operation="stream"
    )


M = StreamMachine
STREAM_TABLE: Final[tuple[Row[StreamMachine], ...]] = (
    # Starting.
    row((X.NONE,), Start, X.STARTING, M.start),
    row((X.NONE, X.STARTING), wire.StreamStarted, X.STREAMING, M.started),
    row((X.ENDING,), wire.StreamStarted, None, nothing),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.note_broadcast, M.can_be_watched),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.report_broadcast_error),
    # Checking that video arrives.
    row((X.STREAMING,), Due.CHECK, None, M.look_for_video),
    row((X.STREAMING,), VideoSeen, None, M.judge_video),
    row((X.STREAMING, X.ENDING), VideoResumed, None, M.report_gap),
    # Interacting.
    row((X.STREAMING,), Interact, None, M.interact),
    row((X.STREAMING, X.ENDING), wire.UpdateAcknowledged, None, M.acknowledge, M.has_update_sent),
    # Errors of the stream.
    row((X.STARTING,), wire.InteractiveStreamError, X.NONE, M.end_by_error),
    row((X.ENDING,), wire.InteractiveStreamError, X.NONE, M.cleared, M.must_clear),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, X.NONE, M.end_by_error, M.ends_stream),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, None, M.fail_update),
    row((X.NONE,), wire.InteractiveStreamError, None, M.report_error),
    # Ending.
    row((X.STARTING, X.STREAMING), End, X.ENDING, M.end),
    row((X.NONE,), End, None, M.end_nothing),
    row((X.ENDING,), Start, None, M.hold, M.must_clear),
    row((X.ENDING,), End, None, M.end_when_cleared, M.must_clear),
    row((X.ENDING,), End, None, M.end_too),
    row((X.ENDING,), wire.StreamEnded, X.NONE, M.cleared, M.must_clear),
    row((X.STARTING, X.STREAMING, X.ENDING), wire.StreamEnded, X.NONE, M.ended),
    # When the session's link comes and goes.
    row((X.NONE,), LinkUp, X.ENDING, M.clear, M.must_clear),
    row((X.NONE,), LinkUp, None, M.make_held_calls),
    row((X.STREAMING,), LinkUp, None, M.go_on_streaming),
    row((X.NONE, X.STREAMING), LinkLost, None, M.fail_calls),
    row((X.ENDING,), LinkLost, X.NONE, M.fail_calls, M.must_clear),
    row((X.STARTING, X.ENDING), LinkLost, X.NONE, M.lose_uncertain),
    row((X.NONE,), SessionOver, None, M.fail_calls),
    row((X.STARTING, X.STREAMING, X.ENDING), SessionOver, X.NONE, M.end_with_session),
)
STREAM_ROWS: Final = by_state(STREAM_TABLE)
"""The rows of `STREAM_TABLE` by state and input, in their order."""


publish("odyssey_proto.core", StreamState)
