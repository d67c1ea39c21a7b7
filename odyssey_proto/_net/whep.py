"""The spectator's handshake, WHEP: it posts an offer, receives the answer, and ends with a ``DELETE``.

The peer connection is like that of a session, with the roles of offer and answer exchanged and without data
channels (spec/behaviour.md#whep). This module neither uses the frames nor decides when to give up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import attrs

from .._base.errors import MalformedMessageError, OdysseyConfigError, OdysseyConnectionError, OdysseyError
from ..core.refusals import refusal, unreadable
from .http_exchange import HttpRequest
from .redirects import SHORTEST_SECRET, is_same_origin, resolved
from .webrtc import candidates, feedback
from .webrtc.codecs import VideoCodecs, widened
from .webrtc.offer import UNREADABLE, malformed_answer, readable_answer
from .webrtc.peer import Peer

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Sequence

    from aiortc import RTCDtlsTransport
    from odyssey_models import IceServer

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .http_exchange import HttpClient
    from .service_api import ServiceApi

__all__ = ["Admission", "WhepEndpoint", "WhepPeer", "admit", "ice_servers", "leave", "resource"]

log = logging.getLogger("odyssey_proto.webrtc")

_POST: Final = "POST /whep"
_DELETE: Final = "DELETE /whep/…"
_SDP: Final = "application/sdp"


@attrs.frozen
class WhepEndpoint:
    """The parsed address at which a broadcast can be watched over WebRTC."""

    url: str = attrs.field(repr=False)
    host: str

    @classmethod
    def of(cls, webrtc_url: str) -> WhepEndpoint:
        """Parse a ``webrtc_url``.

        Raises:
            OdysseyConfigError: it is not an http or https address.
        """
        try:
            parts = urlsplit(webrtc_url.strip())
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, usable = urlsplit(""), False
        if not usable or not webrtc_url.strip().isprintable() or " " in webrtc_url.strip():
            raise OdysseyConfigError(
                "webrtc_url must be like https://live.example.org/stream, with http or https and a host"
            )
        return cls(urlunsplit(parts._replace(fragment="")), str(parts.hostname))

    @property
    def config_url(self) -> str:
        """The address of the ICE servers."""
        return urljoin(self.url, "/config")

    def whep_url(self, token: str) -> str:
        """Return the address to post an offer to."""
        parts = urlsplit(self.url)
        query = f"{parts.query}&token={quote(token, safe='')}".lstrip("&")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/whep", query=query))


@attrs.frozen
class Admission:
    """The server's answer to an offer."""

    answer: str = attrs.field(repr=False)
    resource: str | None = attrs.field(repr=False)
    """The address to send the goodbye to; None if the server did not name one."""


def resource(answered: str, location: str | None) -> str | None:
    """Return the session's address from the ``Location`` of an answer; None without one, or on another server.

    ``answered`` is the address that gave the answer, after redirects.
    """
    there = resolved(answered, location or "")
    return there if there is not None and is_same_origin(answered, there) else None


# --- HTTP


def ice_servers(
    api: ServiceApi, endpoint: WhepEndpoint, deadline: Deadline, abort: Abort
) -> tuple[IceServer, ...]:
    """Return the ICE servers of the broadcast's host, or public STUN if it names none."""
    try:
        return api.signaling_config(endpoint.config_url, deadline, abort=abort)
    except OdysseyError as error:
        if error.code == "closed":
            raise
        log.debug("no ICE servers from the broadcast's host, falling back to public STUN: %s", error)
        return candidates.FALLBACK_SERVERS


def admit(
    http: HttpClient, endpoint: WhepEndpoint, token: str, offer: str, deadline: Deadline, abort: Abort
) -> Admission:
    """Post an offer, following redirects, and return the answer.

    Raises:
        SpectatorTokenError: the token was refused.
        MalformedMessageError: the server returned something other than an answer.
        OdysseyConnectionError: the stream does not exist, or the server is unreachable or refuses; see ``code``.
    """
    request = HttpRequest(
        operation=_POST,
        method="POST",
        url=endpoint.whep_url(token),
        headers={"Content-Type": _SDP, "Accept": _SDP},
        body=offer.encode(),
        secrets=(token, quote(token, safe="")) if len(token) >= SHORTEST_SECRET else (),
        of_api=False,
        token=token,
    )
    with http.call(deadline, abort) as call:
        answer, answered = http.follow(request, call)
    if not answer.ok:
        raise refusal(answer)
    text = answer.body.decode("utf-8-sig", "replace").lstrip()
    if not text.startswith("v=0"):
        problem = f"it is not an answer to an offer, but {answer.status} with {len(answer.body)} bytes"
        malformed = MalformedMessageError(f"Malformed answer: {problem}", problems=(problem,), code="malformed")
        raise unreadable(answer, malformed, of_api=False)
    address = resource(answered, answer.headers.get("location"))
    if address is None:
        log.debug("the server named no address of its own for the goodbye")
    return Admission(text, address)


def leave(http: HttpClient, address: str, deadline: Deadline) -> None:
    """Send a goodbye to ``address``, an `Admission.resource`. A failure is only logged."""
    request = HttpRequest(operation=_DELETE, method="DELETE", url=address, of_api=False)
    try:
        with http.call(deadline) as call:
            answer = http.exchange(request, call)
        log.debug("left: %d", answer.status)
    except OdysseyError as error:
        log.info("the goodbye did not reach the server: %s", error)


# --- the peer connection


class WhepPeer(Peer):
    """A peer connection that offers to receive video and audio, from `offer` to `close`."""

    path_lost = False
    """Whether the network path was lost, rather than the sender leaving."""

    def offer(self, ice_servers: Sequence[IceServer]) -> concurrent.futures.Future[str]:
        """Return the SDP of an offer, with all candidates in it. May be called only once.

        Raises (the future does; it is cancelled if `close` comes first):
            OdysseyConnectionError: there is no address to connect from (``no_candidates``), or the peer is closed.
        """
        return self._submit(self._offer_to_receive(tuple(ice_servers)))

    def accept(self, answer_sdp: str) -> concurrent.futures.Future[None]:
        """Accept the answer; the listener is called when the connection is established.

        Raises (the future does; it is cancelled if `close` comes first):
            MalformedMessageError: it is not SDP, does not answer the offer, or lacks encryption.
            OdysseyConnectionError: it has no video (``no_video``), or none that can be decoded here.
        """
        return self._submit(self._accept(answer_sdp))

    async def _offer_to_receive(self, servers: tuple[IceServer, ...]) -> str:
        self._own_this_task()
        from aiortc import RTCConfiguration, RTCPeerConnection
        from aiortc.rtcconfiguration import RTCBundlePolicy

        await self._path.ask(servers)
        # One transport from the start: two would gather twice, and ask each server twice.
        bundled = RTCBundlePolicy.MAX_BUNDLE
        pc = self._pc = RTCPeerConnection(
            RTCConfiguration(candidates.for_aiortc(self._path.urls), bundlePolicy=bundled)
        )
        pc.on("connectionstatechange", self._take_state)
        pc.on("track", self._take_track)
        receiver = pc.addTransceiver("video", direction="recvonly").receiver
        encryption = receiver.transport
        encryption.on("statechange", lambda: self._take_encryption(encryption))
        pc.addTransceiver("audio", direction="recvonly")
        try:
            offer = await pc.createOffer()
            candidates.arrange_gathering(pc, loopback=self._loopback, servers=self._path.servers)
            await pc.setLocalDescription(offer)
        except OSError as exc:
            raise OdysseyConnectionError(
                f"No socket for the peer connection: {exc.strerror}", code="no_candidates", recoverable=True
            ) from exc
        text: str = pc.localDescription.sdp
        self._path.check(text)
        text = widened(text)
        return feedback.offering(text) if feedback.is_possible(receiver) else text

    async def _accept(self, sdp: str) -> None:
        self._own_this_task()
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
        from aiortc.sdp import SessionDescription

        pc = self._pc
        assert pc is not None
        answer = readable_answer(sdp, pc.localDescription.sdp, _POST)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except OperationError as exc:
            raise OdysseyConnectionError(
                "The stream has no codec that can be decoded here", code="no_common_codec"
            ) from exc
        except (*UNREADABLE, InvalidAccessError, InvalidStateError) as exc:
            raise malformed_answer(f"cannot be used ({type(exc).__name__})", _POST) from exc
        media = SessionDescription.parse(answer).media
        self._codec_names = VideoCodecs.of(media).names
        if self._receiving is not None:
            self._receiving.agree(pc, feedback.terms(media))
        self._spawn(self._watch_path())

    def _take_encryption(self, encryption: RTCDtlsTransport) -> None:
        # If the sender leaves, it ends the encryption, and aiortc then closes the path. If aioice has already
        # closed the path, there was no answer on it for 30 s. aiortc's own states are the same in both cases.
        if encryption.state == "closed" and not self._closing:
            self.path_lost = getattr(encryption.transport._connection, "_closing", False)
