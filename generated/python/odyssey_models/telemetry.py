# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""What the official Python client reports about its use (`POST /telemetry`, answer ignored). The official
JavaScript client sends nothing; this library sends nothing unless asked to.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed

__all__ = ["TelemetryErrorType", "TelemetryEvent", "TelemetryEventName", "TelemetryRequest"]


class TelemetryEventName(OpenStrEnum):
    """Name of an event."""

    SESSION_CONNECTING: ClassVar[TelemetryEventName] = listed("session_connecting")
    """A connect started."""
    SESSION_CONNECTED: ClassVar[TelemetryEventName] = listed("session_connected")
    """A connect succeeded."""
    SESSION_DISCONNECTED: ClassVar[TelemetryEventName] = listed("session_disconnected")
    """A session ended."""


class TelemetryErrorType(OpenStrEnum):
    """Kind of an error."""

    AUTH: ClassVar[TelemetryErrorType] = listed("auth")
    """The key or token was refused."""
    CONNECTION: ClassVar[TelemetryErrorType] = listed("connection")
    """The connection failed."""
    STREAM: ClassVar[TelemetryErrorType] = listed("stream")
    """A stream failed."""
    USAGE: ClassVar[TelemetryErrorType] = listed("usage")
    """A limit of the account was reached."""
    UNKNOWN: ClassVar[TelemetryErrorType] = listed("unknown")
    """Something else."""


@attrs.frozen(kw_only=True)
class TelemetryEvent(JsonObject):
    """One event or one error; exactly one of `event` and `error_type` is given."""

    sdk_version: str
    """Version of the client."""
    sdk_platform: str
    """Kind of client."""
    platform_info: str
    """System, its release, and the version of Python."""
    session_id: str | None = None
    """The session concerned."""
    api_key_prefix: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(
            attrs.validators.and_(attrs.validators.min_len(8), attrs.validators.max_len(8))
        ),
    )
    """First 8 characters of the API key; absent for a shorter key."""
    event: TelemetryEventName | None = None
    """Name of the event."""
    connect_duration_ms: int | None = None
    """`session_connected`: duration of the connect, in ms."""
    session_duration_seconds: float | None = None
    """`session_disconnected`: duration of the session, in s. The observed client never sends it."""
    error_type: TelemetryErrorType | None = None
    """Kind of the error."""
    error_message: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.max_len(2000))
    )
    """Text of the error, cut off after 2000 characters."""
    error_code: str | None = None
    """Code of the error, if it has one."""
    connection_status: str | None = None
    """State of the client at that time."""

    def __attrs_post_init__(self) -> None:
        given = (
            self.event,
            self.error_type,
        )
        if sum(value is not None for value in given) != 1:
            raise ValueError("exactly one of event, error_type is needed")


@attrs.frozen(kw_only=True)
class TelemetryRequest(JsonObject):
    """Body of `POST /telemetry`. The observed client sends one event per call."""

    events: list[TelemetryEvent] = attrs.field(validator=attrs.validators.min_len(1))
    """The events."""
