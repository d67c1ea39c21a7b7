"""The streamer of one session: streams, prompts and their limits.

It answers requests one at a time, in order. It outlives the connections of its client: a client that reconnects
finds its stream still running, on a new peer connection (spec/behaviour.md#rejoining).
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol, assert_never

import attrs
from odyssey_models import (
    InteractiveStreamEnd,
    InteractiveStreamError,
    InteractiveStreamStart,
    StreamEnded,
    StreamErrorReason,
    StreamStarted,
    Update,
    UpdateAcknowledged,
)

from ..._base.errors import MalformedMessageError
from ..._model import codec
from ..._model.traffic import Message
from .._config import paced
from .._faults.mishaps import SignalingSide, befall
from .._notebook import SeenStream
from .._own_worlds.performance import WorldError
from .._stream.camera import Camera, PictureTrack
from .._stream.grain import Grain
from .._stream.peer import StreamerPeer
from .._stream.rate_control import rate_of
from .._traffic import show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import av

    from ..._base.clock import Clock
    from .._accounts.service import Lease, Service
    from .._broadcast.registry import BroadcastRegistry
    from .._config import EmulatorConfig
    from .._faults.script import FaultScript
    from .._faults.sloppiness import Sloppiness
    from .._notebook import Notebook
    from .._own_worlds.stage import Show
    from .._recordings.archive import Archive, StreamRecorder

__all__ = ["ClientLink", "Streamer"]

log = logging.getLogger("odyssey_proto.emulator.streamer")

_RECORDED_WITHIN_S: Final = 2.0
_SENT_WITHIN_S: Final = 2.0

_Request = InteractiveStreamStart | Update | InteractiveStreamEnd


class ClientLink(SignalingSide, Protocol):
    """A streamer's access to its client over signaling."""

    user_agent: str
    """The User-Agent header of the client."""

    async def fail(self, reason: str) -> None:
        """Send a fatal error and close."""


@attrs.define(eq=False, kw_only=True)
class _RunningStream:
    id: str
    world: Show
    camera: Camera
    began_at: float
    longest: float
    """Length at which the stream is cut off, in s."""
    cut_reason: str
    recording: StreamRecorder | None = None


class Streamer:
    """Serves one session from its first handshake until `close`. Runs on the loop's thread."""

    def __init__(
        self,
        session: Lease,
        *,
        service: Service,
        config: EmulatorConfig,
        faults: FaultScript,
        sloppiness: Sloppiness,
        clock: Clock,
        archive: Archive,
        broadcasts: BroadcastRegistry,
        notebook: Notebook,
        open_world: Callable[..., Awaitable[Show]],
        camera: Callable[..., Camera] = Camera,
    ) -> None:
        self._session = session
        self._service = service
        self._config = config
        self._faults = faults
        self._sloppiness = sloppiness
        self._clock = clock
        self._archive = archive
        self._open_world = open_world
        self._make_camera = camera
        self._broadcasts = broadcasts
        self._notebook = notebook
        self.authority = ""
        """Host and port that the latest client connected to."""
        self._stream: _RunningStream | None = None
        self._peer: StreamerPeer | None = None
        self._track: PictureTrack | None = None
        self._link: ClientLink | None = None
        self._beside: dict[ClientLink, tuple[StreamerPeer, PictureTrack]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._user_agent = ""
        self._media_stopped = False
        self._closed = False
        self._outbox: collections.deque[str | bytes] = collections.deque()
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._work = asyncio.get_running_loop().create_task(self._serve())

    async def join(self, link: ClientLink) -> StreamerPeer | None:
        """Return a peer connection for a client that has just connected; close the earlier one, or keep both.

        Return None if the session has ended or another client has connected in the meantime.
        """
        (earlier, self._peer), (earlier_link, self._link) = (self._peer, None), (self._link, link)
        self._user_agent = link.user_agent
        if earlier_link is not None and earlier is not None and self._track is not None and self._keeps_both:
            self._beside[earlier_link] = earlier, self._track
        else:
            if earlier_link is not None:
                await earlier_link.fail("replaced")
            if earlier is not None:
                await earlier.close()
        if self._closed or self._link is not link:
            return None
        self._track = PictureTrack()
        self._peer = self._new_peer(self._track)
        self._show_tracks()
        return self._peer

    def _new_peer(self, track: PictureTrack) -> StreamerPeer:
        return StreamerPeer(
            track=track,
            codec=self._config.codec,
            outbox=self._outbox,
            on_text=self._hear_channel,
            on_channel_open=self._channel_opened,
            on_packet=lambda packet: self._record_packet(packet, track),
            rate=rate_of(self._config.bitrate, adapts=self._config.congestion_control),
            fps=self._config.fps,
        )

    @property
    def _keeps_both(self) -> bool:
        return self._config.second_connection == "beside"

    def _show_tracks(self) -> None:
        if self._stream is not None and self._track is not None:
            self._stream.camera.track = self._track
            self._stream.camera.others = tuple(track for _, track in self._beside.values())

    def leave(self, link: ClientLink) -> None:
        """Forget a lost signaling connection; media continues until the session is cleared.

        If it was kept beside a newer one, its peer connection ends with it.
        """
        if self._link is link:
            self._link = None
        elif link in self._beside:
            peer, _ = self._beside.pop(link)
            self._show_tracks()
            ending = asyncio.get_running_loop().create_task(peer.close())
            self._leaving.add(ending)
            ending.add_done_callback(self._leaving.discard)

    def ask(self, request: _Request) -> None:
        """Queue a request from the client."""
        if not isinstance(request, InteractiveStreamEnd):
            self._notebook.asked(request.prompt)
        self._requests.put_nowait(request)

    async def close(self, reason: str | None) -> None:
        """Free everything. The client gets an error with ``reason`` over signaling; with None, a normal close."""
        self._closed = True
        self._work.cancel()
        # Concurrently: a client that is gone would not answer the close, and each of these may wait.
        await asyncio.gather(self._cut(), self._dismiss(reason), *self._leaving)

    async def _dismiss(self, reason: str | None) -> None:
        links = [*self._beside, *([self._link] if self._link else [])]
        peers = [*(peer for peer, _ in self._beside.values()), *([self._peer] if self._peer else [])]
        try:
            if reason is not None:
                # Before the end of the peer connection, which alone would count as a loss.
                await asyncio.gather(*(link.fail(reason) for link in links))
        finally:
            await asyncio.gather(*(link.close(1000) for link in links), *(peer.close() for peer in peers))

    # For faults (`mishaps.StreamerSide`)

    def send_text(self, text: str) -> None:
        """Send ``text`` to the client unchanged, as soon as its channel is open."""
        self._transmit(text, injected=True)

    def _transmit(self, text: str | bytes, *, injected: bool = False) -> None:
        self._let_watch(text, injected=injected)
        if self._peer is None:
            self._outbox.append(text)
        else:
            self._peer.send(text)

    def _let_watch(self, text: str | bytes, *, from_client: bool = False, injected: bool = False) -> None:
        show(
            Message(
                place="clientToStreamer" if from_client else "streamerToClient",
                from_client=from_client,
                text=text,
                user_agent=self._user_agent,
                injected=injected,
                session_id=self._session.id,
            )
        )

    def stream_error(self, reason: str, message: str) -> None:
        """Send an ``interactive_stream_error`` to the client."""
        self._send_message(_error(reason, message))

    def close_channels(self) -> None:
        """Close both data channels."""
        if self._peer is not None:
            self._peer.close_channels()

    def vanish(self) -> None:
        """Stop answering on the peer connection, without notice."""
        if self._peer is not None:
            self._peer.vanish()

    def stop_media(self) -> None:
        """Send no more pictures in this session."""
        self._media_stopped = True

    # Requests

    def _send_message(self, message: Any) -> None:
        text = codec.encode(message)
        for form in self._sloppiness.forms("streamerToClient", text):
            self._transmit(form, injected=form != text)

    def _hear_channel(self, text: str | bytes) -> None:
        self._let_watch(text, from_client=True)
        try:
            message = codec.channel_from_client(text)
        except MalformedMessageError as exc:
            log.warning("a message on clientToStreamer was ignored: %s", exc)
            return
        if isinstance(message, codec.UnknownMessage):
            log.warning("a message of unknown type %r on clientToStreamer was ignored", message.type)
            return
        self.ask(message)

    def _channel_opened(self) -> None:
        self._opening = asyncio.get_running_loop().create_task(self._goes_on("channel open"))

    async def _goes_on(self, step: str) -> bool:
        return await befall(self._faults, step, self._link, self)

    async def _serve(self) -> None:
        while True:
            request = await self._requests.get()
            try:
                match request:
                    case InteractiveStreamStart():
                        await self._start(request)
                    case Update():
                        await self._update(request)
                    case InteractiveStreamEnd():
                        await self._end()
                    case _:
                        assert_never(request)
            except Exception:
                log.exception("the streamer failed at %s", request.type)
                self.stream_error("internal_error", "The streamer failed")

    async def _start(self, request: InteractiveStreamStart) -> None:
        if not await self._goes_on("stream start"):
            return
        await self._until_ended()  # the last messages of the previous stream go out first
        if self._refused(self._start_objections(request)):
            return
        try:
            world = await self._open_world(
                seed=self._config.seed,
                prompt=request.prompt,
                portrait=request.portrait,
                image=request.input_image_base64,
                expand=not request.bypass_vlm_expansion,
                size=self._config.size,
            )
        except ValueError:
            self.stream_error("invalid_image", "The image cannot be read")
            return
        except WorldError as exc:
            self.stream_error(exc.reason, str(exc))
            return
        camera = self._make_camera(
            world,
            fps=self._config.fps,
            stamped=self._config.stamps_pictures,
            before_each=self._before_each,
            grain=Grain(self._config.grain, self._config.seed) if self._config.grain else None,
        )
        camera.on_failure = self._break_off
        left = self._service.seconds_left(self._session.account)
        longest = None if self._config.max_stream_s is None else paced(self._config, self._config.max_stream_s)
        self._stream = _RunningStream(
            id=f"stream-{uuid.uuid4()}",
            world=world,
            camera=camera,
            began_at=self._clock.now(),
            longest=left if longest is None else min(longest, left),
            cut_reason="quota_exceeded" if longest is None or left < longest else "session_timeout",
        )
        self._notebook.stream_began(
            self._session.id,
            SeenStream(
                stream_id=self._stream.id,
                prompt=request.prompt,
                applied_prompt=world.applied_prompt,
                portrait=request.portrait,
                broadcast=request.broadcast,
                from_image=request.input_image_base64 is not None,
            ),
        )
        if self._config.record:
            self._record(self._stream, request.prompt)
        self._send_message(StreamStarted(stream_id=self._stream.id, applied_prompt=world.applied_prompt))
        if request.broadcast:
            broadcast = self._broadcasts.begin(
                self._stream.id, authority=self.authority, size=world.size, fps=self._config.fps
            )
            camera.audience = broadcast.video
            self._send_message(broadcast.ready)
        self._show_tracks()
        camera.roll()

    async def _update(self, request: Update) -> None:
        if not await self._goes_on("stream update") or self._refused(self._update_objections(request)):
            return
        stream = self._stream
        if stream is not None:
            try:
                applied = await stream.world.change(request.prompt)
            except WorldError as exc:
                self.stream_error(exc.reason, str(exc))
                return
            self._notebook.stream_changed(self._session.id, request.prompt)
            if stream.recording is not None:
                stream.recording.note("interact", prompt=request.prompt, applied_prompt=applied)
            self._send_message(UpdateAcknowledged(prompt=applied))

    async def _end(self) -> None:
        if not await self._goes_on("stream end"):
            return
        # Even without a stream: an error would not answer a client that waits (spec/behaviour.md#ending).
        await self._cut("requested")
        self._send_message(StreamEnded())

    def _start_objections(self, request: InteractiveStreamStart) -> list[tuple[bool, str, str]]:
        return [
            (self._stream is not None, "stream_already_active", "A stream is already running: end it first"),
            (self._is_blocked(request.prompt), "moderation", "The prompt was refused by moderation"),
            (
                bool(request.bypass_vlm_expansion) and not self._config.bypass_privilege,
                "bypass_not_allowed",
                "This account may not bypass the expansion of prompts",
            ),
            (
                request.input_image_base64 is not None and not self._config.image_to_video,
                "image_not_supported",
                "This streamer cannot start from an image",
            ),
            (
                self._service.seconds_left(self._session.account) <= 0,
                "quota_exceeded",
                "All hours of this month are used up",
            ),
        ]

    def _update_objections(self, request: Update) -> list[tuple[bool, str, str]]:
        return [
            (self._stream is None, "no_active_stream", "There is no stream: start one first"),
            (self._is_blocked(request.prompt), "moderation", "The prompt was refused by moderation"),
        ]

    def _refused(self, objections: list[tuple[bool, str, str]]) -> bool:
        for applies, reason, message in objections:
            if applies:
                self.stream_error(reason, message)
                return True
        return False

    def _is_blocked(self, prompt: str) -> bool:
        return any(word.lower() in prompt.lower() for word in self._config.blocked_words)

    # Pictures

    async def _before_each(self) -> bool:
        stream = self._stream
        if stream is None:
            return False
        if self._clock.now() - stream.began_at >= stream.longest:
            error = _error(stream.cut_reason, "The stream was ended: its time is used up")
            await self._cut(stream.cut_reason, error)
            return False
        return await self._goes_on("media") and not self._media_stopped

    async def _break_off(self, failure: Exception) -> None:
        """End the stream because its world has failed."""
        if isinstance(failure, WorldError):
            reason, text = failure.reason, str(failure)
        else:
            log.error("a picture could not be painted", exc_info=failure)
            reason, text = "internal_error", "The streamer failed"
        await self._cut(reason, _error(reason, text), StreamEnded())  # not every error ends a stream

    def _record(self, stream: _RunningStream, prompt: str) -> None:
        world = stream.world
        from_packets = self._peer is not None and self._peer.sends_h264
        recording = self._archive.begin(
            stream.id, self._session.account, size=world.size, fps=self._config.fps, from_packets=from_packets
        )
        recording.note("start", prompt=prompt, applied_prompt=world.applied_prompt)
        stream.recording = recording
        stream.camera.viewer = recording.take_picture

    def _record_packet(self, packet: av.Packet[Any], track: PictureTrack) -> None:
        stream = self._stream
        is_newest = track is self._track
        if is_newest and stream is not None and stream.recording is not None and packet.pts is not None:
            stream.recording.take_packet(packet, track.moment(packet.pts))

    async def _cut(self, reason: str = "session_ended", *messages: Any) -> None:
        """End the stream, if there is one, and then send ``messages``. Wait for the end, even if it began earlier.

        An end that has begun is completed even if the caller is cancelled.
        """
        stream, self._stream = self._stream, None
        if stream is not None:
            self._notebook.stream_ended(self._session.id, reason)
            self._service.add_usage(self._session.account, self._clock.now() - stream.began_at)
            filming = stream.camera.cut()
            self._ending = asyncio.get_running_loop().create_task(self._finish(stream, filming, reason, messages))
        await self._until_ended()

    async def _until_ended(self) -> None:
        if self._ending is not None and not self._ending.done():
            await asyncio.shield(self._ending)

    async def _finish(
        self, stream: _RunningStream, filming: asyncio.Task[None] | None, reason: str, messages: tuple[Any, ...]
    ) -> None:
        try:
            if filming is not None:
                await asyncio.wait([filming])
            await self._send_last_pictures()
        finally:  # even if the emulator stops first
            stream.world.close()
        await self._broadcasts.end(stream.id)
        if stream.recording is not None:
            stream.recording.end(reason)
            # So that the recording is ready by the time the client learns of the end.
            await asyncio.wait([stream.recording.finished], timeout=_RECORDED_WITHIN_S)
        for message in messages:
            self._send_message(message)

    async def _send_last_pictures(self) -> None:
        """Wait until the encoders' pictures are sent: any later, they would seem to be from the next stream."""
        tracks = [self._track, *(track for _, track in self._beside.values())]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SENT_WITHIN_S):
                await asyncio.gather(*(track.drain() for track in tracks if track is not None))


def _error(reason: str, message: str) -> InteractiveStreamError:
    return InteractiveStreamError(reason=StreamErrorReason(reason), message=message)
