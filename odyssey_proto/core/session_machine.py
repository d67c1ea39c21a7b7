"""The life of a session, from IDLE to its end.

IDLE → AUTHENTICATING → QUEUEING → CONNECTING → CONNECTED, and from there RECONNECTING and back, until DISCONNECTED
(by the user or the service) or FAILED. Everything that affects this state is here: the states, the actions, and
the rows that lead from one state to another, with their conditions; their building blocks are in
`odyssey_proto.core.session_base`. What happens to the stream meanwhile is decided in
`odyssey_proto.core.stream_machine`, to which this module sends `LinkUp`, `LinkClosed`, `LinkLost`, `SessionOver`
and the like. See spec/behaviour.md#connecting and spec/behaviour.md#staying-and-leaving.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Final

import odyssey_models as wire

from .._base import errors
from .._base.limits import REPORTS_MOST_HELD
from .._base.public_path import publish
from .._model.events import ConnectionStatus, ErrorOccurred
from . import session_errors
from .deadlines import OFFER_GRACE_S, OPEN_DEADLINE_S, REJOIN_DEADLINE_S, SESSION_KEPT_S, VIDEO_DEADLINE_S
from .effects import AcceptOffer, AddCandidate, Authenticate, RequestSession, Succeed
from .inputs import (
    Answered,
    Authenticated,
    Broken,
    CandidateFound,
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
    Unreadable,
    VideoReceived,
    VideoResumed,
)
from .machine import by_state, nothing, row
from .queueing import Queueing, next_slot_request, slot_refusal
from .session_base import SessionBase
from .stream_base import LinkClosed, LinkLost, LinkSuspected, LinkTrusted, LinkUp
from .unread import meant

if TYPE_CHECKING:
    from .machine import Row

__all__ = ["SESSION_ROWS", "SESSION_TABLE", "SessionMachine", "SessionState"]

_FOR_OFFER: Final = "waiting for the offer"
_GOODBYES: Final = 2  # how often a goodbye is retried; the driver waits no longer
_LONGEST_GOODBYE_WAIT_S: Final = 3.0


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
_OVER: Final = (S.DISCONNECTED, S.FAILED)
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
_JOINING: Final = (S.CONNECTING, S.RECONNECTING)
_LINKED: Final = (*_JOINING, S.CONNECTED)
_LIVE: Final = (S.IDLE, S.AUTHENTICATING, S.QUEUEING, *_LINKED)


class SessionMachine(SessionBase):
    """One session. It steps the machine of its streams, which does not know the session."""

    state: SessionState = S.IDLE
    _statuses = _STATUS
    _over = _OVER
    # Repeated, because type checkers treat what a subclass assigns as its own.
    capabilities: wire.StreamerCapabilities | None
    error: errors.OdysseyError | None
    doing: str
    last_failure: str

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

    def join(self, item: Join) -> None:
        """Take a session that somebody else requested."""
        self._calls.connect = item.call
        self._connection.token, self._token_until = item.token, self._agenda.now + item.valid_for
        self._token_is_doubtful = item.is_doubtful
        self.take_session(item)

    def take_session(self, item: SessionGranted | Join) -> None:
        """Open the first link of the session, even if only to return it to the service."""
        self._connection.session_id = item.session.session_id
        self._connection.signaling_url = item.session.signalling_url
        self.capabilities = item.session.capabilities or wire.StreamerCapabilities()
        self._kept_until = self._agenda.now + SESSION_KEPT_S
        self.last_failure = ""
        self.open_link(item)

    def fail_unreachable(self, item: SessionGranted) -> None:
        """Give up a session that can be neither used nor returned."""
        self._connection.session_id = item.session.session_id
        error = session_errors.unreachable(item.session)
        assert error is not None
        self.fail(StepFailed(error))

    # --- opening a link

    def open_link(self, _: object) -> None:
        """Open the next link; after the session's end, only to say goodbye."""
        if not self.is_over:
            self.doing = "opening the signaling connection"
        timeout = REJOIN_DEADLINE_S if self.state is S.RECONNECTING else OPEN_DEADLINE_S
        self._connection.open(timeout, with_video=not self.is_over)

    def fail_expired(self, _: Due) -> None:
        """Give up: no link can be opened any more."""
        self.fail(StepFailed(session_errors.expired(self._connection.session_id)))

    def await_offer(self, item: SignalingOpened) -> None:
        """Wait for the offer and for video."""
        self._connection.is_up = self._was_linked = True
        if self.token_is_spent(item):
            self._token_until = math.inf  # this machine's clock is wrong: the service has just accepted the token
        self.doing = _FOR_OFFER
        self._offers = 0
        self._agenda.wake_at(Due.VIDEO, self._agenda.now + _video_deadline(self.state))
        self._note_keepalive()

    def accept_offer(self, message: wire.Offer) -> None:
        """Have the peer connection answer the offer."""
        self.doing = "waiting for video"
        self._offers += 1
        self._agenda.cancel(Due.OFFER)
        self._agenda.put(AcceptOffer(self._connection.current, message.sdp))

    def add_candidate(self, message: wire.IceCandidate) -> None:
        """Pass the candidate to the peer connection."""
        self._agenda.put(AddCandidate(self._connection.current, message))

    def send_answer(self, item: Answered) -> None:
        """Send the answer to the offer."""
        self._connection.send(wire.Answer(sdp=item.sdp))

    def send_candidate(self, item: CandidateFound) -> None:
        """Send a candidate that the answer lacks."""
        self._connection.send(item.candidate)

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
        self.pass_to_stream(LinkUp())
        self._pass_on_held()

    def keep_alive(self, _: Due) -> None:
        """Send a keepalive, so that the service keeps the session."""
        self._connection.send(wire.Keepalive())
        self._note_keepalive()

    # --- suspecting the link

    def prepare_link(self, _: LinkSuspected) -> None:
        """Prepare the next link beside this one, if there may be one."""
        may_follow = self._reconnect and not self.token_is_spent(None)
        plan = (lambda: self._connection.plan(REJOIN_DEADLINE_S)) if may_follow else None
        self._connection.spare.suspect(plan)

    def trust_link(self, _: LinkTrusted) -> None:
        """Keep the prepared link only for a while."""
        self._connection.spare.trust()

    def drop_spare(self, _: Due) -> None:
        """Discard the prepared link."""
        self._connection.spare.drop()

    # --- losing the link

    def hold_report(self, item: wire.DataChannelStreamerMessage) -> None:
        """Keep what the stream reported before both parts of the connection were ready."""
        if len(self._held) < REPORTS_MOST_HELD:
            self._held.append(item)

    def wait_to_rejoin(self, item: LinkFailed) -> None:
        """Try the next link after a pause; the stream's frames continue over that link."""
        self.pass_to_stream(LinkClosed(item.video_at))
        self._connection.close()
        self._agenda.put(ErrorOccurred(error=item.error, fatal=False, at=self._agenda.now))
        self.doing = "waiting to try again"
        self.last_failure = item.error.message
        self._try_later(item.error)

    def give_link_up(self, _: Due) -> None:
        """Treat a link without video as failed."""
        error = session_errors.no_video(_video_deadline(self.state), self.doing, self._connection.session_id)
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    def closed_too_early(self, item: SignalingClosed) -> None:
        """Treat a link that was closed before it was ready as failed."""
        error = session_errors.closed_early(self.doing, self._connection.session_id)
        self._agenda.follow_with(LinkFailed(item.link, error))

    def await_another_offer(self, item: Unreadable) -> None:
        """Report an offer that cannot be read or answered, and wait a moment for another one."""
        self.doing = _FOR_OFFER
        self._unread_offer = item.error
        self._agenda.wake_at(Due.OFFER, self._agenda.now + OFFER_GRACE_S)
        self.report_unread(item)

    def report_unread(self, item: Unreadable) -> None:
        """Report a message that cannot be read."""
        self._offers -= _was_accepted(item)
        self.pass_to_stream(item)

    def refuse_unread(self, _: Due) -> None:
        """Treat a link whose offer cannot be read or answered as failed: the next may bring another."""
        assert self._unread_offer is not None
        error = errors.again(self._unread_offer)
        error.recoverable = True
        self._agenda.follow_with(LinkFailed(self._connection.current, error, signaling_lost=False))

    def lose_link(self, item: LinkFailed) -> None:
        """Start to rejoin the session over another link, for as long as the service keeps it."""
        self.pass_to_stream(LinkLost(item.error))
        self._agenda.wake_at(Due.GIVE_UP, self._kept_until)
        self.wait_to_rejoin(item)

    def hold(self, item: Start | Interact | End) -> None:
        """Hold a command until the session is connected again."""
        self._calls.hold(item)

    def give_session_up(self, _: Due) -> None:
        """Give up: the service has forgotten the session."""
        self.fail(StepFailed(session_errors.not_back(self.progress, self._connection.session_id)))

    def fail_on_signaling_error(self, message: wire.SignalingError) -> None:
        """Fail with an error that the service reported."""
        self.fail(StepFailed(session_errors.told(message, self._connection.session_id)))

    def note_fault(self, item: Broken) -> None:
        """Note that the driver failed after the end."""
        self.error = item.error

    # --- the end

    def fail(self, item: StepFailed | LinkFailed | Broken | Unreadable) -> None:
        """Fail with an error."""
        if isinstance(item, LinkFailed) and item.signaling_lost:
            self._connection.close()
        self.error = item.error
        self._agenda.put(ErrorOccurred(error=item.error, fatal=True, at=self._agenda.now))
        # A broken driver opens no more links.
        self._finish(item.error, give_back=not isinstance(item, Broken))

    def leave(self, item: Disconnect) -> None:
        """End at the user's request."""
        self._finish(item.error or session_errors.left(self._connection.session_id))

    def leave_on_close(self, _: SignalingClosed) -> None:
        """End because the service ended the session."""
        self._connection.close()
        self._finish(session_errors.ended(self._connection.session_id), give_back=False)

    def retry_goodbye(self, item: LinkFailed) -> None:
        """Try again to return the session, after a pause."""
        self._connection.close()
        self._try_later(item.error)

    def say_goodbye(self, _: SignalingOpened) -> None:
        """Return the session to the service over the link that was opened for this purpose."""
        self._connection.say_goodbye()


def _video_deadline(state: SessionState) -> float:
    return REJOIN_DEADLINE_S if state is S.RECONNECTING else VIDEO_DEADLINE_S


def _was_accepted(item: Unreadable) -> bool:
    """Return whether this is an offer that was read as a message, and passed to the peer connection."""
    return item.error.code == "malformed_offer"


# --- the conditions of rows


def may_queue(session: SessionMachine, _: StreamerUnavailable) -> bool:
    """Return whether there is time to ask again."""
    return session._queueing.next_request(session._agenda.now) is not None


def may_wait_for_slot(session: SessionMachine, _: SlotUnavailable) -> bool:
    """Return whether the user wants to wait for the end of another session; the caller's timeout ends this."""
    return session._waits_for_slot


def is_unreachable(_: SessionMachine, item: SessionGranted) -> bool:
    """Return whether the service gave an address for signaling that cannot be used."""
    return session_errors.unreachable(item.session) is not None


def has_channel(session: SessionMachine, _: VideoReceived) -> bool:
    """Return whether the link has its control channel."""
    return session._connection.channel_limit is not None


def has_video(session: SessionMachine, _: ChannelOpened) -> bool:
    """Return whether the link has its video."""
    return session._connection.has_video


def may_retry(session: SessionMachine, item: LinkFailed) -> bool:
    """Return whether to try another link: `max_retries` times at first, later while the session is kept.

    At first, any refusal may pass: a server may hear of the session later than the client does.
    """
    error = item.error
    if session.state is S.RECONNECTING:
        return error.recoverable and session._agenda.now < session._kept_until
    may_pass = error.recoverable or (session_errors.may_pass(error) and not session._connection.is_up)
    if session.token_is_spent(item) or session.token_is_refused(error):
        return False
    in_time = (error.retry_after or 0.0) < SESSION_KEPT_S
    return may_pass and in_time and session._attempts < session._config.max_retries


def may_reconnect(session: SessionMachine, item: LinkFailed) -> bool:
    """Return whether to rejoin the session after this loss."""
    return session._reconnect and item.error.recoverable and session._agenda.now < session._kept_until


def awaits_offer(session: SessionMachine, item: Unreadable) -> bool:
    """Return whether this was meant to be the offer, and there is no other."""
    return item.error.message_type == "offer" and session._offers == _was_accepted(item)


def may_retry_goodbye(session: SessionMachine, item: LinkFailed) -> bool:
    """Return whether to try again to return a session to a server that does not know it yet."""
    if session._was_linked or session._attempts >= _GOODBYES:
        return False
    return session_errors.may_pass(item.error) and (item.error.retry_after or 0.0) <= _LONGEST_GOODBYE_WAIT_S


# --- the rows

M = SessionMachine
SESSION_TABLE: Final[tuple[Row[SessionMachine], ...]] = (
    # Getting a session.
    row((S.IDLE,), Connect, S.AUTHENTICATING, M.authenticate),
    row((S.IDLE,), Join, S.CONNECTING, M.join),
    row((S.AUTHENTICATING,), Authenticated, S.QUEUEING, M.request),
    row((S.AUTHENTICATING, S.QUEUEING), StepFailed, S.FAILED, M.fail),
    row((S.QUEUEING,), StreamerUnavailable, None, M.wait_in_queue, may_queue),
    row((S.QUEUEING,), StreamerUnavailable, S.FAILED, M.fail_in_queue),
    row((S.QUEUEING,), SlotUnavailable, None, M.wait_for_slot, may_wait_for_slot),
    row((S.QUEUEING,), SlotUnavailable, S.FAILED, M.fail_without_slot),
    row((S.QUEUEING,), Due.ASK_AGAIN, None, M.request),
    row((S.QUEUEING,), SessionGranted, S.FAILED, M.fail_unreachable, is_unreachable),
    row((S.QUEUEING,), SessionGranted, S.CONNECTING, M.take_session),
    # Opening a link.
    row(_JOINING, SignalingOpened, None, M.await_offer),
    row(_LINKED, wire.Offer, None, M.accept_offer),
    row(_LINKED, wire.IceCandidate, None, M.add_candidate),
    row(_LINKED, Answered, None, M.send_answer),
    row(_LINKED, CandidateFound, None, M.send_candidate),
    row(_JOINING, VideoReceived, S.CONNECTED, M.connected, has_channel),
    row(_JOINING, VideoReceived, None, M.note_part),
    row(_JOINING, ChannelOpened, S.CONNECTED, M.connected, has_video),
    row(_JOINING, ChannelOpened, None, M.note_part),
    row(_JOINING, Due.OFFER, None, M.refuse_unread),
    row(_JOINING, Due.VIDEO, None, M.give_link_up),
    row(_LINKED, Due.KEEPALIVE, None, M.keep_alive),
    # Suspecting the link.
    row((S.CONNECTED,), LinkSuspected, None, M.prepare_link),
    row((S.CONNECTED,), LinkTrusted, None, M.trust_link),
    row((S.CONNECTED,), Due.SPARE, None, M.drop_spare),
    # Losing the link. The commands of a stream wait while the session reconnects.
    row(_JOINING, LinkFailed, None, M.wait_to_rejoin, may_retry),
    row((S.RECONNECTING,), VideoResumed, None, M.pass_to_stream),
    row(_JOINING, wire.StreamStarted, None, M.hold_report),
    row(_JOINING, wire.UpdateAcknowledged, None, M.hold_report),
    row(_JOINING, wire.BroadcastReady, None, M.hold_report),
    row(_JOINING, wire.InteractiveStreamError, None, M.hold_report),
    row(_JOINING, wire.StreamEnded, None, M.hold_report),
    row((S.CONNECTED,), LinkFailed, S.RECONNECTING, M.lose_link, may_reconnect),
    row(_LINKED, LinkFailed, S.FAILED, M.fail),
    row(_JOINING, SignalingClosed, None, M.closed_too_early),
    row((S.CONNECTED,), SignalingClosed, S.DISCONNECTED, M.leave_on_close),
    row(_LINKED, wire.SignalingError, S.FAILED, M.fail_on_signaling_error),
    row(_LINKED, Unreadable, S.FAILED, M.fail, meant("error")),
    row(_JOINING, Unreadable, None, M.await_another_offer, awaits_offer),
    row(_JOINING, Unreadable, None, M.report_unread),
    row(_JOINING, Due.REJOIN, S.FAILED, M.fail_expired, M.token_is_spent),
    row(_JOINING, Due.REJOIN, None, M.open_link),
    row((S.RECONNECTING,), Due.GIVE_UP, S.FAILED, M.give_session_up),
    row((S.RECONNECTING,), Start, None, M.hold),
    row((S.RECONNECTING,), Interact, None, M.hold),
    row((S.RECONNECTING,), End, None, M.hold),
    # Leaving. A session that is granted too late is taken, and returned to the service at once.
    row(_LIVE, Disconnect, S.DISCONNECTED, M.leave),
    row(_OVER, Disconnect, None, nothing),
    row(_OVER, SessionGranted, None, nothing, is_unreachable),
    row(_OVER, SessionGranted, None, M.take_session),
    row(_OVER, SignalingOpened, None, M.say_goodbye),
    row(_OVER, LinkFailed, None, M.retry_goodbye, may_retry_goodbye),
    row(_OVER, LinkFailed, None, nothing),
    row(_OVER, Due.REJOIN, None, M.open_link),
    # Failures of the driver, and forked children.
    row(_LIVE, Broken, S.FAILED, M.fail),
    row(_OVER, Broken, S.FAILED, M.note_fault),
    row((*_LIVE, *_OVER), Forgotten, S.DISCONNECTED, nothing),
)
SESSION_ROWS: Final = by_state(SESSION_TABLE)
"""The rows of `SESSION_TABLE` by state and input, in their order."""


publish("odyssey_proto.core", SessionState)
