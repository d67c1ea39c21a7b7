"""Spectators over WHEP: a client posts an offer, receives the answer, and deletes the session resource to leave.

Each spectator has a peer connection; all of them send the packets of the broadcast's shared encoder.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiortc import MediaStreamTrack, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription

from .._accounts.service import RefusedError
from .._stream.history import keep_sent
from .._stream.ice import address_reached, new_connection, offer_only
from .._stream.outlet import Outlet
from .._stream.peer import CONNECT_WITHIN_S, codec_preferences
from .._stream.rate_control import rate_of
from .._stream.requests import answer_keyframe_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    import av
    from aiortc import RTCRtpSender

    from .encoder import BroadcastVideo, Encoder

__all__ = ["WhepSpectators"]

log = logging.getLogger("odyssey_proto.emulator.broadcast")

_LARGEST_OFFER_BYTES: Final = 256 * 1024
_PEER_CLOSES_WITHIN_S: Final = 1.0
_MOST_WAITING: Final = 40
"""Packets that may wait for one spectator: 2 s at 20 pictures per second."""
_CONTENT_TYPE: Final = "application/sdp"

# A browser's ``*.local`` names take a second to resolve, or never do, and the browser reaches the emulator without
# them. Its end-of-candidates goes too, because it may still connect from an address that the offer did not name.
_UNUSABLE: Final = re.compile(r"^a=(?:candidate:(?:\S+ ){4}\S+\.local .*|end-of-candidates)\r?\n", re.MULTILINE)


class WhepSpectators:
    """The WHEP spectators of one broadcast, until `close`. Runs on the loop's thread."""

    def __init__(self, video: BroadcastVideo, *, codec: str) -> None:
        self._video = video
        self._codec = codec
        self._present: dict[str, _Spectator] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return the number of spectators."""
        return len(self._present)

    async def admit(self, request: web.Request) -> web.Response:
        """Answer a spectator's offer. Refuses with 400, 401, 404, 406, 413 or 415."""
        token = request.query.get("token", "")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._video.token.encode()):
            raise RefusedError(401, "Invalid spectator token")
        if request.content_type != _CONTENT_TYPE:
            raise RefusedError(415, f"The offer must be {_CONTENT_TYPE}")
        offer = await _offer(request)
        if self._video.ended:  # meanwhile
            raise RefusedError(404, "The stream has ended")
        spectator = _Spectator(self._video, codec=self._codec, on_gone=self._forget)
        self._present[spectator.id] = spectator
        try:
            answer = await spectator.answer(offer, address_reached(request))
        except BaseException:
            await self._dismiss(spectator.id)
            raise
        if self._video.ended:
            await self._dismiss(spectator.id)
            raise RefusedError(404, "The stream has ended")
        location = f"{request.rel_url.raw_path}/{spectator.id}"
        return web.Response(status=201, text=answer, content_type=_CONTENT_TYPE, headers={"Location": location})

    async def dismiss(self, resource: str) -> web.Response:
        """Disconnect one spectator; 404 if it is unknown."""
        if resource not in self._present:
            raise RefusedError(404, "No such spectator")
        await self._dismiss(resource)
        return web.Response(status=200)

    async def close(self) -> None:
        """Disconnect all spectators, within a second."""
        ending = [asyncio.ensure_future(self._dismiss(resource)) for resource in tuple(self._present)]
        if waiting := {*ending, *self._leaving}:
            await asyncio.wait(waiting, timeout=_PEER_CLOSES_WITHIN_S)

    async def _dismiss(self, resource: str) -> None:
        spectator = self._present.pop(resource, None)
        if spectator is not None:
            await spectator.close()

    def _forget(self, resource: str) -> None:
        task = asyncio.get_running_loop().create_task(self._dismiss(resource))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _offer(request: web.Request) -> str:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_OFFER_BYTES:
            raise RefusedError(413, "The offer is too large")
    return body.decode("utf-8", "replace")


class _Spectator:
    """The sending end of one peer connection."""

    def __init__(self, video: BroadcastVideo, *, codec: str, on_gone: Callable[[str], None]) -> None:
        self.id = secrets.token_urlsafe(16)
        self._video = video
        self._on_gone = on_gone
        self._encoder: Encoder | None = None
        self._track = _PacketTrack()
        self._pc = new_connection()
        self._sender: RTCRtpSender = self._pc.addTransceiver(self._track, direction="sendonly").sender
        self._sent = keep_sent(self._sender)
        self._outlet: Outlet | None = None
        self._pc.getTransceivers()[0].setCodecPreferences(codec_preferences(codec))
        self._pc.on("connectionstatechange", self._take_state)
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, self._check_connected)
        # Closing while candidates are gathered would leak sockets that are not registered yet.
        self._gathering = asyncio.Lock()

    async def answer(self, offer: str, address: str) -> str:
        """Return the answer to ``offer``. Its candidates use only ``address`` of this machine.

        Raises:
            RefusedError: 400 if it is not a valid offer to receive video, 406 if it has no codec of the stream.
        """
        if not any(line.startswith("m=video") for line in offer.splitlines()):
            raise RefusedError(400, "The offer has no video")
        async with self._gathering:
            try:
                await self._pc.setRemoteDescription(RTCSessionDescription(_UNUSABLE.sub("", offer), "offer"))
                offer_only(self._pc, address)
                await self._pc.setLocalDescription(await self._pc.createAnswer())
            except OperationError as exc:
                raise RefusedError(406, "The offer has no codec of this stream") from exc
            except Exception as exc:  # aiortc's parser raises anything
                raise RefusedError(400, f"The offer is not valid: {type(exc).__name__}") from exc
        answer: str = self._pc.localDescription.sdp
        media = next(media for media in SessionDescription.parse(answer).media if media.kind == "video")
        if media.direction != "sendonly":
            raise RefusedError(400, "The offer does not want to receive video")
        self._encoder = self._video.encoder(media.rtp.codecs[0].mimeType.partition("/")[2].lower())
        self._track.on_loss = self._encoder.want_keyframe
        # Without this, aiortc would ask its own encoder for the keyframe that a receiver requests (PLI, FIR).
        answer_keyframe_requests(self._sender, self._encoder.want_keyframe)
        rate = rate_of(self._video.bitrate, adapts=False)
        if rate is not None:
            self._outlet = Outlet(self._pc.getTransceivers()[0], self._sent, rate, self._video.fps)
        return answer

    async def close(self) -> None:
        """Close the connection. The spectator learns of it over DTLS."""
        self._deadline.cancel()
        self._leave()
        if self._outlet is not None:
            await self._outlet.close()
        try:
            async with self._gathering:
                await self._pc.close()
        except (ConnectionError, InvalidStateError) as exc:
            log.debug("closing the peer connection of a spectator: %s", type(exc).__name__)

    def _take_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and self._encoder is not None and not self._video.ended:
            self._encoder.attach(self._track.put)
        elif state in ("failed", "closed"):
            self._leave()
            self._on_gone(self.id)

    def _check_connected(self) -> None:
        if self._pc.connectionState != "connected":
            self._on_gone(self.id)

    def _leave(self) -> None:
        if self._encoder is not None:
            self._encoder.detach(self._track.put)


class _PacketTrack(MediaStreamTrack):
    """A track of encoded packets, which the sender only splits into RTP packets."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.on_loss: Callable[[], None] = lambda: None
        """Called when packets were dropped, so that decoding can resume only at a keyframe."""
        self._packets: collections.deque[av.Packet[Any]] = collections.deque()
        self._arrived = asyncio.Event()
        self._broken = True

    def put(self, packet: av.Packet[Any]) -> None:
        """Send ``packet``, if the receiver can decode it."""
        if len(self._packets) >= _MOST_WAITING:
            self._packets.clear()
            self._broken = True
            self.on_loss()
        self._broken = self._broken and not packet.is_keyframe
        if not self._broken:
            self._packets.append(packet)
            self._arrived.set()

    async def recv(self) -> av.Packet[Any]:
        """Wait for the next packet."""
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        return self._packets.popleft()

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._packets.clear()
        self._arrived.set()
