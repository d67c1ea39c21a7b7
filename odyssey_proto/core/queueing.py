"""The rule by which a client waits for a free streamer (spec/openapi.yaml)."""

from __future__ import annotations

from typing import Final

import attrs

from .._base import errors
from .._base.public_path import publish

__all__ = ["QUEUE_INTERVAL_S", "Queueing"]

QUEUE_INTERVAL_S: Final = 1.0
"""s between two requests for a streamer while none is free."""


@attrs.frozen
class Queueing:
    """Waiting for a streamer from one moment on, for at most ``timeout_s``; 0 asks once.

    >>> queueing = Queueing(timeout_s=3.0, began_at=100.0)
    >>> queueing.next_request(100.5), queueing.next_request(102.5)
    (101.5, None)
    """

    timeout_s: float
    """How long to wait, in s (`AdvancedConfig.queue_timeout_s`)."""
    began_at: float
    """When the waiting began, in s of the caller's clock."""

    def next_request(self, now: float) -> float | None:
        """Return when to ask again after a refusal at ``now`` (s); None if the time is over by then."""
        at = now + QUEUE_INTERVAL_S
        return at if at <= self.began_at + self.timeout_s else None

    def failure(self, refusal: errors.OdysseyError, operation: str) -> errors.OdysseyError:
        """Return what to raise once `next_request` gives None: ``refusal`` itself if nobody wanted to wait."""
        if not self.timeout_s:
            return refusal
        return errors.OdysseyConnectionTimeoutError(
            f"Timed out waiting for a streamer after {self.timeout_s:g} s: try later, or raise queue_timeout_s",
            code="queue_timeout",
            status=refusal.status,
            request_id=refusal.request_id,
            operation=operation,
            recoverable=True,
            retry_after=refusal.retry_after,
        )


publish("odyssey_proto.core", Queueing)
