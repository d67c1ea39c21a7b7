"""The life of a session and its stream, without I/O, threads or a clock.

Whoever drives it feeds *inputs* with `Protocol.receive(input, now)` and carries out, in order, what
`Protocol.outputs()` hands back: *effects* (do this) and *events* (tell the user this). Nothing is ever called
back. When `Protocol.next_due` has come, `Protocol.advance(now)` is called.

Which step may follow which is in `odyssey_proto.core.table`. A *command* (what the user calls) for which it has no
row raises and changes nothing. An *occurrence* (what the network tells) without a row came at the wrong
moment: it changes nothing and is handed out as `Ignored`.

A *link* is one attempt at signaling plus peer connection; the session survives its links. What a link that was
given up still tells is not heard any more.

Calls that wait for an answer are numbered by the driver. Each is answered once, by `Succeed` or `Fail`.
Acknowledgements carry no id: one ``update`` is on the wire at a time, the others queue (spec/asyncapi.yaml).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import odyssey_models as wire

from .._base import errors, secrets
from .._model.events import (
    BroadcastInfo,
    BroadcastReady,
    ConnectionStatus,
    ErrorOccurred,
    Event,
    GapEvent,
    InteractAcknowledged,
    StatusChanged,
    StreamEnded,
    StreamFailed,
    StreamStarted,
)
from .._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from .effects import (
    AcceptOffer,
    AddCandidate,
    AskForKeyframe,
    Authenticate,
    BeginFrames,
    CheckVideo,
    CloseLink,
    Effect,
    EndFrames,
    Fail,
    Ignored,
    OpenLink,
    Output,
    PauseFrames,
    RequestSession,
    SendChannel,
    SendSignaling,
    Succeed,
)
from .inputs import (
    Abandon,
    Answered,
    Authenticated,
    ChannelOpened,
    Connect,
    Disconnect,
    Due,
    End,
    Input,
    Interact,
    Join,
    LinkFailed,
    Received,
    SessionGranted,
    SignalingClosed,
    SignalingOpened,
    Start,
    StepFailed,
    StreamerUnavailable,
    VideoReceived,
    VideoResumed,
    VideoSeen,
)
from .table import OVER, ROWS, Key, Row, SessionState, State, StreamState

if TYPE_CHECKING:
    from .._model.config import AdvancedConfig

__all__ = ["KEEPALIVE_INTERVAL", "SESSION_KEPT", "Protocol"]

KEEPALIVE_INTERVAL: Final = 10.0
"""s between keepalives (spec/asyncapi.yaml)."""
SESSION_KEPT: Final = 40.0
"""s after the last keepalive for which the service keeps a session."""
QUEUE_INTERVAL: Final = 1.0
"""s between two requests for a streamer while none is free."""
VIDEO_DEADLINE: Final = 20.0
"""s from the open WebSocket to video and control channel, and from a stream's start to its first frame."""
REJOIN_DEADLINE: Final = 5.0
"""The same while a session is rejoined, when an attempt that hangs costs the next one."""
OPEN_DEADLINE: Final = 10.0
"""s for opening a link, up to the open WebSocket."""
KEYFRAME_AFTER: Final = 1.0
"""s without a frame after which a keyframe is asked for."""
SILENCE_LIMIT: Final = 2.5
"""s without a frame after which the link is given up."""
FRAME_INTERVAL: Final = 0.05
"""s from one frame to the next (spec/README.md)."""

S = SessionState
X = StreamState
_COMMANDS: Final = {
    Connect: "connect",
    Join: "connect",
    Start: "start stream",
    Interact: "interact",
    End: "end stream",
}

_STATUS: Final = {
    S.IDLE: ConnectionStatus.DISCONNECTED,
    S.AUTHENTICATING: ConnectionStatus.AUTHENTICATING,
    S.QUEUEING: ConnectionStatus.CONNECTING,
    S.CONNECTING: ConnectionStatus.CONNECTING,
    S.CONNECTED: ConnectionStatus.CONNECTED,
    S.RECONNECTING: ConnectionStatus.RECONNECTING,
    S.DISCONNECTED: ConnectionStatus.DISCONNECTED,
    S.FAILED: ConnectionStatus.FAILED,
}

_STREAM_IS: Final = {
    X.NONE: "no stream is active; call start_stream() first",
    X.STARTING: "the stream is still starting; wait for it, or call end_stream()",
    X.STREAMING: "a stream is active already; call end_stream() first",
    X.ENDING: "the stream is still ending; wait for it, call end_stream() again, or disconnect()",
}

_SIGNALING_ERRORS: Final = {
    "streamer_not_available": "Streamer not available",
    "streamer_disconnected": "Streamer disconnected",
    "duration_limit_reached": "The session has reached its longest duration",
    "unknown": "The service reported an unknown error",
}

# spec/asyncapi.yaml: what a reason is raised as, and that no stream is left after it.
_STREAM_USAGE: Final = {
    "quota_exceeded": "MONTHLY_LIMIT_REACHED",
    "concurrent_limit_exceeded": "CONCURRENT_LIMIT_REACHED",
    "session_timeout": "STREAM_DURATION_EXCEEDED",
}
_STREAM_ENDING: Final = frozenset({*_STREAM_USAGE, "lease_denied"})


class Protocol:
    """The state of one session, from `Connect` to its end. Not thread-safe: one driver owns it."""

    def __init__(self, config: AdvancedConfig, *, reconnect: bool = True) -> None:
        self.session = SessionState.IDLE
        self.stream = StreamState.NONE
        self.session_id: str | None = None
        self.capabilities: wire.StreamerCapabilities | None = None
        self.stream_id: str | None = None
        self.applied_prompt: str | None = None
        """The prompt in effect, as the service rewrote it, where it told."""
        self.broadcast: BroadcastInfo | None = None
        """Where the stream can be watched, once it can."""
        self.error: errors.OdysseyError | None = None
        """Why the session is over, where it failed."""
        self.doing = "starting"
        """The step that is being waited for."""
        self._last_failure = ""  # of the link before
        self._config = config
        self._reconnect = reconnect
        self._now = 0.0
        self._out: deque[Output] = deque()
        self._due: dict[Due, float] = {}
        self._connect_call: int | None = None
        self._start_call: int | None = None
        self._end_calls: list[int] = []
        self._update_out: Interact | None = None  # on the wire
        self._abandoned: set[int] = set()  # calls on the wire that nobody waits for
        self._updates: deque[Interact] = deque()
        self._held: deque[Start | Interact | End] = deque()
        self._ended_by_error = False  # the last stream, or its start
        self._clearing = False  # of a stream that may still run at the service, though nobody here knows it
        self._links = 0
        self._link: int | None = None  # the one that is heard
        self._link_is_up = False  # its WebSocket is open
        self._video = False
        self._channel: int | None = None  # its largest message, in bytes
        self._attempts = 0
        self._signaling_url = ""
        self._token: str | None = None  # where it is not the driver's to get
        self._token_until = 0.0
        self._queue_until = 0.0
        self._kept_until = 0.0
        self._overslept = 0.0  # s that what is due is done too late
        self._frame_at = 0.0  # the newest frame, or when the wait for one began
        self._video_at = 0.0  # the newest frame, over all links
        self._silence_limit = SILENCE_LIMIT
        self._keyframe_asked = False

    # --- feeding in, draining out

    def receive(self, item: Input, now: float) -> None:
        """Take one input at ``now`` (s).

        Raises:
            OdysseyStreamError, OdysseyConnectionError: the command cannot be carried out in this state, which
                stays as it was.
        """
        self._now = now
        if isinstance(item, Abandon):
            self._abandon(item.call)
        elif getattr(item, "link", self._link) != self._link:
            self._ignore(f"{_name(item)} of a link that was given up")
        else:
            self._refuse_oversize(item)
            self._step(item, type(item.message) if isinstance(item, Received) else type(item))

    def advance(self, now: float) -> None:
        """Do what has become due at ``now`` (s)."""
        self._now = now
        for due, at in sorted(self._due.items(), key=lambda entry: entry[1]):
            if at <= now and self._due.pop(due, None) is not None:
                self._overslept = now - at
                self._step(due, due)

    @property
    def next_due(self) -> float | None:
        """When `advance` has something to do, in s; None when nothing is waited for."""
        return min(self._due.values(), default=None)

    def outputs(self) -> list[Output]:
        """Hand out, once and in order, all effects and events that have come up."""
        out = list(self._out)
        self._out.clear()
        return out

    @property
    def status(self) -> ConnectionStatus:
        """The session's state as the documentation names it."""
        return _STATUS[self.session]

    @property
    def progress(self) -> str:
        """The step that is being waited for, and why it is not the first attempt; for the text of a timeout."""
        return f"{self.doing}; the attempt before: {self._last_failure}" if self._last_failure else self.doing

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, one way or the other."""
        return self.session in OVER

    def _step(self, item: Any, key: Key) -> None:
        for row in (*ROWS.get((self.session, key), ()), *self._stream_rows(key)):
            if row.guard is None or getattr(self, row.guard)(item):
                self._move(row.target)
                getattr(self, row.action)(item)
                return
        if isinstance(key, type) and key in _COMMANDS:
            raise self._refusal(_COMMANDS[key], item)
        self._ignore(f"{_name(item)} in {self.session.value}, stream {self.stream.value}")

    def _stream_rows(self, key: Key) -> tuple[Row, ...]:
        return ROWS.get((self.stream, key), ()) if self.session is S.CONNECTED else ()

    def _move(self, target: State | None) -> None:
        if isinstance(target, SessionState):
            before, self.session = self.status, target
            if self.is_over:
                self._due.clear()
            elif self.status is not before:
                self._tell(StatusChanged(status=self.status, at=self._now))
        elif target is not None:
            self.stream = target

    def _refusal(self, what: str, item: Any) -> errors.OdysseyError:
        if isinstance(item, Connect | Join):
            return errors.OdysseyConnectionError(
                f"Cannot connect: this session is {self.status}", code="not_idle", operation=what
            )
        if self.session is not S.CONNECTED:
            return self.not_connected(what)
        return errors.OdysseyStreamError(
            f"Cannot {what}: {_STREAM_IS[self.stream]}",
            code="wrong_stream_state",
            operation=what,
            session_id=self.session_id,
        )

    def not_connected(self, what: str) -> errors.OdysseyStreamError:
        """Make the error for something that needs a connection, with the reason why there is none."""
        why = "" if self.error is None else f" ({self.error.message}); call connect() again"
        return errors.OdysseyStreamError(
            f"Cannot {what}: client is {self.status}{why}",
            code="not_connected",
            operation=what,
            session_id=self.session_id,
        )

    def _do(self, effect: Effect) -> None:
        self._out.append(effect)

    def _tell(self, event: Event) -> None:
        self._out.append(event)

    def _ignore(self, what: str) -> None:
        self._do(Ignored(what))

    def _nothing(self, _: Any) -> None:
        """The row itself says it all."""

    # --- getting a session

    def _authenticate(self, item: Connect) -> None:
        self._connect_call = item.call
        self.doing = "authenticating"
        self._do(Authenticate())

    def _request(self, _: Authenticated) -> None:
        self.doing = "requesting a session"
        self._queue_until = self._now + self._config.queue_timeout_s
        self._do(RequestSession())

    def _may_queue(self, _: StreamerUnavailable) -> bool:
        return self._now + QUEUE_INTERVAL <= self._queue_until

    def _wait_in_queue(self, _: StreamerUnavailable) -> None:
        if self.doing != "waiting for a streamer":
            self.doing = "waiting for a streamer"
            self._tell(StatusChanged(status=self.status, message="Waiting for a streamer", at=self._now))
        self._due[Due.ASK_AGAIN] = self._now + QUEUE_INTERVAL

    def _request_again(self, _: Due) -> None:
        self._do(RequestSession())

    def _fail_in_queue(self, item: StreamerUnavailable) -> None:
        if self._config.queue_timeout_s > 0:
            self._fail(
                StepFailed(
                    errors.OdysseyConnectionTimeoutError(
                        f"Timed out waiting for a streamer after {self._config.queue_timeout_s:g} s: "
                        "try later, or raise queue_timeout_s",
                        code="queue_timeout",
                        status=item.error.status,
                        request_id=item.error.request_id,
                        operation="connect",
                        recoverable=True,
                        retry_after=item.error.retry_after,
                    )
                )
            )
        else:
            self._fail(StepFailed(item.error))

    def _join(self, item: Join) -> None:
        self._connect_call = item.call
        self._token, self._token_until = item.token, self._now + item.valid_for
        self._take_session(item)

    def _take_session(self, item: SessionGranted | Join) -> None:
        self.session_id = item.session.session_id
        self.capabilities = item.session.capabilities or wire.StreamerCapabilities()
        self._signaling_url = item.session.signalling_url
        self._kept_until = self._now + SESSION_KEPT
        self._open_link(item)

    # --- making a link

    def _open_link(self, _: Any) -> None:
        assert self.session_id is not None
        self._links += 1
        self._link = self._links
        self._link_is_up, self._video, self._channel = False, False, None
        if not self.is_over:
            self.doing = "opening the signaling connection"
        self._do(
            OpenLink(
                self._current,
                self.session_id,
                self._signaling_url,
                timeout=REJOIN_DEADLINE if self.session is S.RECONNECTING else OPEN_DEADLINE,
                with_video=not self.is_over,
                token=self._token,
            )
        )

    def _token_is_spent(self, _: Any) -> bool:
        return self._token is not None and self._now >= self._token_until

    def _fail_expired(self, _: Due) -> None:
        error = errors.OdysseyConnectionError(
            "The connection was lost, and its credentials have expired since: get new ones",
            code="credentials_expired",
            session_id=self.session_id,
        )
        self._fail(StepFailed(error))

    def _await_offer(self, _: SignalingOpened) -> None:
        self._link_is_up = True
        self.doing = "waiting for the offer"
        self._due[Due.VIDEO] = self._now + self._video_deadline
        self._note_keepalive()

    @property
    def _video_deadline(self) -> float:
        return REJOIN_DEADLINE if self.session is S.RECONNECTING else VIDEO_DEADLINE

    def _accept_offer(self, item: Received) -> None:
        assert isinstance(item.message, wire.Offer)
        self.doing = "waiting for video"
        self._do(AcceptOffer(self._current, item.message.sdp))

    def _add_candidate(self, item: Received) -> None:
        assert isinstance(item.message, wire.IceCandidate)
        self._do(AddCandidate(self._current, item.message))

    def _send_answer(self, item: Answered) -> None:
        self._do(SendSignaling(self._current, wire.Answer(sdp=item.sdp)))

    def _video_is_there(self, _: ChannelOpened) -> bool:
        return self._video

    def _channel_is_open(self, _: VideoReceived) -> bool:
        return self._channel is not None

    def _note_video(self, _: VideoReceived) -> None:
        self._video = True

    def _note_channel(self, item: ChannelOpened) -> None:
        self._channel = item.max_message_size

    def _connected(self, item: VideoReceived | ChannelOpened) -> None:
        if isinstance(item, ChannelOpened):
            self._note_channel(item)
        self._video = True
        self._attempts = 0
        self._due.pop(Due.VIDEO, None)
        self._due.pop(Due.GIVE_UP, None)
        self.doing, self._last_failure = "connected", ""
        if self._connect_call is not None:
            self._do(Succeed(self._connect_call, None))
            self._connect_call = None
        if self._clearing:
            self.stream = X.ENDING
            self._do(SendChannel(self._current, wire.InteractiveStreamEnd()))
        elif self.stream is X.STREAMING:
            self._expect_frames(REJOIN_DEADLINE)
        self._let_go()

    def _let_go(self) -> None:
        """Carry out the commands that were held, as if they came now."""
        held, self._held = self._held, deque()
        for command in held:
            try:
                self._refuse_oversize(command)
                self._step(command, type(command))
            except errors.OdysseyError as error:
                self._do(Fail(command.call, error))

    def _keep_alive(self, _: Due) -> None:
        self._do(SendSignaling(self._current, wire.Keepalive()))
        self._note_keepalive()

    def _note_keepalive(self) -> None:
        self._due[Due.KEEPALIVE] = self._now + KEEPALIVE_INTERVAL
        self._kept_until = self._now + SESSION_KEPT
        if Due.GIVE_UP in self._due:
            self._due[Due.GIVE_UP] = self._kept_until

    # --- watching that video comes

    def _expect_frames(self, limit: float) -> None:
        self._frame_at, self._silence_limit, self._keyframe_asked = self._now, limit, False
        self._due[Due.CHECK] = self._now + KEYFRAME_AFTER

    def _check_video(self, _: Due) -> None:
        if self._overslept > KEYFRAME_AFTER:  # this process did not run: that is no silence of the streamer
            self._frame_at = self._now
        self._do(CheckVideo(self._current))

    def _has_new_frames(self, item: VideoSeen) -> bool:
        return item.at is not None and item.at > self._frame_at

    def _note_frames(self, item: VideoSeen) -> None:
        assert item.at is not None
        self._frame_at = self._video_at = item.at
        self._silence_limit, self._keyframe_asked = SILENCE_LIMIT, False
        self._wait_for_frames(item)

    def _is_silent(self, _: VideoSeen) -> bool:
        return self._now - self._frame_at >= self._silence_limit

    def _wait_for_frames(self, _: VideoSeen) -> None:
        if not self._keyframe_asked and self._now - self._frame_at >= KEYFRAME_AFTER:
            self._keyframe_asked = True
            self._do(AskForKeyframe(self._current))
        after = self._silence_limit if self._keyframe_asked else KEYFRAME_AFTER
        self._due[Due.CHECK] = min(self._frame_at + after, self._now + KEYFRAME_AFTER)

    def _lose_video(self, _: VideoSeen) -> None:
        gone_for = self._now - self._video_at
        error = errors.OdysseyConnectionError(
            f"No video for {gone_for:.1f} s",
            code="video_stalled",
            session_id=self.session_id,
            recoverable=gone_for < SESSION_KEPT,  # rejoining has been tried since
        )
        self._step(LinkFailed(self._current, error, signaling_lost=False), LinkFailed)

    def _tell_gap(self, item: VideoResumed) -> None:
        missed = max(0, round(item.seconds / FRAME_INTERVAL) - 1)
        self._tell(GapEvent(seconds=item.seconds, frames_missed=missed, at=self._now))

    # --- losing it

    def _may_retry(self, item: LinkFailed) -> bool:
        if not item.error.recoverable:
            return False
        if self.session is S.RECONNECTING:
            return self._now < self._kept_until
        return self._attempts < self._config.max_retries

    def _wait_to_rejoin(self, item: LinkFailed) -> None:
        self._close_link()
        self._tell(ErrorOccurred(error=item.error, fatal=False, at=self._now))
        self.doing = "waiting to try again"
        self._last_failure = item.error.message
        self._due[Due.REJOIN] = self._now + self._config.retry_delay(self._attempts)
        self._attempts += 1

    def _give_link_up(self, _: Due) -> None:
        text = f"No video within {self._video_deadline:g} s: {self.doing} took too long"
        error = errors.OdysseyConnectionTimeoutError(
            text, code="no_video", operation="connect", session_id=self.session_id, recoverable=True
        )
        self._step(LinkFailed(self._current, error, signaling_lost=False), LinkFailed)

    def _closed_too_early(self, item: SignalingClosed) -> None:
        error = errors.OdysseyConnectionError(
            f"The service closed the connection while {self.doing}",
            code="closed_early",
            operation="connect",
            session_id=self.session_id,
            recoverable=True,
        )
        self._step(LinkFailed(item.link, error), LinkFailed)

    def _may_reconnect(self, item: LinkFailed) -> bool:
        return self._reconnect and item.error.recoverable and self._now < self._kept_until

    def _lose_link(self, item: LinkFailed) -> None:
        self._fail_calls(item.error)
        if self._clearing:
            self.stream = X.NONE
        elif self.stream in (X.STARTING, X.ENDING):
            self._finish_stream(item.error)
            self._clearing = True
        elif self.stream is X.STREAMING:
            self._do(PauseFrames())
        self._due[Due.GIVE_UP] = self._kept_until
        self._wait_to_rejoin(item)

    def _give_session_up(self, _: Due) -> None:
        error = errors.OdysseyConnectionError(
            f"Connection lost; not back within {SESSION_KEPT:g} s of the last keepalive ({self.progress})",
            code="connection_lost",
            session_id=self.session_id,
            recoverable=True,
        )
        self._fail(StepFailed(error))

    def _fail_as_told(self, item: Received) -> None:
        assert isinstance(item.message, wire.SignalingError)
        reason = secrets.one_line(str(item.message.reason))
        text = _SIGNALING_ERRORS.get(reason, f"The service ended the session: {reason}")
        self._fail(StepFailed(errors.OdysseyConnectionError(text, code=reason, session_id=self.session_id)))

    def _fail(self, item: StepFailed | LinkFailed) -> None:
        if isinstance(item, LinkFailed) and item.signaling_lost:
            self._close_link()
        self.error = item.error
        self._tell(ErrorOccurred(error=item.error, fatal=True, at=self._now))
        self._finish(item.error)

    # --- leaving

    def _leave(self, item: Disconnect) -> None:
        error = item.error or errors.OdysseyConnectionError(
            "The client disconnected", code="disconnected", session_id=self.session_id
        )
        self._finish(error)

    def _leave_as_told(self, _: SignalingClosed) -> None:
        error = errors.OdysseyConnectionError(
            "The service ended the session", code="session_ended", session_id=self.session_id
        )
        self._close_link()
        self._finish(error, give_back=False)

    def _finish(self, error: errors.OdysseyError, *, give_back: bool = True) -> None:
        """End calls, stream and link. ``give_back``: the service may still hold the session for us."""
        self.doing = "not connected"
        self._fail_calls(error)
        if self._connect_call is not None:
            self._do(Fail(self._connect_call, errors.again(error)))
            self._connect_call = None
        if self.stream is not X.NONE:
            self._finish_stream(self.error)
        if self._link_is_up:
            self._say_goodbye(None)
        else:
            if self._link is not None:  # it may hang where it is
                self._close_link()
            if give_back and self.session_id is not None and not self._token_is_spent(None):
                self._open_link(None)  # only to say goodbye: `OVER` has the row
        self._tell(StatusChanged(status=self.status, message=error.message, at=self._now))

    def _say_goodbye(self, _: Any) -> None:
        self._do(SendSignaling(self._current, wire.ClientDisconnecting()))
        self._close_link()

    def _close_link(self) -> None:
        self._do(CloseLink(self._current))
        self._link, self._link_is_up = None, False
        for due in (Due.KEEPALIVE, Due.VIDEO, Due.CHECK):
            self._due.pop(due, None)

    @property
    def _current(self) -> int:
        assert self._link is not None
        return self._link

    # --- the stream

    def _refuse_oversize(self, item: Input) -> None:
        match item:
            case Start(size=size) if size > SIGNALING_MESSAGE_LIMIT:
                limit = SIGNALING_MESSAGE_LIMIT
            case Interact(size=size) if self._channel is not None and size > self._channel:
                limit = self._channel
            case _:
                return
        raise errors.OdysseyStreamError(
            f"The message is too long: {item.size} bytes, and the most is {limit}; shorten the prompt",
            code="message_too_long",
            session_id=self.session_id,
        )

    def _hold(self, item: Start | Interact | End) -> None:
        self._held.append(item)

    def _start(self, item: Start) -> None:
        self._ended_by_error = False
        self._start_call = item.call
        self._do(BeginFrames(self._now))
        fits = self._channel is not None and item.size <= self._channel and item.message.input_image_base64 is None
        self._do((SendChannel if fits else SendSignaling)(self._current, item.message))

    def _stream_started(self, item: Received) -> None:
        assert isinstance(item.message, wire.StreamStarted)
        self.stream_id, self.applied_prompt = item.message.stream_id, item.message.applied_prompt
        self._do(BeginFrames(self._now))
        self._video_at = self._now
        self._expect_frames(VIDEO_DEADLINE)
        self._tell(StreamStarted(stream_id=self.stream_id, applied_prompt=self.applied_prompt, at=self._now))
        if self._start_call is not None:
            self._do(Succeed(self._start_call, self.stream_id))
            self._start_call = None

    def _can_be_watched(self, item: Received) -> bool:
        assert isinstance(item.message, wire.BroadcastReady)
        return bool(item.message.webrtc_url and item.message.spectator_token)

    def _tell_broadcast(self, item: Received) -> None:
        message = item.message
        assert isinstance(message, wire.BroadcastReady)
        assert message.webrtc_url
        assert message.spectator_token
        self.broadcast = BroadcastInfo(message.webrtc_url, message.spectator_token, message.broadcast_url or None)
        self._tell(BroadcastReady(info=self.broadcast, at=self._now))

    def _tell_broadcast_error(self, _: Received) -> None:
        text = "The broadcast is ready, but the service did not tell where spectators can watch it"
        self._tell(StreamFailed(reason="broadcast_error", message=text, ends_stream=False, at=self._now))

    def _interact(self, item: Interact) -> None:
        self._updates.append(item)
        self._send_next_update()

    def _send_next_update(self) -> None:
        if self._update_out is None and self._updates:
            self._update_out = self._updates.popleft()
            self._do(SendChannel(self._current, self._update_out.message))

    def _update_is_out(self, _: Received) -> bool:
        return self._update_out is not None

    def _acknowledge(self, item: Received) -> None:
        assert isinstance(item.message, wire.UpdateAcknowledged)
        assert self._update_out is not None
        self.applied_prompt = item.message.prompt
        self._tell(InteractAcknowledged(prompt=item.message.prompt, at=self._now))
        self._answer(self._update_out.call, item.message.prompt)
        self._update_out = None
        self._send_next_update()

    def _answer(self, call: int, value: object) -> None:
        if call in self._abandoned:
            self._abandoned.discard(call)
        else:
            self._do(Succeed(call, value))

    def _error_ends_stream(self, item: Received) -> bool:
        assert isinstance(item.message, wire.InteractiveStreamError)
        return str(item.message.reason) in _STREAM_ENDING

    def _stream_error(self, item: Received) -> None:
        assert isinstance(item.message, wire.InteractiveStreamError)
        over = self.stream is X.NONE
        self._tell_stream_error(item)
        if over:
            self._answer_ends()
        # While the stream goes on, it answers what is on the wire; what is queued goes out next.
        for call in self._take_calls(ends=False, queued=over):
            self._do(Fail(call, self._stream_failure(item.message)))
        if over:
            self._ended_by_error = True
            self._finish_stream(self._stream_failure(item.message))
        else:
            self._send_next_update()

    def _tell_stream_error(self, item: Received) -> None:
        assert isinstance(item.message, wire.InteractiveStreamError)
        self._tell(
            StreamFailed(
                reason=secrets.one_line(str(item.message.reason)),
                message=secrets.one_line(item.message.message),
                ends_stream=self.stream is X.NONE and self.stream_id is not None,
                at=self._now,
            )
        )

    def _stream_failure(self, message: wire.InteractiveStreamError) -> errors.OdysseyError:
        reason, text = (
            secrets.one_line(str(message.reason)),
            secrets.one_line(message.message or str(message.reason)),
        )
        if reason in _STREAM_USAGE:
            return errors.usage_error(_STREAM_USAGE[reason], text, session_id=self.session_id, operation="stream")
        return errors.OdysseyStreamError(text, code=reason, session_id=self.session_id, operation="stream")

    def _end(self, item: End) -> None:
        self._end_calls.append(item.call)
        self._due.pop(Due.CHECK, None)  # its last frames may be long before its end
        for call in self._take_calls(ends=False, out=False):
            self._do(Fail(call, self._stream_over("the stream was ended meanwhile")))
        self._do(SendChannel(self._current, wire.InteractiveStreamEnd()))

    def _an_error_ended_it(self, _: End) -> bool:
        return self._ended_by_error

    def _end_nothing(self, item: End) -> None:
        # A handler of stream errors ends the stream, as documented, and cannot know whether the error has done so.
        self._ended_by_error = False
        self._do(Succeed(item.call, None))

    def _end_too(self, item: End) -> None:
        if not self._end_calls:  # nobody waits any more: the request or its answer may be lost
            self._do(SendChannel(self._current, wire.InteractiveStreamEnd()))
        self._end_calls.append(item.call)

    def _is_clearing(self, _: Any) -> bool:
        return self._clearing

    def _end_when_cleared(self, item: End) -> None:
        self._end_calls.append(item.call)

    def _cleared(self, _: Received) -> None:
        self._clearing = False
        self._answer_ends()
        self._let_go()

    def _stream_ended(self, _: Received) -> None:
        self._answer_ends()
        for call in self._take_calls():
            self._do(Fail(call, self._stream_over("the stream has ended")))
        self._finish_stream(None)

    def _answer_ends(self) -> None:
        ends, self._end_calls = self._end_calls, []
        for call in ends:
            self._do(Succeed(call, None))

    def _stream_over(self, why: str) -> errors.OdysseyStreamError:
        return errors.OdysseyStreamError(
            f"The call was not answered: {why}",
            code="stream_ended",
            session_id=self.session_id,
            operation="stream",
        )

    def _finish_stream(self, error: errors.OdysseyError | None) -> None:
        had_begun = self.stream_id is not None
        self._do(EndFrames(error))
        self.stream = X.NONE
        self.stream_id = self.applied_prompt = self.broadcast = None
        self._due.pop(Due.CHECK, None)
        if had_begun:
            self._tell(StreamEnded(error=error, at=self._now))

    # --- calls

    def _take_calls(self, *, ends: bool = True, out: bool = True, queued: bool = True) -> list[int]:
        """Forget the calls that wait for the stream and return them, oldest first."""
        calls: list[int] = []
        if self._start_call is not None:
            calls.append(self._start_call)
            self._start_call = None
        if out and self._update_out is not None:
            calls.append(self._update_out.call)
            self._update_out = None
        if queued:
            calls.extend(update.call for update in self._updates)
            self._updates.clear()
        if ends:
            calls.extend(self._end_calls)
            self._end_calls = []
        waited_for = [call for call in calls if call not in self._abandoned]
        self._abandoned.difference_update(calls)
        return waited_for

    def _fail_calls(self, error: errors.OdysseyError) -> None:
        """Tell all that wait for the stream that the connection is gone, with its reason."""
        held, self._held = self._held, deque()
        for call in [*self._take_calls(), *(command.call for command in held)]:
            failure = errors.OdysseyStreamError(
                f"The connection ended before the answer: {error.message}",
                code=error.code,
                session_id=self.session_id,
                operation="stream",
                recoverable=error.recoverable,
            )
            failure.__cause__ = error
            self._do(Fail(call, failure))

    def _abandon(self, call: int) -> None:
        if call == self._connect_call:
            self._connect_call = None
        elif call == self._start_call:
            self._start_call = None
        elif self._update_out is not None and call == self._update_out.call:
            self._abandoned.add(call)
        else:
            self._updates = deque(update for update in self._updates if update.call != call)
            self._held = deque(command for command in self._held if command.call != call)
            self._end_calls = [waiting for waiting in self._end_calls if waiting != call]


def _name(item: object) -> str:
    """Return what an input is called in the log."""
    if isinstance(item, Received):
        return f"message {item.message.type!r}"
    return item.value if isinstance(item, Due) else type(item).__name__
