"""The spectator's handshake, WHEP: an offer is posted, the answer comes back, and a ``DELETE`` ends it.

The peer connection is that of a session with the roles of offer and answer exchanged, and with no data channel.
Who wants the frames, and when the whole is given up, is not known here (spec/openapi.yaml, ``/whep``).
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import attrs

from .._base.errors import (
    MalformedMessageError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
    SpectatorTokenError,
)
from .._version import __version__
from .failures import NETWORK_ERRORS, Answer, connection_error, refusal
from .http_exchange import read_body
from .webrtc import candidates
from .webrtc.peer import _UNREADABLE, Peer

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures
    from collections.abc import Sequence

    from aiortc import RTCDtlsTransport
    from odyssey_models import IceServer

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .failures import Refusals
    from .http_exchange import HttpTransport
    from .sockets import Call

__all__ = ["Admission", "Endpoint", "WhepPeer", "admit", "ice_servers", "leave"]

log = logging.getLogger(__name__)

_POST: Final = "POST /whep"
_DELETE: Final = "DELETE /whep/…"
_SDP: Final = "application/sdp"
_SECRET: Final = 8  # letters from which on a token is looked for in what the server says
_REFUSALS: Final[Refusals] = {
    401: (SpectatorTokenError, "invalid_spectator_token", "The spectator token was refused: {detail}"),
    403: (SpectatorTokenError, "invalid_spectator_token", "The spectator token was refused: {detail}"),
    404: (
        OdysseyConnectionError,
        "stream_not_found",
        "No such stream: it has ended, or the address is not its own",
    ),
    406: (OdysseyConnectionError, "no_common_codec", "The stream has no codec that can be decoded here: {detail}"),
}


@attrs.frozen
class Endpoint:
    """Where a broadcast can be watched over WebRTC, taken apart."""

    url: str = attrs.field(repr=False)
    host: str

    @classmethod
    def of(cls, webrtc_url: str) -> Endpoint:
        """Read a ``webrtc_url``.

        Raises:
            OdysseyConfigError: it is no address of http or https.
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
        """Where the ICE servers are told."""
        return urljoin(self.url, "/config")

    def whep_url(self, token: str) -> str:
        """Return where an offer is posted."""
        parts = urlsplit(self.url)
        query = f"{parts.query}&token={quote(token, safe='')}".lstrip("&")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/whep", query=query))

    def resource(self, location: str | None) -> str | None:
        """Return the address of the session from a ``Location``; None where there is none on this server."""
        if not location:
            return None
        try:
            resource, here = urlsplit(urljoin(self.whep_url(""), location)), urlsplit(self.url)
        except ValueError:
            return None
        return urlunsplit(resource) if (resource.scheme, resource.netloc) == (here.scheme, here.netloc) else None


@attrs.frozen
class Admission:
    """What the server answered to an offer."""

    answer: str = attrs.field(repr=False)
    resource: str | None = attrs.field(repr=False)
    """Whom to tell on leaving; None where the server did not say."""


# --- HTTP


def ice_servers(
    http: HttpTransport, endpoint: Endpoint, deadline: Deadline, abort: Abort
) -> tuple[IceServer, ...]:
    """Return the ICE servers of the broadcast's host, or public STUN where it tells none."""
    try:
        return http.signaling_config(endpoint.config_url, deadline, abort=abort)
    except OdysseyError as error:
        if error.code == "closed":
            raise
        log.info("no ICE servers from the broadcast's host, falling back to public STUN: %s", error)
        return candidates.FALLBACK_SERVERS


def admit(
    http: HttpTransport, endpoint: Endpoint, token: str, offer: str, deadline: Deadline, abort: Abort
) -> Admission:
    """Post an offer and return the answer.

    Raises:
        SpectatorTokenError: the token was refused.
        MalformedMessageError: the answer is none.
        OdysseyConnectionError: there is no such stream, the server cannot be reached or refuses; ``code`` tells.
    """
    url = endpoint.whep_url(token)
    headers = {"Content-Type": _SDP, "Accept": _SDP}
    with http.call(deadline, abort) as call:
        answer = _exchange(http, "POST", url, headers, call, operation=_POST, secret=token, body=offer.encode())
    if not answer.ok:
        raise refusal(answer, _REFUSALS)
    text = answer.body.decode("utf-8", "replace")
    if answer.status != 201 or not text.startswith("v=0"):
        problem = f"it is no answer to an offer, but {answer.status} with {len(answer.body)} bytes"
        raise _unreadable(answer, problem, "malformed")
    resource = endpoint.resource(answer.headers.get("location"))
    if resource is None:
        log.info("the server told no address of its own for the end of watching")
    return Admission(text, resource)


def leave(http: HttpTransport, resource: str, deadline: Deadline) -> None:
    """Tell the server that nobody watches any more; a failure is only logged."""
    try:
        with http.call(deadline) as call:
            answer = _exchange(http, "DELETE", resource, {}, call, operation=_DELETE)
        log.debug("left: %d", answer.status)
    except OdysseyError as error:
        log.info("the server could not be told of the end: %s", error)


def _exchange(
    http: HttpTransport,
    method: str,
    url: str,
    headers: dict[str, str],
    call: Call,
    *,
    operation: str,
    secret: str = "",
    body: bytes | None = None,
) -> Answer:
    sent = {"User-Agent": f"odyssey-proto/{__version__}", "Accept-Encoding": "gzip", **headers}
    answer = Answer(operation=operation, status=0)
    failure: OdysseyError
    try:
        with contextlib.closing(http.send(method, url, sent, call, body)) as response:
            answer = Answer(
                operation=operation,
                status=response.status_code,
                reason=response.reason or "",
                headers=response.headers,
                secrets=(secret, quote(secret, safe="")) if len(secret) >= _SECRET else (),
            )
            return attrs.evolve(answer, body=read_body(response))
    except MalformedMessageError as exc:
        failure = _unreadable(answer, "; ".join(exc.problems), exc.code)
    except NETWORK_ERRORS as exc:
        failure = connection_error(exc, call, operation, url)
    raise failure


def _unreadable(answer: Answer, problem: str, code: str | None) -> MalformedMessageError:
    return MalformedMessageError(
        f"{answer.operation}: Malformed answer: {problem}", problems=(problem,), code=code, **answer.known
    )


# --- the peer connection


class WhepPeer(Peer):
    """A peer connection that offers to receive video and audio, from `offer` to `close`."""

    path_lost = False
    """Whether the network went away, rather than the one who sends."""

    def offer(self, ice_servers: Sequence[IceServer]) -> concurrent.futures.Future[str]:
        """Return the SDP of an offer, with all candidates in it; asked for once.

        Raises (the future does; it is cancelled where `close` comes first):
            OdysseyConnectionError: no address to connect from (``no_candidates``), or closed.
        """
        return self._submit(self._offer_to_receive(tuple(ice_servers)))

    def accept(self, answer_sdp: str) -> concurrent.futures.Future[None]:
        """Take the answer; the listener is told when the connection is there.

        Raises (the future does; it is cancelled where `close` comes first):
            MalformedMessageError: it is no SDP, no answer to the offer, or without encryption.
            OdysseyConnectionError: it has no video (``no_video``), or none that can be decoded here.
        """
        return self._submit(self._accept(answer_sdp))

    async def _offer_to_receive(self, servers: tuple[IceServer, ...]) -> str:
        self._own.add(_this_task())
        from aiortc import RTCConfiguration, RTCPeerConnection
        from aiortc.rtcconfiguration import RTCBundlePolicy

        await self._ask_servers(servers)
        # One transport from the beginning: two would gather twice, and ask each server twice.
        bundled = RTCBundlePolicy.MAX_BUNDLE
        pc = self._pc = RTCPeerConnection(
            RTCConfiguration(candidates.for_aiortc(self._urls), bundlePolicy=bundled)
        )
        pc.on("connectionstatechange", self._take_state)
        pc.on("track", self._take_track)
        encryption = pc.addTransceiver("video", direction="recvonly").receiver.transport
        encryption.on("statechange", lambda: self._take_encryption(encryption))
        pc.addTransceiver("audio", direction="recvonly")
        try:
            offer = await pc.createOffer()
            candidates.arrange_gathering(pc, loopback=self._loopback, servers=self._servers)
            await pc.setLocalDescription(offer)
        except OSError as exc:
            raise OdysseyConnectionError(
                f"No socket for the peer connection: {exc.strerror}", code="no_candidates", recoverable=True
            ) from exc
        text: str = pc.localDescription.sdp
        self._check_candidates(text)
        return text

    async def _accept(self, sdp: str) -> None:
        self._own.add(_this_task())
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError

        pc = self._pc
        assert pc is not None
        answer = _readable(sdp, pc.localDescription.sdp)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except OperationError as exc:
            raise OdysseyConnectionError(
                "The stream has no codec that can be decoded here", code="no_common_codec"
            ) from exc
        except (*_UNREADABLE, InvalidAccessError, InvalidStateError) as exc:
            raise _malformed(f"cannot be used ({type(exc).__name__})") from exc
        self._spawn(self._watch_path())

    def _take_encryption(self, encryption: RTCDtlsTransport) -> None:
        # A sender that leaves ends the encryption, and aiortc the path after it. Where the path is ended already,
        # by aioice, nobody had answered there for 30 s. aiortc's own states are the same in both cases.
        if encryption.state == "closed" and not self._closing:
            self.path_lost = getattr(encryption.transport._connection, "_closing", False)


def _this_task() -> asyncio.Task[object]:
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    return task


def _readable(answer: str, offer: str) -> str:
    """Return ``answer`` as aiortc can take it, which is stricter than WebRTC: one section for each of ``offer``.

    That of the video is the server's own, without candidates that aiortc would stumble over, and with the
    ``active`` that RFC 8842 demands where the server leaves it at ``setup:actpass``. The audio is turned off,
    because nobody would hear it: servers leave its section out, reject it, or have its candidates in another one.
    """
    from aiortc.sdp import SessionDescription

    try:
        head, *found = _sections(answer)
        _, *own = _sections(offer)
        served = next(
            (section for section in found if _kind(section) == "video" and section[0].split()[1] != "0"), None
        )
        if served is None:
            raise OdysseyConnectionError("The server sends no video", code="no_video", operation=_POST)
        head = [line for line in head if not line.startswith("a=group:")]
        video_section = _video(served, next(section for section in own if _kind(section) == "video"))
        sections = [video_section if _kind(each) == "video" else _idle(each, video_section) for each in own]
        text = "\r\n".join(line for section in (head, *sections) for line in section) + "\r\n"
        video = next(media for media in SessionDescription.parse(text).media if media.kind == "video")
    except _UNREADABLE as exc:
        raise _malformed(f"is no valid SDP ({type(exc).__name__})") from exc
    if video.direction not in ("sendonly", "sendrecv"):
        raise OdysseyConnectionError("The server sends no video", code="no_video", operation=_POST)
    if not (video.ice and video.ice.usernameFragment and video.ice.password):
        raise _malformed("lacks the parameters of its path")
    if not (video.dtls and video.dtls.fingerprints):
        raise _malformed("lacks the parameters of its encryption")
    return text


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        if line.strip():
            sections[-1].append(line.strip())
    return sections


def _kind(section: list[str]) -> str:
    return section[0].removeprefix("m=").partition(" ")[0]


def _video(served: list[str], own: list[str]) -> list[str]:
    if "a=setup:actpass" in served:
        log.info("the answer leaves open who begins the encryption: it is taken to be the server")
    kept = [
        line.replace("a=setup:actpass", "a=setup:active")
        for line in served
        if not line.startswith("a=mid:") and (not line.startswith("a=candidate:") or _is_usable(line))
    ]
    return [*kept, *(line for line in own if line.startswith("a=mid:"))]


def _is_usable(line: str) -> bool:
    from aiortc.sdp import candidate_from_sdp

    try:
        candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
        ipaddress.ip_address(candidate.ip)
    except _UNREADABLE:
        return False
    return 0 < candidate.port < 65536


_OF_THE_TRANSPORT: Final = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")


def _idle(own: list[str], video: list[str]) -> list[str]:
    """Return our section ``own`` as an answer in which nothing flows, on the transport of the video."""
    kept = [line for line in own if not line.startswith((*_OF_THE_TRANSPORT, "a=recvonly", "a=ssrc", "a=msid"))]
    return [*kept, "a=inactive", *(line for line in video if line.startswith(_OF_THE_TRANSPORT))]


def _malformed(what: str) -> MalformedMessageError:
    return MalformedMessageError(
        f"The server's answer {what}", code="malformed_answer", problems=(what,), operation=_POST
    )
