"""Every exception of the library, under one root.

    OdysseyError
    ├── OdysseyConfigError(ValueError)             an argument or setting that cannot work; nothing was sent
    ├── OdysseyAuthError                           the key or a token was refused
    │   └── SpectatorTokenError(ValueError)        that of a broadcast
    ├── OdysseyConnectionError(ConnectionError)    no connection, or it was lost
    │   ├── OdysseyConnectionTimeoutError(TimeoutError)
    │   └── MalformedMessageError                  the peer broke the protocol
    ├── OdysseyStreamError                         a stream operation failed
    │   └── OdysseyStreamTimeoutError(TimeoutError)
    └── OdysseyUsageError                          a limit of the account; action, action_url, details
        ├── MonthlyLimitReachedError
        ├── ConcurrentLimitReachedError
        ├── StreamDurationExceededError
        ├── AccountSuspendedError
        └── RateLimitError
    MissingExtraError(ImportError)                 an optional part of this package is not installed

Each has `code`, `status`, `request_id`, `session_id`, `operation`, `recoverable` and `retry_after`, where known.
No text here ever holds an API key, a token or a URL's query: `redact` is what every text from outside passes.
The names without a leading "Malformed" or "Missing" are those of the official Python SDK.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from .public_path import publish
from .secrets import redact

__all__ = [
    "LONGEST_RETRY_AFTER_S",
    "AccountSuspendedError",
    "ConcurrentLimitReachedError",
    "MalformedMessageError",
    "MissingExtraError",
    "MonthlyLimitReachedError",
    "OdysseyAuthError",
    "OdysseyConfigError",
    "OdysseyConnectionError",
    "OdysseyConnectionTimeoutError",
    "OdysseyError",
    "OdysseyStreamError",
    "OdysseyStreamTimeoutError",
    "OdysseyUsageError",
    "RateLimitError",
    "SpectatorTokenError",
    "StreamDurationExceededError",
    "again",
    "internal",
    "no_resources",
    "usage_error",
]

E = TypeVar("E", bound=BaseException)


class OdysseyError(Exception):
    """Root of everything that this library raises on purpose.

    ``str()`` is one plain line that says what happened and, where something can be done, what to do.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        session_id: str | None = None,
        operation: str | None = None,
        recoverable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """The text, in one line."""
        self.code = code
        """The service's own code or reason, such as ``streamer_not_available``."""
        self.status = status
        """The HTTP status, where an HTTP answer was the cause."""
        self.request_id = request_id
        """The service's id of the request, for its support."""
        self.session_id = session_id
        """The session that was concerned."""
        self.operation = operation
        """What was being done, such as ``POST /auth/token`` or ``interact``."""
        self.recoverable = recoverable
        """Whether the same call may succeed later without a change by the user."""
        self.retry_after = retry_after
        """After how many s, where the service told."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data: ``type``, the name of its class, its text as ``message``, and the rest."""
        return {"type": type(self).__name__, **self.__dict__}

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments; keyword-only attributes travel as state.
        return (_rebuild, (type(self), self.args), dict(self.__dict__))


def _rebuild(cls: type[OdysseyError], args: tuple[Any, ...]) -> OdysseyError:
    error = cls.__new__(cls)
    error.args = args
    return error


class OdysseyConfigError(OdysseyError, ValueError):
    """An argument or a setting cannot work. Raised before anything is sent."""


class OdysseyAuthError(OdysseyError):
    """The API key or a token was refused: missing, malformed, invalid, expired or suspended."""


class SpectatorTokenError(OdysseyAuthError, ValueError):
    """The spectator token was refused: it is not that of the broadcast, or not valid any more."""


class OdysseyConnectionError(OdysseyError, ConnectionError):
    """The service could not be reached, refused a session, or the connection was lost."""


class OdysseyConnectionTimeoutError(OdysseyConnectionError, TimeoutError):
    """The connection was not there, or an answer not complete, in time."""


class MalformedMessageError(OdysseyConnectionError):
    """The other side sent something that is not the protocol; `problems` has one line for each fault."""

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), **known: Any) -> None:
        super().__init__(message, **known)
        self.problems = problems
        """What was wrong, one line each, without the values."""


class OdysseyStreamError(OdysseyError):
    """A stream operation failed, or was asked for at a moment when it cannot work."""


class OdysseyStreamTimeoutError(OdysseyStreamError, TimeoutError):
    """The streamer did not answer a stream operation in time."""


class OdysseyUsageError(OdysseyError):
    """A limit of the account was reached. ``action`` says what can be done about it."""

    def __init__(
        self,
        message: str,
        *,
        action: str | None = None,
        action_url: str | None = None,
        details: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.action = action
        """What the service suggests, as text."""
        self.action_url = action_url
        """Where to do it."""
        self.details: dict[str, Any] = dict(details or {})
        """The figures behind it, such as ``used_hours`` and ``limit_hours``; all that the service told."""


class MonthlyLimitReachedError(OdysseyUsageError):
    """The hours of this month are used up (``MONTHLY_LIMIT_REACHED``)."""


class ConcurrentLimitReachedError(OdysseyUsageError):
    """As many sessions are open as the account may have (``CONCURRENT_LIMIT_REACHED``)."""


class StreamDurationExceededError(OdysseyUsageError):
    """The stream ran as long as it may (``STREAM_DURATION_EXCEEDED``)."""


class AccountSuspendedError(OdysseyUsageError):
    """The account is suspended (``ACCOUNT_SUSPENDED``)."""


class RateLimitError(OdysseyUsageError):
    """Too many requests in too little time (``RATE_LIMITED``); `retry_after` says how many s to wait."""


class MissingExtraError(OdysseyError, ImportError):
    """A part of this package was used whose optional dependencies are not installed."""


LONGEST_RETRY_AFTER_S = 24 * 3600.0
"""What a service that asks for a longer wait is taken to mean."""

# spec/schemas/errors.yaml: which class a code means, and whether waiting alone can help.
_USAGE: dict[str, tuple[type[OdysseyUsageError], bool]] = {
    "MONTHLY_LIMIT_REACHED": (MonthlyLimitReachedError, False),
    "CONCURRENT_LIMIT_REACHED": (ConcurrentLimitReachedError, True),
    "STREAM_DURATION_EXCEEDED": (StreamDurationExceededError, True),
    "ACCOUNT_SUSPENDED": (AccountSuspendedError, False),
    "RATE_LIMITED": (RateLimitError, True),
}


def usage_error(
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    retry_after: float | None = None,
    **known: Any,
) -> OdysseyUsageError:
    """Make the exception that a usage code means; a code that is not known gives a plain `OdysseyUsageError`.

    ``retry_after`` (s) is taken from ``details["retry_after_seconds"]`` where the caller has none.
    """
    cls, recoverable = _USAGE.get(code, (OdysseyUsageError, False))
    told = (details or {}).get("retry_after_seconds")
    if retry_after is None and isinstance(told, int | float) and not isinstance(told, bool) and told >= 0:
        retry_after = min(float(told), LONGEST_RETRY_AFTER_S)
    text = " ".join(redact(message).split()) or code
    return cls(text, code=code, details=details, retry_after=retry_after, recoverable=recoverable, **known)


def internal(exc: BaseException) -> OdysseyConnectionError:
    """Make the exception for a fault of this library itself."""
    return OdysseyConnectionError(
        f"A fault of odyssey-proto ({type(exc).__name__}): please report it, with the log of `odyssey_proto`",
        code="internal",
    )


def no_resources() -> OdysseyConnectionError:
    """Make the exception for a system that gives no more threads or descriptors."""
    return OdysseyConnectionError(
        "The system gives no more threads or file descriptors: close what is not needed, or raise its limits",
        code="no_resources",
        recoverable=True,
    )


def again(error: E, *more: str) -> E:
    """Return a copy of ``error`` to raise, whose text says ``more``.

    One that is raised in several places would collect their tracebacks.
    """
    fresh = copy.copy(error)
    fresh.__cause__ = error.__cause__
    if more and isinstance(fresh, OdysseyError):
        fresh.message = "; ".join((fresh.message, *more))
        fresh.args = (fresh.message,)
    return fresh


publish("odyssey_proto", *(kind for kind in map(globals().get, __all__) if isinstance(kind, type)))
