"""Pictures as a user gets them, and the bounded queues in which they wait.

    decoder ── FrameHub.publish ──┬─▶ FrameQueue ──▶ iterator ──▶ VideoFrame.data, converted here
                                  ├─▶ FrameQueue ──▶ iterator
                                  └─▶ FrameHub.latest

A decoded picture is kept as the decoder made it (YUV) and is shared by everyone who receives it; the thread that
looks at it first converts it, once. A picture that nobody looks at, or that a queue drops, costs no conversion.
Nothing here starts a thread or knows where pictures come from; the clock is for statistics alone.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast, get_args

import attrs

from . import arguments
from .clock import MonotonicClock
from .errors import MissingExtraError, OdysseyConfigError, OdysseyStreamError, OdysseyStreamTimeoutError, again
from .stats import Mean, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    import av
    import numpy as np
    from av.video.plane import VideoPlane
    from av.video.reformatter import VideoReformatter
    from numpy.typing import NDArray
    from PIL.Image import Image

    from .clock import Clock, Deadline

__all__ = ["FrameCounts", "FrameHub", "FramePolicy", "FrameQueue", "FrameReceiver", "VideoFrame"]

FramePolicy = Literal["latest", "drop_oldest", "error"]
"""What a full queue does: keep the newest only, drop the oldest, or end with an error (lossless or loud)."""

_PIXEL_FORMATS: Final = ("abgr", "argb", "bgr24", "bgra", "gray", "nv12", "rgb24", "rgba", "yuv420p")
_HALVED_CHROMA: Final = ("nv12", "yuv420p")  # one array holds them only where both sides are even
_WITH_ALPHA: Final = ("abgr", "argb", "bgra", "rgba")
_PLANAR: Final = ("yuv420p", "yuvj420p")
_LUMA_FIRST: Final = ("nv12", *_PLANAR)  # their first plane is the grey picture

PAUSE: Final = 1.0
"""s without a frame that count as a pause, though the link held."""

_own = threading.local()


def _reformatter() -> VideoReformatter:
    """Return this thread's own converter: sharing one crashes, and a new one for each picture is slow."""
    try:
        reformatter: VideoReformatter = _own.reformatter
    except AttributeError:
        from av.video.reformatter import VideoReformatter

        reformatter = _own.reformatter = VideoReformatter()
    return reformatter


def _view(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return a plane of 8 bits a sample as it lies in memory, which lives as long as the view."""
    import numpy as np

    memory = memoryview(cast(Any, plane)).toreadonly()  # the decoder makes the next picture of it
    rows = np.frombuffer(memory, np.uint8, count=plane.line_size * plane.height)
    view: NDArray[np.uint8] = rows.reshape(plane.height, plane.line_size)[:, : plane.width]
    return view


class _Picture:
    """One decoded picture and its one conversion to RGB, shared by all views of it."""

    __slots__ = (
        "_frame",
        "_lock",
        "_rgb",
        "converting",
        "height",
        "index",
        "ready_at",
        "received_at",
        "timestamp_ms",
        "width",
    )

    def __init__(self, frame: av.VideoFrame, index: int, timestamp_ms: int, received_at: float) -> None:
        self.width = frame.width
        self.height = frame.height
        self.index = index
        self.timestamp_ms = timestamp_ms
        self.received_at = received_at
        self.ready_at: float | None = None
        self.converting: Mean | None = None  # who measures it
        self._frame = frame
        self._lock = threading.Lock()
        self._rgb: NDArray[np.uint8] | None = None

    def rgb(self) -> NDArray[np.uint8]:
        with self._lock:
            if self._rgb is None:
                self._rgb = self._measured("rgb24")
            return self._rgb

    def array(self, pixel_format: str) -> NDArray[np.uint8]:
        with self._lock:
            return self._measured(pixel_format)

    def planes(self) -> tuple[NDArray[np.uint8], ...]:
        with self._lock:
            frame = self._frame
            if frame.format.name not in _PLANAR:
                frame = _reformatter().reformat(frame, format="yuv420p", threads=1)
            return tuple(_view(plane) for plane in frame.planes)

    def _measured(self, pixel_format: str) -> NDArray[np.uint8]:
        if self.converting is None:
            return self._convert(pixel_format)
        with self.converting.measured():
            return self._convert(pixel_format)

    def _convert(self, pixel_format: str) -> NDArray[np.uint8]:
        """Make a contiguous array that shares no memory with the picture. PyAV writes to its source: locked."""
        import numpy as np

        frame = self._frame
        if pixel_format == "gray" and frame.format.name in _LUMA_FIRST:
            return _view(frame.planes[0]).copy()
        reformat = _reformatter().reformat
        # threads=1: slices on several threads cost more in waiting than they win at this size.
        converted = frame
        if pixel_format in _WITH_ALPHA:
            # Straight from YUV, swscale gets the last columns wrong, each time otherwise, at widths such as 854.
            converted = reformat(frame, format="rgb24", threads=1)
        converted = reformat(converted, format=pixel_format, threads=1)
        array: NDArray[Any] = converted.to_ndarray()
        if converted is frame and len(frame.planes) == 1:
            array = array.copy()  # a view of the picture itself; what is drawn on it must stay out of there
        return np.ascontiguousarray(array)  # rows are padded at widths such as 854


class VideoFrame:
    """One video frame, as one receiver got it (types page, "VideoFrame").

    It is immutable, compares by identity, and may be used from any thread. The pixels are converted when they are
    first asked for.

    >>> import numpy
    >>> frame = VideoFrame.from_ndarray(numpy.zeros((704, 1280, 3), numpy.uint8), timestamp_ms=50)
    >>> frame
    <VideoFrame 0: 1280x704 at 50 ms>
    >>> frame.data.shape, frame.to_ndarray("gray").shape
    ((704, 1280, 3), (704, 1280))
    """

    __slots__ = ("_dropped_before", "_picture")

    def __init__(self, picture: _Picture, dropped_before: int = 0) -> None:
        self._picture = picture
        self._dropped_before = dropped_before

    @classmethod
    def from_ndarray(
        cls, array: NDArray[np.uint8], *, timestamp_ms: int = 0, index: int = 0, received_at: float = 0.0
    ) -> VideoFrame:
        """Make a frame of an RGB picture, for tests of code that takes frames.

        Args:
            array: RGB, uint8, shape (H, W, 3); copied.
            timestamp_ms: presentation time in ms.
            index: its place in the stream.
            received_at: when it arrived, in s of the client's clock.

        Raises:
            TypeError: a number is none.
            OdysseyConfigError: the array has another shape or type, or a number is out of range.
        """
        import av
        import numpy as np

        arguments.number("timestamp_ms", timestamp_ms, whole=True)
        arguments.number("index", index, whole=True, least=0)
        arguments.number("received_at", received_at)
        try:
            array = np.asarray(array)
        except ValueError as exc:  # lists of unequal length
            raise OdysseyConfigError("a frame is made of a uint8 array of shape (H, W, 3)") from exc
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
            raise OdysseyConfigError(
                f"a frame is made of a uint8 array of shape (H, W, 3), not {array.dtype} {array.shape}"
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
        return cls(_Picture(frame, index, timestamp_ms, received_at))

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self._picture.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self._picture.height

    @property
    def timestamp_ms(self) -> int:
        """Presentation time in ms, counted from the first frame of the connection; it goes on after rejoining."""
        return self._picture.timestamp_ms

    @property
    def index(self) -> int:
        """How many frames of the stream were received before this one."""
        return self._picture.index

    @property
    def received_at(self) -> float:
        """When its first packet arrived, in s on the client's clock (`time.monotonic()`)."""
        return self._picture.received_at

    @property
    def dropped_before(self) -> int:
        """How many frames this receiver missed just before this one because it was slower than the stream."""
        return self._dropped_before

    @property
    def data(self) -> NDArray[np.uint8]:
        """The picture as RGB, uint8, shape (H, W, 3), contiguous; converted on first use.

        It is the same writable array each time, also for other receivers of this frame: ``data.copy()`` where
        drawing on it must not be seen elsewhere.
        """
        return self._picture.rgb()

    def to_ndarray(self, format: str = "rgb24") -> NDArray[np.uint8]:  # noqa: A002 - PyAV's and OpenCV users' name
        """Return the picture as a new array that belongs to the caller.

        Args:
            format: ``rgb24`` or ``bgr24`` (H, W, 3); ``rgba``, ``bgra``, ``argb`` or ``abgr`` (H, W, 4); ``gray``
                (H, W), the luma as it was sent; ``yuv420p`` or ``nv12`` (H * 3 / 2, W), for even sizes.

        Raises:
            OdysseyConfigError: the format is not one of these, or not possible for this size.
        """
        if format not in _PIXEL_FORMATS:
            raise OdysseyConfigError(f"unknown pixel format {format!r}; known are {', '.join(_PIXEL_FORMATS)}")
        if format in _HALVED_CHROMA and (self.width % 2 or self.height % 2):
            raise OdysseyConfigError(f"{format} needs an even width and height, not {self.width}x{self.height}")
        return self._picture.array(format)

    @property
    def planes(self) -> tuple[NDArray[np.uint8], ...]:
        """The planes Y, U and V as they were decoded, neither converted nor copied.

        Read-only, uint8, shapes (H, W), and twice (⌈H/2⌉, ⌈W/2⌉), as they were sent (BT.601, limited range). Rows
        may be padded, so the arrays need not be contiguous; `to_ndarray` gives copies that are.
        """
        return self._picture.planes()

    def to_image(self) -> Image:
        """Return the picture as a new Pillow image in mode RGB.

        Raises:
            MissingExtraError: Pillow is not installed.
        """
        try:
            from PIL import Image
        except ImportError as exc:
            raise MissingExtraError("to_image() needs Pillow: pip install pillow", code="missing_pillow") from exc
        return Image.fromarray(self.to_ndarray("rgb24"))

    @property
    def _ready_at(self) -> float | None:
        return self._picture.ready_at

    def _after_dropped(self, count: int) -> VideoFrame:
        return VideoFrame(self._picture, count) if count else self

    def __repr__(self) -> str:
        return f"<VideoFrame {self.index}: {self.width}x{self.height} at {self.timestamp_ms} ms>"


@attrs.define
class FrameCounts:
    """How many frames came in, were handed out, and were dropped unseen; what is missing still waits."""

    received: int = 0
    delivered: int = 0
    dropped: int = 0

    def __add__(self, other: FrameCounts) -> FrameCounts:
        return FrameCounts(
            self.received + other.received, self.delivered + other.delivered, self.dropped + other.dropped
        )


class FrameQueue:
    """Where the frames of one iterator wait: bounded, never blocking the side that puts.

    `put` and `close` belong to the producer, `get` to the consumer; each may be called from any thread.

    Args:
        policy: what happens when it is full, see `FramePolicy`.
        size: how many frames wait at most; ``latest`` always has 1.

    Raises:
        OdysseyConfigError: there is no such policy, or the size is below 1.
        TypeError: the size is no int.
    """

    def __init__(self, policy: FramePolicy = "drop_oldest", size: int = 4) -> None:
        if policy not in get_args(FramePolicy):
            raise OdysseyConfigError(
                f"unknown frame policy {policy!r}; known are {', '.join(get_args(FramePolicy))}"
            )
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"queue_size must be an integer, not {type(size).__name__}")
        if size < 1:
            raise OdysseyConfigError(f"queue_size must be at least 1, not {size}")
        self._size = 1 if policy == "latest" else size
        self._lossless = policy == "error"
        self._changed = threading.Condition()
        self._frames: deque[VideoFrame] = deque()
        self._counts = FrameCounts()
        self._skipped = 0
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    @property
    def closed(self) -> bool:
        """Whether no more frames come in; some may still wait."""
        return self._closed

    @property
    def counts(self) -> FrameCounts:
        """The counters, as they are now."""
        with self._changed:
            return attrs.evolve(self._counts)

    def put(self, frame: VideoFrame) -> None:
        """Add ``frame``, dropping what the policy says; ignored once closed. It never blocks."""
        with self._changed:
            if self._closed:
                return
            self._counts.received += 1
            if len(self._frames) < self._size:
                self._frames.append(frame)
            elif self._lossless:
                self._counts.dropped += 1
                self._end(_overflow(self._size))
            else:
                self._frames.popleft()
                self._frames.append(frame)
                self._counts.dropped += 1
                self._skipped += 1
            self._changed.notify()

    def get(self, deadline: Deadline) -> VideoFrame | None:
        """Wait for the next frame and return it; None once the queue has ended cleanly and is empty.

        Raises:
            OdysseyStreamTimeoutError: none came before ``deadline``.
            BaseException: the error that it was closed with, once it is empty; for ``error`` also an
                `OdysseyStreamError` with the code ``frame_overflow``.
        """
        with self._changed:
            turns = deadline.waits()
            if not any(self._changed.wait_for(lambda: self._frames or self._closed, left) for left in turns):
                raise OdysseyStreamTimeoutError(
                    f"No video frame arrived within {deadline.timeout:g} s",
                    code="frame_timeout",
                    operation="frames",
                )
            if self._frames:
                self._counts.delivered += 1
                # Frames are dropped at the head only, so all that were dropped lie just before this one.
                skipped, self._skipped = self._skipped, 0
                return self._frames.popleft()._after_dropped(skipped)
            if self._error is not None:
                raise again(self._error)
            return None

    def close(self, error: BaseException | None = None) -> None:
        """Take no more frames. What waits is still handed out, then `get` returns None or raises ``error``."""
        with self._changed:
            if not self._closed:
                self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._closed = True
        self._error = error
        self._changed.notify_all()


def _overflow(size: int) -> OdysseyStreamError:
    return OdysseyStreamError(
        f"A video frame was lost: {size} were waiting already. "
        "Take frames faster, raise queue_size, or use another policy",
        code="frame_overflow",
        operation="frames",
    )


class FrameReceiver(Protocol):
    """Who takes frames from a `FrameHub`. No method may block."""

    def put(self, frame: VideoFrame) -> None:
        """A frame has come."""

    def close(self, error: BaseException | None, /) -> None:
        """The stream is over; ``error`` is what broke it."""


class FrameHub:
    """The one place from which the frames of one stream after another go to everyone who subscribed.

    It holds its queues weakly: an iterator that is let go of needs no farewell. `publish` belongs to the producer;
    everything may be called from any thread.

    Args:
        on_resume: called by the producer with the length of each pause, in s, after its first frame: a pause of
            `PAUSE` s or more, or any that `pause` began.
        clock: for statistics.
    """

    def __init__(self, on_resume: Callable[[float], None] = lambda _: None, clock: Clock | None = None) -> None:
        self.rate = Rate()
        """Frames of streams that were received."""
        self.converting = Mean(clock or MonotonicClock())
        """How long the conversion of its frames takes."""
        self.size: tuple[int, int] | None = None
        """Width and height of the newest frame, in px."""
        self._clock = clock or MonotonicClock()
        self._gaps, self._gap_s = 0, 0.0
        self._on_resume = on_resume
        self._lock = threading.Lock()
        self._subscribers: list[tuple[weakref.ref[FrameReceiver], FrameCounts]] = []
        self._gone = FrameCounts()
        self._received = 0
        self._next_index: int | None = None
        self._begun_at = 0.0
        self._last_at: float | None = None
        self._last_ms = self._shift_ms = 0
        self._paused = False
        self._source = 0
        self._latest: VideoFrame | None = None
        self._closed = False
        self._error: BaseException | None = None

    @property
    def latest(self) -> VideoFrame | None:
        """The newest frame of the stream that is running; None where there is none."""
        return self._latest

    @property
    def last_at(self) -> float | None:
        """When the newest frame of the stream that is running came, in s; None before its first."""
        return self._last_at

    @property
    def closed(self) -> bool:
        """Whether it has ended for good."""
        return self._closed

    def gaps(self, now: float) -> tuple[int, float]:
        """Return how many pauses there have been, and the s of all, at ``now`` (s), with one that still lasts."""
        with self._lock:
            return self._all_gaps(now)

    def _all_gaps(self, now: float) -> tuple[int, float]:
        away = 0.0 if self._last_at is None else now - self._last_at
        lasts = away >= PAUSE or (self._paused and away > 0)
        return self._gaps + lasts, self._gap_s + lasts * away

    @property
    def counts(self) -> FrameCounts:
        """Frames received, each once; delivered and dropped add up what all receivers took and missed."""
        with self._lock:
            self._forget_gone()
            total = sum((counts for _, counts in self._subscribers), self._gone)
            return attrs.evolve(total, received=self._received)

    def subscribe(self, policy: FramePolicy = "drop_oldest", size: int = 4) -> FrameQueue:
        """Return a queue that receives every frame from now on; after `close` one that has ended already.

        Raises:
            OdysseyConfigError, TypeError: as `FrameQueue` does.
        """
        queue = FrameQueue(policy, size)
        self.attach(queue, queue._counts)
        return queue

    def attach(self, receiver: FrameReceiver, counts: FrameCounts) -> None:
        """Have ``receiver`` get every frame from now on, and count in ``counts`` what becomes of them."""
        with self._lock:
            if not self._closed:
                self._subscribers.append((weakref.ref(receiver), counts))
                return
        receiver.close(self._error)

    def begin(self, now: float = 0.0) -> None:
        """Begin a stream at ``now`` (s): the next frame is number 0. Nothing happens where one has begun already.

        Video that comes outside a stream belongs to nobody, and so do late frames of the one before.
        """
        with self._lock:
            if self._next_index is None and not self._closed:
                self._next_index = 0
                self._begun_at = now
                self._last_at = None
                self._paused = False

    @property
    def source(self) -> int:
        """What a connection that begins now has to give with its frames."""
        return self._source

    def publish(self, frame: av.VideoFrame, now: float, source: int = 0) -> None:
        """Hand a picture that came at ``now`` (s) to every queue. It never blocks.

        Ignored outside a stream, and from a ``source`` that `pause` has put an end to.
        """
        with self._lock:
            if self._next_index is None or now < self._begun_at or source != self._source:
                return
            away = self._note(_timestamp_ms(frame), now)
            picture = _Picture(frame, self._next_index, self._last_ms, now)
            picture.ready_at, picture.converting = self._clock.now(), self.converting
            shown = VideoFrame(picture)
            self._next_index += 1
            self._received += 1
            self.rate.add(1, now)
            self.size = picture.width, picture.height
            if away is not None:
                self._gaps += 1
                self._gap_s += away
            self._latest = shown
            for receiver in self._alive():
                receiver.put(shown)
        if away is not None:
            self._on_resume(away)

    def _note(self, timestamp_ms: int, now: float) -> float | None:
        """Take note of a frame; return how long there was none before it, in s, where that was a pause."""
        away = None if self._last_at is None else now - self._last_at
        if self._paused and away is not None:
            # Another connection counts from 0 again; nothing tells more than when its first frame came.
            self._shift_ms = self._last_ms + round(away * 1000) - timestamp_ms
        was_pause = away is not None and (self._paused or away >= PAUSE)
        self._last_at, self._paused = now, False
        self._last_ms = timestamp_ms + self._shift_ms
        return away if was_pause else None

    def pause(self) -> None:
        """Expect the stream's next frames from another connection, and take no more from this one."""
        with self._lock:
            self._paused = True
            self._source += 1

    def end(self, error: BaseException | None = None) -> None:
        """End the stream: every queue drains, and then ends or raises ``error``."""
        with self._lock:
            self._gaps, self._gap_s = self._all_gaps(self._clock.now())
            self._next_index = None
            self._latest = self._last_at = None
            for receiver in self._alive():
                receiver.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """End for good, as `end` does; whoever subscribes later gets the same end at once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._error = error
        self.end(error)

    def _alive(self) -> list[FrameReceiver]:
        self._forget_gone()
        receivers = (reference() for reference, _ in self._subscribers)
        return [receiver for receiver in receivers if receiver is not None]

    def _forget_gone(self) -> None:
        kept = []
        for reference, counts in self._subscribers:
            if reference() is None:
                self._gone += counts
            else:
                kept.append((reference, counts))
        self._subscribers = kept


def _timestamp_ms(frame: av.VideoFrame) -> int:
    pts, base = frame.pts, frame.time_base
    if pts is None or base is None:
        return 0
    return pts * 1000 * base.numerator // base.denominator
