"""The building blocks of a stream's actions: its data, the answers to its calls, and the check for its video.

`odyssey_proto.core.stream_machine`, whose machine is the only subclass, decides when to use them.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import attrs
import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model.events import BroadcastInfo, ErrorOccurred, StreamEnded
from .deadlines import ANSWER_GRACE_S, SESSION_KEPT_S
from .effects import (
    AskForKeyframe,
    AskForSignOfLife,
    CheckVideo,
    EndFrames,
    Fail,
    SendChannel,
    Succeed,
)
from .gaps import Gaps
from .inputs import Due, End, Interact, LinkFailed, SignOfLife, Start, Unreadable, VideoResumed, VideoSeen
from .link_watch import LinkWatch
from .machine import Machine
from .signs_of_life import ASK_EVERY_S, MISSING_AFTER_S, SignsOfLife
from .silence import Silence, Verdict
from .stream_errors import failure

if TYPE_CHECKING:
    from .machine import Agenda
    from .pending_calls import PendingCalls
    from .session_link import SessionLink

__all__ = [
    "COMMAND_NAMES",
    "LinkLost",
    "LinkSuspected",
    "LinkTrusted",
    "LinkUp",
    "SessionOver",
    "StreamBase",
    "StreamState",
]

COMMAND_NAMES: Final[dict[type, str]] = {Start: "start stream", Interact: "interact", End: "end stream"}
"""The names of a stream's commands in errors."""


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
class LinkSuspected:
    """Nothing arrives over the session's link: it may be lost."""


@attrs.frozen
class LinkTrusted:
    """Something has arrived over a link that was suspected, or nothing more need arrive."""


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


class StreamBase(Machine):
    """The streams of a session, one at a time, without the rows of their table."""

    state: StreamState

    def __init__(self, agenda: Agenda, connection: SessionLink, calls: PendingCalls, pause_limit_s: float) -> None:
        self.state = StreamState.NONE
        self.stream_id: str | None = None
        self.applied_prompt: str | None = None
        """The prompt in effect, as rewritten by the service, if the service reported it."""
        self.broadcast: BroadcastInfo | None = None
        """Where the stream can be watched; None until the broadcast is ready."""
        self._agenda = agenda
        self._connection = connection
        self._calls = calls
        self._silence = Silence(pause_limit_s)
        self._watch = LinkWatch(self._silence, self._agenda)
        self._signs = SignsOfLife()
        self._gaps = Gaps(agenda, self._silence)
        self._started_by: int | None = None  # the call of the last start
        self._unwanted = False  # whether the last start has failed: if it still yields a stream, that is ended
        self._clearing = False
        self._update_sent_at = self._end_sent_at = 0.0
        self._end_sent = False  # whether the end of the last start's stream was requested

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

    def fail_calls(self, item: LinkLost | SessionOver) -> None:
        """Fail all calls that wait for the stream."""
        for call in self._calls.take_all():
            error = errors.OdysseyStreamError(
                f"The connection ended before the answer: {item.error.message}",
                code=item.error.code,
                session_id=self._connection.session_id,
                operation="stream",
                recoverable=item.error.recoverable,
            )
            error.__cause__ = item.error
            self._agenda.put(Fail(call, error))

    # --- updates, and errors

    def _send_next_update(self) -> None:
        if (update := self._calls.next_update()) is not None:
            self._update_sent_at = self._agenda.now
            self._agenda.put(SendChannel(self._connection.current, update.message, update.text))

    def _limit_waiting(self) -> None:
        if self._calls.waits_for_nobody:
            self._agenda.wake_by(Due.ANSWER, self._update_sent_at + ANSWER_GRACE_S)

    def _fail_sent(self, error: errors.OdysseyError) -> None:
        for call in self._calls.take_unanswered():
            self._agenda.put(Fail(call, errors.again(error)))
        self._send_next_update()

    def _fail_unanswered(self, error: errors.OdysseyError) -> None:
        for call in (*self._calls.take_unanswered(), *self._calls.take_queued()):
            self._agenda.put(Fail(call, errors.again(error)))

    def report_error(self, message: wire.InteractiveStreamError, *, ends_stream: bool = False) -> None:
        """Report an error."""
        answers_call = self._calls.start is not None or self._calls.has_update_sent
        self._agenda.put(failure(message, ends_stream=ends_stream, answers_call=answers_call, at=self._agenda.now))

    def report_unreadable(self, item: Unreadable) -> None:
        """Report a message that cannot be read."""
        self._agenda.put(ErrorOccurred(error=item.error, fatal=False, at=self._agenda.now))

    # --- checking that video arrives

    def look_for_video(self, _: Due) -> None:
        """Have the driver report when the newest frame came."""
        self._silence.look_late(self._agenda.now, self._agenda.overslept)
        self._agenda.put(CheckVideo(self._connection.current))

    def judge_video(self, item: VideoSeen) -> None:
        """Wait, ask for a keyframe, or give up the link."""
        verdict = self._watch.judge(item)
        if verdict is Verdict.LOST:
            self._lose_video()
            return
        self._watch.look(item)
        if verdict is Verdict.ASK_FOR_KEYFRAME:
            self._agenda.put(AskForKeyframe(self._connection.current))
        self._suspect(self._silence.is_suspicious)
        self._look_again()

    def _suspect(self, is_suspicious: bool) -> None:
        if is_suspicious is (self._connection.spare.suspected_since is None):
            self._agenda.follow_with(LinkSuspected() if is_suspicious else LinkTrusted())

    def _look_again(self) -> None:
        self._agenda.wake_at(Due.CHECK, self._silence.next_look(self._agenda.now))

    def _lose_video(self) -> None:
        gone_for = self._silence.gone_for(self._agenda.now)
        # After that, rejoining has already been tried.
        may_return = self._silence.unexplained_for(self._agenda.now) < SESSION_KEPT_S
        self._lose_link(f"No video for {gone_for:.1f} s", "video_stalled", recoverable=may_return)

    def _lose_link(self, text: str, code: str, *, recoverable: bool = True) -> None:
        session_id = self._connection.session_id
        error = errors.OdysseyConnectionError(text, code=code, session_id=session_id, recoverable=recoverable)
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    # --- pauses of the video

    def pause(self, video_at: float | None) -> None:
        """Expect the frames of a running stream over the next link.

        Args:
            video_at: when the newest frame came, in s; None if none came, or it is not known.
        """
        if self.state is X.STREAMING:
            self._gaps.begin(video_at)

    def comes_too_early(self, _: VideoResumed) -> bool:
        """Return whether the video came before the connection: the decoder may be faster than the channel."""
        return not (self._connection.has_channel and self._connection.has_video)

    def hold_gap(self, item: VideoResumed) -> None:
        """Keep the report until the stream has begun, or the session is connected again."""
        self._gaps.hold(item)

    def report_gap(self, item: VideoResumed) -> None:
        """Report the frames that were missed."""
        self._gaps.report(item)

    # --- checking that the streamer is alive

    def _await_answer(self) -> None:
        self._signs.note(self._agenda.now)
        self._agenda.wake_at(Due.CHECK, self._agenda.now + ASK_EVERY_S)

    def note_sign(self, _: SignOfLife) -> None:
        """Note that the streamer is alive."""
        self._signs.note(self._agenda.now)

    def note_pause(self, item: SignOfLife) -> None:
        """Report that the streamer pauses, if it is alive but sends no video."""
        self._watch.hear(item)

    def has_vanished(self, _: Due) -> bool:
        """Return whether there is no further sign of the streamer."""
        self._signs.look_late(self._agenda.now, self._agenda.overslept)
        return self._signs.are_missing(self._agenda.now)

    def ask_for_sign(self, _: Due) -> None:
        """Ask for a sign of life: the answer to a call is still awaited."""
        self._agenda.put(AskForSignOfLife(self._connection.current))
        self._agenda.wake_at(Due.CHECK, self._agenda.now + ASK_EVERY_S)

    def lose_streamer(self, _: Due) -> None:
        """Give up the link: the streamer will not answer the call."""
        self._lose_link(f"The streamer is gone: no sign of life for {MISSING_AFTER_S:g} s", "streamer_silent")

    # --- the end

    def _send_end(self) -> None:
        self._end_sent, self._end_sent_at = True, self._agenda.now
        self._agenda.put(SendChannel(self._connection.current, wire.InteractiveStreamEnd()))

    def _end_once(self) -> None:
        if not self._end_sent:
            self._send_end()

    def _await_clearing(self) -> None:
        self._end_once()
        self._agenda.wake_by(Due.ANSWER, self._end_sent_at + ANSWER_GRACE_S)

    def _answer_ends(self) -> None:
        for call in self._calls.take_ends():
            self._agenda.put(Succeed(call, None))

    def _finish(self, error: errors.OdysseyError | None) -> None:
        had_begun = self.stream_id is not None
        self._suspect(is_suspicious=False)
        self._unwanted = not had_begun
        if had_begun:
            self._gaps.report_last()
        self._gaps.forget()
        self._agenda.put(EndFrames(error))
        self.stream_id = self.applied_prompt = self.broadcast = None
        self._agenda.cancel(Due.CHECK, Due.ANSWER)
        if had_begun:
            self._agenda.put(StreamEnded(error=error, at=self._agenda.now))


publish("odyssey_proto.core", StreamState)
