# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The bodies of REST answers that report an error."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed

__all__ = ["ErrorBody", "UsageErrorBody", "UsageErrorCode", "UsageErrorDetails", "ValidationIssue"]


class UsageErrorCode(OpenStrEnum):
    """The limit of the account that was reached."""

    MONTHLY_LIMIT_REACHED: ClassVar[UsageErrorCode] = listed("MONTHLY_LIMIT_REACHED")
    """The hours of this month are used up."""
    CONCURRENT_LIMIT_REACHED: ClassVar[UsageErrorCode] = listed("CONCURRENT_LIMIT_REACHED")
    """The account has the maximum number of open sessions."""
    STREAM_DURATION_EXCEEDED: ClassVar[UsageErrorCode] = listed("STREAM_DURATION_EXCEEDED")
    """The stream reached the maximum length."""
    ACCOUNT_SUSPENDED: ClassVar[UsageErrorCode] = listed("ACCOUNT_SUSPENDED")
    """The account is suspended."""
    RATE_LIMITED: ClassVar[UsageErrorCode] = listed("RATE_LIMITED")
    """Too many calls in too short a time."""


@attrs.frozen(kw_only=True)
class UsageErrorDetails(JsonObject):
    """The figures behind a usage error. Its code determines which are present."""

    used_hours: float | None = None
    """`MONTHLY_LIMIT_REACHED`: hours used this month, in h."""
    limit_hours: float | None = None
    """`MONTHLY_LIMIT_REACHED`: hours granted per month, in h."""
    reset_date: str | None = None
    """`MONTHLY_LIMIT_REACHED`: when the count starts again, ISO 8601."""
    active_count: int | None = None
    """`CONCURRENT_LIMIT_REACHED`: sessions open now."""
    limit: int | None = None
    """`CONCURRENT_LIMIT_REACHED`: sessions that may be open at once."""
    max_duration_seconds: float | None = None
    """`STREAM_DURATION_EXCEEDED`: longest stream, in s."""
    reason: str | None = None
    """`ACCOUNT_SUSPENDED`: the reason."""
    retry_after_seconds: float | None = None
    """`RATE_LIMITED`: how long to wait, in s."""


@attrs.frozen(kw_only=True)
class UsageErrorBody(JsonObject):
    """A limit of the account was reached (429). It is the whole body or the `detail` of an `ErrorBody`. The
    code is in `error` or in `code`; `error` takes precedence. A 429 without `message` and `action` is not
    a usage error.
    """

    message: str = attrs.field(metadata={"essential": True})
    """What happened, for people."""
    action: str = attrs.field(metadata={"essential": True})
    """How to resolve it, for people."""
    error: UsageErrorCode | None = None
    """The limit that was reached."""
    code: UsageErrorCode | None = None
    """The limit that was reached, if `error` is absent."""
    action_url: str | None = None
    """Address of the page to do so."""
    details: UsageErrorDetails | None = None
    """The figures behind the error."""


@attrs.frozen(kw_only=True)
class ValidationIssue(JsonObject):
    """One problem that the service found in a request (422)."""

    loc: list[str | int] = attrs.field(metadata={"stand_in": []})
    """Path to the faulty value, as keys and indices."""
    msg: str = attrs.field(metadata={"essential": True})
    """What is wrong, for people."""
    type: str = attrs.field(metadata={"stand_in": ""})
    """What is wrong, for programs."""


@attrs.frozen(kw_only=True)
class ErrorBody(JsonObject):
    """Body of a REST answer that reports an error. Its `detail` is a text, an object (most often a
    `UsageErrorBody`), or for 422 a list of problems.
    """

    detail: str | UsageErrorBody | list[ValidationIssue] | dict[str, Any] | None = attrs.field(
        metadata={"stand_in": None}
    )
    """What went wrong."""
