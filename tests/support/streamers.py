"""A streamer whose messages a test controls: a small service with a real WebSocket and peer connection.

By default it follows the protocol in the simplest way: it grants a session, sends an offer, answers every
request at once, and shows small stamped pictures. `signal` and `tell` send any text at any moment; ``held``
names requests that the test answers. Prefer the emulator's fault script if it can do the same.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import json
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import av
import numpy as np
from aiohttp import WSMsgType, web

from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._video import stamp
from odyssey_proto.emulator._http.listening import stop_listening
from odyssey_proto.emulator._stream.camera import PictureTrack
from odyssey_proto.emulator._stream.peer import StreamerPeer
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["ScriptedStreamer", "message"]

_SIZE: Final = (640, 64)
_FPS: Final = 20


def message(kind: str, **fields: object) -> str:
    """Return a message as text."""
    return json.dumps({"type": kind, **fields})


Reply: TypeAlias = "Callable[[dict[str, Any]], str]"

ANSWERS: Final[dict[str, Reply]] = {
    "interactive_stream_start": lambda _: message(
        "stream_started", stream_id="stream-1", applied_prompt="Applied"
    ),
    "update": lambda request: message("update_acknowledged", prompt=f"Applied: {request['prompt']}"),
    "interactive_stream_end": lambda _: message("stream_ended"),
}
"""The answer to each request."""


class ScriptedStreamer:
    """The service of one session, during the ``with``. The test's thread calls its methods."""

    def __init__(self) -> None:
        self.url = ""
        self.before_offer: list[str] = []
        """Texts that every client gets through signaling before its offer."""
        self.held: set[str] = set()
        """Types of requests that are not answered."""
        self.answers = dict(ANSWERS)
        """The answer to each request: a function from the request to a text."""
        self.heard: list[str] = []
        """Types of the requests received, in order."""
        self.offers = True
        """Whether a client gets an offer."""
        self.links = 0
        """Number of WebSockets that were opened."""
        self.as_bytes: Callable[[str], bytes] | None = None
        """If set, it encodes every message that is sent, through the WebSocket and on the channel."""
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers of the next answers to handshakes, in order; then handshakes are accepted."""
        self.handshakes: list[str] = []
        """The session tokens of all handshakes; the service gave st-1, st-2 and so on."""
        self.token_answers: list[Any] = []
        """The next answers to requests for a session token, in place of a token."""
        self.films = True
        """Whether pictures are sent while a stream runs."""
        self._tokens = itertools.count(1)
        self._loop = BackgroundLoop("scripted-streamer")
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._socket: web.WebSocketResponse | None = None
        self._peers: list[StreamerPeer] = []
        self._track = PictureTrack()
        self._camera: asyncio.Task[None] | None = None
        self._runs = False
        self._offer = ""
        self._unanswered = collections.defaultdict[str, collections.deque[dict[str, Any]]](collections.deque)

    # --- for tests

    def signal(self, *texts: str) -> None:
        """Send texts through the WebSocket."""
        self._run(self._signal(texts))

    def tell(self, *texts: str) -> None:
        """Send texts on ``streamerToClient``."""

        async def send() -> None:
            peer: Any = self._peers[-1]
            peer._pc.sctp._remote_max_message_size = 0  # the client's limit is ignored
            for text in texts:
                self._tell(peer, text)

        self._run(send())

    def answer(self, kind: str) -> None:
        """Wait for a held request that has no answer yet, and answer it."""
        eventually(lambda: self._unanswered[kind])
        self._run(self._answer(self._unanswered[kind].popleft()))

    def forget(self) -> None:
        """Forget the requests received so far; those that are held get no answer."""
        self.heard.clear()
        self._unanswered.clear()

    def wait_for(self, kind: str) -> None:
        """Wait until a request of type ``kind`` has been received; if it is held, one that has no answer yet."""
        eventually(lambda: self._unanswered[kind] if kind in self.held else kind in self.heard)

    @property
    def offer(self) -> str:
        """The offer of the newest connection, as a message."""
        return message("offer", sdp=self._offer)

    def offer_again(self) -> None:
        """Offer the same connection again, in its current state, and wait for the answer."""

        async def offer_again() -> None:
            connection: Any = self._peers[-1]._pc
            await connection.setLocalDescription(await connection.createOffer())
            await self._signal([message("offer", sdp=connection.localDescription.sdp)])

        answers = self.heard.count("answer")
        self._run(offer_again())
        eventually(lambda: self.heard.count("answer") > answers)

    def end_track(self) -> None:
        """End the video with an RTCP BYE, and send no more video."""

        async def stop() -> None:
            connection: Any = self._peers[-1]._pc
            await connection.getTransceivers()[0].sender.stop()

        self._run(stop())

    def close_channel(self, label: str) -> None:
        """Close one of the two data channels."""

        async def close() -> None:
            peer: Any = self._peers[-1]
            {"clientToStreamer": peer._incoming, "streamerToClient": peer._outgoing}[label].close()

        self._run(close())

    def close_socket(self, code: int) -> None:
        """Close the WebSocket."""

        async def close() -> None:
            assert self._socket is not None
            await self._socket.close(code=code)

        self._run(close())

    # --- its own behaviour

    async def _start(self) -> None:
        app = web.Application()
        granted = {"session_id": "s-1", "capabilities": {"image_to_video": True}}
        app.add_routes(
            [
                _json("POST", "/auth/token", {"access_token": "at-1", "expires_in": 3600}),
                _json("GET", "/regions", {"regions": []}),
                _json("GET", "/signaling/config", {"iceServers": []}),
                web.get("/signaling/client/s-1", self._serve),
            ]
        )

        async def grant(request: web.Request) -> web.Response:
            return web.json_response({**granted, "signalling_url": f"ws://{request.host}/signaling"})

        async def give_token(_: web.Request) -> web.Response:
            if self.token_answers:
                return web.json_response(self.token_answers.pop(0))
            return web.json_response({"session_token": f"st-{next(self._tokens)}", "expires_in": 600})

        app.router.add_post("/sessions/request", grant)
        app.router.add_post("/sessions/token", give_token)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(self._runner.server, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._camera = asyncio.create_task(self._film())

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(request.query["token"])
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return web.Response(status=status, headers=headers)
        self._socket = socket = web.WebSocketResponse(compress=False, timeout=0.3)
        await socket.prepare(request)
        self.links += 1
        self._track = PictureTrack()
        peer = StreamerPeer(
            track=self._track,
            codec="vp8",
            outbox=collections.deque(),
            on_text=lambda text: self._hear(json.loads(text)),
            on_channel_open=lambda: None,
        )
        self._peers.append(peer)
        for text in self.before_offer:
            await self._send(socket, text)
        self._offer, _ = await peer.offer("127.0.0.1")
        if self.offers:
            await self._send(socket, self.offer)
        async for item in socket:
            if item.type is not WSMsgType.TEXT:
                continue
            heard = json.loads(item.data)
            if heard["type"] == "answer":
                await peer.answer(heard["sdp"])
            self._hear(heard)
        return socket

    def _hear(self, heard: dict[str, Any]) -> None:
        kind = heard["type"]
        self.heard.append(kind)
        if kind in self.held:
            self._unanswered[kind].append(heard)
        elif kind in ANSWERS:
            asyncio.get_running_loop().create_task(self._answer(heard))

    async def _answer(self, request: dict[str, Any]) -> None:
        self._runs = request["type"] != "interactive_stream_end"
        self._tell(self._peers[-1], self.answers[request["type"]](request))

    def _tell(self, peer: Any, text: str) -> None:
        peer.send(text if self.as_bytes is None else self.as_bytes(text))

    async def _send(self, socket: web.WebSocketResponse, text: str) -> None:
        await (socket.send_str(text) if self.as_bytes is None else socket.send_bytes(self.as_bytes(text)))

    async def _signal(self, texts: Any) -> None:
        assert self._socket is not None
        with contextlib.suppress(ConnectionError):  # one of the texts made the client leave
            for text in texts:
                await self._send(self._socket, text)

    async def _film(self) -> None:
        for number in itertools.count():
            await asyncio.sleep(1 / _FPS)
            if self._runs and self.films and self._track.has_room:
                width, height = _SIZE
                picture = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 128, np.uint8), "yuv420p")
                stamp.draw(picture, number, int(time.monotonic() * 1000))
                self._track.show(picture, time.monotonic())

    async def _stop(self) -> None:
        if self._camera is not None:
            self._camera.cancel()
        if self._server is not None:
            await stop_listening(self._server)
        await asyncio.gather(*(peer.close() for peer in self._peers), return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._loop.run(coroutine, timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        self._loop.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(TimeoutError):
            self._run(self._stop())
        self._loop.stop()


def _json(method: str, path: str, content: Any) -> web.RouteDef:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(content)

    return web.route(method, path, answer)
