"""Which requests for a keyframe a sender answers: at most one in 0.3 s, as real senders do.

A keyframe takes the room of many pictures. A receiver that asks again before the keyframe can have arrived gets no
second one.
Requests for lost packets are the job of `history`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCRtpSender

__all__ = ["KeyframeRequests", "answer_keyframe_requests"]

_LEAST_S: Final = 0.3


class KeyframeRequests:
    """To be called for each request; calls ``answer`` for each one that is answered."""

    def __init__(self, answer: Callable[[], None], now: Callable[[], float] = time.monotonic) -> None:
        self._answer = answer
        self._now = now
        self._answered_at = float("-inf")

    def __call__(self) -> None:
        """Answer this request, unless one was answered just now."""
        now = self._now()
        if now - self._answered_at >= _LEAST_S:
            self._answered_at = now
            self._answer()


def answer_keyframe_requests(sender: RTCRtpSender, answer: Callable[[], None] | None = None) -> None:
    """Make ``sender`` call ``answer``, or its own method if None, only for the requests that are answered."""
    anyone: Any = sender
    anyone._send_keyframe = KeyframeRequests(answer or sender._send_keyframe)
