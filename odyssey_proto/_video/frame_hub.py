"""The hub from which the frames of one stream after another go to all subscribers. It decodes nothing."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

import attrs

from .._base.clock import MonotonicClock
from .._base.errors import OdysseyConfigError
from .._base.forks import RLock
from .frame import VideoFrame, _Picture
from .frame_queue import FrameCounts, FrameQueue
from .media_clock import MediaClock
from .meters import Freezes, Mean, Rate
from .playout import Playout
from .smooth_queue import SmoothQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    import av

    from .._base.clock import Clock
    from .frame_queue import FramePolicy

__all__ = ["FrameHub", "FramePace", "FrameReceiver"]

FramePace = Literal["live", "smooth"]
"""``live``: each frame as soon as it is decoded. ``smooth``: at the sender's pace, with a small delay if
needed."""

PAUSE_S: Final = 1.0
"""The time without a frame, in s, that counts as a pause even if the link was not lost."""


class FrameReceiver(Protocol):
    """A subscriber of a `FrameHub`. No method may block."""

    def put(self, frame: VideoFrame) -> None:
        """Take a frame."""

    def close(self, error: BaseException | None, /) -> None:
        """Take the end of the stream; ``error`` is the error that ended it, if any."""


class FrameHub:
    """The hub from which the frames of one stream after another go to all subscribers.

    It holds its subscribers weakly, so an iterator can simply be dropped. Only the producer calls `publish`; any
    thread may call the other methods.

    Args:
        on_resume: called by the producer with the length of each pause, in s, after the first frame that follows
            it. A time without frames is a pause if it lasts `PAUSE_S` s or more, or if `pause` began it.
        clock: for statistics.
    """

    def __init__(self, on_resume: Callable[[float], None] = lambda _: None, clock: Clock | None = None) -> None:
        self.rate: Rate = Rate()
        """The rate at which frames of streams are received."""
        self.converting: Mean = Mean(clock or MonotonicClock())
        """How long converting a frame takes."""
        self.freezes: Freezes = Freezes()
        """How long pictures of streams stood still."""
        self.size: tuple[int, int] | None = None
        """Width and height of the newest frame, in px."""
        self._clock = clock or MonotonicClock()
        self._gaps, self._gap_s = 0, 0.0
        self._untold: deque[float] = deque()  # gaps that are over, and not reported yet
        self._on_resume = on_resume
        self._lock = RLock()
        self._subscribers: list[tuple[weakref.ref[FrameReceiver], FrameCounts, bool]] = []
        self._gone = FrameCounts()
        self._received = 0
        self._next_index: int | None = None
        self._begun_at = 0.0
        self._last_at: float | None = None
        self._media = MediaClock()
        self._playout = Playout()
        self._smooth: weakref.WeakSet[SmoothQueue] = weakref.WeakSet()
        self._paused = False
        self._source = 0
        self._latest: VideoFrame | None = None
        self._closed = False
        self._error: BaseException | None = None

    @property
    def latest(self) -> VideoFrame | None:
        """The newest frame of the running stream; None without a stream, or before its first frame."""
        return self._latest

    @property
    def last_at(self) -> float | None:
        """Arrival time of the newest frame of the running stream, in s; None before its first frame."""
        return self._last_at

    @property
    def closed(self) -> bool:
        """Whether the hub is closed for good."""
        return self._closed

    def gaps(self, now: float) -> tuple[int, float]:
        """Return the number of pauses and their length in s, including one that still lasts at ``now`` (s).

        After the end of a stream, only its reported pauses count.
        """
        with self._lock:
            away = 0.0 if self._last_at is None else now - self._last_at
            lasts = away >= PAUSE_S or (self._paused and away > 0)
            return self._gaps + len(self._untold) + lasts, self._gap_s + sum(self._untold) + lasts * away

    def note_gap(self, seconds: float) -> None:
        """Note that a pause of ``seconds`` is now reported as an event."""
        with self._lock:
            self._gaps += 1
            self._gap_s += seconds
            if self._untold:
                self._untold.popleft()

    @property
    def counts(self) -> FrameCounts:
        """The counts so far: frames received, and those delivered to and dropped by all receivers together."""
        with self._lock:
            self._forget_gone()
            total = sum((counts for _, counts, _ in self._subscribers), self._gone)
            return attrs.evolve(total, received=self._received)

    @property
    def target_delay_s(self) -> float | None:
        """The playout delay of receivers with the pace ``smooth``, in s; None if there are none."""
        with self._lock:
            return self._playout.target_s if self._smooth else None

    @property
    def wants_all(self) -> bool:
        """Whether there are receivers, and all of them prefer late frames to lost ones."""
        with self._lock:
            wishes = [wants_all for reference, _, wants_all in self._subscribers if reference() is not None]
        return bool(wishes) and all(wishes)

    def subscribe(
        self, policy: FramePolicy = "drop_oldest", size: int = 4, pace: FramePace = "live"
    ) -> FrameQueue:
        """Return a queue that receives every frame from now on; after `close`, the queue has already ended.

        Raises:
            OdysseyConfigError, TypeError: as `FrameQueue` does; the pace is unknown.
        """
        if pace not in get_args(FramePace):
            raise OdysseyConfigError(f"unknown pace {pace!r}; known are {', '.join(get_args(FramePace))}")
        if pace == "live":
            queue = FrameQueue(policy, size)
        else:
            queue = SmoothQueue(policy, size, self._clock)
            with self._lock:
                if not self._smooth:
                    self._playout = Playout()
                self._smooth.add(queue)
        self.attach(queue, queue._counts)
        return queue

    def attach(self, receiver: FrameReceiver, counts: FrameCounts, *, wants_all: bool = False) -> None:
        """Send ``receiver`` every frame from now on; it counts them in ``counts``.

        ``wants_all`` says whether it prefers late frames to lost ones.
        """
        with self._lock:
            if not self._closed:
                self._subscribers.append((weakref.ref(receiver), counts, wants_all))
                return
        receiver.close(self._error)

    def begin(self, now: float = 0.0) -> None:
        """Begin a stream at ``now`` (s): the next frame is number 0. Do nothing if a stream has already begun.

        Frames that come outside a stream are ignored, and so are late frames of the previous stream.
        """
        with self._lock:
            if self._next_index is None and not self._closed:
                self._next_index = 0
                self._begun_at = now
                self._last_at = None
                self._paused = False
                self._media.renew()
                self._playout.renew()
                self.freezes.restart()

    @property
    def source(self) -> int:
        """The value of ``source`` that a new connection has to pass to `publish`."""
        return self._source

    def publish(self, frame: av.VideoFrame, now: float, source: int = 0) -> None:
        """Pass a picture that came at ``now`` (s) to every receiver. It never blocks.

        The picture is ignored outside a stream, or if it comes from a ``source`` that `pause` has ended.
        """
        with self._lock:
            if self._next_index is None or now < self._begun_at or source != self._source:
                return
            away = self._note(now)
            picture = _Picture(frame, self._next_index, self._media.place(_sent_ms(frame), now), now)
            picture.ready_at, picture.converting = self._clock.now(), self.converting
            self.freezes.take(picture.ready_at, picture.timestamp_ms)
            if self._smooth:
                picture.due_at = self._playout.take(picture.ready_at, picture.timestamp_ms / 1000)
            shown = VideoFrame._of(picture)
            self._next_index += 1
            self._received += 1
            self.rate.add(1, now)
            self.size = picture.width, picture.height
            if away is not None:
                self._untold.append(away)
            self._latest = shown
            for receiver in self._alive():
                receiver.put(shown)
        if away is not None:
            self._on_resume(away)

    def _note(self, now: float) -> float | None:
        """Record a frame; return the length of the pause before it, in s, or None if there was no pause."""
        away = None if self._last_at is None else now - self._last_at
        was_pause = away is not None and (self._paused or away >= PAUSE_S)
        self._last_at, self._paused = now, False
        return away if was_pause else None

    def pause(self) -> None:
        """Expect the stream's next frames from a new connection, and ignore any more from the present one."""
        with self._lock:
            self._paused = True
            self._source += 1
            self._media.renew()
            self._playout.renew()

    def end(self, error: BaseException | None = None) -> None:
        """End the stream: every receiver drains, and then ends or raises ``error``."""
        with self._lock:
            self._untold.clear()
            self._next_index = None
            self._latest = self._last_at = None
            was_held_up = self._paused or error is not None  # else the last frame may come long before the end
            self.freezes.restart(self._clock.now() if was_held_up else None)
            for receiver in self._alive():
                receiver.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """End for good, as `end` does; later subscribers get the same end at once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._error = error
        self.end(error)

    def _alive(self) -> list[FrameReceiver]:
        self._forget_gone()
        receivers = (reference() for reference, _, _ in self._subscribers)
        return [receiver for receiver in receivers if receiver is not None]

    def _forget_gone(self) -> None:
        kept = []
        for reference, counts, wants_all in self._subscribers:
            if reference() is None:
                self._gone += counts
            else:
                kept.append((reference, counts, wants_all))
        self._subscribers = kept


def _sent_ms(frame: av.VideoFrame) -> int | None:
    pts, base = frame.pts, frame.time_base
    if pts is None or base is None:
        return None
    return pts * 1000 * base.numerator // base.denominator
