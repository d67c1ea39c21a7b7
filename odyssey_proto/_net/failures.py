"""What failures mean to a user: from the exceptions of libraries, and from answers that refuse, to our errors.

Every text passes through here on its way out, so that it is one short line without secrets. It opens and reads
nothing; what one refusal means in one operation is told by whoever asked.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

import attrs
import odyssey_models as wire
import requests
import urllib3.exceptions

from .._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    usage_error,
)
from .._base.secrets import one_line, redact
from .._model import codec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .sockets import Call

__all__ = ["NETWORK_ERRORS", "Answer", "Refusals", "connection_error", "refusal", "unreadable"]

# --- no answer

NETWORK_ERRORS: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
"""What requests, urllib3, http.client and ssl raise between them."""


@attrs.frozen
class _Failure:
    """What some exceptions mean; ``text`` takes ``{host}`` and ``{why}``."""

    kinds: tuple[type[BaseException], ...]
    code: str
    text: str
    recoverable: bool = True
    error: type[OdysseyConnectionError] = OdysseyConnectionError


_WRAPPINGS: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
_BAD_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)

# The first row that fits counts: many of these classes are each other's children.
_FAILURES: Final = (
    _Failure(
        _BAD_ADDRESS,
        "invalid_url",
        "the address, or that of its proxy, cannot be used ({why})",
        recoverable=False,
    ),
    _Failure(
        (TimeoutError,),
        "timeout",
        "{host} gave no complete answer in time",
        error=OdysseyConnectionTimeoutError,
    ),
    _Failure(
        (socket.gaierror,),
        "unknown_host",
        "the host {host} cannot be found ({why}): check the address and the network",
        recoverable=False,
    ),
    _Failure(
        (ssl.SSLCertVerificationError,),
        "untrusted_certificate",
        "the certificate of {host} is not trusted ({why}): check the address, or set REQUESTS_CA_BUNDLE or "
        "SSL_CERT_FILE",
        recoverable=False,
    ),
    _Failure(
        (
            ConnectionResetError,
            ConnectionAbortedError,
            BrokenPipeError,
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
            http.client.IncompleteRead,
        ),
        "connection_lost",
        "{host} closed the connection before its answer was complete",
    ),
    _Failure((ssl.SSLError,), "tls", "no secure connection to {host} ({why})", recoverable=False),
    _Failure((ConnectionRefusedError,), "refused", "{host} refuses connections: check the address, or try later"),
    _Failure(
        (*_WRAPPINGS, http.client.HTTPException, ValueError),
        "malformed",
        "the answer of {host} is no valid HTTP",
        recoverable=False,
        error=MalformedMessageError,
    ),
    _Failure((OSError,), "unreachable", "{host} cannot be reached ({why}): check the network"),
)


def connection_error(exc: BaseException, call: Call, operation: str, url: str) -> OdysseyConnectionError:
    """Return what ``exc``, one of `NETWORK_ERRORS`, means to the user.

    Its cause is the system's own error at the bottom of ``exc``, if there is one: the libraries' quote URLs and
    what the server sent. For the same reason, raise it outside the ``except``, or ``exc`` comes along as context.
    """
    if call.aborted:
        return OdysseyConnectionError(
            f"{operation} was abandoned: the connection is closed", code="closed", operation=operation
        )
    if isinstance(exc, OdysseyConnectionError):
        return exc
    chain = list(_chain(exc))
    root = None if isinstance(exc, _BAD_ADDRESS) else next(filter(_is_original, chain), None)
    subject = root or exc
    failure = next(row for row in _FAILURES if isinstance(subject, row.kinds))
    host = urlsplit(url).netloc.rpartition("@")[2]
    if any(isinstance(link, urllib3.exceptions.ProxyError) for link in chain):
        host += " (through the proxy)"
    text = failure.text.format(host=host, why=redact(_why(subject)))
    if failure.code == "timeout" and call.deadline.timeout is not None:
        text += f" ({call.deadline.timeout:.3g} s)"
    # No answer from any name server is what a lookup meets while a network changes.
    recoverable = failure.recoverable or (isinstance(root, socket.gaierror) and root.errno == socket.EAI_AGAIN)
    error = failure.error(f"{operation}: {text}", code=failure.code, operation=operation, recoverable=recoverable)
    error.__cause__ = root if isinstance(root, OSError) else None
    return error


def _is_original(exc: BaseException) -> bool:
    # urllib3's IncompleteRead is both; it is the only one that tells of a body cut short.
    return isinstance(exc, http.client.IncompleteRead) or not isinstance(exc, _WRAPPINGS)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield ``exc`` and all that led to it, nearest first."""
    waiting, seen = [exc], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            origins = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
            waiting += [origin for origin in origins if isinstance(origin, BaseException)]


def _why(exc: BaseException) -> str:
    """Return the system's words, without the numbers around them."""
    named = (getattr(exc, name, None) for name in ("verify_message", "reason", "strerror"))
    return next((text for text in named if isinstance(text, str) and text), str(exc))


# --- an answer that refuses

_LONGEST_RETRY_AFTER: Final = 24 * 3600.0  # s
_BUSY: Final = frozenset({408, 425, 429})  # with all of 5xx, the answers after which waiting may help

Refusals: TypeAlias = "Mapping[int, tuple[type[OdysseyError], str, str]]"
"""By status: the class, the code, and the text, in which ``{detail}`` stands for the service's own words."""


@attrs.frozen(kw_only=True)
class Answer:
    """What came back from a server, read to its end and decompressed."""

    operation: str
    """What was asked, such as ``POST /auth/token``."""
    status: int
    reason: str = ""
    """The status in words."""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Looked up without regard to case, or with names in lower case."""
    body: bytes = attrs.field(default=b"", repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    """What was sent and must not come back in a text."""

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self.line(self.headers.get("x-request-id", "")) or None

    @property
    def retry_after(self) -> float | None:
        """After how many s the service wants to be asked again; a date is taken as told by the service's clock."""
        told = self.headers.get("retry-after", "")
        try:
            if told.isdecimal():
                seconds = float(told)
            else:
                later, now = (email.utils.parsedate_to_datetime(text) for text in (told, self.headers["date"]))
                seconds = (later - now).total_seconds()
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)

    @property
    def known(self) -> dict[str, Any]:
        """What every error made of this answer carries."""
        return {"operation": self.operation, "status": self.status, "request_id": self.request_id}

    def line(self, text: str) -> str:
        """Return ``text`` as one line, not too long and without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return one_line(text)


def refusal(answer: Answer, refusals: Refusals) -> OdysseyError:
    """Return what an ``answer`` that is no success means, in an operation with these ``refusals``."""
    said = _said(answer.body)
    if isinstance(said, wire.UsageErrorBody) and answer.status in (403, 429):
        limit = said.error or said.code
        return usage_error(
            "UNKNOWN" if limit is None else limit.value,
            answer.line(said.message),
            action=answer.line(said.action),
            action_url=said.action_url,
            details=_details(answer.body),
            retry_after=answer.retry_after,
            **answer.known,
        )
    general = _REDIRECTED if 300 <= answer.status < 400 else _GENERAL
    kind, code, text = refusals.get(answer.status) or (OdysseyConnectionError, f"http_{answer.status}", general)
    detail = answer.line(_words(said)) or answer.line(answer.reason) or "it gave no reason"
    return kind(
        text.format(operation=answer.operation, status=answer.status, detail=detail),
        code=code,
        retry_after=answer.retry_after,
        recoverable=answer.status in _BUSY or answer.status >= 500,
        **answer.known,
    )


def unreadable(answer: Answer, exc: MalformedMessageError) -> MalformedMessageError:
    """Return ``exc``, which reading the ``answer`` raised, with what is known around it."""
    hint = "" if "json" in answer.headers.get("content-type", "json") else "; is this the address of the API?"
    return MalformedMessageError(
        answer.line(f"{answer.operation}: {exc.message}{hint}"),
        problems=tuple(answer.line(problem) for problem in exc.problems),
        code=exc.code,
        **answer.known,
    )


_GENERAL: Final = "{operation}: the service answered {status}: {detail}"
_REDIRECTED: Final = (
    "{operation}: the service redirects ({status}) to another address; it is not followed, so check this one"
)

_Said: TypeAlias = "wire.UsageErrorBody | list[wire.ValidationIssue] | dict[str, Any] | str | None"


def _said(body: bytes) -> _Said:
    """Read the body of a refusal: a usage error itself, or what an ``ErrorBody`` has as its detail."""
    for data in _objects(body):
        with contextlib.suppress(MalformedMessageError):
            return codec.from_dict(wire.UsageErrorBody, {**data, "details": None})  # see `_details`
    with contextlib.suppress(MalformedMessageError):
        return codec.decode(wire.ErrorBody, body).detail
    return None


def _details(body: bytes) -> dict[str, Any]:
    """Return the figures behind a usage error as they came: also those that are new, or of another type."""
    found = (data.get("details") for data in _objects(body))
    return next((details for details in found if isinstance(details, dict)), {})


def _objects(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield what of a body may be a usage error: all of it, and its ``detail``."""
    with contextlib.suppress(MalformedMessageError):
        whole = codec.decode(dict[str, Any], body)
        yield whole
        if isinstance(detail := whole.get("detail"), dict):
            yield detail


def _words(said: _Said) -> str:
    match said:
        case str():
            return said
        case wire.UsageErrorBody():
            return said.message
        case list():
            # The place comes last: `redact` takes what follows a name such as api_key for its value.
            return "; ".join(f"{issue.msg} ({'.'.join(map(str, issue.loc))})" for issue in said)
        case {"message": str(message)}:
            return message
        case _:
            return ""
