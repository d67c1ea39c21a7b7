"""The errors of a session, and which of them may pass. This module decides nothing about states."""

from __future__ import annotations

from typing import Final

import odyssey_models as wire

from .._base import secrets
from .._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    again,
)
from .._model.signaling_url import normalise_url
from .deadlines import SESSION_KEPT_S

__all__ = ["closed_early", "ended", "expired", "left", "may_pass", "no_video", "not_back", "told", "unreachable"]

_TOLD: Final = {
    "streamer_not_available": "Streamer not available",
    "streamer_disconnected": "Streamer disconnected",
    "duration_limit_reached": "The session has reached its longest duration",
    "unknown": "The service reported an unknown error",
}

_LASTING: Final = frozenset({"invalid_url", "proxy", "ca_bundle", "untrusted_certificate", "closed", "internal"})
"""The codes of failures to open a link that waiting cannot help."""


def may_pass(error: OdysseyError) -> bool:
    """Return whether opening the signaling connection of a new session may succeed after this failure."""
    return error.code not in _LASTING


def told(message: wire.SignalingError, session_id: str | None) -> OdysseyConnectionError:
    """Return the error for one that the service reported."""
    reason = secrets.one_line(str(message.reason)) or "unknown"
    text = _TOLD.get(reason, f"The service ended the session: {reason}")
    return OdysseyConnectionError(text, code=reason, session_id=session_id)


def unreachable(session: wire.SessionResponse) -> MalformedMessageError | None:
    """Return the error of a session whose address for signaling cannot be used; None if it can."""
    try:
        normalise_url(session.signalling_url)
    except MalformedMessageError as exc:
        error = again(exc, f"the service clears the session after {SESSION_KEPT_S:g} s")
        error.session_id, error.operation = session.session_id, "POST /sessions/request"
        return error
    return None


def ended(session_id: str | None) -> OdysseyConnectionError:
    """Return the error of calls in flight when the service ends the session."""
    return OdysseyConnectionError("The service ended the session", code="session_ended", session_id=session_id)


def left(session_id: str | None) -> OdysseyConnectionError:
    """Return the error of calls in flight when the user leaves."""
    return OdysseyConnectionError("The client disconnected", code="disconnected", session_id=session_id)


def no_video(limit_s: float, doing: str, session_id: str | None) -> OdysseyConnectionTimeoutError:
    """Return the error of a link that brought no video within ``limit_s`` s."""
    return OdysseyConnectionTimeoutError(
        f"No video within {limit_s:g} s: {doing} took too long",
        code="no_video",
        operation="connect",
        session_id=session_id,
        recoverable=True,
    )


def closed_early(doing: str, session_id: str | None) -> OdysseyConnectionError:
    """Return the error of a link that was closed before it was ready."""
    return OdysseyConnectionError(
        f"The service closed the connection while {doing}",
        code="closed_early",
        operation="connect",
        session_id=session_id,
        recoverable=True,
    )


def not_back(progress: str, session_id: str | None) -> OdysseyConnectionError:
    """Return the error of a session that the service has forgotten meanwhile."""
    return OdysseyConnectionError(
        f"Connection lost; not back within {SESSION_KEPT_S:g} s of the last keepalive ({progress})",
        code="connection_lost",
        session_id=session_id,
        recoverable=True,
    )


def expired(session_id: str | None) -> OdysseyConnectionError:
    """Return the error of a session whose token no longer opens a link."""
    return OdysseyConnectionError(
        "The connection was lost, and its credentials have expired meanwhile: get new ones",
        code="credentials_expired",
        session_id=session_id,
    )
