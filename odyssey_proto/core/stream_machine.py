"""The life of a stream in a connected session: NONE → STARTING → STREAMING → ENDING → NONE.

Everything that affects the state of a stream is here: its actions, and the rows that lead from one state to the
other; their building blocks are in `odyssey_proto.core.stream_base`. The session's machine steps this one
with `LinkUp`, `LinkLost` and `SessionOver`; this one passes something to the session as a following input
(`Agenda.follow_with`).

A stream that this side has given up may still run at the service: the link was lost while it started or ended, or
the call that started it has failed meanwhile. It is then *cleared*: ended as soon as that is possible, before
anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base import errors
from .._model.events import BroadcastInfo, BroadcastReady, InteractAcknowledged, StreamFailed, StreamStarted
from .deadlines import REJOIN_DEADLINE_S, VIDEO_DEADLINE_S
from .effects import BeginFrames, Fail, SendChannel, SendSignaling, Succeed
from .inputs import Abandon, Due, End, Interact, SignOfLife, Start, Unreadable, VideoResumed, VideoSeen
from .machine import by_state, nothing, row
from .stream_base import LinkLost, LinkUp, SessionOver, StreamBase, StreamState
from .stream_errors import ends_stream, given_up, refusal, unanswered
from .unread import meant

if TYPE_CHECKING:
    from .machine import Row

__all__ = ["STREAM_ROWS", "STREAM_TABLE", "StreamMachine"]

_ERROR: Final = "interactive_stream_error"

X = StreamState


class StreamMachine(StreamBase):
    """The streams of a session, one at a time."""

    # Repeated, because type checkers treat what a subclass assigns as its own.
    stream_id: str | None
    applied_prompt: str | None
    broadcast: BroadcastInfo | None

    # --- commands

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
        self._gaps.report_held()
        self._silence.expect(self._agenda.now, REJOIN_DEADLINE_S)
        self._watch.renew()
        self._look_again()
        self.make_held_calls()

    def must_clear(self, _: object) -> bool:
        """Return whether a stream that this side has given up may still run at the service."""
        return self._clearing

    def clear(self, _: LinkUp) -> None:
        """End a stream that may still run at the service."""
        self._send_end()
        self.make_held_calls()

    def cleared(self, message: wire.StreamEnded | wire.InteractiveStreamError) -> None:
        """Continue: the service no longer runs a stream."""
        if isinstance(message, wire.InteractiveStreamError) and not self._end_sent:
            self.report_error(message)  # it answers a start, whose call has failed before
        self._go_on_cleared()

    def give_clearing_up(self, _: Due) -> None:
        """Continue: the service does not answer the end of a stream, so there may be none."""
        self._go_on_cleared()

    def _go_on_cleared(self) -> None:
        self._agenda.cancel(Due.ANSWER)
        self._clearing = False
        self._answer_ends()
        self.make_held_calls()

    def hold_until_cleared(self, item: Start) -> None:
        """Keep a start until no other stream runs at the service."""
        self._await_clearing()
        self._calls.hold(item)

    def nobody_waits_for_end(self, _: Start) -> bool:
        """Return whether the calls that asked for the end were abandoned."""
        return not self._calls.has_ends

    def start_after_end(self, item: Start) -> None:
        """Count the stream as ended, and keep the start until it has ended at the service."""
        self._fail_unanswered(unanswered("the stream has ended", self._connection.session_id))
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

    def is_of_start(self, item: Abandon) -> bool:
        """Return whether the abandoned call is that of the last start."""
        return item.call == self._started_by

    def forsake(self, item: Abandon) -> None:
        """Give up a stream whose start has failed for its caller, and end it once it has started."""
        self._calls.abandon(item.call)
        error = given_up(self._connection.session_id)
        if self.stream_id is not None:  # it has started just before its caller gave up
            self._fail_unanswered(error)
            if self._connection.has_channel:  # else once the link is restored
                self._send_end()
        self._finish(error)
        self._clearing = True

    def is_unwanted(self, _: wire.StreamStarted) -> bool:
        """Return whether the start of this stream has failed, and its end was not requested since."""
        return self._unwanted if self.state is X.NONE else self._clearing and not self._end_sent

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

    def can_be_watched(self, message: wire.BroadcastReady) -> bool:
        """Return whether the service gave the address and the token for spectators."""
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

    # --- interacting

    def interact(self, item: Interact) -> None:
        """Send an update after those before it."""
        self._calls.queue_update(item)
        self._send_next_update()
        self._limit_waiting()

    def forsake_update(self, item: Abandon) -> None:
        """Forget the call; an update that is on the wire keeps its place for a while."""
        self._calls.abandon(item.call)
        self._limit_waiting()

    def waits_for_nobody(self, _: Due) -> bool:
        """Return whether updates wait for the answer to an abandoned one."""
        return self._calls.waits_for_nobody

    def give_answer_up(self, _: Due) -> None:
        """Count that answer as lost, and send the next update."""
        self._calls.take_sent()
        self._send_next_update()

    def has_update_sent(self, _: wire.UpdateAcknowledged) -> bool:
        """Return whether an update is on the wire."""
        return self._calls.has_update_sent

    def acknowledge(self, message: wire.UpdateAcknowledged) -> None:
        """Answer the update that is on the wire, and send the next; an empty prompt counts as not reported."""
        self.applied_prompt = message.prompt or None
        self._agenda.put(InteractAcknowledged(prompt=message.prompt, at=self._agenda.now))
        if (call := self._calls.take_sent()) is not None:
            self._agenda.put(Succeed(call, message.prompt))
        self._send_next_update()

    # --- errors of the stream

    def ends_stream(self, message: wire.InteractiveStreamError) -> bool:
        """Return whether this error ends the stream."""
        return ends_stream(message)

    def end_by_error(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the calls that wait for the stream, and end the stream."""
        self.report_error(message, ends_stream=self.stream_id is not None)
        self._answer_ends()
        error = refusal(message, self._connection.session_id)
        self._fail_unanswered(error)
        self._finish(error)

    def fail_update(self, message: wire.InteractiveStreamError) -> None:
        """Report the error, fail the update that it answers, and send the next: the stream continues."""
        self.report_error(message)
        self._fail_sent(refusal(message, self._connection.session_id))

    # --- messages that cannot be read

    def fail_start(self, item: Unreadable) -> None:
        """Fail the start, whose answer cannot be read."""
        self.report_unreadable(item)
        self._fail_unanswered(item.error)
        self._finish(item.error)

    def is_unread_end(self, item: Unreadable) -> bool:
        """Return whether this was meant to answer the end: an error does if it answers no update."""
        is_error = item.error.message_type == _ERROR and self.state is X.ENDING
        return item.error.message_type == "stream_ended" or (is_error and not self._calls.has_update_sent)

    def end_unread(self, item: Unreadable) -> None:
        """Fail the calls that wait for the end, whose answer cannot be read, and end the stream."""
        self.report_unreadable(item)
        for call in self._calls.take_ends():
            self._agenda.put(Fail(call, errors.again(item.error)))
        self._fail_unanswered(item.error)
        if not self._clearing:
            self._finish(None)
        self._go_on_cleared()

    def is_unread_answer(self, item: Unreadable) -> bool:
        """Return whether this was meant to answer the update that is on the wire."""
        return self._calls.has_update_sent and item.error.message_type in ("update_acknowledged", _ERROR)

    def fail_unread_update(self, item: Unreadable) -> None:
        """Fail the update whose answer cannot be read, and send the next."""
        self.report_unreadable(item)
        self._fail_sent(item.error)

    # --- ending

    def end(self, item: End) -> None:
        """Ask the streamer to end the stream; calls that were not sent yet fail."""
        self._calls.add_end(item.call)
        error = unanswered("the stream was ended meanwhile", self._connection.session_id)
        for call in self._calls.take_unsent():
            self._agenda.put(Fail(call, errors.again(error)))
        self._send_end()
        self._await_answer()  # instead of video: the last frame may come long before the end

    def end_too(self, item: End) -> None:
        """Wait for the end in progress; ask again if no call waits for it, as request or answer may be lost."""
        if not self._calls.has_ends:
            self._send_end()
        self._calls.add_end(item.call)

    def end_nothing(self, item: End) -> None:
        """Answer at once: callers, such as a handler of errors, cannot know whether the stream has just ended."""
        self._agenda.put(Succeed(item.call, None))

    def ended(self, _: wire.StreamEnded) -> None:
        """Answer the calls that wait for the end; the others fail."""
        self._answer_ends()
        self._fail_unanswered(unanswered("the stream has ended", self._connection.session_id))
        self._finish(None)


M = StreamMachine
STREAM_TABLE: Final[tuple[Row[StreamMachine], ...]] = (
    # Starting.
    row((X.NONE,), Start, X.STARTING, M.start),
    row((X.NONE,), wire.StreamStarted, X.ENDING, M.end_late, M.is_unwanted),
    row((X.NONE, X.STARTING), wire.StreamStarted, X.STREAMING, M.started),
    row((X.ENDING,), wire.StreamStarted, None, M.end_late, M.is_unwanted),
    row((X.ENDING,), wire.StreamStarted, None, nothing),
    row((X.STARTING, X.STREAMING), Abandon, X.ENDING, M.forsake, M.is_of_start),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.note_broadcast, M.can_be_watched),
    row((X.STARTING, X.STREAMING), wire.BroadcastReady, None, M.report_broadcast_error),
    # Checking that video arrives.
    row((X.STREAMING,), Due.CHECK, None, M.look_for_video),
    row((X.STREAMING,), VideoSeen, None, M.judge_video),
    row((X.STREAMING,), SignOfLife, None, M.note_pause),
    row((X.STARTING,), VideoResumed, None, M.hold_gap),
    row((X.STREAMING,), VideoResumed, None, M.hold_gap, M.comes_too_early),
    row((X.STREAMING, X.ENDING), VideoResumed, None, M.report_gap),
    # Checking that the streamer is alive while no video need come.
    row((X.STARTING, X.ENDING), SignOfLife, None, M.note_sign),
    row((X.STARTING, X.ENDING), Due.CHECK, None, M.lose_streamer, M.has_vanished),
    row((X.STARTING, X.ENDING), Due.CHECK, None, M.ask_for_sign),
    # Interacting.
    row((X.STREAMING,), Interact, None, M.interact),
    row((X.STREAMING,), Abandon, None, M.forsake_update),
    row((X.STREAMING,), Due.ANSWER, None, M.give_answer_up, M.waits_for_nobody),
    row((X.STREAMING,), Due.ANSWER, None, nothing),
    row((X.STREAMING, X.ENDING), wire.UpdateAcknowledged, None, M.acknowledge, M.has_update_sent),
    # Errors of the stream.
    row((X.STARTING,), wire.InteractiveStreamError, X.NONE, M.end_by_error),
    row((X.ENDING,), wire.InteractiveStreamError, X.NONE, M.cleared, M.must_clear),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, X.NONE, M.end_by_error, M.ends_stream),
    row((X.STREAMING, X.ENDING), wire.InteractiveStreamError, None, M.fail_update),
    row((X.NONE,), wire.InteractiveStreamError, None, M.report_error),
    # Messages that cannot be read.
    row((X.STARTING,), Unreadable, X.ENDING, M.refuse_unread, meant("stream_started")),
    row((X.STARTING,), Unreadable, X.NONE, M.fail_start, meant(_ERROR)),
    row((X.STREAMING, X.ENDING), Unreadable, X.NONE, M.end_unread, M.is_unread_end),
    row((X.STREAMING, X.ENDING), Unreadable, None, M.fail_unread_update, M.is_unread_answer),
    row(tuple(X), Unreadable, None, M.report_unreadable),
    # Ending.
    row((X.STARTING, X.STREAMING), End, X.ENDING, M.end),
    row((X.NONE,), End, None, M.end_nothing),
    row((X.ENDING,), Start, None, M.hold_until_cleared, M.must_clear),
    row((X.ENDING,), Start, None, M.start_after_end, M.nobody_waits_for_end),
    row((X.ENDING,), End, None, M.end_when_cleared, M.must_clear),
    row((X.ENDING,), Due.ANSWER, X.NONE, M.give_clearing_up, M.must_clear),
    row((X.ENDING,), End, None, M.end_too),
    row((X.ENDING,), wire.StreamEnded, X.NONE, M.cleared, M.must_clear),
    row((X.STREAMING, X.ENDING), wire.StreamEnded, X.NONE, M.ended),
    # When the session's link comes and goes.
    row((X.NONE, X.ENDING), LinkUp, X.ENDING, M.clear, M.must_clear),
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
