"""A streamer that repeats the recorded behaviour of the service when the client repeats its requests.

It follows the plan of the tape. At a recorded request, it waits until the client makes it: without limit if no
stream runs, else as long as a client tolerates a lack of video. If a start or an update comes early, everything
recorded before it is sent at once; an early end ends the stream at once. A request that does not come is skipped,
with its answer.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import math
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, TypeVar

import av
from av.error import FFmpegError
from odyssey_models import InteractiveStreamEnd, InteractiveStreamStart, StreamEnded, Update

from ..._base.limits import PICTURE_MOST_PX
from .._notebook import SeenStream
from .._session.streamer import Streamer
from .._stream.encoders import CLOCK_RATE_HZ
from .._stream.peer import StreamerPeer
from .originals import Original, Originals
from .tape import Closed, Cue, Picture, Said, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._broadcast.registry import Broadcast
    from .._stream.camera import PictureTrack
    from .tape import Item, Request, Tape

__all__ = ["ReplayStreamer"]

T = TypeVar("T")
log = logging.getLogger("odyssey_proto.emulator.streamer")

_ASKS_WITHIN_S: Final = 5.0  # for a recorded request that does not come; without video, a client would leave
_LEAST_PAUSE_S: Final = 0.002  # between two pictures, so that no buffer on the way overflows
_FASTEST: Final = 50.0  # times real time; more means as fast as possible
_APART_S: Final = 0.2  # at most, between a picture's time by the service's clock and its arrival
_ROOM_WITHIN_S: Final = 1.0  # for a picture, while no client is connected
_TAKEN_WITHIN_S: Final = 10.0  # the same, while one is: the encoder of a busy machine may be late
_SETTLED_AFTER_S: Final = 0.1  # for the pictures on their way: encoding, sending, decoding


class ReplayStreamer(Streamer):
    """Serves one session from a tape, from the tape's beginning."""

    def __init__(self, *args: Any, tape: Tape, pace: float, **parts: Any) -> None:
        self._tape = tape
        self._items = tape.items
        self._pace = pace if pace < _FASTEST else math.inf
        self._asked: collections.deque[InteractiveStreamStart | Update | InteractiveStreamEnd] = (
            collections.deque()
        )
        self._news = asyncio.Event()
        self._place = 0
        self._left_out: set[Cue] = set()
        self._late: list[Said] = []
        self._running: str | None = None
        self._latest_start: InteractiveStreamStart | None = None
        self._broadcast: Broadcast | None = None
        self._broadcast_name = ""
        self._originals = Originals()
        self._decoder: Any = None
        self._decodes = ""
        # The same moment on the clock of the tape (ms), on that of the service (ticks), and on this machine's (s).
        self._tape_zero, self._here_zero = 0.0, time.monotonic()
        self._media_zero: tuple[int, float] | None = None
        self._shown_at = 0.0  # the time of the last picture
        super().__init__(*args, **parts)

    def _new_peer(self, track: PictureTrack) -> StreamerPeer:
        return StreamerPeer(
            track=track,
            codec=self._config.codec if self._config.codec != "both" else f"{self._tape.codec} first",
            outbox=self._outbox,
            on_text=self._hear_channel,
            on_channel_open=self._channel_opened,
            encoders=self._originals.encoders(),
        )

    def ask(self, request: InteractiveStreamStart | Update | InteractiveStreamEnd) -> None:
        """Take a request of the client."""
        if not isinstance(request, InteractiveStreamEnd):
            self._notebook.asked(request.prompt)
        self._asked.append(request)
        self._news.set()

    async def _serve(self) -> None:
        while True:
            await asyncio.sleep(0)  # a tape may have a million items of the same moment
            try:
                if self._place < len(self._items):
                    await self._follow(self._items[self._place])
                else:
                    await self._end_of_tape()
            except Exception:
                log.exception("the replay failed")
                self.stream_error("internal_error", "The replay failed")
                self._place = len(self._items)  # so that requests are answered, and the stream ends

    # The plan

    async def _follow(self, item: Item) -> None:
        """Repeat a recorded step, and continue with the next; or stay at it, if a request was answered instead."""
        if isinstance(item, Cue):
            await self._await(item)
            return
        if not await self._until(item.at_ms):
            return
        self._place += 1
        match item:
            case Said():
                await self._say(item)
            case Picture():
                await self._show(item)
            case Closed():
                await self._close(item)

    async def _until(self, at_ms: float) -> bool:
        """Wait until it is time; return False if a request was answered instead, which may change the place."""
        due = self._here_zero + (at_ms - self._tape_zero) / 1000 / self._pace
        while True:
            if self._asked:
                if self._is_next(self._asked[0]) and not isinstance(self._asked[0], InteractiveStreamEnd):
                    self._set_clock(at_ms)  # hurry
                    return True
                await self._answer_otherwise(self._asked.popleft())
                return False
            left = due - time.monotonic()
            if left <= 0:
                return True
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                return True

    def _set_clock(self, at_ms: float) -> None:
        self._tape_zero, self._here_zero = at_ms, time.monotonic()

    async def _await(self, cue: Cue) -> None:
        """Wait for the request that was recorded here; skip it if it does not come in time."""
        while not self._asked:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), None if self._running is None else _ASKS_WITHIN_S)
            except TimeoutError:
                self._left_out.add(cue)
                self._pass(cue)
                return
        if not self._is_next(self._asked[0]):
            await self._answer_otherwise(self._asked.popleft())
            return
        request = self._asked.popleft()
        if isinstance(request, InteractiveStreamStart):
            self._latest_start = request
        self._pass(cue)
        if not await self._goes_on(f"stream {cue.request}"):
            self._left_out.add(cue)
        elif isinstance(request, Update) and self._running is not None:
            self._notebook.stream_changed(self._session.id, request.prompt)

    def _pass(self, cue: Cue) -> None:
        self._place += 1
        self._set_clock(cue.at_ms)

    def _is_next(self, request: InteractiveStreamStart | Update | InteractiveStreamEnd) -> bool:
        ahead = next(self._tape.cues_from(self._place), None)
        return ahead is not None and ahead[1].request == _kind(request)

    def _ahead(self, request: Request) -> tuple[int, Cue] | None:
        """Return the place and the cue of the next ``request`` in the same stream; None if there is none."""
        for place, cue in self._tape.cues_from(self._place):
            if cue.request == request:
                return place, cue
            if cue.request == "start":
                break
        return None

    async def _answer_otherwise(self, request: InteractiveStreamStart | Update | InteractiveStreamEnd) -> None:
        """Answer a request that was not recorded here."""
        kind = _kind(request)
        if not await self._goes_on(f"stream {kind}"):
            return
        if isinstance(request, InteractiveStreamEnd):
            await self._end_early()
        elif isinstance(request, InteractiveStreamStart):
            if self._running is not None:
                self.stream_error("stream_already_active", "A stream is already running: end it first")
            else:
                self.stream_error("not_recorded", "The cassette has no further stream")
        elif self._running is None:
            self.stream_error("no_active_stream", "There is no stream: start one first")
        elif (late := next((said for said in self._late if said.type == "update_acknowledged"), None)) is not None:
            self._late.remove(late)
            self._notebook.stream_changed(self._session.id, request.prompt)
            self._transmit(late.text)
        else:
            self.stream_error("not_recorded", "The cassette has no further update of this stream")

    async def _end_early(self) -> None:
        """End the stream before the tape does, and continue after its end there, or before the next start."""
        answer: str | None = None
        if (ahead := self._ahead("end")) is not None:
            self._place, cue = ahead[0] + 1, ahead[1]
            self._left_out.add(cue)
            answer = next((said.text for said in self._tape.said_from(self._place) if said.answers is cue), None)
        else:
            start = self._ahead("start")
            self._place = len(self._items) if start is None else start[0]
        await self._stop("requested")
        if answer is None:
            self._send_message(StreamEnded())
        else:
            self._transmit(answer)

    async def _end_of_tape(self) -> None:
        if self._running is not None:  # the capture ended in mid-stream
            await self._track_with_room()
            await asyncio.sleep(_SETTLED_AFTER_S)  # nothing on the tape says how long the pictures took
            await self._stop("end_of_cassette")
            self._send_message(StreamEnded())
        while not self._asked:
            self._news.clear()
            await self._news.wait()
        await self._answer_otherwise(self._asked.popleft())

    # The service's side

    async def _say(self, said: Said) -> None:
        if said.answers in self._left_out and said.answers is not None:
            self._late.append(said)
            return
        if said.by_signaling:
            await self._say_by_signaling(said)
            return
        data = parsed(said.text)
        if said.type == "broadcast_ready":
            await self._begin_broadcast()
            return
        if said.type == "stream_ended":
            await self._let_pictures_arrive()
            await self._stop("requested")
        if said.type == "stream_started":
            self._begin(str(data.get("stream_id", "")), str(data.get("applied_prompt", "")))
        self._transmit(said.text)

    async def _say_by_signaling(self, said: Said) -> None:
        if said.type == "error":
            reason = parsed(said.text).get("reason")
            self._service.end(self._session, reason if isinstance(reason, str) else "unknown")
            # The session is over, and `close` ends this task: what the tape has next, such as the close of the
            # WebSocket, must not come before the error.
            await asyncio.get_running_loop().create_future()
        elif self._link is not None:
            await self._link.send_text(said.text)

    def _begin(self, stream_id: str, applied_prompt: str) -> None:
        self._running, self._late, self._media_zero = stream_id, [], None
        start = self._latest_start
        if start is not None:
            self._notebook.stream_began(
                self._session.id,
                SeenStream(
                    stream_id=stream_id,
                    prompt=start.prompt,
                    applied_prompt=applied_prompt,
                    portrait=start.portrait,
                    broadcast=start.broadcast,
                    from_image=start.input_image_base64 is not None,
                ),
            )

    async def _stop(self, reason: str) -> None:
        stream_id, self._running = self._running, None
        broadcast, self._broadcast = self._broadcast, None
        try:
            if stream_id is not None:
                self._notebook.stream_ended(self._session.id, reason)
                await self._send_last_pictures()
        finally:  # even if `close` cancels this
            if broadcast is not None:
                await self._broadcasts.end(self._broadcast_name)

    async def _cut(self, reason: str = "session_ended", *messages: Any) -> None:
        await self._stop(reason)
        for message in messages:
            self._send_message(message)

    async def _close(self, closed: Closed) -> None:
        if self._link is None:
            return
        if closed.code is None or not 1000 <= closed.code <= 4999 or closed.code in (1005, 1006, 1015):
            await self._link.drop()
        else:
            await self._link.close(closed.code)

    async def _begin_broadcast(self) -> None:
        """Begin a broadcast on this machine: the addresses in the cassette are not valid here."""
        first = next((item for item in self._items[self._place :] if isinstance(item, Picture)), None)
        if self._running is None or first is None or self._broadcast is not None:
            return
        picture = await _in_worker(self._decoded, first, _decoder(first.codec))
        if picture is not None:
            # By a name of its own: a stream has the same id in each replay, and perhaps one that fits no address.
            self._broadcast_name = f"replay-{uuid.uuid4()}"
            self._broadcast = self._broadcasts.begin(
                self._broadcast_name,
                authority=self.authority,
                size=(picture.width, picture.height),
                fps=self._config.fps,
            )
            self._send_message(self._broadcast.ready)

    # Pictures

    async def _show(self, picture: Picture) -> None:
        if picture.codec != self._decodes:
            self._decoder, self._decodes = _decoder(picture.codec), picture.codec
        decoded = await _in_worker(self._decoded, picture, self._decoder)
        if decoded is None or self._running is None or not await self._goes_on("media") or self._media_stopped:
            return
        track = await self._track_with_room()
        at = self._moment(picture)
        if self._broadcast is not None and self._broadcast.video.is_watched:
            self._broadcast.video.show(decoded, at)
        if track is not None:
            track.show(decoded, at)
            if decoded.pts is not None:
                original = Original(picture.number, picture.codec, picture.is_key, self._tape.data(picture))
                self._originals.note(decoded.pts, original)
        if self._pace == math.inf or self._asked:
            await asyncio.sleep(_LEAST_PAUSE_S)

    def _decoded(self, picture: Picture, decoder: Any) -> av.VideoFrame | None:
        try:
            packet: Any = av.Packet(self._tape.data(picture))
            frames: list[av.VideoFrame] = decoder.decode(packet)
        except FFmpegError as exc:
            log.warning("a picture of the cassette cannot be decoded: %s", exc)
            return None
        if not frames:
            return None
        width, height = (max(2, side & ~1) for side in (frames[-1].width, frames[-1].height))  # encoders need that
        return frames[-1].reformat(width, height, "yuv420p")

    async def _track_with_room(self) -> PictureTrack | None:
        began = time.monotonic()
        while self._track is not None and not self._track.has_room:
            is_connected = self._peer is not None and self._peer.connected
            if time.monotonic() - began > (_TAKEN_WITHIN_S if is_connected else _ROOM_WITHIN_S):
                return None
            await asyncio.sleep(_LEAST_PAUSE_S)
        return self._track

    async def _let_pictures_arrive(self) -> None:
        """Wait until the encoder has taken the last picture.

        If the replay is faster than the service was, also wait until it has arrived: a message would overtake it.
        """
        await self._track_with_room()
        if self._pace > 1:
            await asyncio.sleep(_SETTLED_AFTER_S)

    def _moment(self, picture: Picture) -> float:
        """Return the time of a picture here: by the service's clock, unless that disagrees with its arrival.

        It always grows: neither an encoder nor an HLS file takes a picture that is not later than the one before.
        """
        now = max(time.monotonic(), self._shown_at + 2 / CLOCK_RATE_HZ)
        if self._media_zero is not None:
            ticks, here = self._media_zero
            at = here + (picture.timestamp - ticks) / CLOCK_RATE_HZ / self._pace
            if at - self._shown_at > 1 / CLOCK_RATE_HZ and abs(at - now) < _APART_S:
                self._shown_at = at
                return at
        self._media_zero = picture.timestamp, now
        self._shown_at = now
        return now


async def _in_worker(call: Callable[..., T], *args: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


def _decoder(codec: str) -> Any:
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.options = {"max_pixels": str(PICTURE_MOST_PX)}
    decoder.thread_count = 1
    return decoder


def _kind(request: InteractiveStreamStart | Update | InteractiveStreamEnd) -> Request:
    match request:
        case InteractiveStreamStart():
            return "start"
        case Update():
            return "update"
        case InteractiveStreamEnd():
            return "end"
