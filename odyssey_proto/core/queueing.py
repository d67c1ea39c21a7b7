"""The rules by which a client waits: for a free streamer, and for the end of another session of the account.

This module does not wait itself (spec/behaviour.md#queueing).
"""

from __future__ import annotations

from typing import Final

import attrs

from .._base import errors
from .._base.public_path import publish
from .deadlines import SESSION_KEPT_S
from .inputs import SlotUnavailable, StepFailed, StreamerUnavailable

__all__ = [
    "QUEUE_INTERVAL_S",
    "SLOT_INTERVAL_S",
    "Queueing",
    "next_slot_request",
    "refused_request",
    "slot_refusal",
]

QUEUE_INTERVAL_S: Final = 1.0
"""The time between two requests for a streamer while none is free, in s."""
SLOT_INTERVAL_S: Final = 3.0
"""The time between two requests while the account has its maximum number of open sessions, in s."""


@attrs.frozen
class Queueing:
    """A wait for a streamer that lasts ``timeout_s``, with a last request at its end; 0 asks once.

    >>> queueing = Queueing(timeout_s=3.0, began_at=100.0)
    >>> queueing.next_request(100.5), queueing.next_request(102.5), queueing.next_request(103.0)
    (101.5, 103.0, None)
    """

    timeout_s: float
    """How long to wait, in s (`AdvancedConfig.queue_timeout_s`)."""
    began_at: float
    """When the waiting began, in s of the caller's clock."""

    def next_request(self, now: float) -> float | None:
        """Return when to ask again after a refusal at ``now`` (s); None if the timeout is over."""
        end = self.began_at + self.timeout_s
        return min(now + QUEUE_INTERVAL_S, end) if now < end else None

    def failure(self, refusal: errors.OdysseyError, operation: str) -> errors.OdysseyError:
        """Return the error to raise once `next_request` returns None: ``refusal`` itself if the timeout is 0."""
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


def refused_request(
    error: errors.OdysseyError, reminder: str | None = None
) -> StreamerUnavailable | SlotUnavailable | StepFailed:
    """Return the input for a `Protocol` after a failed request for a session: it waits and retries, or fails.

    Args:
        error: the failure, from `refusal` or of the network.
        reminder: see `SlotUnavailable`.

    >>> from odyssey_proto import OdysseyConnectionError
    >>> type(refused_request(OdysseyConnectionError("Try later", code="no_streamers"))).__name__
    'StreamerUnavailable'
    """
    if isinstance(error, errors.ConcurrentLimitReachedError):
        return SlotUnavailable(error, reminder)
    return StreamerUnavailable(error) if error.code == "no_streamers" else StepFailed(error)


def next_slot_request(refusal: errors.OdysseyError, now: float) -> float:
    """Return when to ask again after a ``refusal`` at ``now`` (s) because of the limit on open sessions."""
    return now + max(SLOT_INTERVAL_S, refusal.retry_after or 0.0)


def slot_refusal(refusal: errors.OdysseyError, reminder: str | None) -> errors.OdysseyError:
    """Return ``refusal``, which reports the maximum number of open sessions, with the way out added to its text.

    Args:
        refusal: the service's answer.
        reminder: which sessions this process holds; None if it holds none.
    """
    text = reminder or f"a killed process's session is freed about {SESSION_KEPT_S:g} s after its last keepalive"
    failure = errors.again(refusal, text)
    if failure.retry_after is None:
        failure.retry_after = SESSION_KEPT_S
    return failure


publish("odyssey_proto.core", Queueing, refused_request)
