"""The meaning of HTTP refusals: from status, headers and body to one typed error.

This module needs no HTTP library: the caller describes the server's answer as an `HttpAnswer`. Reading the answers
that succeed, and deciding which requests to repeat, are left to the caller.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs
import odyssey_models as wire

from .._base.errors import (
    MalformedMessageError,
    NotCancellableError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyNotFoundError,
    OdysseyRequestError,
    OdysseyUnauthorizedError,
    SpectatorTokenError,
    as_kind,
    usage_error,
)
from .._base.limits import RETRY_AFTER_MOST_S
from .._base.public_path import publish
from .._base.secrets import forms, one_line, redact, redacted

__all__ = ["REFUSALS", "HttpAnswer", "Refusals", "refusal", "unauthorized", "unreadable"]

Refusals: TypeAlias = Mapping[int, tuple[type[OdysseyError], str, str]]
"""By status: the error's class, code and text, in which ``{detail}`` stands for the service's own words."""

_TOKEN_REFUSED: Final[Refusals] = {
    401: (OdysseyAuthError, "unauthorized", "{operation}: the access token was refused: {detail}"),
    403: (OdysseyAuthError, "forbidden", "{operation}: access denied: {detail}"),
}
_UNAUTHORIZED: Final[Refusals] = {
    status: (OdysseyUnauthorizedError, code, text) for status, (_, code, text) in _TOKEN_REFUSED.items()
}
_NOT_FOUND: Final = (OdysseyNotFoundError, "not_found", "{operation}: the id is unknown: {detail}")
_NOT_YOURS: Final = (OdysseyRequestError, "forbidden", "{operation}: access denied: {detail}")
_INVALID: Final = (
    OdysseyRequestError,
    "invalid_request",
    "{operation}: the service refused the request: {detail}",
)
_SESSION_TOKEN: Final = (
    OdysseyAuthError,
    "session_token_refused",
    "Session token refused: it is invalid or has expired",
)
_SPECTATOR_TOKEN: Final = (
    SpectatorTokenError,
    "invalid_spectator_token",
    "The spectator token was refused: {detail}",
)

REFUSALS: Final[Mapping[str, Refusals]] = MappingProxyType(
    {
        "POST /auth/token": {
            401: (OdysseyAuthError, "invalid_api_key", "Invalid API key: check api_key or ODYSSEY_API_KEY"),
            403: (OdysseyAuthError, "access_denied", "API key access denied: {detail}"),
            404: (
                OdysseyConnectionError,
                "http_404",
                "{operation}: the service answered 404: {detail}; check api_url or ODYSSEY_API_URL",
            ),
            422: (OdysseyAuthError, "malformed_api_key", "Invalid API key format: {detail}"),
        },
        "GET /regions": _TOKEN_REFUSED,
        "POST /sessions/request": {
            **_TOKEN_REFUSED,
            503: (
                OdysseyConnectionError,
                "no_streamers",
                "No streamers available: try later, or raise queue_timeout_s",
            ),
        },
        "POST /sessions/token": {
            **_TOKEN_REFUSED,
            404: (
                OdysseyConnectionError,
                "unknown_session",
                "The session is unknown, has ended, or belongs to another user",
            ),
        },
        "GET /recordings/{stream_id}": {**_UNAUTHORIZED, 404: _NOT_FOUND},
        "GET /stream-recordings": _UNAUTHORIZED,
        "POST /simulation-jobs": {**_UNAUTHORIZED, 400: _INVALID, 403: _NOT_YOURS, 413: _INVALID, 422: _INVALID},
        "GET /simulation-jobs": _UNAUTHORIZED,
        "GET /simulation-jobs/{job_id}": {**_UNAUTHORIZED, 403: _NOT_YOURS, 404: _NOT_FOUND},
        "DELETE /simulation-jobs/{job_id}": {
            **_UNAUTHORIZED,
            400: (NotCancellableError, "not_cancellable", "{operation}: the job cannot be cancelled: {detail}"),
            403: _NOT_YOURS,
            404: _NOT_FOUND,
        },
        "WebSocket /client": {
            401: _SESSION_TOKEN,
            403: _SESSION_TOKEN,
            404: (OdysseyConnectionError, "unknown_session", "The signaling server does not know the session"),
        },
        "POST /whep": {
            401: _SPECTATOR_TOKEN,
            403: _SPECTATOR_TOKEN,
            404: (
                OdysseyConnectionError,
                "stream_not_found",
                "No such stream: it has ended, or the address is wrong",
            ),
            406: (
                OdysseyConnectionError,
                "no_common_codec",
                "The stream has no codec that can be decoded here: {detail}",
            ),
        },
    }
)
"""The meaning of statuses, by operation. All others mean an `OdysseyConnectionError`, code ``http_<status>``."""

_SECONDS: Final = re.compile(r"\d+(\.\d*)?")
_ID_IN_PATH: Final = re.compile(r"/\{\w+\}")
_BUSY: Final = frozenset({408, 425, 429})  # like all of 5xx, answers after which waiting may help
_USAGE_STATUSES: Final = frozenset({403, 429})
_GENERAL: Final = "{operation}: the service answered {status}: {detail}"
_REDIRECTED: Final = "{operation}: the service redirects ({status}), but to no usable address; check this one"


@attrs.frozen(kw_only=True)
class HttpAnswer:
    """A server's answer, read to its end and decompressed."""

    operation: str
    """The request's name, such as ``POST /auth/token``; `REFUSALS` lists them."""
    status: int
    """The HTTP status."""
    reason: str = ""
    """The reason phrase."""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """The headers; the case of their names does not matter."""
    body: bytes = attrs.field(default=b"", repr=False)
    """The body."""
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Secrets in the request that no text may repeat."""
    about: str = ""
    """The id in the path, if there is one."""

    @property
    def asked(self) -> str:
        """The operation with the id in its path, for texts.

        >>> HttpAnswer(operation="GET /recordings/{stream_id}", status=404, about="st-1").asked
        'GET /recordings/st-1'
        """
        return _ID_IN_PATH.sub(lambda _: f"/{self.line(self.about) or '…'}", self.operation)

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self.line(self.header("x-request-id")) or None

    @property
    def retry_after(self) -> float | None:
        """When the service allows the next request, in s from now; a date counts from the answer's ``Date``.

        See spec/behaviour.md#retry-after.
        """
        wanted = self.header("retry-after")
        if not wanted:
            return None
        from email.utils import mktime_tz, parsedate_tz  # loads sockets, and is rarely needed

        try:
            if _SECONDS.fullmatch(wanted):
                seconds = float(wanted)
            else:
                dates = [parsedate_tz(text) for text in (wanted, self.header("date"))]
                # All dates of HTTP are in GMT, even without a time zone.
                later, now = (mktime_tz((*date[:9], date[9] or 0)) for date in dates if date is not None)
                seconds = float(later - now)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        return min(max(seconds, 0.0), RETRY_AFTER_MOST_S)

    @property
    def known(self) -> dict[str, Any]:
        """The attributes of every error that is made from this answer."""
        return {"operation": self.operation, "status": self.status, "request_id": self.request_id}

    def header(self, name: str) -> str:
        """Return the header ``name`` (in lower case), or "" if it is absent."""
        return next((value for key, value in self.headers.items() if key.lower() == name), "")

    def line(self, text: str) -> str:
        """Return ``text`` as one line, shortened and without secrets."""
        return one_line(self._without_own(text))

    def _without_secrets(self, text: str) -> str:
        """Return ``text`` without secrets."""
        return redact(self._without_own(text))

    def _without_own(self, text: str) -> str:
        for secret in self.secrets:
            for form in forms(secret):
                text = text.replace(form, "…")
        return text


def refusal(answer: HttpAnswer, refusals: Refusals | None = None) -> OdysseyError:
    """Return the error for an ``answer`` that is not a success.

    Args:
        answer: the server's answer.
        refusals: the meaning of the statuses; None takes the entry of the answer's operation in `REFUSALS`.

    >>> refusal(HttpAnswer(operation="POST /sessions/request", status=503)).code
    'no_streamers'
    """
    if refusals is None:
        refusals = REFUSALS.get(answer.operation, {})
    said = _said(answer.body)
    if isinstance(said, wire.UsageErrorBody) and answer.status in _USAGE_STATUSES:
        limit = said.error or said.code
        return usage_error(
            "UNKNOWN" if limit is None else answer.line(limit.value) or "UNKNOWN",
            answer.line(said.message),
            action=answer.line(said.action),
            action_url=None if said.action_url is None else answer._without_secrets(said.action_url),
            details=redacted(_details(answer.body), answer._without_secrets),
            retry_after=answer.retry_after,
            **answer.known,
        )
    general = _REDIRECTED if 300 <= answer.status < 400 else _GENERAL
    kind, code, text = refusals.get(answer.status) or (OdysseyConnectionError, f"http_{answer.status}", general)
    detail = answer.line(_words(said)) or answer.line(answer.reason) or "it gave no reason"
    return kind(
        text.format(operation=answer.asked, status=answer.status, detail=detail),
        code=code,
        retry_after=answer.retry_after,
        recoverable=answer.status in _BUSY or answer.status >= 500,
        **answer.known,
    )


def unauthorized(error: OdysseyAuthError, operation: str) -> OdysseyAuthError:
    """Return ``error``, raised while getting an access token for ``operation``, in the class of that operation.

    >>> type(unauthorized(OdysseyAuthError("Invalid API key"), "GET /stream-recordings")).__name__
    'OdysseyUnauthorizedError'
    """
    is_plain = REFUSALS.get(operation, {}).get(401, (OdysseyAuthError,))[0] is not OdysseyUnauthorizedError
    return error if is_plain else as_kind(OdysseyUnauthorizedError, error)


def unreadable(answer: HttpAnswer, exc: MalformedMessageError, *, of_api: bool = True) -> MalformedMessageError:
    """Return ``exc``, raised while reading the ``answer``, with the attributes of the answer.

    ``of_api`` says whether JSON was expected; if so, anything else suggests a wrong address.
    """
    is_expected = not of_api or "json" in (answer.header("content-type") or "json")
    hint = "" if is_expected else "; is this the address of the API?"
    return MalformedMessageError(
        answer.line(f"{answer.asked}: {exc.message}{hint}"),
        problems=tuple(answer.line(problem) for problem in exc.problems),
        code=exc.code,
        session_id=exc.session_id,
        **answer.known,
    )


# --- the body

_Said: TypeAlias = "wire.UsageErrorBody | list[wire.ValidationIssue] | dict[str, Any] | str | None"


def _said(body: bytes) -> _Said:
    """Return what the body of a refusal says: a usage error, the detail of an ``ErrorBody``, or other words."""
    from .._model import codec  # it loads cattrs

    for data in _objects(body):
        with contextlib.suppress(MalformedMessageError):
            return codec.from_dict(wire.UsageErrorBody, {**data, "details": None})  # see `_details`
    detail = None
    with contextlib.suppress(MalformedMessageError):
        detail = codec.decode(wire.ErrorBody, body).detail
    return detail or next(_other_words(body), None)


def _other_words(body: bytes) -> Iterator[str]:
    """Yield the messages of a body that is not FastAPI's, but that of a gateway in front of the service."""
    for data in _objects(body):
        yield from (said for name in ("message", "error") if isinstance(said := data.get(name), str) and said)
        if isinstance(said := data.get("detail"), list):
            yield "; ".join(text for text in said if isinstance(text, str))


def _details(body: bytes) -> dict[str, Any]:
    """Return the figures behind a usage error as they came, including new ones and unexpected types."""
    found = (data.get("details") for data in _objects(body))
    return next((details for details in found if isinstance(details, dict)), {})


def _objects(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the parts of a body that may be a usage error: the whole, and its ``detail``."""
    from .._model import codec

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
            # The location comes last, because `redact` mistakes text after a name such as api_key for its value.
            return "; ".join(f"{issue.msg} ({'.'.join(map(str, issue.loc))})" for issue in said)
        case {"message": str(message)}:
            return message
        case _:
            return ""


publish("odyssey_proto.core", HttpAnswer, refusal)
