"""The building blocks of a stream's actions: its data, the answers to its calls, and the loss of its video.

The only subclass, the machine of `odyssey_proto.core.stream_machine`, defines the states and decides when each of
these is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import odyssey_models as wire

from .._base import errors
from .._model.events import BroadcastInfo, ErrorOccurred, StreamEnded
from .deadlines import ANSWER_GRACE_S, SESSION_KEPT_S
from .effects import EndFrames, Fail, SendChannel, Succeed
from .gaps import Gaps
from .inputs import Due, LinkFailed, Unreadable
from .link_watch import LinkWatch
from .machine import Machine
from .signs_of_life import ASK_EVERY_S, SignsOfLife
from .silence import Silence
from .stream_errors import failure

if TYPE_CHECKING:
    from .machine import Agenda
    from .pending_calls import PendingCalls
    from .session_link import SessionLink

__all__ = ["LinkClosed", "LinkLost", "LinkSuspected", "LinkTrusted", "LinkUp", "News", "SessionOver", "StreamBase"]


@attrs.frozen
class LinkUp:
    """The session has a link with video and control channel: the first, or a new one after a loss."""


@attrs.frozen
class LinkSuspected:
    """Nothing arrives over the session's link any more: it may be lost."""


@attrs.frozen
class LinkTrusted:
    """Something has arrived over a link that was suspected, or nothing need arrive any more."""


@attrs.frozen
class LinkLost:
    """The session has lost its link, and is trying to open another."""

    error: errors.OdysseyError


@attrs.frozen
class LinkClosed:
    """A link of the session is closed, and another may follow."""

    video_at: float | None
    """When its newest frame came, in s of the clock; None if none came, or the time is not known."""


@attrs.frozen
class SessionOver:
    """The session has ended, for any reason."""

    error: errors.OdysseyError
    """The reason, for the calls that wait."""
    broken_by: errors.OdysseyError | None
    """The error that ended the session; None if it ended on request."""


News = LinkUp | LinkLost | LinkClosed | SessionOver
"""The changes of the session that its machine reports to the stream's machine."""


class StreamBase(Machine):
    """The streams of a session, one at a time, without the states and rows."""

    def __init__(self, agenda: Agenda, connection: SessionLink, calls: PendingCalls, pause_limit_s: float) -> None:
        self.stream_id: str | None = None
        self.applied_prompt: str | None = None
        """The prompt in effect, as rewritten by the service; None if the service has not reported it."""
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
        self._unwanted = False  # whether the last start has failed: if it still yields a stream, end it
        self._clearing = False
        self._update_sent_at = self._end_sent_at = 0.0
        self._end_sent = False  # whether the end of the last start's stream was requested

    # --- calls

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

    # --- the loss of the video, and of the streamer

    def _suspect(self, is_suspicious: bool) -> None:
        if is_suspicious is (self._connection.spare.suspected_since is None):
            self._agenda.follow_with(LinkSuspected() if is_suspicious else LinkTrusted())

    def _look_again(self) -> None:
        self._agenda.wake_at(Due.CHECK, self._silence.next_look(self._agenda.now))

    def _lose_video(self) -> None:
        gone_for = self._silence.gone_for(self._agenda.now)
        # After `SESSION_KEPT_S`, rejoining has already been tried.
        may_return = self._silence.unexplained_for(self._agenda.now) < SESSION_KEPT_S
        self._lose_link(f"No video for {gone_for:.1f} s", "video_stalled", recoverable=may_return)

    def _lose_link(self, text: str, code: str, *, recoverable: bool = True) -> None:
        session_id = self._connection.session_id
        error = errors.OdysseyConnectionError(text, code=code, session_id=session_id, recoverable=recoverable)
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    def _await_answer(self) -> None:
        self._signs.note(self._agenda.now)
        self._agenda.wake_at(Due.CHECK, self._agenda.now + ASK_EVERY_S)

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
