"""Intervals and deadlines that several parts of the core share, in s."""

from __future__ import annotations

from typing import Final

__all__ = ["KEEPALIVE_INTERVAL_S", "OPEN_DEADLINE_S", "REJOIN_DEADLINE_S", "SESSION_KEPT_S", "VIDEO_DEADLINE_S"]

KEEPALIVE_INTERVAL_S: Final = 10.0
"""From one keepalive to the next (spec/asyncapi.yaml)."""
SESSION_KEPT_S: Final = 40.0
"""How long the service keeps a session after its last keepalive."""
OPEN_DEADLINE_S: Final = 10.0
"""For opening a link, up to the open WebSocket."""
VIDEO_DEADLINE_S: Final = 20.0
"""From the open WebSocket to video and control channel, and from a stream's start to its first frame."""
REJOIN_DEADLINE_S: Final = 5.0
"""Each of these three while a session is rejoined, because an attempt that hangs costs the next one."""
