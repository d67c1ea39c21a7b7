"""The errors of a spectator. This module decides nothing about states."""

from __future__ import annotations

from typing import Final

from .._base.errors import OdysseyConnectionError

__all__ = ["GONE", "broadcast_lost", "broadcast_over", "left_early"]

GONE: Final = "stream_not_found"
"""The error code if the server does not know the stream, or no longer knows it."""


def broadcast_lost(text: str) -> OdysseyConnectionError:
    """Return the error of a link that was lost; connecting again may help."""
    return OdysseyConnectionError(text, code="peer_lost", operation="watch", recoverable=True)


def broadcast_over() -> OdysseyConnectionError:
    """Return the error of a broadcast that has ended."""
    return OdysseyConnectionError("The broadcast has ended", code=GONE, operation="watch")


def left_early() -> OdysseyConnectionError:
    """Return the error of a connect that was cut short by leaving."""
    return OdysseyConnectionError(
        "The broadcast was left before it was connected", code="closed", operation="watch"
    )
