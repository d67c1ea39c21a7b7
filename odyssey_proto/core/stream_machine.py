"""The life of a stream in a connected session: NONE → STARTING → STREAMING → ENDING → NONE.

Everything that affects the state of a stream is here: its states, its actions, and the rows that lead from one
state to another, with their conditions; the building blocks are in `odyssey_proto.core.stream_base`. The session's
machine steps this one with `LinkUp`, `LinkClosed`, `LinkLost` and `SessionOver`; this one reports to the session's
by queueing an input for it (`Agenda.follow_with`).

A stream that this side has given up may still run at the service: the link was lost while it started or ended, or
the call that started it has failed meanwhile. It is then *cleared*: ended as soon as possible, before anything
else.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model.events import BroadcastInfo, BroadcastReady, InteractAcknowledged, StreamStarted
from . import stream_errors
from .deadlines import REJOIN_DEADLINE_S, VIDEO_DEADLINE_S
from .effects import (
    AskForKeyframe,
    AskForSignOfLife,
    BeginFrames,
    CheckVideo,
    Fail,
    SendChannel,
    SendSignaling,
    Succeed,
)
from .inputs import Abandon, Due, End, Interact, SignOfLife, Start, Unreadable, VideoResumed, VideoSeen
from .machine import by_state, nothing, row
from .signs_of_life import ASK_EVERY_S, MISSING_AFTER_S
from .silence import Verdict
from .stream_base import LinkClosed, LinkLost, LinkUp, SessionOver, StreamBase
from .unread import meant

if TYPE_CHECKING:
    from .machine import Row

__all__ = ["COMMAND_NAMES", "STREAM_ROWS", "STREAM_TABLE", "StreamMachine", "StreamState", "wrong_state"]

_ERROR: Final = "interactive_stream_error"

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


class StreamMachine(StreamBase):
    """The streams of a session, one at a time."""

    state: StreamState = X.NONE
    # Repeated, because type checkers treat what a subclass assigns as its own.
    stream_id: str | None
    applied_prompt: str | None
    broadcast: BroadcastInfo | None

    # --- commands

    def make_held_calls(self, _: object = None) -> None:
        """Carry out the held commands, as if they had just come."""
        for command in self._calls.take_held():
            try:
                self._connection.refuse_oversize(command)
                if not self.step(STREAM_ROWS, command, type(command)):
                    raise wrong_state(self, command)
            except errors.OdysseyError as error:
                self._agenda.put(Fail(command.call, error))

    # --- the session's link

    def go_on_streaming(self, _: LinkUp) -> None:
        """Expect frames again."""
        self._gaps.report_held()
        self._silence.expect(self._agenda.now, REJOIN_DEADLINE_S)
        self._watch.renew()
        self._look_again()
        self.make_held_calls()

    def clear(self, _: LinkUp) -> None:
        """End a stream that may still run at the service."""
        self._send_end()
        self.make_held_calls()

    def cleared(self, message: wire.StreamEnded | wire.InteractiveStreamError) -> None:
        """Continue: the service no longer runs a stream."""
        if isinstance(message, wire.InteractiveStreamError) and not self._end_sent:
            self.report_error(message)  # it answers a start whose call has already failed
        self.go_on_cleared()

    def go_on_cleared(self, _: object = None) -> None:
        """Continue: no stream runs at the service, or it does not answer the end of one."""
        self._agenda.cancel(Due.ANSWER)
        self._clearing = False
        self._answer_ends()
        self.make_held_calls()

    def hold_until_cleared(self, item: Start) -> None:
        """Keep a start until no other stream runs at the service."""
        self._await_clearing()
        self._calls.hold(item)

    def start_after_end(self, item: Start) -> None:
        """Count the stream as ended, and keep the start until it has ended at the service."""
        self._fail_unanswered(stream_errors.unanswered("the stream has ended", self._connection.session_id))
        self._finish(None)
        self._clearing = True
        self._calls.hold(item)
        self._await_clearing()

    def end_when_cleared(self, item: End) -> None:
        """Wait for the end of a stream that may still run at the service."""
        self._await_clearing()
        self._calls.add_end(item.call)

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
        self._unwanted = self._end_sent = False
        self._calls.start = self._started_by = item.call
        self._agenda.put(BeginFrames(self._agenda.now))
        limit = self._connection.channel_limit
        fits = limit is not None and item.size <= limit and item.message.input_image_base64 is None
        send = SendChannel if fits else SendSignaling
        self._agenda.put(send(self._connection.current, item.message, item.text))
        self._await_answer()

    def started(self, message: wire.StreamStarted) -> None:
        """Answer the start, and report the stream, even one that was not requested here."""
        now = self._agenda.now
        self.stream_id, self.applied_prompt = message.stream_id, message.applied_prompt
        self._agenda.put(BeginFrames(now))
        self._silence.begin(now, VIDEO_DEADLINE_S)
        self._watch.renew()
        self._look_again()
        self._agenda.put(StreamStarted(stream_id=self.stream_id, applied_prompt=self.applied_prompt, at=now))
        self._gaps.report_held()
        if (call := self._calls.take_start()) is not None:
            self._agenda.put(Succeed(call, self.stream_id))

    def forsake(self, item: Abandon) -> None:
        """Give up a stream whose start has failed for its caller, and end it once it has started."""
        self._calls.abandon(item.call)
        error = stream_errors.given_up(self._connection.session_id)
        if self.stream_id is not None:  # it started just before its caller gave up
            self._fail_unanswered(error)
            if self._connection.has_channel:  # else once the link is restored
                self._send_end()
        self._finish(error)
        self._clearing = True

    def end_late(self, _: wire.StreamStarted) -> None:
        """End a stream that has started although its start has failed."""
        self._agenda.ignore("a stream that started after its start had failed; it is ended")
        self._clearing = True
        self._send_end()

    def refuse_unread(self, item: Unreadable) -> None:
        """Fail the start, and end its stream, about which nothing is known."""
        self.fail_start(item)
        self._clearing = True
        self._send_end()

    def note_broadcast(self, message: wire.BroadcastReady) -> None:
        """Report where spectators can watch."""
        self.broadcast = BroadcastInfo(
            message.webrtc_url or "", message.spectator_token or "", message.broadcast_url or None
        )
        self._agenda.put(BroadcastReady(info=self.broadcast, at=self._agenda.now))

    def report_broadcast_error(self, _: wire.BroadcastReady) -> None:
        """Report a broadcast that nobody can watch."""
        self._agenda.put(stream_errors.unwatchable(self._agenda.now))

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

    def note_pause(self, item: SignOfLife) -> None:
        """Report a pause if no video comes although the streamer is there."""
        self._watch.hear(item)

    def pause(self, item: LinkClosed) -> None:
        """Expect the frames over the next link."""
        self._gaps.begin(item.video_at)

    def hold_gap(self, item: VideoResumed) -> None:
        """Keep the report until the stream has begun, or the session is connected again."""
        self._gaps.hold(item)

    def report_gap(self, item: VideoResumed) -> None:
        """Report the frames that were missed."""
        self._gaps.report(item)

    # --- checking that the streamer is there while no video need come

    def note_sign(self, _: SignOfLife) -> None:
        """Note that the streamer is there."""
        self._signs.note(self._agenda.now)

    def ask_for_sign(self, _: Due) -> None:
        """Ask for a sign of life: the answer to a call is still awaited."""
        self._agenda.put(AskForSignOfLife(self._connection.current))
        self._agenda.wake_at(Due.CHECK, self._agenda.now + ASK_EVERY_S)

    def lose_streamer(self, _: Due) -> None:
        """Give up the link: the streamer will not answer the call."""
        self._lose_link(f"The streamer is gone: no sign of life for {MISSING_AFTER_S:g} s", "streamer_silent")

    # --- interacting

    def interact(self, item: Interact) -> None:
        """Send an update once those before it are answered."""
        self._calls.queue_update(item)
        self._send_next_update()
        self._limit_waiting()

    def forsake_update(self, item: Abandon) -> None:
        """Forget the call; an update that is on the wire keeps its place for a while."""
        self._calls.abandon(item.call)
        self._limit_waiting()

    def give_answer_up(self, _: Due) -> None:
        """Count the overdue answer as lost, and send the next update."""
        self._calls.take_sent()
        self._send_next_update()

    def acknowledge(self, message: wire.UpdateAcknowledged) -> None:
        """Answer the update that is on the wire, and send the next; an empty prompt counts as not reported."""
        self.applied_prompt = message.prompt or None
        self._agenda.put(InteractAcknowledged(prompt=message.prompt, at=self._agenda.now))
        if (call := self._calls.take_sent()) is not None:
            self._agenda.put(Succeed(call, message.prompt))
        self._send_next_update()

    # --- errors of the stream

    def end_by_error(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the calls that wait for the stream, and end the stream."""
        self.report_error(message, ends_stream=self.stream_id is not None)
        self._answer_ends()
        error = stream_errors.refusal(message, self._connection.session_id)
        self._fail_unanswered(error)
        self._finish(error)

    def fail_update(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the update that it answers, and send the next: the stream continues."""
        self.report_error(message)
        self._fail_sent(stream_errors.refusal(message, self._connection.session_id))

    # --- messages that cannot be read

    def fail_start(self, item: Unreadable) -> None:
        """Fail the start, whose answer cannot be read."""
        self.report_unreadable(item)
        self._fail_unanswered(item.error)
        self._finish(item.error)

    def end_unread(self, item: Unreadable) -> None:
        """Fail the calls that wait for the end, whose answer cannot be read, and end the stream."""
        self.report_unreadable(item)
        for call in self._calls.take_ends():
            self._agenda.put(Fail(call, errors.again(item.error)))
        self._fail_unanswered(item.error)
        if not self._clearing:
            self._finish(None)
        self.go_on_cleared()

    def fail_unread_update(self, item: Unreadable) -> None:
        """Fail the update whose answer cannot be read, and send the next."""
        self.report_unreadable(item)
        self._fail_sent(item.error)

    # --- ending

    def end(self, item: End) -> None:
        """Ask the streamer to end the stream; an unanswered start and updates that were not sent yet fail."""
        self._calls.add_end(item.call)
        error = stream_errors.unanswered("the stream was ended meanwhile", self._connection.session_id)
        for call in self._calls.take_unsent():
            self._agenda.put(Fail(call, errors.again(error)))
        self._send_end()
        self._await_answer()  # instead of video: the last frame may come long before the end

    def end_too(self, item: End) -> None:
        """Wait for the end in progress; ask again if no call awaits it: the request or its answer may be lost."""
        if not self._calls.has_ends:
            self._send_end()
        self._calls.add_end(item.call)

    def end_nothing(self, item: End) -> None:
        """Answer at once: callers, such as an error handler, cannot know whether the stream has just ended."""
        self._agenda.put(Succeed(item.call, None))

    def ended(self, _: wire.StreamEnded) -> None:
        """Answer the calls that wait for the end; the others fail."""
        self._answer_ends()
        self._fail_unanswered(stream_errors.unanswered("the stream has ended", self._connection.session_id))
        self._finish(None)


def wrong_state(stream: StreamMachine, item: Start | Interact | End) -> errors.OdysseyStreamError:
    """Return the error for a command that has no row in the state of ``stream``."""
    what, session_id = COMMAND_NAMES[type(item)], stream._connection.session_id
    return stream_errors.wrong_state(what, _STREAM_IS[stream.state], session_id)


# --- the conditions of rows


def is_of_start(stream: StreamMachine, item: Abandon) -> bool:
    """Return whether the abandoned call is that of the last start."""
    return item.call == stream._started_by


def is_unwanted(stream: StreamMachine, _: wire.StreamStarted) -> bool:
    """Return whether the start of this stream has failed, and its end has not been requested since."""
    return stream._unwanted if stream.state is X.NONE else stream._clearing and not stream._end_sent


def can_be_watched(_: StreamMachine, message: wire.BroadcastReady) -> bool:
    """Return whether the service said where spectators can watch, and with which token."""
    return bool(message.webrtc_url and message.spectator_token)


def comes_too_early(stream: StreamMachine, _: VideoResumed) -> bool:
    """Return whether video came before the connection was ready: the decoder may be faster than the channel."""
    return not (stream._connection.has_channel and stream._connection.has_video)


def has_vanished(stream: StreamMachine, _: Due) -> bool:
    """Return whether there is no sign of the streamer any more."""
    stream._signs.look_late(stream._agenda.now, stream._agenda.overslept)
    return stream._signs.are_missing(stream._agenda.now)


def waits_for_nobody(stream: StreamMachine, _: Due) -> bool:
    """Return whether updates wait behind one whose caller has given up."""
    return stream._calls.waits_for_nobody


def has_update_sent(stream: StreamMachine, _: wire.UpdateAcknowledged) -> bool:
    """Return whether an update is on the wire."""
    return stream._calls.has_update_sent


def ends_stream(_: StreamMachine, message: wire.InteractiveStreamError) -> bool:
    """Return whether this error ends the stream."""
    return stream_errors.ends_stream(message)


def is_unread_end(stream: StreamMachine, item: Unreadable) -> bool:
    """Return whether this was meant to answer the end: an error does if it answers no update."""
    is_error = item.error.message_type == _ERROR and stream.state is X.ENDING
    return item.error.message_type == "stream_ended" or (is_error and not stream._calls.has_update_sent)


def is_unread_answer(stream: StreamMachine, item: Unreadable) -> bool:
    """Return whether this was meant to answer the update that is on the wire."""
    return stream._calls.has_update_sent and item.error.message_type in ("update_acknowledged", _ERROR)


def must_clear(stream: StreamMachine, _: object) -> bool:
    """Return whether a stream that this side has given up may still run at the service."""
    return stream._clearing


def nobody_waits_for_end(stream: StreamMachine, _: Start) -> bool:
    """Return whether the calls that asked for the end were abandoned."""
    return not stream._calls.has_ends


# --- the rows

M = StreamMachine
STREAM_TABLE: Final[tuple[Row[StreamMachine], ...]] = (
    # Starting.
    row((X.NONE,), Start, X.STARTING, M.start),
    row((X.NONE,), wire.StreamStarted, X.ENDING, M.end_late, is_unwanted),
    row((X.NONE, X.STARTING), wire.StreamStarted, X.STREAMING, M.started),
    row((X.ENDING,), wire.StreamStarted, None, M.end_late, is_unwanted),
    row((X.ENDING,), wire.StreamStarted, None, nothing),
    row((X.STARTING, X.STREAMING), Abandon, X.ENDING, M.forsake, is_of_start),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.note_broadcast, can_be_watched),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.report_broadcast_error),
    # Checking that video arrives.
    row((X.STREAMING,), Due.CHECK, None, M.look_for_video),
    row((X.STREAMING,), VideoSeen, None, M.judge_video),
    row((X.STREAMING,), SignOfLife, None, M.note_pause),
    row((X.STARTING,), VideoResumed, None, M.hold_gap),
    row((X.STREAMING,), VideoResumed, None, M.hold_gap, comes_too_early),
    row((X.STREAMING, X.ENDING), VideoResumed, None, M.report_gap),
    # Checking that the streamer is alive while no video need come.
    row((X.STARTING, X.ENDING), SignOfLife, None, M.note_sign),
    row((X.STARTING, X.ENDING), Due.CHECK, None, M.lose_streamer, has_vanished),
    row((X.STARTING, X.ENDING), Due.CHECK, None, M.ask_for_sign),
    # Interacting.
    row((X.STREAMING,), Interact, None, M.interact),
    row((X.STREAMING,), Abandon, None, M.forsake_update),
    row((X.STREAMING,), Due.ANSWER, None, M.give_answer_up, waits_for_nobody),
    row((X.STREAMING,), Due.ANSWER, None, nothing),
    row((X.STREAMING, X.ENDING), wire.UpdateAcknowledged, None, M.acknowledge, has_update_sent),
    # Errors of the stream.
    row((X.STARTING,), wire.InteractiveStreamError, X.NONE, M.end_by_error),
    row((X.ENDING,), wire.InteractiveStreamError, X.NONE, M.cleared, must_clear),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, X.NONE, M.end_by_error, ends_stream),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, None, M.fail_update),
    row((X.NONE,), wire.InteractiveStreamError, None, M.report_error),
    # Messages that cannot be read.
    row((X.STARTING,), Unreadable, X.ENDING, M.refuse_unread, meant("stream_started")),
    row((X.STARTING,), Unreadable, X.NONE, M.fail_start, meant(_ERROR)),
    row((X.STREAMING, X.ENDING), Unreadable, X.NONE, M.end_unread, is_unread_end),
    row((X.STREAMING, X.ENDING), Unreadable, None, M.fail_unread_update, is_unread_answer),
    row(tuple(X), Unreadable, None, M.report_unreadable),
    # Ending.
    row((X.STARTING, X.STREAMING), End, X.ENDING, M.end),
    row((X.NONE,), End, None, M.end_nothing),
    row((X.ENDING,), Start, None, M.hold_until_cleared, must_clear),
    row((X.ENDING,), Start, None, M.start_after_end, nobody_waits_for_end),
    row((X.ENDING,), End, None, M.end_when_cleared, must_clear),
    row((X.ENDING,), Due.ANSWER, X.NONE, M.go_on_cleared, must_clear),
    row((X.ENDING,), End, None, M.end_too),
    row((X.ENDING,), wire.StreamEnded, X.NONE, M.cleared, must_clear),
    row((X.STREAMING, X.ENDING), wire.StreamEnded, X.NONE, M.ended),
    # When the session's link comes and goes.
    row((X.NONE, X.ENDING), LinkUp, X.ENDING, M.clear, must_clear),
    row((X.NONE,), LinkUp, None, M.make_held_calls),
    row((X.STREAMING,), LinkUp, None, M.go_on_streaming),
    row((X.STREAMING,), LinkClosed, None, M.pause),
    row((X.NONE, X.STREAMING), LinkLost, None, M.fail_calls),
    row((X.ENDING,), LinkLost, X.NONE, M.fail_calls, must_clear),
    row((X.STARTING, X.ENDING), LinkLost, X.NONE, M.lose_uncertain),
    row((X.NONE,), SessionOver, None, M.fail_calls),
    row((X.STARTING, X.STREAMING, X.ENDING), SessionOver, X.NONE, M.end_with_session),
)
STREAM_ROWS: Final = by_state(STREAM_TABLE)
"""The rows of `STREAM_TABLE` by state and input, in their order."""


publish("odyssey_proto.core", StreamState)
