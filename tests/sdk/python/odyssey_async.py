"""An asynchronous SDK for Odyssey, on asyncio, aiohttp and aiortc.

    async with Odyssey("ody_…") as odyssey:
        session = await odyssey.connect()
        await session.start("A cat on a windowsill", portrait=False)
        async for frame in session.frames():
            show(frame.to_ndarray(format="rgb24"))

`odyssey_models` has the messages. `odyssey_proto.core` decides when to retry, to rejoin, to send a keepalive and
to fail a call. The rest is here: HTTP in `Odyssey`, a WebSocket with its peer connection in `Link`, and the way
between these and the core in `Session`. All of it runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import odyssey_models as wire
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp

from odyssey_proto import (
    AdvancedConfig,
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    core,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from av import VideoFrame

__all__ = ["Link", "Odyssey", "Session"]

T = TypeVar("T")


class Odyssey:
    """The calls of the service."""

    def __init__(self, api_key: str, api_url: str = "https://api.odyssey.ml") -> None:
        self._api_key, self._api_url = api_key, api_url
        self._access_token, self._renewed_at = "", 0.0

    async def __aenter__(self) -> Self:
        # Not compressed: some servers label bodies in ways that aiohttp does not undo.
        headers = {"User-Agent": "odyssey-proto/async", "Accept-Encoding": "identity"}
        self.http = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(30))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def connect(self, *, timeout_s: float = 60) -> Session:
        """Request a session, and connect to it."""
        session = Session(self)
        try:
            await session.call(core.Connect, timeout_s)
        except BaseException:
            await session.disconnect()
            raise
        return session

    async def simulate(self, request: wire.SimulationRequest) -> wire.SimulationJobDetail:
        """Create a simulation job."""
        return await self.call("POST /simulation-jobs", wire.SimulationJobDetail, request)

    async def simulation(self, job_id: str) -> wire.SimulationJobDetail:
        """Return a simulation job with its streams."""
        return await self.call("GET /simulation-jobs/{job_id}", wire.SimulationJobDetail, about=job_id)

    async def access_token(self) -> str:
        """Return the access token, renewed one minute before its end."""
        now = asyncio.get_running_loop().time()
        if not self._access_token or now >= self._renewed_at:
            key = wire.TokenRequest(api_key=self._api_key)
            answer = await self.call("POST /auth/token", wire.TokenResponse, key, authorized=False)
            lifetime_s = 3600 if answer.expires_in is None else answer.expires_in
            self._access_token, self._renewed_at = answer.access_token, now + lifetime_s - 60
        return self._access_token

    async def call(
        self,
        operation: str,
        model: type[T],
        body: Any = None,
        *,
        about: str = "",
        authorized: bool = True,
    ) -> T:
        """Make a call, `about` the id in its path, and read the answer as `model`; a refusal is a typed error."""
        method, path = operation.split(" ")
        url = self._api_url + re.sub(r"\{\w+\}", quote(about, safe=""), path)
        headers = {"Authorization": f"Bearer {await self.access_token()}"} if authorized else {}
        json = None if body is None else body.to_dict()
        try:
            async with self.http.request(method, url, json=json, headers=headers) as got:
                answer = core.HttpAnswer(
                    operation=operation,
                    about=about,
                    status=got.status,
                    headers=got.headers,
                    body=await got.read(),
                    secrets=(self._api_key, self._access_token),
                )
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise lost(f"{operation}: {type(exc).__name__}") from exc
        if not answer.ok:
            raise core.refusal(answer)
        return core.decode(model, answer.body)


class Session:
    """A session, from `Odyssey.connect` to its end: it feeds the core, and does what the core says."""

    def __init__(self, odyssey: Odyssey) -> None:
        self.odyssey = odyssey
        self.core = core.Protocol(AdvancedConfig())
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._links: dict[int, Link] = {}
        self._frames: asyncio.Queue[VideoFrame | OdysseyError | None] = asyncio.Queue(8)
        self._last_frame_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what users call

    async def start(
        self, prompt: str, *, portrait: bool = True, image: str | None = None, broadcast: bool = False
    ) -> str:
        """Start a stream, from an image (a data URL) if there is one; return its id."""
        if image and not (self.core.capabilities and self.core.capabilities.image_to_video):
            raise OdysseyStreamError("This streamer cannot start from an image", code="image_not_supported")
        message = wire.InteractiveStreamStart(
            prompt=prompt, portrait=portrait, input_image_base64=image, broadcast=broadcast
        )
        return str(await self.call(lambda number: core.Start.of(number, message)))

    async def interact(self, prompt: str, *, timeout_s: float = 30) -> str:
        """Steer the stream; return the prompt as the service applied it."""
        message = wire.Update(prompt=prompt)
        return str(await self.call(lambda number: core.Interact.of(number, message), timeout_s))

    async def frames(self) -> AsyncIterator[VideoFrame]:
        """Yield the frames of the stream that was started, until it ends; those that nobody takes are dropped."""
        while self.core.stream_id or not self._frames.empty():
            match await self._frames.get():
                case None:
                    return
                case OdysseyError() as error:
                    raise error
                case frame:
                    yield frame

    async def end(self) -> None:
        """End the stream."""
        await self.call(core.End)

    async def disconnect(self) -> None:
        """Leave, and wait until everything is closed."""
        self._feed(core.Disconnect())
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def call(self, command: Callable[[int], core.Command], timeout_s: float = 30) -> Any:
        """Give the core a command, and wait for its answer."""
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._feed(command(number))
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            if self._calls.pop(number, None):  # it was not answered, and nobody waits for it any more
                self._feed(core.Abandon(number))

    # --- the loop between the core and the network

    def post(self, item: core.Input) -> None:
        """Feed an input to the core, in the next iteration of the loop."""
        asyncio.get_running_loop().call_soon(self._feed, item)

    def _feed(self, item: core.Input | None = None) -> None:
        loop = asyncio.get_running_loop()
        try:
            if item is None:
                self.core.advance(loop.time())
            else:
                self.core.receive(item, loop.time())
        finally:
            for output in self.core.outputs():
                self._carry_out(output)
            if self._timer:
                self._timer.cancel()
            due = self.core.next_due
            self._timer = None if due is None else loop.call_at(due, self._feed)

    def _carry_out(self, output: core.Output) -> None:
        match output:
            case core.Authenticate():
                self.spawn(self._authenticate())
            case core.RequestSession():
                self.spawn(self._request_session())
            case core.OpenLink(link=number):
                self._links[number] = Link(output, self)
            case core.SendSignaling(link=number, message=message, text=text):
                self._links[number].say(text or core.encode(message))
            case core.SendChannel(link=number, message=message, text=text):
                self._links[number].send(text or core.encode(message))
            case core.AcceptOffer(link=number, sdp=sdp):
                self.spawn(self._links[number].accept(sdp))
            case core.AddCandidate(link=number, candidate=candidate):
                self.spawn(self._links[number].add(candidate))
            case core.AskForKeyframe(link=number):
                self.spawn(self._links[number].ask_for_keyframe())
            case core.AskForSignOfLife(link=number):
                self.post(core.SignOfLife(number))  # aiortc has no public way to ask
            case core.CheckVideo(link=number):
                self.post(core.VideoSeen(number, self._last_frame_at))
            case core.SayGoodbye(link=number):
                self._links[number].say(core.encode(wire.ClientDisconnecting()))
            case core.CloseLink(link=number):
                self.spawn(self._links.pop(number).close())
            case core.BeginFrames():
                while not self._frames.empty():
                    self._frames.get_nowait()
            case core.EndFrames(error=error):
                self._put(error)
            case core.Succeed(call=number, value=value) if number in self._calls:
                self._calls.pop(number).set_result(value)
            case core.Fail(call=number, error=error) if number in self._calls:
                self._calls.pop(number).set_exception(error)
            case _:
                pass  # events, for which this SDK has no listeners, gaps in the video, and what the core ignored

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that `disconnect` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _authenticate(self) -> None:
        try:
            await self.odyssey.access_token()
            self.post(core.Authenticated())
        except OdysseyError as error:
            self.post(core.StepFailed(error))

    async def _request_session(self) -> None:
        try:
            asked = self.odyssey.call("POST /sessions/request", wire.SessionResponse, wire.SessionRequest())
            self.post(core.SessionGranted(await asked))
        except OdysseyError as error:
            self.post(core.refused_request(error))

    def take(self, frame: Any) -> None:
        """Take a frame from a link."""
        self._last_frame_at = asyncio.get_running_loop().time()
        self._put(frame)

    def _put(self, frame: VideoFrame | OdysseyError | None) -> None:
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(frame)


class Link:
    """One attempt at a connection: a WebSocket, and the peer connection that is set up through it."""

    def __init__(self, plan: core.OpenLink, session: Session) -> None:
        self._plan, self._session = plan, session
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._servers: list[RTCIceServer] = []
        self._peer: RTCPeerConnection | None = None
        self._offered = asyncio.Event()
        self._requests: Any = None
        self._running = session.spawn(self._run())

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._plan.timeout):
                socket = self._socket = await self._open()
        except OdysseyError as error:
            return self._fail(error)
        except (aiohttp.ClientError, OSError) as exc:
            return self._fail(lost(f"the WebSocket could not be opened: {type(exc).__name__}"))
        self._session.post(core.SignalingOpened(self._plan.link))
        async for received in socket:
            if isinstance(received.data, str | bytes):  # not an error, after which the socket is closed
                self._hear(core.signaling_from_server, received.data)
        if socket.close_code in (1000, 1001):
            return self._session.post(core.SignalingClosed(self._plan.link))
        return self._fail(lost(f"the WebSocket was closed with {socket.close_code}"))

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        odyssey, plan = self._session.odyssey, self._plan
        request = wire.SessionTokenRequest(session_id=plan.session_id)
        granted = await odyssey.call("POST /sessions/token", wire.SessionTokenResponse, request)
        try:
            async with odyssey.http.get(plan.config_url) as got:
                servers = core.decode(wire.SignalingConfig, await got.read()).ice_servers
        except (aiohttp.ClientError, TimeoutError, OdysseyError):
            servers = []
        given = [RTCIceServer(one.urls, one.username, one.credential) for one in servers if one.urls]
        self._servers = given or [RTCIceServer("stun:stun.l.google.com:19302")]
        try:
            return await odyssey.http.ws_connect(
                plan.websocket_url(granted.session_token), max_msg_size=64 * 2**20, heartbeat=20
            )
        except aiohttp.WSServerHandshakeError as exc:
            raise core.refusal(core.HttpAnswer(operation="WebSocket /client", status=exc.status)) from exc

    def _hear(self, read: Callable[[str], Any], text: Any) -> None:
        try:
            message = read(text)
        except MalformedMessageError as error:
            return self._session.post(core.Unreadable(self._plan.link, error))
        if not isinstance(message, core.UnknownMessage):  # from a newer service: ignored
            self._session.post(core.Received(self._plan.link, message))
        return None

    def _fail(self, error: OdysseyError, *, signaling_lost: bool = True) -> None:
        self._session.post(core.LinkFailed(self._plan.link, error, signaling_lost=signaling_lost))

    def say(self, text: str) -> None:
        """Send a message through the WebSocket. Messages are sent in the order of the calls."""
        self._session.spawn(self._say(text))

    async def _say(self, text: str) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):  # `_run` reports the loss
            if self._socket:
                await self._socket.send_str(text)

    def send(self, text: str) -> None:
        """Send a message through `clientToStreamer`."""
        if self._requests.readyState == "open":  # else `_take_state` is about to report the loss
            self._requests.send(text)

    async def close(self) -> None:
        """Close the WebSocket, after what is still to be sent, and the peer connection."""
        self._offered.set()
        if self._socket:
            await self._socket.close(code=1000, message=b"Client disconnect")
        self._running.cancel()
        if self._peer:
            await self._peer.close()

    # --- the peer connection

    async def accept(self, sdp: str) -> None:
        """Answer the offer, with all candidates in the answer."""
        peer = self._peer = self._peer or RTCPeerConnection(RTCConfiguration(self._servers))
        peer.on("track", self._take_track)
        peer.on("datachannel", self._take_channel)
        peer.on("connectionstatechange", self._take_state)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            self._offered.set()
            await peer.setLocalDescription(await peer.createAnswer())
            self._session.post(core.Answered(self._plan.link, peer.localDescription.sdp))
        except (ValueError, InvalidStateError):
            self._fail(lost("the offer could not be answered"), signaling_lost=False)

    async def add(self, candidate: wire.IceCandidate) -> None:
        """Add a candidate of the streamer, once the offer is there. An empty one is the last."""
        await self._offered.wait()
        if self._peer and candidate.candidate:
            try:
                found = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
                found.sdpMid, found.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
                await self._peer.addIceCandidate(found)
            except (AssertionError, IndexError, ValueError, InvalidStateError):
                pass  # one that cannot be read is ignored

    async def ask_for_keyframe(self) -> None:
        """Ask the streamer for a keyframe, which can be decoded without other pictures."""
        for receiver in self._peer.getReceivers() if self._peer else ():
            for source in receiver.getSynchronizationSources():
                await receiver._send_rtcp_pli(source.source)

    def _take_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._session.post(core.VideoReceived(self._plan.link))
            self._session.spawn(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                self._session.take(await track.recv())
        except MediaStreamError:
            pass  # the connection is closed

    def _take_channel(self, channel: Any) -> None:
        if channel.label == "clientToStreamer":
            self._requests = channel
            self._session.post(core.ChannelOpened(self._plan.link, max_message_size=16 * 2**10))
        else:
            channel.on("message", lambda text: self._hear(core.channel_from_streamer, text))

    def _take_state(self) -> None:
        if self._peer and self._peer.connectionState in ("failed", "closed"):
            self._fail(lost("the peer connection is lost"), signaling_lost=False)


def lost(text: str) -> OdysseyConnectionError:
    """Return an error after which the core may try again."""
    return OdysseyConnectionError(text, code="connection_lost", recoverable=True)
