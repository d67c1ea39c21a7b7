"""The one place from which the frames of one stream after another go to everyone who subscribed."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from .._base.clock import MonotonicClock
from .frame import VideoFrame, _Picture
from .frame_queue import FrameCounts, FramePolicy, FrameQueue
from .meters import Mean, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    import av

    from .._base.clock import Clock

__all__ = ["FrameHub", "FrameReceiver"]

PAUSE: Final = 1.0
"""s without a frame that count as a pause, though the link held."""


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
        self.rate: Rate = Rate()
        """Frames of streams that were received."""
        self.converting: Mean = Mean(clock or MonotonicClock())
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
            shown = VideoFrame._of(picture)
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
