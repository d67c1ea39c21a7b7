"""The bounded queue in which the frames of one receiver wait, and what it does when it is full."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, get_args

import attrs

from .._base.errors import OdysseyConfigError, OdysseyStreamError, OdysseyStreamTimeoutError, again

if TYPE_CHECKING:
    from .._base.clock import Deadline
    from .frame import VideoFrame

__all__ = ["FrameCounts", "FramePolicy", "FrameQueue"]

FramePolicy = Literal["latest", "drop_oldest", "error"]
"""What a full queue does: keep the newest only, drop the oldest, or end with an error (lossless or loud)."""


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
