"""A client written from the protocol alone, with requests, aiohttp and stock aiortc, and no code of this library.

A service that works with it does not depend on peculiarities of this library.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import numpy as np
import requests
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from odyssey_proto.emulator._server import Emulator

__all__ = [
    "PATIENCE_S",
    "Credentials",
    "PlainClient",
    "authorise",
    "bearer",
    "connect",
    "credentials_of",
    "request_session",
    "scenario",
    "session_token",
]

PATIENCE_S = 30
"""How long a test waits for something that should come at once, in s."""

KEEPALIVE_S = 10
"""The time between two keepalives of a client, in s."""


class Credentials:
    """The results of the REST calls of a connect."""

    def __init__(self, session_id: str, signalling_url: str, token: str) -> None:
        self.session_id = session_id
        self.signalling_url = signalling_url
        self.token = token


def scenario(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Decorate an asynchronous test so that pytest can run it; its fixtures are passed through."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), 3 * PATIENCE_S))

    return run


def bearer(api_url: str, api_key: str) -> dict[str, str]:
    """Exchange a key for the header of all later calls."""
    answer = requests.post(f"{api_url}/auth/token", json={"api_key": api_key}, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def request_session(api_url: str, headers: dict[str, str]) -> dict[str, Any]:
    """Request a session."""
    answer = requests.post(f"{api_url}/sessions/request", json={}, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def session_token(api_url: str, headers: dict[str, str], session_id: str) -> str:
    """Request a session token."""
    answer = requests.post(
        f"{api_url}/sessions/token", json={"session_id": session_id}, headers=headers, timeout=PATIENCE_S
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_token"])


def authorise(api_url: str, api_key: str) -> Credentials:
    """Make all REST calls of a connect."""
    headers = bearer(api_url, api_key)
    session = request_session(api_url, headers)
    return Credentials(
        session["session_id"], session["signalling_url"], session_token(api_url, headers, session["session_id"])
    )


def credentials_of(emulator: Emulator, key: str | None = None) -> Credentials:
    """Make all REST calls of a connect to ``emulator``."""
    return authorise(emulator.api_url, key or emulator.api_key)


class PlainClient:
    """A connected client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, peer: RTCPeerConnection) -> None:
        self.socket = socket
        self.peer = peer
        self.signaling: asyncio.Queue[Any] = asyncio.Queue()
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.channels: dict[str, Any] = {}
        self.track: Any = None
        self.track_ended = asyncio.Event()
        self.ready = asyncio.Event()
        self.gathering = asyncio.Lock()
        """Held while sockets are opened, which would leak if the task were cancelled then."""
        self.offer = ""
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._drain: asyncio.Task[None] | None = None

    def send(self, **message: Any) -> None:
        """Send on ``clientToStreamer``."""
        self.channels["clientToStreamer"].send(json.dumps(message))

    def start(self, prompt: str = "A cat", *, portrait: bool = False, **more: Any) -> None:
        """Request a stream."""
        self.send(type="interactive_stream_start", prompt=prompt, portrait=portrait, broadcast=False, **more)

    async def message(self, kind: str | None = None) -> dict[str, Any]:
        """Wait for the next message on ``streamerToClient``."""
        found = await asyncio.wait_for(self.messages.get(), PATIENCE_S)
        assert kind is None or found["type"] == kind, found
        return found

    async def picture(self, within: float = PATIENCE_S) -> Any:
        """Wait for the next picture, as decoded."""
        return await asyncio.wait_for(self._frames.get(), within)

    async def frame(self, within: float = PATIENCE_S) -> np.ndarray[Any, Any]:
        """Wait for the next picture, as RGB."""
        return np.asarray((await self.picture(within)).to_ndarray(format="rgb24"))

    async def packets_received(self) -> int:
        """Return the number of RTP packets of video received so far."""
        report = await self.peer.getTransceivers()[0].receiver.getStats()
        return sum(stats.packetsReceived for stats in report.values() if stats.type == "inbound-rtp")

    def forget_frames(self) -> int:
        """Drop the pictures received so far, and return their number."""
        dropped = self._frames.qsize()
        while not self._frames.empty():
            self._frames.get_nowait()
        return dropped

    @property
    def frames_waiting(self) -> int:
        """The number of pictures received but not taken."""
        return self._frames.qsize()

    def on_track(self, track: Any) -> None:
        """Read every picture as it arrives."""
        self.track = track
        self._drain = asyncio.get_running_loop().create_task(self._read())
        self._check_ready()

    async def _read(self) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                self._frames.put_nowait(await self.track.recv())
        self.track_ended.set()

    def on_channel(self, channel: Any) -> None:
        """Keep a channel that the streamer opened."""
        self.channels[channel.label] = channel
        if channel.label == "streamerToClient":
            channel.on("message", lambda text: self.messages.put_nowait(json.loads(text)))
        self._check_ready()

    def _check_ready(self) -> None:
        if self.track is not None and {"clientToStreamer", "streamerToClient"} <= self.channels.keys():
            self.ready.set()

    async def listen(self) -> None:
        """Read signaling until it closes."""
        async for message in self.socket:
            content = json.loads(message.data)
            match content["type"]:
                case "offer":
                    self.offer = content["sdp"]
                    await self.peer.setRemoteDescription(RTCSessionDescription(content["sdp"], "offer"))
                    async with self.gathering:
                        await self.peer.setLocalDescription(await self.peer.createAnswer())
                    await self.socket.send_json({"type": "answer", "sdp": self.peer.localDescription.sdp})
                case "ice_candidate":
                    candidate = candidate_from_sdp(content["candidate"].removeprefix("candidate:"))
                    candidate.sdpMid, candidate.sdpMLineIndex = content["sdpMid"], content["sdpMLineIndex"]
                    await self.peer.addIceCandidate(candidate)
                case _:
                    self.signaling.put_nowait(content)
        self.signaling.put_nowait({"type": "closed", "code": self.socket.close_code})

    async def keep_alive(self) -> None:
        """Keep the session, as the protocol requires."""
        with contextlib.suppress(ConnectionError):
            while not self.socket.closed:
                await asyncio.sleep(KEEPALIVE_S)
                await self.socket.send_json({"type": "keepalive"})

    async def disconnect(self) -> None:
        """Say goodbye as the protocol requires."""
        await self.socket.send_json({"type": "client_disconnecting"})
        await self.socket.close(code=1000, message=b"Client disconnect")


@contextlib.asynccontextmanager
async def connect(
    credentials: Credentials, *, goodbye: bool = True, keepalive: bool = True
) -> AsyncIterator[PlainClient]:
    """Connect; with ``keepalive``, keep the session, and with ``goodbye``, say goodbye at the end."""
    async with aiohttp.ClientSession() as http:
        async with http.get(credentials.signalling_url.replace("ws", "http", 1) + "/config") as answer:
            servers = [RTCIceServer(urls=server["urls"]) for server in (await answer.json())["iceServers"]]
        url = f"{credentials.signalling_url}/client/{credentials.session_id}?token={quote(credentials.token)}"
        peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        async with http.ws_connect(url, max_msg_size=64 * 2**20) as socket:
            client = PlainClient(socket, peer)
            peer.on("track", client.on_track)
            peer.on("datachannel", client.on_channel)
            listening = asyncio.get_running_loop().create_task(client.listen())
            keeping = asyncio.get_running_loop().create_task(client.keep_alive()) if keepalive else None
            try:
                await asyncio.wait_for(client.ready.wait(), PATIENCE_S)
                yield client
                if goodbye and not socket.closed:
                    await client.disconnect()
            finally:
                if keeping is not None:
                    keeping.cancel()
                async with client.gathering:
                    listening.cancel()
                await peer.close()
