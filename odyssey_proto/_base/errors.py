"""Every exception of the library, in one tree.

    OdysseyError
    ├── OdysseyConfigError(ValueError)             an invalid argument or setting; nothing was sent
    ├── CassetteError(ValueError)                  a live cassette that cannot be read
    ├── OdysseyAuthError                           the key or a token was refused
    │   ├── OdysseyUnauthorizedError(ValueError)   in a call about recordings or simulations
    │   └── SpectatorTokenError(ValueError)        the token of a broadcast
    ├── OdysseyConnectionError(ConnectionError)    the connection failed or was lost
    │   ├── OdysseyConnectionTimeoutError(TimeoutError)
    │   └── MalformedMessageError                  the peer broke the protocol
    ├── OdysseyNotFoundError(ValueError)           an unknown id
    ├── OdysseyRequestError(ConnectionError)       a request about simulations was refused
    ├── NotCancellableError(ValueError)            a simulation that has begun or ended
    ├── SimulationFailedError                      a simulation, or a script of it, failed or was cancelled
    ├── OdysseyStreamError                         a stream operation failed
    │   └── OdysseyStreamTimeoutError(TimeoutError)
    └── OdysseyUsageError                          a limit of the account; action, action_url, details
        ├── MonthlyLimitReachedError
        ├── ConcurrentLimitReachedError
        ├── StreamDurationExceededError
        ├── AccountSuspendedError
        └── RateLimitError
    MissingExtraError(ImportError)                 an optional part of this package is not installed

Each has `code`, `status`, `request_id`, `session_id`, `operation`, `recoverable` and `retry_after`, if known.
No message contains an API key, a token or a URL's query: all text from outside passes through `redact`.
Where the official Python SDK raises a plain `ValueError` or `ConnectionError`, the class here is one as well.
"""

from __future__ import annotations

import contextlib
import copy
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import odyssey_models as wire

from .limits import RETRY_AFTER_MOST_S
from .public_path import publish
from .secrets import one_line, redact
from .shortage import is_shortage
from .texts import presentable

__all__ = [
    "AccountSuspendedError",
    "CassetteError",
    "ConcurrentLimitReachedError",
    "MalformedMessageError",
    "MissingExtraError",
    "MonthlyLimitReachedError",
    "NotCancellableError",
    "OdysseyAuthError",
    "OdysseyConfigError",
    "OdysseyConnectionError",
    "OdysseyConnectionTimeoutError",
    "OdysseyError",
    "OdysseyNotFoundError",
    "OdysseyRequestError",
    "OdysseyStreamError",
    "OdysseyStreamTimeoutError",
    "OdysseyUnauthorizedError",
    "OdysseyUsageError",
    "RateLimitError",
    "SimulationFailedError",
    "SpectatorTokenError",
    "StreamDurationExceededError",
    "again",
    "as_kind",
    "internal",
    "no_resources",
    "usage_error",
]

E = TypeVar("E", bound=BaseException)
T = TypeVar("T", bound="OdysseyError")


class OdysseyError(Exception):
    """Base class of all exceptions that this library raises on purpose.

    ``str()`` is one line that says what happened and, if possible, what to do about it.
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
        message = presentable(message)
        super().__init__(message)
        self.message = message
        """The message, in one printable line."""
        self.code = code
        """The service's own code or reason, such as ``streamer_not_available``."""
        self.status = status
        """The HTTP status, if an HTTP response was the cause."""
        self.request_id = request_id
        """The service's id of the request, for support requests."""
        self.session_id = session_id
        """The id of the affected session."""
        self.operation = operation
        """The operation that failed, such as ``POST /auth/token`` or ``interact``."""
        self.recoverable = recoverable
        """Whether the same call may succeed later without any change by the user."""
        self.retry_after = retry_after
        """Time to wait before the next attempt, in s; None if neither the service nor the protocol gives one."""

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready data: the class name as ``type``, and its attributes."""
        return {"type": type(self).__name__, **self.__dict__}

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments; keyword-only attributes travel as state.
        return (_rebuild, (type(self), self.args), dict(self.__dict__))


def _rebuild(cls: type[OdysseyError], args: tuple[Any, ...]) -> OdysseyError:
    error = cls.__new__(cls)
    error.args = args
    return error


class OdysseyConfigError(OdysseyError, ValueError):
    """An argument or a setting is not valid. Raised before anything is sent."""


class CassetteError(OdysseyError, ValueError):
    """A live cassette cannot be read.

    ``code`` is ``not_a_cassette``, ``unknown_version`` or ``damaged``. A cassette whose end is missing is not
    an error: it is read as far as it goes.
    """


class OdysseyAuthError(OdysseyError):
    """The API key or a token was refused: missing, malformed, invalid, expired or suspended."""


class OdysseyUnauthorizedError(OdysseyAuthError, ValueError):
    """A call about recordings or simulations was refused because of its key or access token."""


class SpectatorTokenError(OdysseyAuthError, ValueError):
    """The spectator token was refused: it does not belong to the broadcast, or is no longer valid."""


class OdysseyConnectionError(OdysseyError, ConnectionError):
    """The service could not be reached or refused a session, or the connection was lost."""


class OdysseyConnectionTimeoutError(OdysseyConnectionError, TimeoutError):
    """The connection was not established, or a response was not complete, in time."""


class MalformedMessageError(OdysseyConnectionError):
    """The peer sent a message that violates the protocol; `problems` has one line per fault."""

    def __init__(
        self, message: str, *, problems: tuple[str, ...] = (), message_type: str | None = None, **known: Any
    ) -> None:
        super().__init__(message, **known)
        self.problems = problems
        """The faults found, one line each, without the values."""
        self.message_type = message_type
        """The ``type`` of the message, if the protocol defines it."""


class OdysseyNotFoundError(OdysseyError, ValueError):
    """The account has no recording or simulation with this id."""


class OdysseyRequestError(OdysseyError, ConnectionError):
    """The service refused a request about simulations: its content, its size, or what the account may do."""


class NotCancellableError(OdysseyError, ValueError):
    """The simulation cannot be cancelled: it has begun, or has ended."""


class SimulationFailedError(OdysseyError):
    """A simulation failed or was cancelled, or one of its scripts made no stream.

    ``code`` is ``simulation_failed`` or ``simulation_cancelled``.
    """

    def __init__(
        self,
        message: str,
        *,
        job: wire.SimulationJobDetail | None = None,
        failed_scripts: tuple[int, ...] = (),
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.job = job
        """The job, with the streams that it has."""
        self.failed_scripts = failed_scripts
        """The indices of the scripts that failed, as far as the service reports them."""

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready data, with only the id of the job: its streams have signed addresses."""
        data = super().to_dict()
        job = data.pop("job")
        return {**data, "failed_scripts": [*self.failed_scripts], "job_id": None if job is None else job.job_id}


class OdysseyStreamError(OdysseyError):
    """A stream operation failed, or is not possible in the current state."""


class OdysseyStreamTimeoutError(OdysseyStreamError, TimeoutError):
    """The streamer did not answer a stream operation in time."""


class OdysseyUsageError(OdysseyError):
    """A limit of the account was reached. ``action`` says what the user can do."""

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
        """The service's suggestion, as text."""
        self.action_url = action_url
        """The page for the suggested action."""
        self.details: dict[str, Any] = dict(details or {})
        """All figures that the service reported, such as ``used_hours`` and ``limit_hours``."""


class MonthlyLimitReachedError(OdysseyUsageError):
    """The hours of this month are used up (``MONTHLY_LIMIT_REACHED``)."""


class ConcurrentLimitReachedError(OdysseyUsageError):
    """The account has its maximum number of open sessions.

    ``code`` is ``CONCURRENT_LIMIT_REACHED``, or ``CONCURRENT_LIMIT_EXCEEDED`` if the streamer reported it.
    """


class StreamDurationExceededError(OdysseyUsageError):
    """The stream reached its maximum duration (``STREAM_DURATION_EXCEEDED``)."""


class AccountSuspendedError(OdysseyUsageError):
    """The account is suspended (``ACCOUNT_SUSPENDED``)."""


class RateLimitError(OdysseyUsageError):
    """Too many requests in a short time (``RATE_LIMITED``); wait `retry_after` s."""


class MissingExtraError(OdysseyError, ImportError):
    """The optional dependencies of the requested feature are not installed."""


# The class for each code, and whether waiting alone can help (spec/behaviour.md#limits-of-the-account).
_USAGE: dict[str, tuple[type[OdysseyUsageError], bool]] = {
    "MONTHLY_LIMIT_REACHED": (MonthlyLimitReachedError, False),
    "CONCURRENT_LIMIT_REACHED": (ConcurrentLimitReachedError, True),
    "CONCURRENT_LIMIT_EXCEEDED": (ConcurrentLimitReachedError, True),
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
    """Return the exception for a usage code; an unknown code gives a plain `OdysseyUsageError`.

    ``retry_after`` (s) defaults to ``details["retry_after_seconds"]``.
    """
    cls, recoverable = _USAGE.get(code, (OdysseyUsageError, False))
    given = (details or {}).get("retry_after_seconds")
    if isinstance(given, str):
        with contextlib.suppress(ValueError):
            given = float(given)
    if retry_after is None and isinstance(given, int | float) and not isinstance(given, bool) and given >= 0:
        retry_after = float(min(given, RETRY_AFTER_MOST_S))
    text = " ".join(redact(message).split()) or code
    return cls(text, code=code, details=details, retry_after=retry_after, recoverable=recoverable, **known)


# The packages whose failures are ours: this library and what it is built on.
_OURS: Final = frozenset(
    {"odyssey_proto", "odyssey_models", "requests", "urllib3", "certifi", "websocket", "attr", "attrs", "cattrs"}
    | {"aiortc", "aioice", "av", "numpy", "pyee", "cryptography", "OpenSSL", "pylibsrtp", "PIL"}
)


def internal(exc: BaseException) -> OdysseyConnectionError:
    """Return the exception to raise for ``exc``: a bug here, `no_resources`, or a failure of code beneath us."""
    if is_shortage(exc):
        return no_resources(exc)
    origin = _origin(exc)
    if origin is not None:
        return OdysseyConnectionError(
            f"{origin}, which this program or its tests put in place of a part of Python or of requests, raised "
            f"{type(exc).__name__}: {one_line(str(exc))}",
            code="internal",
        )
    return OdysseyConnectionError(
        f"A bug in odyssey-proto ({type(exc).__name__}): please report it, with the log of `odyssey_proto`",
        code="internal",
    )


def _origin(exc: BaseException) -> str | None:
    """Return the package whose code raised ``exc``; None if it is ours or Python's own, or not known."""
    trace = exc.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    package: str = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
    is_known = package in _OURS or package in sys.stdlib_module_names - {"unittest"}
    return None if is_known else package


def no_resources(exc: BaseException | None = None) -> OdysseyConnectionError:
    """Return the exception for a system without more threads or file descriptors; ``exc`` may say why."""
    if isinstance(exc, RuntimeError) and "shutdown" in str(exc):
        return OdysseyConnectionError(
            "Python starts no more threads while it shuts down (3.12.0, 3.12.1: once the main thread has ended)",
            code="shutting_down",
        )
    if isinstance(exc, RuntimeError) and re.search(r"sub\W?interpreter", str(exc)):
        return OdysseyConnectionError(
            "This sub-interpreter of Python cannot start threads: use the main interpreter", code="no_threads"
        )
    return OdysseyConnectionError(
        "The system is out of threads or file descriptors: close unused connections, or raise the limits",
        code="no_resources",
        recoverable=True,
    )


def as_kind(kind: type[T], error: OdysseyError) -> T:
    """Return an exception of the class ``kind`` with the message and the attributes of ``error``."""
    fresh = kind(error.message)
    fresh.__dict__.update(error.__dict__)
    return fresh


def again(error: E, *more: str) -> E:
    """Return a copy of ``error`` to raise, with ``more`` appended to its message.

    An exception raised in several places would collect all their tracebacks.
    """
    fresh = copy.copy(error)
    fresh.__cause__ = error.__cause__
    if more and isinstance(fresh, OdysseyError):
        fresh.message = presentable("; ".join((fresh.message, *more)))
        fresh.args = (fresh.message,)
    return fresh


publish("odyssey_proto", *(kind for kind in map(globals().get, __all__) if isinstance(kind, type)))
