"""The texts of a stream's errors, and which of them end it.

This module decides nothing about calls or states.
"""

from __future__ import annotations

from typing import Final

import odyssey_models as wire

from .._base import errors, secrets
from .._model.events import StreamFailed

__all__ = ["ends_stream", "failure", "given_up", "refusal", "unanswered", "unwatchable", "wrong_state"]

# The reasons that end the stream, and the errors that they are raised as (spec/behaviour.md#errors-of-a-stream).
_USAGE_CODES: Final = {
    "quota_exceeded": (
        "MONTHLY_LIMIT_REACHED",
        "The hours of this month are used up",
        "Upgrade your plan, or wait until the month is over",
    ),
    "concurrent_limit_exceeded": (
        "CONCURRENT_LIMIT_EXCEEDED",
        "The account has its maximum number of open sessions",
        "Close another session, or wait until it has ended",
    ),
    "session_timeout": (
        "STREAM_DURATION_EXCEEDED",
        "The stream has reached its maximum duration",
        "Start another stream",
    ),
}
"""By reason: the error's code, its text if the streamer gave none, and the user's remedy."""
_NO_WORDS: Final = ("", "Stream error occurred")
_ACTION_URL: Final = "https://developer.odyssey.ml/dashboard"
_LEASE_DENIED: Final = "lease_denied"
_ENDING_REASONS: Final = frozenset({*_USAGE_CODES, _LEASE_DENIED})


def ends_stream(message: wire.InteractiveStreamError) -> bool:
    """Return whether this error ends the stream."""
    return str(message.reason) in _ENDING_REASONS


def refusal(message: wire.InteractiveStreamError, session_id: str | None) -> errors.OdysseyError:
    """Return the error that calls raise for ``message``.

    Its text begins with the reason, as users expect, unless that reason ends the stream.
    """
    reason, text = _reason(message), secrets.one_line(message.message)
    if reason in _USAGE_CODES:
        code, own_text, action = _USAGE_CODES[reason]
        return errors.usage_error(
            code,
            own_text if text in _NO_WORDS else text,
            action=action,
            action_url=_ACTION_URL,
            session_id=session_id,
            operation="stream",
        )
    if reason == _LEASE_DENIED:
        text = f"The service has no streamer for this stream now: {reason if text in _NO_WORDS else text}"
    else:
        text = f"{reason}: {text}" if text else reason
    return errors.OdysseyStreamError(text, code=reason, session_id=session_id, operation="stream")


def failure(
    message: wire.InteractiveStreamError, *, ends_stream: bool, answers_call: bool, at: float
) -> StreamFailed:
    """Return the event that reports ``message``; ``at`` is the time, in s of the clock."""
    text = secrets.one_line(message.message)
    return StreamFailed(
        reason=_reason(message), message=text, ends_stream=ends_stream, answers_call=answers_call, at=at
    )


def unwatchable(at: float) -> StreamFailed:
    """Return the event that reports a broadcast that nobody can watch; ``at`` is the time, in s of the clock."""
    text = "The broadcast is ready, but the service did not say where spectators can watch it"
    return StreamFailed(reason="broadcast_error", message=text, ends_stream=False, at=at)


def wrong_state(what: str, stream_is: str, session_id: str | None) -> errors.OdysseyStreamError:
    """Return the error for the command ``what``, which does not fit the state that ``stream_is`` describes."""
    return errors.OdysseyStreamError(
        f"Cannot {what}: {stream_is}", code="wrong_stream_state", operation=what, session_id=session_id
    )


def given_up(session_id: str | None) -> errors.OdysseyStreamError:
    """Return the error of a stream whose start was abandoned by its caller."""
    return errors.OdysseyStreamError(
        "The stream was given up: its start was not answered in time",
        code="start_given_up",
        session_id=session_id,
        operation="start stream",
        recoverable=True,
    )


def unanswered(why: str, session_id: str | None) -> errors.OdysseyStreamError:
    """Return the error of a call that the streamer will no longer answer."""
    return errors.OdysseyStreamError(
        f"The call was not answered: {why}", code="stream_ended", session_id=session_id, operation="stream"
    )


def _reason(message: wire.InteractiveStreamError) -> str:
    return secrets.one_line(str(message.reason)) or "unknown"
