"""The rule by which a client waits for a free streamer (spec/openapi.yaml). It does not wait by itself."""

from __future__ import annotations

from typing import Final

import attrs

from .._base import errors
from .._base.public_path import publish

__all__ = ["QUEUE_INTERVAL_S", "Queueing"]

QUEUE_INTERVAL_S: Final = 1.0
"""The time between two requests for a streamer while none is free, in s."""


@attrs.frozen
class Queueing:
    """A wait for a streamer that lasts at most ``timeout_s``; 0 asks once.

    >>> queueing = Queueing(timeout_s=3.0, began_at=100.0)
    >>> queueing.next_request(100.5), queueing.next_request(102.5)
    (101.5, None)
    """

    timeout_s: float
    """How long to wait, in s (`AdvancedConfig.queue_timeout_s`)."""
    began_at: float
    """When the waiting began, in s of the caller's clock."""

    def next_request(self, now: float) -> float | None:
        """Return when to ask again after a refusal at ``now`` (s); None if that is after the timeout."""
        at = now + QUEUE_INTERVAL_S
        return at if at <= self.began_at + self.timeout_s else None

    def failure(self, refusal: errors.OdysseyError, operation: str) -> errors.OdysseyError:
        """Return what to raise once `next_request` returns None: ``refusal`` itself if the timeout is 0."""
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
