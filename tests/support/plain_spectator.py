"""A spectator written from the protocol alone, with aiohttp and stock aiortc, and no code of this library."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

import aiohttp
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from yarl import URL

from odyssey_proto._video import stamp
from tests.support.plain_client import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Spectator", "offer_to_watch", "post_offer", "watch"]


class Spectator:
    """A connected spectator, which queues the frames as they arrive."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self.peer = peer
        self.resource = ""
        self.ended = asyncio.Event()
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        peer.on("track", self._on_track)

    async def frame(self, within: float = PATIENCE_S) -> Any:
        """Wait for the next picture, as RGB."""
        return (await asyncio.wait_for(self._frames.get(), within)).to_ndarray(format="rgb24")

    async def number(self) -> int:
        """Wait for the next picture, and return the number in its stamp."""
        found = stamp.read(await self.frame())
        assert found is not None
        return found.frame_number

    def _on_track(self, track: Any) -> None:
        if track.kind == "video":
            self._reading = asyncio.get_running_loop().create_task(self._read(track))

    async def _read(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                self._frames.put_nowait(await track.recv())
        self.ended.set()


async def offer_to_watch(peer: RTCPeerConnection, codec: str | None = None) -> str:
    """Return an offer to receive video (in ``codec`` alone) and audio, with all candidates."""
    video = peer.addTransceiver("video", direction="recvonly")
    if codec is not None:
        known = RTCRtpReceiver.getCapabilities("video").codecs
        video.setCodecPreferences([found for found in known if found.mimeType in (codec, "video/rtx")])
    peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    return str(peer.localDescription.sdp)


async def post_offer(
    http: aiohttp.ClientSession, webrtc_url: str, token: str, offer: str, content_type: str = "application/sdp"
) -> aiohttp.ClientResponse:
    """Post an offer and return the answer, of any status."""
    return await http.post(
        URL(f"{webrtc_url}/whep?token={quote(token, safe='')}", encoded=True),
        data=offer,
        headers={"Content-Type": content_type},
    )


@contextlib.asynccontextmanager
async def watch(
    ready: dict[str, Any], *, codec: str | None = None, goodbye: bool = True
) -> AsyncIterator[Spectator]:
    """Watch the broadcast of a ``broadcast_ready``; at the end leave, or without ``goodbye`` just vanish."""
    async with aiohttp.ClientSession() as http:
        async with http.get(urljoin(ready["webrtc_url"], "/config")) as answer:
            servers = [RTCIceServer(urls=server["urls"]) for server in (await answer.json())["iceServers"]]
        peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        spectator = Spectator(peer)
        try:
            offer = await offer_to_watch(peer, codec)
            async with await post_offer(http, ready["webrtc_url"], ready["spectator_token"], offer) as answer:
                assert answer.status == 201, await answer.text()
                assert answer.content_type == "application/sdp"
                spectator.resource = urljoin(ready["webrtc_url"], answer.headers["Location"])
                await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
            yield spectator
            if goodbye:
                async with http.delete(spectator.resource) as answer:
                    assert answer.status == 200
        finally:
            await peer.close()
