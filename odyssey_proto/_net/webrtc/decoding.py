"""Decoding video, and passing on the frames from the decoding thread.

aiortc decodes on a thread of its own, and the event loop passes on each frame in a task. That costs one more
wake-up a frame, and is late if the loop is busy with packets. For VP8 it uses libvpx, which costs more than
libavcodec's own decoder, and one thread per core, which pays off only for larger pictures. So here aiortc's thread
gets a queue that decodes by itself and returns nothing but the end; starting and ending the thread is left to
aiortc. If aiortc's internals differ from those known here, it decodes in its own way.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
from av.error import FFmpegError

from ..._base.limits import PICTURE_MOST_PX
from ..._base.seldom import Seldom
from ..._video.meters import CLOCK_RATE_HZ, FREEZE_S
from ..tap import Tap
from .picture_size import coded_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import MediaStreamTrack, RTCRtpReceiver

    from ..._video.meters import VideoTotals
    from .jitter import ArrivedFrame, MarkerJitterBuffer

__all__ = ["DecodingQueue", "discard", "drain", "install"]

log = logging.getLogger("odyssey_proto.webrtc")

_QUEUE: Final = "_RTCRtpReceiver__decoder_queue"  # aiortc has no public way
_THREAD: Final = "_RTCRtpReceiver__decoder_thread"
_FAILED: Final = "_RTCRtpReceiver__decoder_error"
_DECODERS: Final = {"video/h264": "h264", "video/vp8": "vp8"}
_TICK_S: Final = Fraction(1, CLOCK_RATE_HZ)  # one step of the RTP timestamps of video
# Decoding is too slow if so many frames wait, and the first of them has waited so long.
_TOO_MANY: Final = 20
_TOO_LATE_S: Final = 1.0
_INSIDE: Final = 32  # frames that a decoder may hold back; if there are more, the oldest have failed


class DecodingQueue:
    """Takes encoded frames by `put`; the one thread that calls `get` decodes them until ``None`` comes.

    If decoding is too slow for the video, frames are left out up to the next keyframe, so that the delay does not
    keep growing.

    Args:
        on_frame: called on that thread with each frame and the arrival time of its first packet, in s.
        on_behind: called on that thread when frames that others may refer to were left out.
        failed: set for each frame that cannot be decoded.
        totals: counts the time from the last packet of a frame to its decoding, and the frames that were left out.
        max_pixels: the largest width × height of a picture, in px.
        on_oversize: called at most once, on that thread, with the width and the height of a larger picture;
            nothing is decoded from then on.
        tap: shows the encoded frames, on the thread that calls `put`.
    """

    def __init__(
        self,
        on_frame: Callable[[av.VideoFrame, float], None],
        on_behind: Callable[[], None],
        failed: threading.Event,
        totals: VideoTotals,
        *,
        max_pixels: int = PICTURE_MOST_PX,
        on_oversize: Callable[[int, int], None] = lambda _width, _height: None,
        tap: Tap | None = None,
    ) -> None:
        self._tap = tap or Tap()
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._on_frame = on_frame
        self._on_behind = on_behind
        self._failed = failed
        self._totals = totals
        self._max_pixels = max_pixels
        self._on_oversize = on_oversize
        self._failures: Seldom[None] = Seldom(totals.clock)
        self._decoder: Any = None
        self._decodes: str | None = None
        self._inside: dict[int, ArrivedFrame] = {}  # by `pts`
        self._newest: ArrivedFrame | None = None
        self._needs_keyframe = False
        self._is_wanted = True

    def put(self, task: tuple[Any, ArrivedFrame] | None) -> None:
        """Add a codec and an `ArrivedFrame`, with the frames that follow it, or None for the end."""
        self._tasks.put(task)
        if task is not None:
            for follower in task[1].followers:
                self._tasks.put((task[0], follower))
            if self._tap.shows_media:
                for frame in (task[1], *task[1].followers):
                    self._tap.show_frame(task[0].mimeType, frame.data, frame.sent, is_keyframe=frame.is_keyframe)

    def give_up(self) -> None:
        """Drop waiting and later frames: otherwise, aiortc would block the event loop until they are decoded."""
        self._is_wanted = False

    def get(self) -> None:
        """Decode all frames until the end; return None, which signals the end to aiortc."""
        try:
            self._work()
        finally:
            # Now rather than at the next garbage collection: a decoder keeps about 10 MB of pictures.
            self._decoder = self._decodes = None
            self._inside.clear()
            self._newest = None

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if not self._is_wanted:
                continue
            codec, encoded = task
            if self._is_behind(encoded):
                if not self._leave_out():
                    return
                continue
            # libavcodec treats an empty frame as the end, and accepts no other frame after it.
            if not encoded.data or self._is_held(encoded):
                continue
            if self._is_oversize(codec.mimeType.lower(), encoded.data):
                continue
            try:
                frames = self._decode(codec.mimeType.lower(), encoded)
            except FFmpegError as exc:
                # The decoder stays: a new one would fail with every frame until the next keyframe.
                if (others := self._failures.passed(None)) is not None:
                    log.warning(
                        "a frame could not be decoded: %s%s", exc, f" (and {others} more)" if others else ""
                    )
                self._failed.set()
            else:
                for frame in frames:
                    self._hand_on(frame)

    def _is_behind(self, encoded: ArrivedFrame) -> bool:
        return self._tasks.qsize() >= _TOO_MANY and self._totals.clock.now() - encoded.whole_at >= _TOO_LATE_S

    def _leave_out(self) -> bool:
        """Leave out the current frame and all that wait; return False if the end is among them."""
        count, ended = 1, False
        with contextlib.suppress(queue.Empty):
            while not (ended := self._tasks.get_nowait() is None):
                count += 1
        self._totals.frames_too_late += count
        self._needs_keyframe = True
        self._on_behind()
        log.warning("decoding is slower than the video: %d frames are left out, up to the next keyframe", count)
        return not ended

    def _is_held(self, encoded: ArrivedFrame) -> bool:
        """Return whether to leave out a frame because frames that it refers to were left out."""
        if self._needs_keyframe and encoded.is_keyframe:
            self._needs_keyframe = False
        self._totals.frames_too_late += self._needs_keyframe
        return self._needs_keyframe

    def _is_oversize(self, kind: str, data: bytes) -> bool:
        size = coded_size(_DECODERS[kind], data)
        if size is None or size[0] * size[1] <= self._max_pixels:
            return False
        self.give_up()
        self._on_oversize(*size)
        return True

    def _decode(self, kind: str, encoded: ArrivedFrame) -> list[av.VideoFrame]:
        if kind != self._decodes:
            self._decoder = av.CodecContext.create(_DECODERS[kind], "r")
            self._decoder.thread_count = 1
            self._decoder.options = {"max_pixels": str(self._max_pixels)}  # for pictures whose size we cannot read
            self._decodes = kind
        packet = av.Packet(encoded.data)
        packet.pts, packet.time_base = encoded.sent, _TICK_S
        self._inside[encoded.sent] = encoded
        while len(self._inside) > _INSIDE:
            del self._inside[next(iter(self._inside))]
        decoded: list[av.VideoFrame] = self._decoder.decode(packet)
        return decoded

    def _hand_on(self, frame: av.VideoFrame) -> None:
        now = self._totals.clock.now()
        encoded = None if frame.pts is None else self._inside.pop(frame.pts, None)
        if encoded is None:
            self._on_frame(frame, now)
        else:
            self._totals.decoding.add(now - encoded.whole_at)
            self._note_delay(encoded)
            self._on_frame(frame, encoded.arrived_at)

    def _note_delay(self, encoded: ArrivedFrame) -> None:
        """Count how long the network held up a frame. A pause made by the sender does not count."""
        before, self._newest = self._newest, encoded
        if before is None or encoded.sent <= before.sent:
            return
        late_s = encoded.whole_at - before.whole_at - float((encoded.sent - before.sent) * _TICK_S)
        if late_s > FREEZE_S:
            self._totals.held_up_s += late_s


def install(
    receiver: RTCRtpReceiver,
    buffer: MarkerJitterBuffer,
    on_frame: Callable[[av.VideoFrame, float], None],
    totals: VideoTotals,
    *,
    max_pixels: int = PICTURE_MOST_PX,
    on_oversize: Callable[[int, int], None] = lambda _width, _height: None,
    tap: Tap | None = None,
) -> DecodingQueue | None:
    """Make a video receiver with our jitter ``buffer`` decode by the returned queue; None if not possible."""
    failed = getattr(receiver, _FAILED, None)
    if (
        type(getattr(receiver, _QUEUE, None)) is not queue.Queue
        or not isinstance(failed, threading.Event)
        or getattr(receiver, _THREAD, failed) is not None
    ):
        log.info("this version of aiortc decodes in its own way: frames come through the event loop")
        return None
    decoding = DecodingQueue(
        on_frame,
        buffer.wait_for_keyframe,
        failed,
        totals,
        max_pixels=max_pixels,
        on_oversize=on_oversize,
        tap=tap,
    )
    setattr(receiver, _QUEUE, decoding)
    buffer.releases_all = True
    return decoding


def discard(receiver: RTCRtpReceiver) -> None:
    """Keep a receiver that has received nothing yet from decoding: nobody uses its frames or sound."""
    if type(getattr(receiver, _QUEUE, None)) is queue.Queue and getattr(receiver, _THREAD, receiver) is None:
        setattr(receiver, _QUEUE, _Discarding())


async def drain(track: MediaStreamTrack) -> None:
    """Read and drop everything from a track that nobody uses, in case it could not be discarded, until its end."""
    from aiortc import MediaStreamError

    try:
        while True:
            await track.recv()
    except MediaStreamError:
        pass


class _Discarding:
    """A queue that drops everything but the end."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def put(self, task: object) -> None:
        """Drop a task; None is the end."""
        if task is None:
            self._ended.set()

    def get(self) -> None:
        """Wait for the end; return None, which signals the end to aiortc."""
        self._ended.wait()
