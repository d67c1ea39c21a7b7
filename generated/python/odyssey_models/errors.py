# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The bodies of REST answers that are no success."""

from __future__ import annotations

from typing import Any

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum

__all__ = ["ErrorBody", "UsageErrorBody", "UsageErrorCode", "UsageErrorDetails", "ValidationIssue"]


class UsageErrorCode(OpenStrEnum):
    """Which limit of the account was met."""

    MONTHLY_LIMIT_REACHED = "MONTHLY_LIMIT_REACHED"
    """The hours of this month are used up."""
    CONCURRENT_LIMIT_REACHED = "CONCURRENT_LIMIT_REACHED"
    """As many sessions are open as the account may have."""
    STREAM_DURATION_EXCEEDED = "STREAM_DURATION_EXCEEDED"
    """The stream was as long as a stream may be."""
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    """The account is closed for now."""
    RATE_LIMITED = "RATE_LIMITED"
    """Too many calls in too short a time."""


@attrs.frozen(kw_only=True)
class UsageErrorDetails(JsonObject):
    """The figures behind a usage error. Which of them are there depends on its code."""

    used_hours: float | None = None
    """`MONTHLY_LIMIT_REACHED`: hours used this month, in h."""
    limit_hours: float | None = None
    """`MONTHLY_LIMIT_REACHED`: hours granted per month, in h."""
    reset_date: str | None = None
    """`MONTHLY_LIMIT_REACHED`: when the count begins anew, ISO 8601."""
    active_count: int | None = None
    """`CONCURRENT_LIMIT_REACHED`: sessions open now."""
    limit: int | None = None
    """`CONCURRENT_LIMIT_REACHED`: sessions that may be open at once."""
    max_duration_seconds: float | None = None
    """`STREAM_DURATION_EXCEEDED`: longest stream, in s."""
    reason: str | None = None
    """`ACCOUNT_SUSPENDED`: why."""
    retry_after_seconds: float | None = None
    """`RATE_LIMITED`: how long to wait, in s."""


@attrs.frozen(kw_only=True)
class UsageErrorBody(JsonObject):
    """A limit of the account was met (429). It is the whole body or the `detail` of an `ErrorBody`. The code
    stands in `error` or in `code`; `error` wins. A 429 without `message` and `action` is no usage error.
    """

    message: str
    """What happened, for people."""
    action: str
    """What to do about it, for people."""
    error: UsageErrorCode | None = None
    """Which limit was met."""
    code: UsageErrorCode | None = None
    """Which limit was met, when `error` is absent."""
    action_url: str | None = None
    """Where to do it."""
    details: UsageErrorDetails | None = None
    """The figures behind it."""


@attrs.frozen(kw_only=True)
class ValidationIssue(JsonObject):
    """One fault that the service found in a request (422)."""

    loc: list[str | int]
    """Path to the faulty value, as keys and indices."""
    msg: str
    """What is wrong, for people."""
    type: str
    """What is wrong, for programs."""


@attrs.frozen(kw_only=True)
class ErrorBody(JsonObject):
    """Body of a REST answer that is no success: a text, an object (most often a `UsageErrorBody`), or for 422
    a list of faults.
    """

    detail: str | UsageErrorBody | list[ValidationIssue] | dict[str, Any] | None
    """What went wrong."""
