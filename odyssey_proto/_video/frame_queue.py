"""The bounded queue of frames for one receiver, and its policies for a full queue."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Literal, get_args

import attrs

from .._base.errors import OdysseyConfigError, OdysseyStreamError, OdysseyStreamTimeoutError, again
from .._base.tracebacks import is_from_here

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .frame import VideoFrame

__all__ = ["FrameCounts", "FramePolicy", "FrameQueue", "no_frame_in_time"]

FramePolicy = Literal["latest", "drop_oldest", "error"]
"""The action of a full queue: keep only the newest frame, drop the oldest one, or end with an error."""


@attrs.define
class FrameCounts:
    """Numbers of frames received, delivered and dropped; the remaining ones still wait."""

    received: int = 0
    delivered: int = 0
    dropped: int = 0

    def __add__(self, other: FrameCounts) -> FrameCounts:
        return FrameCounts(
            self.received + other.received, self.delivered + other.delivered, self.dropped + other.dropped
        )


class FrameQueue:
    """The frames waiting for one iterator: bounded, and never blocks the producer.

    `put` and `close` belong to the producer, `get` to the consumer; each may be called from any thread.

    Args:
        policy: the action when the queue is full, see `FramePolicy`.
        size: largest number of waiting frames; always 1 for ``latest``.

    Raises:
        OdysseyConfigError: the policy is unknown, or the size is below 1.
        TypeError: the size is not an int.
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
        self._producing = threading.RLock()
        # Numbered frames, and None at the end. Written in C, so a reader holds no lock: a signal handler that
        # interrupts it may wait for the producer.
        self._queue: queue.SimpleQueue[tuple[int, VideoFrame] | None] = queue.SimpleQueue()
        self._counts = FrameCounts()
        self._last = 0  # the number of the frame that was delivered last
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        """Return the number of waiting frames."""
        return max(0, self._queue.qsize() - self._closed)

    @property
    def closed(self) -> bool:
        """Whether the queue accepts no more frames; some may still wait."""
        return self._closed

    @property
    def counts(self) -> FrameCounts:
        """A copy of the current counters."""
        return attrs.evolve(self._counts)

    def put(self, frame: VideoFrame) -> None:
        """Add ``frame``, dropping frames by the policy; never blocks, and does nothing once closed."""
        with self._producing:
            if self._closed:
                return
            self._counts.received += 1
            if self._lossless and self._is_full():
                self._counts.dropped += 1
                self._end(_overflow(self._size))
                return
            while self._is_full():
                with contextlib.suppress(queue.Empty):  # a reader was faster
                    self._queue.get_nowait()
                    self._counts.dropped += 1
            self._queue.put((self._counts.received, frame))

    def _is_full(self) -> bool:
        """Return whether a frame has to be dropped for the newest one, which is not in the queue yet."""
        return len(self) >= self._size

    def get(self, deadline: Deadline) -> VideoFrame | None:
        """Wait for the next frame and return it; None once the queue has ended cleanly and is empty.

        Raises:
            OdysseyStreamTimeoutError: no frame arrived before ``deadline``.
            BaseException: the error passed to `close`, once the queue is empty; for policy ``error`` also an
                `OdysseyStreamError` with the code ``frame_overflow``.
        """
        for seconds in deadline.waits():
            try:
                item = self._queue.get(timeout=seconds)
            except queue.Empty as exc:
                if not is_from_here(exc):  # raised by a signal handler
                    raise
                if not self._closed or not self._queue.empty():
                    continue
                item = None  # an earlier signal handler raised before the end was put back
            if item is not None:
                self._counts.delivered += 1
                # Frames are dropped only at the head, so all dropped ones come just before this one.
                skipped, self._last = item[0] - self._last - 1, item[0]
                return item[1]._after_dropped(skipped)
            self._queue.put(None)  # for the next call
            if self._error is not None:
                raise again(self._error)
            return None
        raise no_frame_in_time(deadline)

    def close(self, error: BaseException | None = None) -> None:
        """Accept no more frames. Waiting ones are still delivered, then `get` returns None or raises ``error``."""
        with self._producing:
            if not self._closed:
                self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._error = error
        self._closed = True
        self._queue.put(None)


def no_frame_in_time(deadline: Deadline) -> OdysseyStreamTimeoutError:
    """Return the error of a reader that has waited long enough."""
    return OdysseyStreamTimeoutError(
        f"No video frame arrived within {deadline.timeout:g} s", code="frame_timeout", operation="frames"
    )


def _overflow(size: int) -> OdysseyStreamError:
    return OdysseyStreamError(
        f"A video frame was lost: {size} were already waiting. "
        "Take frames faster, raise queue_size, or use another policy",
        code="frame_overflow",
        operation="frames",
    )
