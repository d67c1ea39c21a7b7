"""The life of a session, from IDLE to its end.

IDLE → AUTHENTICATING → QUEUEING → CONNECTING → CONNECTED, and from there RECONNECTING and back, until DISCONNECTED
(on request) or FAILED. Everything that affects this state is here: the states, the actions, and the rows that lead
from one to the other. What happens to the stream meanwhile is decided in `odyssey_proto.core.stream_machine`, to
which this module sends `LinkUp`, `LinkLost` or `SessionOver`.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base import errors, secrets
from .._base.public_path import publish
from .._model.events import ConnectionStatus, ErrorOccurred, StatusChanged
from .deadlines import KEEPALIVE_INTERVAL_S, OPEN_DEADLINE_S, REJOIN_DEADLINE_S, SESSION_KEPT_S, VIDEO_DEADLINE_S
from .effects import AcceptOffer, AddCandidate, Authenticate, Fail, PauseFrames, RequestSession, Succeed
from .inputs import (
    Answered,
    Authenticated,
    Broken,
    ChannelOpened,
    Connect,
    Disconnect,
    Due,
    End,
    Forgotten,
    Interact,
    Join,
    LinkFailed,
    SessionGranted,
    SignalingClosed,
    SignalingOpened,
    SlotUnavailable,
    Start,
    StepFailed,
    StreamerUnavailable,
    VideoReceived,
    VideoResumed,
)
from .machine import Machine, by_state, nothing, row
from .queueing import Queueing, next_slot_request, slot_refusal
from .stream_machine import STREAM_ROWS, LinkLost, LinkUp, SessionOver, StreamState

if TYPE_CHECKING:
    from .._model.config import AdvancedConfig
    from .machine import Agenda, Row
    from .pending_calls import PendingCalls
    from .session_link import SessionLink
    from .stream_machine import StreamMachine

__all__ = ["OVER", "SESSION_ROWS", "SESSION_TABLE", "STATUS", "SessionMachine", "SessionState"]

_SIGNALING_ERRORS: Final = {
    "streamer_not_available": "Streamer not available",
    "streamer_disconnected": "Streamer disconnected",
    "duration_limit_reached": "The session has reached its longest duration",
    "unknown": "The service reported an unknown error",
}


class SessionState(Enum):
    """The state of the session."""

    IDLE = "idle"
    AUTHENTICATING = "authenticating"
    QUEUEING = "queueing"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    DISCONNECTED = "disconnected"
    FAILED = "failed"


S = SessionState
_JOINING: Final = (S.CONNECTING, S.RECONNECTING)
_LINKED: Final = (*_JOINING, S.CONNECTED)
_LIVE: Final = (S.IDLE, S.AUTHENTICATING, S.QUEUEING, *_LINKED)
OVER: Final = (S.DISCONNECTED, S.FAILED)
"""The states of a session that has ended."""

STATUS: Final = {
    S.IDLE: ConnectionStatus.DISCONNECTED,
    S.AUTHENTICATING: ConnectionStatus.AUTHENTICATING,
    S.QUEUEING: ConnectionStatus.CONNECTING,
    S.CONNECTING: ConnectionStatus.CONNECTING,
    S.CONNECTED: ConnectionStatus.CONNECTED,
    S.RECONNECTING: ConnectionStatus.RECONNECTING,
    S.DISCONNECTED: ConnectionStatus.DISCONNECTED,
    S.FAILED: ConnectionStatus.FAILED,
}
"""The status that users see for each state."""


class SessionMachine(Machine):
    """One session. It steps the machine of its streams, which does not know the session."""

    state: SessionState

    def __init__(
        self,
        agenda: Agenda,
        connection: SessionLink,
        calls: PendingCalls,
        stream: StreamMachine,
        config: AdvancedConfig,
        *,
        reconnect: bool,
    ) -> None:
        self.state = SessionState.IDLE
        self.capabilities: wire.StreamerCapabilities | None = None
        self.error: errors.OdysseyError | None = None
        """The error that ended the session, if it failed."""
        self.doing: str = "starting"
        """The step in progress."""
        self.last_failure: str = ""
        """Why the previous link failed, while another one is opened."""
        self._agenda = agenda
        self._connection = connection
        self._calls = calls
        self._stream = stream
        self._config = config
        self._reconnect = reconnect
        self._queueing = Queueing(config.queue_timeout_s, 0.0)
        self._waits_for_slot = False
        self._held_gaps: deque[VideoResumed] = deque()
        self._attempts = 0
        self._token_until = 0.0
        self._kept_until = 0.0

    def enter(self, target: Enum | None) -> None:
        """Go to a state, and report the status if it changes; the end is reported later, once all is done."""
        before = STATUS[self.state]
        super().enter(target)
        status = STATUS[self.state]
        if self.state in OVER:
            self._agenda.cancel()
        elif status is not before:
            self._agenda.put(StatusChanged(status=status, at=self._agenda.now))

    # --- getting a session

    def authenticate(self, item: Connect) -> None:
        """Get an access token."""
        self._calls.connect = item.call
        self._waits_for_slot = item.wait_for_slot
        self.doing = "authenticating"
        self._agenda.put(Authenticate())

    def request(self, item: Authenticated | Due) -> None:
        """Request a session, for the first time or again."""
        if isinstance(item, Authenticated):
            self.doing = "requesting a session"
            self._queueing = Queueing(self._config.queue_timeout_s, self._agenda.now)
        self._agenda.put(RequestSession())

    def may_queue(self, _: StreamerUnavailable) -> bool:
        """Return whether there is time to ask again."""
        return self._queueing.next_request(self._agenda.now) is not None

    def wait_in_queue(self, _: StreamerUnavailable) -> None:
        """Ask again after a pause, and report once that the session waits for a streamer."""
        self._wait_to_ask("waiting for a streamer")
        self.last_failure = ""
        at = self._queueing.next_request(self._agenda.now)
        assert at is not None
        self._agenda.wake_at(Due.ASK_AGAIN, at)

    def fail_in_queue(self, item: StreamerUnavailable) -> None:
        """Give up: no streamer became free."""
        self.fail(StepFailed(self._queueing.failure(item.error, "connect")))

    def may_wait_for_slot(self, _: SlotUnavailable) -> bool:
        """Return whether the user wants to wait for the end of another session; the caller's timeout ends this."""
        return self._waits_for_slot

    def wait_for_slot(self, item: SlotUnavailable) -> None:
        """Ask again after a pause, and report once that another session has to end; queueing starts after that."""
        self._wait_to_ask("waiting for another session of the account to end")
        self.last_failure = slot_refusal(item.error, item.reminder).message
        at = next_slot_request(item.error, self._agenda.now)
        self._queueing = Queueing(self._config.queue_timeout_s, at)
        self._agenda.wake_at(Due.ASK_AGAIN, at)

    def fail_without_slot(self, item: SlotUnavailable) -> None:
        """Give up: the account has its maximum number of open sessions."""
        self.fail(StepFailed(slot_refusal(item.error, item.reminder)))

    def _wait_to_ask(self, doing: str) -> None:
        if self.doing != doing:
            self.doing = doing
            text = doing[0].upper() + doing[1:]
            self._agenda.put(StatusChanged(status=STATUS[self.state], message=text, at=self._agenda.now))

    def join(self, item: Join) -> None:
        """Take a session that somebody else requested."""
        self._calls.connect = item.call
        self._connection.token, self._token_until = item.token, self._agenda.now + item.valid_for
        self.take_session(item)

    def take_session(self, item: SessionGranted | Join) -> None:
        """Open the first link of the session, even if only to return it to the service."""
        self._connection.session_id = item.session.session_id
        self._connection.signaling_url = item.session.signalling_url
        self.capabilities = item.session.capabilities or wire.StreamerCapabilities()
        self._kept_until = self._agenda.now + SESSION_KEPT_S
        self.last_failure = ""
        self.open_link(item)

    # --- opening a link

    def open_link(self, _: object) -> None:
        """Open the next link; after the session's end, only to say goodbye."""
        is_over = self.state in OVER
        if not is_over:
            self.doing = "opening the signaling connection"
        timeout = REJOIN_DEADLINE_S if self.state is S.RECONNECTING else OPEN_DEADLINE_S
        self._connection.open(timeout, with_video=not is_over)

    def token_is_spent(self, _: object) -> bool:
        """Return whether the token that came with the session no longer opens a link."""
        return self._connection.token is not None and self._agenda.now >= self._token_until

    def fail_expired(self, _: Due) -> None:
        """Give up: no link can be opened any more."""
        error = errors.OdysseyConnectionError(
            "The connection was lost, and its credentials have expired meanwhile: get new ones",
            code="credentials_expired",
            session_id=self._connection.session_id,
        )
        self.fail(StepFailed(error))

    def await_offer(self, _: SignalingOpened) -> None:
        """Wait for the offer and for video."""
        self._connection.is_up = True
        self.doing = "waiting for the offer"
        self._agenda.wake_at(Due.VIDEO, self._agenda.now + _video_deadline(self.state))
        self._note_keepalive()

    def accept_offer(self, message: wire.Offer) -> None:
        """Have the peer connection answer the offer."""
        self.doing = "waiting for video"
        self._agenda.put(AcceptOffer(self._connection.current, message.sdp))

    def add_candidate(self, message: wire.IceCandidate) -> None:
        """Pass the candidate to the peer connection."""
        self._agenda.put(AddCandidate(self._connection.current, message))

    def send_answer(self, item: Answered) -> None:
        """Send the answer to the offer."""
        self._connection.send(wire.Answer(sdp=item.sdp))

    def has_video(self, _: ChannelOpened) -> bool:
        """Return whether the link has its video."""
        return self._connection.has_video

    def has_channel(self, _: VideoReceived) -> bool:
        """Return whether the link has its control channel."""
        return self._connection.channel_limit is not None

    def note_part(self, item: VideoReceived | ChannelOpened) -> None:
        """Note that one of the two parts of a connection, video or control channel, is ready."""
        if isinstance(item, ChannelOpened):
            self._connection.channel_limit = item.max_message_size
        else:
            self._connection.has_video = True

    def connected(self, item: VideoReceived | ChannelOpened) -> None:
        """Answer the connect; the stream continues, and held commands are carried out."""
        self.note_part(item)
        self._attempts = 0
        self._agenda.cancel(Due.VIDEO, Due.GIVE_UP)
        self.doing, self.last_failure = "connected", ""
        if (call := self._calls.take_connect()) is not None:
            self._agenda.put(Succeed(call, None))
        self._tell_stream(LinkUp())
        while self._held_gaps:
            self._tell_stream(self._held_gaps.popleft())

    def keep_alive(self, _: Due) -> None:
        """Send a keepalive, so that the service keeps the session."""
        self._connection.send(wire.Keepalive())
        self._note_keepalive()

    def _note_keepalive(self) -> None:
        self._agenda.wake_at(Due.KEEPALIVE, self._agenda.now + KEEPALIVE_INTERVAL_S)
        self._kept_until = self._agenda.now + SESSION_KEPT_S
        if self.state is S.RECONNECTING:
            self._agenda.wake_at(Due.GIVE_UP, self._kept_until)

    # --- losing the link

    def may_retry(self, item: LinkFailed) -> bool:
        """Return whether to try another link: `max_retries` times at first, later while the session is kept."""
        if not item.error.recoverable:
            return False
        if self.state is S.RECONNECTING:
            return self._agenda.now < self._kept_until
        return self._attempts < self._config.max_retries

    def hold_gap(self, item: VideoResumed) -> None:
        """Keep a gap that the decoder's thread reported before the control channel was open."""
        self._held_gaps.append(item)

    def wait_to_rejoin(self, item: LinkFailed) -> None:
        """Try the next link after a pause; the stream's frames continue over that link."""
        if self._stream.state is StreamState.STREAMING:
            self._agenda.put(PauseFrames())
        self._connection.close()
        self._agenda.put(ErrorOccurred(error=item.error, fatal=False, at=self._agenda.now))
        self.doing = "waiting to try again"
        self.last_failure = item.error.message
        self._agenda.wake_at(Due.REJOIN, self._agenda.now + self._config.retry_delay(self._attempts))
        self._attempts += 1

    def give_link_up(self, _: Due) -> None:
        """Treat a link without video as failed."""
        error = errors.OdysseyConnectionTimeoutError(
            f"No video within {_video_deadline(self.state):g} s: {self.doing} took too long",
            code="no_video",
            operation="connect",
            session_id=self._connection.session_id,
            recoverable=True,
        )
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    def closed_too_early(self, item: SignalingClosed) -> None:
        """Treat a link that was closed before it was ready as failed."""
        error = errors.OdysseyConnectionError(
            f"The service closed the connection while {self.doing}",
            code="closed_early",
            operation="connect",
            session_id=self._connection.session_id,
            recoverable=True,
        )
        self._agenda.follow_with(LinkFailed(item.link, error))

    def may_reconnect(self, item: LinkFailed) -> bool:
        """Return whether to rejoin the session after this loss."""
        return self._reconnect and item.error.recoverable and self._agenda.now < self._kept_until

    def lose_link(self, item: LinkFailed) -> None:
        """Start to rejoin the session over another link, for as long as the service keeps it."""
        self._tell_stream(LinkLost(item.error))
        self._agenda.wake_at(Due.GIVE_UP, self._kept_until)
        self.wait_to_rejoin(item)

    def hold(self, item: Start | Interact | End) -> None:
        """Hold a command until the session is connected again."""
        self._calls.hold(item)

    def give_session_up(self, _: Due) -> None:
        """Give up: the service has forgotten the session."""
        error = errors.OdysseyConnectionError(
            f"Connection lost; not back within {SESSION_KEPT_S:g} s of the last keepalive ({self.progress})",
            code="connection_lost",
            session_id=self._connection.session_id,
            recoverable=True,
        )
        self.fail(StepFailed(error))

    @property
    def progress(self) -> str:
        """The step in progress, and why the previous attempt failed, if any; for the text of a timeout."""
        return f"{self.doing}; the previous attempt: {self.last_failure}" if self.last_failure else self.doing

    def fail_as_told(self, message: wire.SignalingError) -> None:
        """Fail with an error that the service reported."""
        reason = secrets.one_line(str(message.reason))
        text = _SIGNALING_ERRORS.get(reason, f"The service ended the session: {reason}")
        session_id = self._connection.session_id
        self.fail(StepFailed(errors.OdysseyConnectionError(text, code=reason, session_id=session_id)))

    def fail(self, item: StepFailed | LinkFailed | Broken) -> None:
        """Fail with an error."""
        if isinstance(item, LinkFailed) and item.signaling_lost:
            self._connection.close()
        self.error = item.error
        self._agenda.put(ErrorOccurred(error=item.error, fatal=True, at=self._agenda.now))
        # A broken driver opens no more links.
        self._finish(item.error, give_back=not isinstance(item, Broken))

    def note_fault(self, item: Broken) -> None:
        """Note that the driver failed after the end."""
        self.error = item.error

    # --- leaving

    def leave(self, item: Disconnect) -> None:
        """End at the user's request."""
        error = item.error or errors.OdysseyConnectionError(
            "The client disconnected", code="disconnected", session_id=self._connection.session_id
        )
        self._finish(error)

    def leave_as_told(self, _: SignalingClosed) -> None:
        """End because the service ended the session."""
        error = errors.OdysseyConnectionError(
            "The service ended the session", code="session_ended", session_id=self._connection.session_id
        )
        self._connection.close()
        self._finish(error, give_back=False)

    def say_goodbye(self, _: SignalingOpened) -> None:
        """Return the session to the service over the link that was opened for this purpose."""
        self._connection.say_goodbye()

    def _finish(self, error: errors.OdysseyError, *, give_back: bool = True) -> None:
        """End calls, stream and link. ``give_back``: the service may still hold the session for us."""
        connection = self._connection
        self.doing = "not connected"
        if (call := self._calls.take_connect()) is not None:
            self._agenda.put(Fail(call, errors.again(error)))
        while self._held_gaps:
            self._tell_stream(self._held_gaps.popleft())
        self._tell_stream(SessionOver(error, broken_by=self.error))
        if connection.is_up:
            connection.say_goodbye()
        else:
            if connection.link is not None:  # it may be stuck half-open
                connection.close()
            if give_back and connection.session_id is not None and not self.token_is_spent(None):
                self.open_link(None)  # only to say goodbye: the rows of `OVER` do
        self._agenda.put(StatusChanged(status=STATUS[self.state], message=error.message, at=self._agenda.now))

    def _tell_stream(self, item: LinkUp | LinkLost | SessionOver | VideoResumed) -> None:
        self._stream.step(STREAM_ROWS, item, type(item))


def _video_deadline(state: SessionState) -> float:
    return REJOIN_DEADLINE_S if state is S.RECONNECTING else VIDEO_DEADLINE_S


M = SessionMachine
SESSION_TABLE: Final[tuple[Row[SessionMachine], ...]] = (
    # Getting a session.
    row((S.IDLE,), Connect, S.AUTHENTICATING, M.authenticate),
    row((S.IDLE,), Join, S.CONNECTING, M.join),
    row((S.AUTHENTICATING,), Authenticated, S.QUEUEING, M.request),
    row((S.AUTHENTICATING, S.QUEUEING), StepFailed, S.FAILED, M.fail),
    row((S.QUEUEING,), StreamerUnavailable, None, M.wait_in_queue, M.may_queue),
    row((S.QUEUEING,), StreamerUnavailable, S.FAILED, M.fail_in_queue),
    row((S.QUEUEING,), SlotUnavailable, None, M.wait_for_slot, M.may_wait_for_slot),
    row((S.QUEUEING,), SlotUnavailable, S.FAILED, M.fail_without_slot),
    row((S.QUEUEING,), Due.ASK_AGAIN, None, M.request),
    row((S.QUEUEING,), SessionGranted, S.CONNECTING, M.take_session),
    # Opening a link.
    row(_JOINING, SignalingOpened, None, M.await_offer),
    row(_LINKED, wire.Offer, None, M.accept_offer),
    row(_LINKED, wire.IceCandidate, None, M.add_candidate),
    row(_LINKED, Answered, None, M.send_answer),
    row(_JOINING, VideoReceived, S.CONNECTED, M.connected, M.has_channel),
    row(_JOINING, VideoReceived, None, M.note_part),
    row(_JOINING, ChannelOpened, S.CONNECTED, M.connected, M.has_video),
    row(_JOINING, ChannelOpened, None, M.note_part),
    row(_JOINING, Due.VIDEO, None, M.give_link_up),
    row(_LINKED, Due.KEEPALIVE, None, M.keep_alive),
    # Losing the link. The commands of a stream wait while the session reconnects.
    row(_JOINING, LinkFailed, None, M.wait_to_rejoin, M.may_retry),
    row((S.RECONNECTING,), VideoResumed, None, M.hold_gap),
    row((S.CONNECTED,), LinkFailed, S.RECONNECTING, M.lose_link, M.may_reconnect),
    row(_LINKED, LinkFailed, S.FAILED, M.fail),
    row(_JOINING, SignalingClosed, None, M.closed_too_early),
    row((S.CONNECTED,), SignalingClosed, S.DISCONNECTED, M.leave_as_told),
    row(_LINKED, wire.SignalingError, S.FAILED, M.fail_as_told),
    row(_JOINING, Due.REJOIN, S.FAILED, M.fail_expired, M.token_is_spent),
    row(_JOINING, Due.REJOIN, None, M.open_link),
    row((S.RECONNECTING,), Due.GIVE_UP, S.FAILED, M.give_session_up),
    row((S.RECONNECTING,), Start, None, M.hold),
    row((S.RECONNECTING,), Interact, None, M.hold),
    row((S.RECONNECTING,), End, None, M.hold),
    # Leaving. A session that is granted too late is taken, and returned to the service at once.
    row(_LIVE, Disconnect, S.DISCONNECTED, M.leave),
    row(OVER, Disconnect, None, nothing),
    row(OVER, SessionGranted, None, M.take_session),
    row(OVER, SignalingOpened, None, M.say_goodbye),
    row(OVER, LinkFailed, None, nothing),
    # Failures of the driver, and forked children.
    row(_LIVE, Broken, S.FAILED, M.fail),
    row(OVER, Broken, S.FAILED, M.note_fault),
    row((*_LIVE, *OVER), Forgotten, S.DISCONNECTED, nothing),
)
SESSION_ROWS: Final = by_state(SESSION_TABLE)
"""The rows of `SESSION_TABLE` by state and input, in their order."""


publish("odyssey_proto.core", SessionState)
