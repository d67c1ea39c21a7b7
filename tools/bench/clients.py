"""The clients that `streaming` compares, as a script: each run is a fresh interpreter.

    python -m tools.bench.clients {ours|plain} API_URL SECONDS

It connects twice, from nothing and again, watches the second stream for so long, and prints one line of JSON:
``{"cold_s", "warm_s", "latencies_ms"}``. The plain client is what one writes who has read the protocol and the
documentation of aiortc: requests, aiohttp, and every frame converted where it arrives.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BEGAN = time.monotonic()
_KEY = "ody_bench"
_PROMPT = "A cat on a hill at sunset"


class _Watch:
    """What a client saw of one stream, and when that is enough."""

    def __init__(self, began_at: float, seconds: float) -> None:
        self._began_at = began_at
        self._seconds = seconds
        self.first_s: float | None = None
        self.latencies_ms: list[float] = []

    def saw(self, picture: NDArray[Any]) -> bool:
        """Take an RGB picture; return whether to go on."""
        from odyssey_proto import stamp

        now = time.monotonic()
        found = stamp.read(picture)
        if self.first_s is None:
            self.first_s = now - self._began_at
        if found is not None:
            self.latencies_ms.append(stamp.latency_ms(found, now))
        return now - self._began_at < self.first_s + self._seconds


def ours(api_url: str, seconds: float) -> tuple[_Watch, _Watch]:
    """Watch twice with this library."""
    from odyssey_proto import Odyssey

    with Odyssey(_KEY, api_url=api_url) as client:

        def watch(watch: _Watch) -> _Watch:
            with client.connect() as session:
                session.start_stream(_PROMPT, portrait=False)
                for frame in session.frames():
                    if not watch.saw(frame.data):
                        break
            return watch

        return watch(_Watch(_BEGAN, 0)), watch(_Watch(time.monotonic(), seconds))


def plain(api_url: str, seconds: float) -> tuple[_Watch, _Watch]:
    """Watch twice with stock aiortc."""
    import asyncio

    async def both() -> tuple[_Watch, _Watch]:
        return (
            await _plain_once(api_url, _Watch(_BEGAN, 0)),
            await _plain_once(api_url, _Watch(time.monotonic(), seconds)),
        )

    return asyncio.run(both())


async def _plain_once(api_url: str, watch: _Watch) -> _Watch:
    import asyncio

    import aiohttp
    import requests
    from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
    from aiortc.sdp import candidate_from_sdp

    def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        answer = requests.post(api_url + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    bearer = {"Authorization": f"Bearer {post('/auth/token', {'api_key': _KEY}, {})['access_token']}"}
    session = post("/sessions/request", {}, bearer)
    token = post("/sessions/token", {"session_id": session["session_id"]}, bearer)["session_token"]
    signaling = session["signalling_url"]
    servers = requests.get(signaling.replace("ws", "http", 1) + "/config", timeout=30).json()["iceServers"]

    pc = RTCPeerConnection(RTCConfiguration([RTCIceServer(urls=server["urls"]) for server in servers]))
    done = asyncio.Event()
    tasks = []

    @pc.on("track")
    def on_track(track: Any) -> None:
        async def read() -> None:
            while watch.saw((await track.recv()).to_ndarray(format="rgb24")):
                pass
            done.set()

        tasks.append(asyncio.ensure_future(read()))

    @pc.on("datachannel")
    def on_datachannel(channel: Any) -> None:
        if channel.label == "clientToStreamer":
            start = {"type": "interactive_stream_start", "prompt": _PROMPT, "portrait": False, "broadcast": False}
            channel.send(json.dumps(start))

    async def listen(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            content = json.loads(message.data)
            if content["type"] == "offer":
                await pc.setRemoteDescription(RTCSessionDescription(content["sdp"], "offer"))
                await pc.setLocalDescription(await pc.createAnswer())
                await socket.send_json({"type": "answer", "sdp": pc.localDescription.sdp})
            elif content["type"] == "ice_candidate":
                candidate = candidate_from_sdp(content["candidate"].removeprefix("candidate:"))
                candidate.sdpMid, candidate.sdpMLineIndex = content["sdpMid"], content["sdpMLineIndex"]
                await pc.addIceCandidate(candidate)

    url = f"{signaling}/client/{session['session_id']}?token={token}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        tasks.append(asyncio.ensure_future(listen(socket)))
        await done.wait()
        await socket.send_json({"type": "client_disconnecting"})
        await socket.close()
    await pc.close()
    for task in tasks:
        task.cancel()
    return watch


_CLIENTS: dict[str, Callable[[str, float], tuple[_Watch, _Watch]]] = {"ours": ours, "plain": plain}

if __name__ == "__main__":
    cold, warm = _CLIENTS[sys.argv[1]](sys.argv[2], float(sys.argv[3]))
    print(json.dumps({"cold_s": cold.first_s, "warm_s": warm.first_s, "latencies_ms": warm.latencies_ms}))
