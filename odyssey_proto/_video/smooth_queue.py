"""The queue of a receiver that gets each frame when it is due; `odyssey_proto._video.playout` sets the due
times."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from .._base.clock import TURN_S
from .._base.limits import FRAMES_MOST_AHEAD
from .frame_queue import FrameQueue, no_frame_in_time

if TYPE_CHECKING:
    from .._base.clock import Clock, Deadline
    from .frame import VideoFrame
    from .frame_queue import FramePolicy

__all__ = ["SmoothQueue"]


class SmoothQueue(FrameQueue):
    """A `FrameQueue` that delivers no frame before it is due.

    Frames that are not due yet do not count as waiting: the policy and the size apply to those that a reader could
    have taken.

    Args:
        policy, size: as for `FrameQueue`.
        clock: the clock of the due times.
    """

    def __init__(self, policy: FramePolicy, size: int, clock: Clock) -> None:
        super().__init__(policy, size)
        self._clock = clock
        self._due: deque[float] = deque()  # of the frames in the queue; for the producer
        self._taken: deque[VideoFrame] = deque()  # by readers that stopped waiting for their due time
        self._never = threading.Event()

    def put(self, frame: VideoFrame) -> None:
        """Add ``frame``; see `FrameQueue.put`."""
        with self._producing:
            if not self._closed:
                self._due.append(frame._due_at)
                super().put(frame)

    def _is_full(self) -> bool:
        """Return whether a frame has to be dropped for the newest one, which is not in the queue yet."""
        while len(self._due) > len(self) + 1:
            self._due.popleft()
        now = self._clock.now()
        return (
            sum(due_at <= now for due_at in self._due) > self._size or len(self) >= FRAMES_MOST_AHEAD + self._size
        )

    def get(self, deadline: Deadline) -> VideoFrame | None:
        """Wait until the next frame is due, and return it; see `FrameQueue.get`."""
        frame = self._taken.popleft() if self._taken else super().get(deadline)
        if frame is None:
            return None
        try:
            self._await_due(frame, deadline)
        except BaseException:
            self._taken.appendleft(frame)  # for the next call
            raise
        return frame

    def _await_due(self, frame: VideoFrame, deadline: Deadline) -> None:
        while (early_s := frame._due_at - self._clock.now()) > 0:
            if deadline.expired:
                raise no_frame_in_time(deadline)
            self._never.wait(deadline.remaining(at_most=min(early_s, TURN_S)))
