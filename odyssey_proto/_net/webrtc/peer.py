"""The peer connection to a streamer, on aiortc: answering, data channels, and every received frame at once.

This module does not know what the messages mean or who uses the frames: it reports both to a `PeerListener`.
Everything runs on the background loop, except that the decoding thread passes on the frames, as it decoded them.
The first connection (or `warm`) loads aiortc; importing this module does not.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import logging
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..._base.errors import MalformedMessageError, OdysseyConnectionError
from ..._base.event_loop import TaskScope
from ..._base.limits import OFFERS_MOST_WAITING, PICTURE_MOST_PX
from ..._video.meters import VideoTotals
from ..tap import Tap
from . import candidates, liveness
from .channels import DataChannels, not_open
from .codecs import codec_preferences, no_codec
from .offer import UNREADABLE, Offer
from .other_logs import keep_quiet
from .path_search import PathSearch, RemoteCandidates, add_remote
from .picture_size import TOO_LARGE, oversize
from .reports import Reports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    import av
    from aiortc import MediaStreamTrack, RTCPeerConnection
    from odyssey_models import IceCandidate, IceServer

    from ..._base.clock import Clock
    from ..._base.event_loop import BackgroundLoop
    from ..._model.config import VideoCodec
    from .listener import PeerListener
    from .receiving import Receiving

__all__ = ["Peer", "warm"]

T = TypeVar("T")
log = logging.getLogger("odyssey_proto.webrtc")


def warm() -> None:
    """Load aiortc, av and numpy, which takes most of a second; call it on a thread that has time."""
    for name in ("numpy", "av", "aiortc"):
        importlib.import_module(name)
    keep_quiet()


class Peer:
    """One peer connection, from the streamer's offer to `close`. Any thread may call it; no method blocks.

    Args:
        loop: the loop that it runs on; must be started.
        listener: receives all reports.
        clock: for the arrival times of frames.
        loopback: offer the loopback addresses besides those of the interfaces, if the streamer is on this machine.
        relay_only: offer relays of TURN servers, and no address of this machine.
        codec: the codec of the video to take.
        max_pixels: the largest width × height of a picture, in px; a larger one ends the connection.
        totals: counts packets and frames.
        wants_all: returns whether every frame is wanted, however late, rather than the latest.
        tap: shows messages and encoded frames.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        listener: PeerListener,
        clock: Clock,
        *,
        loopback: bool = False,
        relay_only: bool = False,
        codec: VideoCodec = "auto",
        max_pixels: int = PICTURE_MOST_PX,
        totals: VideoTotals | None = None,
        wants_all: Callable[[], bool] = lambda: False,
        tap: Tap | None = None,
    ) -> None:
        self._loop = loop
        self._tap = tap or Tap()
        self._listener = listener
        self._reports = Reports(listener, is_closing=lambda: self._closing, spawn=self._spawn)
        self._clock = clock
        self._loopback = loopback
        self._codec: VideoCodec = codec
        self._max_pixels = max_pixels
        self._totals = totals or VideoTotals(clock)
        self._wants_all = wants_all
        self._lock = threading.RLock()
        self._everything = TaskScope()
        self._own = TaskScope()
        self._life: concurrent.futures.Future[None] | None = None
        self._closed: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._closed.set_running_or_notify_cancel()  # a caller can stop waiting for the end, but not cancel it
        self._closing = False
        self._clean_end_s = 0.4  # if the loop is stopped under a connection that was not closed

        # Only the loop's thread writes the following; any thread reads the channels, and the decoding thread reads
        # some others.
        self._stop = asyncio.Event()
        self._negotiating = asyncio.Lock()
        self._path = PathSearch(relay_only=relay_only, on_late=self._take_late)
        self._pc: RTCPeerConnection | None = None
        self._offer: Offer | None = None
        self._offers_waiting = 0
        self._codec_names: Mapping[int, str] = {}  # by payload type
        self._remote = RemoteCandidates(self._add_candidate)
        self._video: MediaStreamTrack | None = None
        self._receiving: Receiving | None = None
        self._channels = DataChannels(
            loop,
            on_open=lambda size: self._reports.notify(listener.on_channel_open, size),
            on_message=lambda message: self._reports.notify(listener.on_message, message),
            on_close=self._reports.close_channel,
            on_excess=self._refuse_excess,
            tap=self._tap,
        )
        self._connected = False

    @property
    def peer_connection(self) -> RTCPeerConnection | None:
        """aiortc's object, for statistics; for use on the loop's thread. None before the offer."""
        return self._pc

    @property
    def max_message_size(self) -> int:
        """The largest message for `send`, in bytes of UTF-8: the limit in the offer, or else 16 KiB."""
        return self._channels.max_message_size

    @property
    def notes(self) -> tuple[str, ...]:
        """Possible reasons for a failure to connect: ICE servers that were left out or gave nothing, and why."""
        return self._path.notes

    # --- from any thread

    def prepare(self, ice_servers: Sequence[IceServer]) -> None:
        """Ask the ICE servers ahead of the offer; otherwise `answer` does it."""
        self._submit(self._path.ask(tuple(ice_servers)))

    def answer(self, offer_sdp: str, ice_servers: Sequence[IceServer] = ()) -> concurrent.futures.Future[str]:
        """Accept the streamer's offer and return the answer's SDP, with all candidates in it.

        A later offer of the same connection (renegotiation) is answered too; an offer of another connection is
        refused, because it needs another `Peer`.

        Args:
            offer_sdp: the offer.
            ice_servers: the servers from ``/config``; if empty, none is used.

        Raises (the future does; it is cancelled if `close` comes first):
            MalformedMessageError: the offer is not SDP, or lacks video, a data channel or encryption. The error's
                ``message_type`` is ``offer`` if answering had not begun, so that another offer may follow.
            OdysseyConnectionError: nothing in the offer can be decoded (``no_common_codec``), the offer belongs to
                another connection (``unexpected_offer``), there are too many (``too_many_offers``), there is no
                address to connect from (``no_candidates``), ``relay_only`` is set and there is no relay
                (``no_relay``), or this peer is closed (``closed``).
        """
        return self._submit(self._answer(offer_sdp, tuple(ice_servers)))

    def add_candidate(self, candidate: IceCandidate) -> None:
        """Add a candidate of the streamer, before or after its offer; an empty one means that no more come.

        An unreadable one is logged and ignored; a ``*.local`` name that cannot be resolved does no harm.
        """
        self._loop.call_soon(self._take_candidate, candidate)

    def send(self, text: str) -> None:
        """Send a text message on ``clientToStreamer``, in the order of the calls.

        Raises:
            OdysseyStreamError: the channel is not open (``channel_not_open``), or the message is larger than
                `max_message_size` (``message_too_large``).
        """
        if self._closing:
            raise not_open()
        self._channels.send(text)

    def ask_for_keyframe(self) -> None:
        """Ask the streamer for a keyframe; before the first packet this does nothing."""
        self._loop.call_soon(self._ask_for_keyframe)

    def ask_for_sign_of_life(self, on_answer: Callable[[], None]) -> None:
        """Ask the streamer's side for a sign of life, and call ``on_answer`` on the loop's thread if it gives one.

        ``on_answer`` is also called if nothing can be asked.
        """
        self._loop.call_soon(self._ask_for_sign_of_life, on_answer)

    def close(self, timeout: float = 1.0) -> concurrent.futures.Future[None]:
        """Close the connection and everything that it opened; the future is done when nothing is left.

        A clean end may take ``timeout`` s; then the rest is cut off within 0.3 s. May be called again.
        """
        with self._lock:
            if not self._closing:
                self._closing = True
                self._clean_end_s = timeout
                if self._life is None:
                    self._closed.set_result(None)
        self._loop.call_soon(self._stop.set)
        return self._closed

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        try:
            with self._lock:
                if not self._closing:
                    if self._life is None:
                        self._life = self._loop.submit(self._live())
                        self._life.add_done_callback(lambda _: self._closed.set_result(None))
                    # Under the lock, so that it arrives before the end that a later `close` requests.
                    return self._loop.submit(coroutine, self._everything)
            error = OdysseyConnectionError("The peer connection is closed", code="closed")
        except OdysseyConnectionError as exc:
            error = exc
        coroutine.close()
        failed: concurrent.futures.Future[T] = concurrent.futures.Future()
        failed.set_exception(error)
        return failed

    # --- the life and end of the connection (from here on, everything is on the loop's thread)

    async def _live(self) -> None:
        # Cancelled if the loop stops: the connection must end properly in this case too.
        with contextlib.suppress(asyncio.CancelledError):
            await self._stop.wait()
        self._closing = True
        ending = asyncio.create_task(self._end())
        while not ending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)

    async def _end(self) -> None:
        if self._receiving is not None:
            self._receiving.give_up()
        await self._own.cancel(0.1)
        closing = {self._everything.spawn(self._path.servers.release())}
        if self._pc is not None:
            closing.add(self._everything.spawn(self._pc.close()))
        # aiortc's own close waits for the network: it took 63 s with a dead TURN server.
        await asyncio.wait(closing, timeout=self._clean_end_s)
        await self._everything.spawn(self._path.servers.cut())
        if not await self._everything.cancel(0.2):
            log.warning("%d tasks of a peer connection did not end", len(self._everything))
        if self._pc is not None:
            candidates.close_sockets(self._pc)
        self._channels.drop()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._own.add(self._everything.spawn(coroutine))

    def _own_this_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._own.add(task)

    # --- offer, answer, candidates

    async def _answer(self, sdp: str, servers: tuple[IceServer, ...]) -> str:
        self._own_this_task()
        if self._offers_waiting >= OFFERS_MOST_WAITING:
            text = "The streamer sends offers faster than they can be answered"
            raise OdysseyConnectionError(text, code="too_many_offers", recoverable=True)
        self._offers_waiting += 1
        try:
            return await self._answer_next(Offer.read(sdp), servers)
        finally:
            self._offers_waiting -= 1

    async def _answer_next(self, offer: Offer, servers: tuple[IceServer, ...]) -> str:
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import InvalidStateError, OperationError

        async with self._negotiating:
            if self._offer is not None and self._offer.user != offer.user:
                raise OdysseyConnectionError(
                    "The streamer offered another connection in place of this one",
                    code="unexpected_offer",
                    recoverable=True,
                )
            first = self._pc is None
            if first:
                await self._path.ask(servers)
            pc = self._pc = self._pc or self._make_connection()
            if first:
                # Before the offer is set: afterwards aiortc would prefer the first codec in the offer.
                pc.addTransceiver("video", "recvonly").setCodecPreferences(codec_preferences(self._codec))
            try:
                await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
                if self._receiving is not None:
                    self._receiving.agree(pc, offer.feedback)
                if pc.sctp is not None:
                    self._channels.limit(pc.sctp)
                self._take_offer(offer)
                candidates.arrange_gathering(pc, loopback=self._loopback, servers=self._path.servers)
                await pc.setLocalDescription(await pc.createAnswer())
            except OperationError as exc:
                text = no_codec(self._codec, offer.codecs.offered)
                raise OdysseyConnectionError(text, code="no_common_codec") from exc
            except (*UNREADABLE, InvalidStateError) as exc:
                raise MalformedMessageError(
                    f"The streamer's offer cannot be answered ({type(exc).__name__})",
                    code="malformed_offer",
                    recoverable=True,
                ) from exc
            except OSError as exc:
                raise OdysseyConnectionError(
                    f"No socket for the peer connection: {exc.strerror}", code="no_candidates", recoverable=True
                ) from exc
            answer = offer.codecs.restored(pc.localDescription.sdp)
            if first:
                self._path.check(answer)
                self._spawn(self._watch_path())
        return answer

    def _make_connection(self) -> RTCPeerConnection:
        from aiortc import RTCConfiguration, RTCPeerConnection

        # Always a list: without one, aiortc asks a public STUN server.
        pc = RTCPeerConnection(RTCConfiguration(iceServers=candidates.for_aiortc(self._path.urls)))
        pc.on("connectionstatechange", self._take_state)
        pc.on("track", self._take_track)
        pc.on("datachannel", self._channels.take)
        return pc

    def _take_offer(self, offer: Offer) -> None:
        self._offer, self._codec_names = offer, offer.codecs.names
        self._channels.max_message_size = offer.max_message_size
        self._remote.take_offer(offer)

    def _take_late(self, agent: Any, candidate: Any) -> None:
        for found in candidates.announced(self._pc, agent, candidate):
            self._reports.notify(self._listener.on_candidate, found)

    async def _watch_path(self) -> None:
        assert self._pc is not None
        if await self._path.fails(self._pc):
            self._lose_path()

    def _lose_path(self) -> None:
        text, may_help = self._path.failure()
        self._reports.lose(text, "ice_failed", may_help)

    def _take_candidate(self, candidate: IceCandidate) -> None:
        if not self._closing:
            self._remote.take(candidate)

    def _add_candidate(self, candidate: IceCandidate, offer: Offer) -> None:
        assert self._pc is not None
        # Each in a task of its own: the names in browsers' candidates take a second to resolve, or longer.
        self._spawn(add_remote(self._pc, candidate, offer))

    # --- called by aiortc

    def _take_state(self) -> None:
        assert self._pc is not None
        state = self._pc.connectionState
        self._reports.notify(self._listener.on_state, state)
        if state == "connected":
            self._totals.connections += not self._connected
            self._connected = True
            if self._receiving is not None:
                self._receiving.start()
        elif state == "closed":
            self._reports.lose("The peer connection to the streamer has ended", "peer_closed")
        elif state == "failed":
            if self._connected:
                self._reports.lose("The peer connection to the streamer was lost", "peer_lost")
            elif self._pc.iceConnectionState == "failed":
                self._lose_path()
            else:
                self._reports.lose("The encryption of the peer connection could not be set up", "dtls_failed")

    def _take_track(self, track: MediaStreamTrack) -> None:
        from . import decoding

        if track.kind == "video" and self._video is None:
            self._video = track
            self._receive(track)
            self._spawn(self._watch(track))
            self._reports.notify(self._listener.on_track)
        else:
            # Mostly audio, which nobody takes. If it cannot be discarded, decoded frames must not pile up.
            decoding.discard(self._receiver_of(track))
            self._spawn(decoding.drain(track))

    def _receive(self, track: MediaStreamTrack) -> None:
        from .receiving import Receiving

        self._receiving = Receiving(
            self._receiver_of(track),
            self._totals,
            on_frame=self._take_frame,
            round_trip=lambda: liveness.channels_round_trip_s(self._pc),
            wants_all=self._wants_all,
            spawn=self._spawn,
            max_pixels=self._max_pixels,
            on_oversize=lambda width, height: self._loop.call_soon(self._refuse_size, width, height),
            tap=self._tap,
        )
        if self._connected:
            self._receiving.start()

    def _receiver_of(self, track: MediaStreamTrack) -> Any:
        assert self._pc is not None
        return next(receiver for receiver in self._pc.getReceivers() if receiver.track is track)

    def _refuse_excess(self, what: str) -> None:
        self._reports.lose(f"The streamer sends {what}", "too_many_messages", recoverable=False)

    def _refuse_size(self, width: int, height: int) -> None:
        text = f"The server sends {oversize(width, height, self._max_pixels)}"
        self._reports.lose(text, TOO_LARGE, recoverable=False)

    def _ask_for_keyframe(self) -> None:
        if self._receiving is not None and not self._closing:
            self._receiving.ask_for_keyframe()

    def _ask_for_sign_of_life(self, on_answer: Callable[[], None]) -> None:
        if not self._closing:
            self._spawn(self._await_sign_of_life(on_answer))

    async def _await_sign_of_life(self, on_answer: Callable[[], None]) -> None:
        if await liveness.answers(self._pc, self._totals.note_path):
            self._reports.notify(on_answer)

    def _take_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        self._measure()
        self._reports.notify(self._listener.on_frame, frame, received_at)

    async def _watch(self, track: MediaStreamTrack) -> None:
        from aiortc import MediaStreamError

        while True:
            try:
                frame = await track.recv()  # if we decode ourselves, only the end comes here
            except MediaStreamError:
                break
            self._take_frame(cast("av.VideoFrame", frame), self._clock.now())
        # aiortc has abandoned the decoder: nothing more comes on this track, whatever the streamer sends.
        await self._reports.lose_later("The streamer ended the video", "video_ended")

    def _measure(self) -> None:
        """Read values that aiortc does not report: the codec, and the round trip of the data channels."""
        pc, totals = self._pc, self._totals
        assert pc is not None
        totals.note_round_trip(liveness.channels_round_trip_s(pc))
        kind = None if self._receiving is None else self._receiving.payload_type
        if kind is not None:
            totals.codec = self._codec_names.get(kind, totals.codec)
