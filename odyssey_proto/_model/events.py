"""Documented types that are not shapes on the wire: statuses, events and handlers of a session, scripts of users.

Data only. The wire's own shapes are in `odyssey_models`; what leads to an event is in
`odyssey_proto.core.protocol`, and what calls a handler in `odyssey_proto._live.dispatcher`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from .._base.errors import OdysseyError
from .._base.public_path import publish
from .._base.record import Record

__all__ = [
    "BroadcastInfo",
    "BroadcastReady",
    "ConnectionStatus",
    "ErrorOccurred",
    "Event",
    "GapEvent",
    "InteractAcknowledged",
    "StatusChanged",
    "StreamEnded",
    "StreamFailed",
    "StreamStarted",
]


class ConnectionStatus(StrEnum):
    """Where a connection stands (types page, "ConnectionStatus").

    >>> ConnectionStatus.CONNECTED == "connected"
    True
    """

    AUTHENTICATING = "authenticating"
    """Exchanging the API key for an access token."""
    CONNECTING = "connecting"
    """Queueing for a streamer, or setting up signaling and video."""
    RECONNECTING = "reconnecting"
    """The connection was lost and is being rejoined."""
    CONNECTED = "connected"
    """Video and control channel are up."""
    DISCONNECTED = "disconnected"
    """Not connected; ended cleanly or never begun."""
    FAILED = "failed"
    """Ended by an error."""


class _Happened(Record):
    """The base of events."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data; ``type`` is the name of its class."""
        return {"type": type(self).__name__} | super().to_dict()


@attrs.frozen(kw_only=True)
class StatusChanged(_Happened):
    """The connection has another status."""

    status: ConnectionStatus
    """The new one."""
    message: str | None = None
    """Why, where there is more to say."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamStarted(_Happened):
    """A stream is ready; frames follow."""

    stream_id: str
    """Its id, also that of its recording."""
    applied_prompt: str | None
    """The prompt as the service rewrote it, where it told."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class InteractAcknowledged(_Happened):
    """An interaction has been applied."""

    prompt: str
    """The prompt as the service applied it."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamEnded(_Happened):
    """The stream is over, on our request or the service's."""

    error: OdysseyError | None = None
    """What broke it; None when it ended as it should."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamFailed(_Happened):
    """The service reported an error of the stream."""

    reason: str
    """The service's reason, such as ``moderation``."""
    message: str
    """The service's text."""
    ends_stream: bool
    """Whether the stream is over because of it."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class ErrorOccurred(_Happened):
    """Something went wrong with the connection."""

    error: OdysseyError
    """What."""
    fatal: bool
    """Whether the session is over because of it."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen
class BroadcastInfo(Record):
    """Where spectators can watch a stream (types page, "BroadcastInfo")."""

    webrtc_url: str
    """The WHEP endpoint, for `connect_to_stream`."""
    spectator_token: str = attrs.field(repr=False)
    """What a spectator is let in with."""
    hls_url: str | None = None
    """The same as HLS, 5 to 10 s behind, where there is one."""


@attrs.frozen(kw_only=True)
class BroadcastReady(_Happened):
    """Spectators can watch the stream now."""

    info: BroadcastInfo
    """Where, and with which token."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class GapEvent(_Happened):
    """Video goes on after it was away: the frames in between are lost."""

    seconds: float
    """From the last frame before to the first one after, in s."""
    frames_missed: int
    """How many frames the stream had in that time, at one every 50 ms."""
    at: float
    """When, in s of `time.monotonic`."""


Event: TypeAlias = (
    StatusChanged
    | StreamStarted
    | InteractAcknowledged
    | BroadcastReady
    | StreamEnded
    | StreamFailed
    | GapEvent
    | ErrorOccurred
)
"""Whatever a live session can tell."""

publish("odyssey_proto", *map(globals().get, __all__))
