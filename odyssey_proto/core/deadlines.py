"""Intervals and deadlines that several parts of the core share, in s."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ANSWER_GRACE_S",
    "FRAME_INTERVAL_S",
    "KEEPALIVE_INTERVAL_S",
    "OFFER_GRACE_S",
    "OPEN_DEADLINE_S",
    "REJOIN_DEADLINE_S",
    "SESSION_KEPT_S",
    "VIDEO_DEADLINE_S",
]

KEEPALIVE_INTERVAL_S: Final = 10.0
"""The time from one keepalive to the next (spec/behaviour.md#keepalive)."""
SESSION_KEPT_S: Final = 40.0
"""How long the service keeps a session after its last keepalive (spec/behaviour.md#keepalive)."""
OPEN_DEADLINE_S: Final = 10.0
"""The time limit for opening a link, up to the open WebSocket."""
VIDEO_DEADLINE_S: Final = 20.0
"""The time limit from the open WebSocket to video and control channel, and from a stream's start to its first
frame."""
OFFER_GRACE_S: Final = 0.5
"""How long another offer may take after one that cannot be read."""
ANSWER_GRACE_S: Final = 5.0
"""How long a request may have to wait for the answer to an earlier, abandoned one: that answer may be lost, and a
service may never answer the end of a stream that it does not have."""
REJOIN_DEADLINE_S: Final = 5.0
"""The limit for opening a link, for its video and control channel, and for the first frame after that, when a
session is rejoined (spec/behaviour.md#rejoining): an attempt that hangs delays the next one."""
FRAME_INTERVAL_S: Final = 0.05
"""The time from one frame to the next (spec/behaviour.md#frames)."""
