"""A link to a broadcast over WebRTC: ICE servers, offer, admission, connection, goodbye. It decides nothing."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from .._base import errors
from .._base.abort import Abort
from .._base.clock import Deadline
from .._base.hosts import is_loopback
from .._net.webrtc.liveness import LocalAddress, packets_received
from .._net.webrtc.picture_size import TOO_LARGE
from ..core import effects, inputs
from ..core.spectator_errors import broadcast_lost, left_early
from .preparation import Preparation

if TYPE_CHECKING:
    import av
    from odyssey_models import IceCandidate, IceServer

    from .._base.event_loop import BackgroundLoop
    from .._model.config import IcePolicy
    from .._net.service_api import ServiceApi
    from .._net.whep import WhepEndpoint, WhepPeer
    from .link import LinkContext

__all__ = ["WhepLink"]

log = logging.getLogger("odyssey_proto.live")

_GATHERING_S: Final = 5.0
_RELAYS_S: Final = 6.0  # the same, if only relays may be used: their own 5 s end first, and their error says more
_ANSWER_S: Final = 10.0
_CONNECTING_S: Final = 15.0  # from the answer to the connection
_GOODBYE_S: Final = 0.6  # for the DELETE
_PEER_ENDS_S: Final = 0.3  # for a clean end of the peer connection
_CLEAN: Final = ("peer_closed", "video_ended")  # error codes that mean that the sender ended the broadcast


class WhepLink:
    """A link over WHEP; see `odyssey_proto._live.link.Link`.

    Args:
        plan: the effect of the core to carry out.
        context: the driver's objects.
        endpoint: the address of the broadcast.
        token: the spectator token.
        api: for all HTTP requests.
        loop: for the peer connection.
        ice_servers: the user's own ICE servers; None takes those of the broadcast's host.
        ice_policy: ``relay`` if only relays may be used, else ``all``.
        max_pixels: the largest width × height of a picture, in px.
    """

    def __init__(
        self,
        plan: effects.OpenBroadcast,
        context: LinkContext,
        endpoint: WhepEndpoint,
        token: str,
        *,
        api: ServiceApi,
        loop: BackgroundLoop,
        ice_servers: tuple[IceServer, ...] | None,
        ice_policy: IcePolicy,
        max_pixels: int,
    ) -> None:
        self._number = plan.link
        self._context = context
        self._endpoint = endpoint
        self._token = token
        self._api = api
        self._loop = loop
        self._ice_servers = ice_servers
        self._ice_policy: IcePolicy = ice_policy
        self._max_pixels = max_pixels
        self._source = context.hub.source
        self._abort = Abort()
        self._preparation = Preparation()
        self._offer = ""
        self._peer: WhepPeer | None = None
        self._route = LocalAddress()
        self._resource: str | None = None
        self._says_goodbye = False
        self._connected: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def peer_connection(self) -> object | None:
        """aiortc's object; None until it is created."""
        return None if self._peer is None else self._peer.peer_connection

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
        """Get the ICE servers, and make an offer with all candidates.

        Raises:
            OdysseyError: a step failed, or `open` or `close` came first.
        """
        with self._preparation.under_way():
            self._api.http.drop_idle()
            abort, servers = self._preparation.abort, self._ice_servers
            if servers is None:
                servers = self._api.signaling_config(self._endpoint.config_url, deadline, abort=abort)
            self._offer = self._make_offer(servers, deadline, abort)

    def open(self, deadline: Deadline) -> None:
        """Connect, and post `LinkReady`.

        Raises:
            SpectatorTokenError: the token was refused.
            OdysseyConnectionError: the stream does not exist, or cannot be reached.
        """
        from .._net import whep  # heavy: aiortc, av, numpy

        is_ready = self._preparation.end()
        self._source = self._context.hub.source
        if not is_ready:
            if self._number > 1:
                self._api.http.drop_idle()
            servers = self._ice_servers
            if servers is None:
                servers = whep.ice_servers(self._api, self._endpoint, deadline, self._abort)
            self._offer = self._make_offer(servers, deadline, self._abort)
        peer = self._peer
        assert peer is not None
        answered = deadline.within(_ANSWER_S)
        admission = whep.admit(self._api.http, self._endpoint, self._token, self._offer, answered, self._abort)
        self._resource = admission.resource
        connected = deadline.within(_CONNECTING_S)
        self._await(peer.accept(admission.answer), connected, "taking the answer", self._abort)
        self._await(self._connected, connected, "connecting", self._abort)
        self._context.post(inputs.LinkReady(self._number))

    def _make_offer(self, servers: tuple[IceServer, ...], deadline: Deadline, abort: Abort) -> str:
        from .._net import whep  # heavy: aiortc, av, numpy
        from .._net.webrtc.peer import warm

        if self._peer is not None:  # the preparation is incomplete, or no longer usable
            self._peer.close(_PEER_ENDS_S)
        warm()
        self._loop.start()  # unless it was stopped for good
        self._peer = peer = whep.WhepPeer(
            self._loop,
            self,
            self._context.clock,
            loopback=is_loopback(self._endpoint.host),
            relay_only=self._ice_policy == "relay",
            max_pixels=self._max_pixels,
            totals=self._context.totals,
            wants_all=self._wants_all,
        )
        if abort.aborted:
            peer.close(0.0)
            raise left_early()
        self._context.totals.is_local = is_loopback(self._endpoint.host)
        gathered = deadline.within(_RELAYS_S if self._ice_policy == "relay" else _GATHERING_S)
        return str(self._await(peer.offer(servers), gathered, "gathering addresses", abort))

    def _wants_all(self) -> bool:
        return self._context.hub.wants_all

    def close(self) -> None:
        """Say goodbye to the server if `say_goodbye` was called, and end the peer connection."""
        self._abort.abort()
        self._preparation.end()
        if self._says_goodbye and self._resource is not None:
            from .._net import whep

            whep.leave(self._api.http, self._resource, Deadline(_GOODBYE_S, self._context.clock))
        if self._peer is not None:
            concurrent.futures.wait([self._peer.close(_PEER_ENDS_S)], 2 * _PEER_ENDS_S)

    def cut(self) -> None:
        """End everything at once."""
        self._preparation.abort.abort()
        self._abort.abort()
        if self._peer is not None:
            self._peer.close(0.0)

    def say_goodbye(self) -> None:
        """Have `close` send a goodbye to the server, unless the connection was lost or never established."""
        self._says_goodbye = self._connected.done() and not self._is_lost

    def ask_for_keyframe(self) -> None:
        """Ask the server for a keyframe."""
        if self._peer is not None:
            self._peer.ask_for_keyframe()

    def ask_for_sign_of_life(self) -> None:
        """Have the server's side of the peer connection answer, and post `SignOfLife` when it does."""
        if self._peer is not None:
            self._peer.ask_for_sign_of_life(lambda: self._context.post(inputs.SignOfLife(self._number)))

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """Raise `TypeError`: a broadcast has neither signaling nor data channels."""
        raise TypeError(f"a broadcast takes no {type(effect).__name__}")

    @property
    def _is_lost(self) -> bool:
        return self._connected.cancelled() or (self._connected.done() and self._connected.exception() is not None)

    def _await(self, future: concurrent.futures.Future[Any], deadline: Deadline, what: str, aborted: Abort) -> Any:
        """Return the result of ``future``, which the loop's thread sets; wait in turns, to notice an abort."""
        turns = deadline.waits()
        if not any(concurrent.futures.wait((future,), seconds).done or aborted.aborted for seconds in turns):
            future.cancel()
            notes = () if self._peer is None else self._peer.notes
            text = f"Not connected to the broadcast in time: {what} took {deadline.timeout:.3g} s"
            raise errors.OdysseyConnectionTimeoutError(
                "; ".join((text, *notes)), code="timeout", operation="watch", recoverable=True
            )
        if not future.done():
            future.cancel()
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise left_early() from None

    # --- `PeerListener`, on the loop's thread; frames, on the decoder's

    def on_track(self) -> None:
        """Do nothing: the first frame is what counts."""

    def on_candidate(self, candidate: IceCandidate) -> None:
        """Do nothing: the server learns the candidate from the first connectivity check."""

    def on_channel_open(self, max_message_size: int) -> None:
        """Do nothing: a broadcast has no data channels."""

    def on_message(self, message: str | bytes) -> None:
        """Do nothing: a broadcast has no data channels."""

    def on_channel_closed(self, label: str) -> None:
        """Do nothing: a broadcast has no data channels."""

    def on_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        """Pass a frame to the hub."""
        self._context.hub.publish(frame, received_at, self._source)

    def on_state(self, state: str) -> None:
        """Note that the connection is established, for `open`."""
        log.debug("the peer connection of a spectator is %s", state)
        if state == "connected" and not self._connected.done():
            if self._peer is not None:
                self._route.note(self._peer.peer_connection)
            with contextlib.suppress(concurrent.futures.InvalidStateError):  # `open` has given up meanwhile
                self._connected.set_result(None)

    def on_lost(self, error: errors.OdysseyConnectionError) -> None:
        """Report the end; if the sender ended the connection, the broadcast is over."""
        if not self._connected.done():
            with contextlib.suppress(concurrent.futures.InvalidStateError):  # as above
                self._connected.set_exception(error)
        elif error.code == TOO_LARGE:
            self._context.post(inputs.LinkFailed(self._number, error))
        elif self._peer is not None and (self._peer.path_lost or error.code not in _CLEAN):
            lost = broadcast_lost("The broadcast was lost: the network path to it is gone")
            self._context.post(inputs.LinkFailed(self._number, lost, video_at=self._context.hub.last_at))
        else:
            self._context.post(inputs.BroadcastEnded(self._number))
