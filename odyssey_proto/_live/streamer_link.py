"""A link to a streamer: one attempt at WebSocket plus peer connection. A session survives its links.

It opens on a worker, and posts everything that it then receives as inputs of the core, with its number. It decides
nothing and knows no other link. Closing may overtake opening: a connection that opens too late is closed at once.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import odyssey_models as wire

from .._base import errors, secrets
from .._base.abort import Abort
from .._base.clock import Deadline
from .._base.hosts import is_loopback
from .._model import codec, signaling_url
from .._model.credentials import TOKEN_LIFETIME_S
from .._model.message_types import note_type
from .._net import held_sessions, signaling
from .._net.webrtc import candidates
from .._net.webrtc.liveness import LocalAddress, packets_received
from ..core import effects, inputs, queueing
from .preparation import Preparation

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from .._base.clock import Clock
    from .._base.event_loop import BackgroundLoop
    from .._model.config import VideoRecovery
    from .._net.service_api import ServiceApi
    from .._net.webrtc.peer import Peer
    from .link import LinkContext

__all__ = ["SessionTokens", "StreamerAccess", "StreamerLink"]

log = logging.getLogger("odyssey_proto.live")


class StreamerLink:
    """A link to a streamer; see `odyssey_proto._live.link.Link`."""

    def __init__(
        self,
        plan: effects.OpenLink,
        context: LinkContext,
        *,
        api: ServiceApi,
        loop: BackgroundLoop,
        tokens: SessionTokens,
        recovery: VideoRecovery,
    ) -> None:
        self._plan = plan
        self._context = context
        self._post = context.post
        self._api = api
        self._loop = loop
        self._tokens = tokens
        self._recovery: VideoRecovery = recovery
        self._abort = Abort()
        self._lock = threading.Lock()
        self._closed = False
        self._source = context.hub.source
        self._opening_reported = threading.Event()  # `SignalingOpened` is in the inbox: further inputs may follow
        self._signaling: signaling.SignalingConnection | None = None
        self._ice_servers: tuple[wire.IceServer, ...] = ()
        self._preparing: threading.Thread | None = None
        self._preparation = Preparation()
        self._peer: Peer | None = None
        self._route = LocalAddress()

    @property
    def packets(self) -> int | None:
        """How many packets have arrived; None if unknown."""
        return None if self._peer is None else packets_received(self._peer.peer_connection)

    @property
    def has_moved(self) -> bool:
        """Whether this machine would now send from another address."""
        return self._peer is not None and self._route.has_changed(self._peer.peer_connection)

    # --- opening and closing

    def prepare(self, deadline: Deadline) -> None:
        """Get a token and the ICE servers, and contact these servers.

        Raises:
            OdysseyError: a step failed, or `open` or `close` came first.
        """
        abort = self._preparation.abort
        with self._preparation.under_way():
            self._api.http.drop_idle()
            servers = self._api.config.ice_servers
            if servers is None:
                servers = self._api.signaling_config(self._plan.config_url, deadline, abort=abort)
            self._token(deadline, abort)
            with self._lock:
                if abort.aborted or self._closed:  # `cut` closes first, and looks for a peer connection last
                    raise errors.OdysseyConnectionError("The link is not needed", code="closed")
                self._ice_servers = servers
                self._make_peer().prepare(servers)

    def open(self, deadline: Deadline) -> None:
        """Get a token and the ICE servers and open the WebSocket; post `SignalingOpened` or `LinkFailed`.

        The ICE servers need neither token nor WebSocket: they are requested at the same time, and contacted early.
        """
        plan = self._plan
        is_ready = self._preparation.end()
        self._source = self._context.hub.source
        if plan.link > 1 and not is_ready:
            self._api.http.drop_idle()
        try:
            if plan.with_video and not is_ready:
                self._drop_peer()
                self._start_preparing(deadline)
            token = self._token(deadline, self._abort)
            connection = signaling.SignalingConnection.open(
                plan.signaling_url,
                plan.session_id,
                token,
                deadline,
                on_message=self._take_message,
                on_closed=self._take_closed,
                on_malformed=self._take_unreadable,
                abort=self._abort,
                tap=self._context.tap,
            )
        except errors.OdysseyError as error:
            self._tokens.note_failure(error)
            self._fail(self._as_documented(error))
            return
        self._tokens.forget()
        if self._preparing is not None:
            from .._net.webrtc import peer

            self._preparing.join()
            peer.warm()  # started by the first step of a connect; the loop must not wait for it
        with self._lock:
            too_late = self._closed
            self._signaling = connection
        if not too_late:
            self._post(inputs.SignalingOpened(plan.link))
        self._opening_reported.set()
        if too_late:
            connection.close()

    def _drop_peer(self) -> None:
        """Drop a peer connection that was prepared incompletely, or at former addresses of this machine."""
        with self._lock:
            peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()

    def _token(self, deadline: Deadline, abort: Abort) -> str:
        plan = self._plan
        if plan.token is not None:
            return plan.token
        return self._tokens.get(
            lambda: self._api.session_token(plan.session_id, deadline, abort=abort), self._context.clock
        )

    def close(self) -> None:
        """Send all queued messages and end everything; return when nothing is left."""
        with self._lock:
            self._closed = True
            connection = self._signaling
        self._preparation.end()
        closing = None if self._peer is None else self._peer.close()
        if connection is None:
            self._abort.abort()
        else:
            connection.close()
        if self._preparing is not None:
            self._preparing.join()
        if closing is not None:
            closing.result()

    def _as_documented(self, error: errors.OdysseyError) -> errors.OdysseyError:
        """Return ``error``, but as a connection error if the server refused the user's credentials.

        See Python client reference, "connect_with_credentials()".
        """
        if self._plan.token is None or not isinstance(error, errors.OdysseyAuthError):
            return error
        return errors.OdysseyConnectionError(
            "The signaling server refused the credentials: they have expired or are not valid here; get new ones",
            code="credentials_refused",
            status=error.status,
            session_id=self._plan.session_id,
            operation=error.operation,
        )

    def say_goodbye(self) -> None:
        """Send the service a goodbye, which ends the session, if the WebSocket is open."""
        if self._signaling is not None:
            self._signaling.send(wire.ClientDisconnecting())

    def cut(self) -> None:
        """End everything at once, without a goodbye."""
        with self._lock:
            self._closed = True
        self._preparation.abort.abort()
        self._abort.abort()
        if self._peer is not None:
            self._peer.close(0.0)

    def _start_preparing(self, deadline: Deadline) -> None:
        preparing = threading.Thread(
            target=self._prepare_peer, args=(deadline,), name="odyssey-worker", daemon=True
        )
        try:
            preparing.start()
        except RuntimeError as exc:
            raise errors.no_resources(exc) from None
        self._preparing = preparing

    def _prepare_peer(self, deadline: Deadline) -> None:
        try:
            self._ice_servers = self._choose_ice_servers(deadline)
            with self._lock:
                if not self._closed:
                    self._make_peer().prepare(self._ice_servers)
        except errors.OdysseyError as error:
            log.debug("not prepared: %s", error)  # the WebSocket or the answer will report the error

    def _choose_ice_servers(self, deadline: Deadline) -> tuple[wire.IceServer, ...]:
        own = self._api.config.ice_servers
        if own is not None:
            return own
        try:
            return self._api.signaling_config(self._plan.config_url, deadline, abort=self._abort)
        except Exception as exc:  # noqa: BLE001  # even of what a program's own tests put in place of HTTP
            error = exc if isinstance(exc, errors.OdysseyError) else errors.internal(exc)
            if error.code != "closed":
                log.warning("no ICE servers from the service, falling back to public STUN: %s", error)
            return candidates.FALLBACK_SERVERS

    # --- effects of the core

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """Send a message, or pass an offer or a candidate to the peer connection."""
        match effect:
            case effects.AcceptOffer(sdp=sdp):
                self._accept(sdp)
            case effects.AddCandidate(candidate=candidate):
                self._make_peer().add_candidate(candidate)  # it may come before the offer
            case effects.SendSignaling(message=message, text=text):
                assert self._signaling is not None
                self._signaling.send(message, text)
            case effects.SendChannel(message=message, text=text):
                self._send_channel(text or codec.encode(message))

    def _send_channel(self, text: str) -> None:
        try:
            self._make_peer().send(text)
        except errors.OdysseyStreamError as error:
            # The channel has just closed: `on_channel_closed` or `on_lost` reports why, and so the call fails.
            log.debug("not sent: %s", error)
        else:
            _log_message(">", text)

    def _accept(self, offer_sdp: str) -> None:
        self._make_peer().answer(offer_sdp, self._ice_servers).add_done_callback(self._take_answer)

    def ask_for_keyframe(self) -> None:
        """Ask the streamer for a keyframe."""
        self._make_peer().ask_for_keyframe()

    def ask_for_sign_of_life(self) -> None:
        """Have the streamer's side of the peer connection answer, and post `SignOfLife` when it does."""
        self._make_peer().ask_for_sign_of_life(lambda: self._post(inputs.SignOfLife(self._plan.link)))

    def _make_peer(self) -> Peer:
        if self._peer is None:
            from .._net.webrtc.peer import Peer

            host = urlsplit(signaling_url.normalise_url(self._plan.signaling_url)).hostname
            # A service on this machine may listen on the loopback address only.
            self._context.totals.is_local = loopback = is_loopback(host or "")
            self._peer = Peer(
                self._loop,
                self,
                self._context.clock,
                loopback=loopback,
                relay_only=self._api.config.ice_policy == "relay",
                codec=self._api.config.codec,
                max_pixels=self._api.config.advanced.max_pixels,
                totals=self._context.totals,
                wants_all=self._wants_all,
                tap=self._context.tap,
            )
        return self._peer

    def _wants_all(self) -> bool:
        return self._recovery == "complete" or self._context.hub.wants_all

    # --- received from the WebSocket, on its reading thread

    def _take_message(self, message: wire.SignalingServerMessage | codec.UnknownMessage) -> None:
        self._opening_reported.wait()
        if isinstance(message, codec.UnknownMessage):
            log.warning("ignored: signaling message of unknown type %r", secrets.one_line(message.type))
        else:
            self._post(inputs.Received(self._plan.link, message))

    def _take_closed(self, closed: signaling.SignalingEnd) -> None:
        self._opening_reported.wait()
        if closed.error is None:
            self._post(inputs.SignalingClosed(self._plan.link))
        else:
            self._fail(closed.error)

    def _take_unreadable(self, error: errors.MalformedMessageError) -> None:
        self._opening_reported.wait()
        log.warning("not read: %s", error)
        error.session_id = self._plan.session_id
        self._post(inputs.Unreadable(self._plan.link, error))

    # --- received from the peer connection, on the loop's thread; frames, on the decoder's

    def _take_answer(self, answer: concurrent.futures.Future[str]) -> None:
        if answer.cancelled():
            return
        error = answer.exception()
        if error is None:
            self._post(inputs.Answered(self._plan.link, answer.result()))
        elif isinstance(error, errors.MalformedMessageError) and error.message_type == "offer":
            self._take_unreadable(error)
        else:
            self._lose(error if isinstance(error, errors.OdysseyError) else errors.internal(error))

    def on_track(self) -> None:
        """`PeerListener`: the link has its video track."""
        self._post(inputs.VideoReceived(self._plan.link))

    def on_candidate(self, candidate: wire.IceCandidate) -> None:
        """`PeerListener`: this side has found another candidate for the streamer to use."""
        self._post(inputs.CandidateFound(self._plan.link, candidate))

    def on_channel_open(self, max_message_size: int) -> None:
        """`PeerListener`: ``clientToStreamer`` is open."""
        self._post(inputs.ChannelOpened(self._plan.link, max_message_size))

    def on_message(self, message: str | bytes) -> None:
        """`PeerListener`: the streamer sent a message."""
        _log_message("<", message)
        try:
            read = codec.channel_from_streamer(message)
        except errors.MalformedMessageError as error:
            note_type(error, message)
            error.operation = "stream"
            self._take_unreadable(error)
            return
        if isinstance(read, codec.UnknownMessage):
            log.warning("ignored: data-channel message of unknown type %r", secrets.one_line(read.type))
        else:
            self._post(inputs.Received(self._plan.link, read))

    def on_frame(self, frame: Any, received_at: float) -> None:
        """`PeerListener`: pass a decoded frame straight to the hub."""
        self._context.hub.publish(frame, received_at, self._source)

    def on_channel_closed(self, label: str) -> None:
        """`PeerListener`: the streamer closed one of the two channels."""
        self._lose(
            errors.OdysseyConnectionError(
                f"The streamer closed the data channel {label}", code="channel_closed", recoverable=True
            )
        )

    def on_state(self, state: str) -> None:
        """`PeerListener`: log the state of the connection, and note its route."""
        log.debug("peer connection %d is %s", self._plan.link, state)
        if state == "connected" and self._peer is not None:
            self._route.note(self._peer.peer_connection)

    def on_lost(self, error: errors.OdysseyConnectionError) -> None:
        """`PeerListener`: the peer connection has ended, although this side did not close it."""
        self._lose(error)

    def _lose(self, error: errors.OdysseyError) -> None:
        self._fail(error, signaling_lost=False)

    def _fail(self, error: errors.OdysseyError, *, signaling_lost: bool = True) -> None:
        error.session_id = error.session_id or self._plan.session_id
        video_at = self._context.hub.last_at
        self._post(inputs.LinkFailed(self._plan.link, error, signaling_lost=signaling_lost, video_at=video_at))


class SessionTokens:
    """Keeps the session token between attempts, until a link opens with it, it is refused, or it expires.

    Several tokens of one session are valid at once, so two links that race for one do no harm.
    """

    def __init__(self) -> None:
        self._kept: tuple[str, float] | None = None

    def get(self, fetch: Callable[[], wire.SessionTokenResponse], clock: Clock) -> str:
        """Return the kept token, or ``fetch`` one and keep it."""
        kept = self._kept
        if kept is None or kept[1] <= clock.now():
            asked_at = clock.now()
            answer = fetch()
            lifetime_s = TOKEN_LIFETIME_S if answer.expires_in is None else answer.expires_in
            self._kept = (answer.session_token, asked_at + lifetime_s)
            return answer.session_token
        return kept[0]

    def note_failure(self, error: errors.OdysseyError) -> None:
        """Forget the token if it was refused."""
        if error.status in _TOKEN_REFUSED:
            self.forget()

    def forget(self) -> None:
        """Drop the kept token, so that the next link gets a new one."""
        self._kept = None


class StreamerAccess:
    """Access to a streamer: a token, a session, and links to it; see `odyssey_proto._live.link.LinkAccess`."""

    def __init__(self, api: ServiceApi, loop: BackgroundLoop, recovery: VideoRecovery = "latest") -> None:
        self._api = api
        self._loop = loop
        self._recovery: VideoRecovery = recovery
        self._abort = Abort()
        self._authentication = Abort()  # separate: its answer is not needed after the end
        self._tokens = SessionTokens()
        self._held: held_sessions.HeldSession | None = None
        self._is_over = False

    def make_link(self, plan: effects.OpenEffect, context: LinkContext) -> StreamerLink:
        """Create a link to the session's streamer."""
        assert isinstance(plan, effects.OpenLink)
        return StreamerLink(
            plan, context, api=self._api, loop=self._loop, tokens=self._tokens, recovery=self._recovery
        )

    def take_step(self, step: effects.Step, clock: Clock) -> inputs.Input:
        """Get an access token, or request a session."""
        deadline = Deadline(_STEP_TIMEOUT_S, clock)
        if isinstance(step, effects.Authenticate):
            self._api.access_token(deadline, abort=self._authentication)
            return inputs.Authenticated()
        try:
            session = self._api.request_session(deadline, abort=self._abort)
        except errors.OdysseyError as error:
            return queueing.refused_request(error, held_sessions.reminder(self._api, "connect(replace=True)"))
        if not self._is_over:
            self._held = held_sessions.hold(self._api, session.session_id)
        return inputs.SessionGranted(session)

    def hurry(self) -> None:
        """Abandon the authentication; a request for a session continues, and a late session is given back."""
        self._is_over, self._held = True, None
        self._authentication.abort()

    def cut(self) -> None:
        """End all steps at once."""
        self._authentication.abort()
        self._abort.abort()

    def release(self) -> None:
        """Do nothing: HTTP connections and the loop belong to the client."""


_STEP_TIMEOUT_S: Final = 10.0
_TOKEN_REFUSED: Final = frozenset({401, 403})
_SHOWN: Final = 300  # characters of a message in the log: an image has millions


def _log_message(direction: str, message: str | bytes) -> None:
    if log.isEnabledFor(logging.DEBUG):
        # Redact more than is shown, before cutting: a secret cut in two would not be recognised.
        shown = message[: 20 * _SHOWN]
        shown = secrets.redact(shown if isinstance(shown, str) else shown.decode(errors="replace"))[:_SHOWN]
        log.debug("%s %s", direction, " ".join(shown.split()))
