"""Statuses and events of a session, as documented for users.

Data only. The types of messages are in `odyssey_models`; `odyssey_proto.core.protocol` decides when an event
occurs, and `odyssey_proto._live.dispatcher` calls the handlers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from .._base.errors import OdysseyError
from .._base.public_path import publish
from .._base.record import Record
from .._base.secrets import redact

__all__ = [
    "BroadcastInfo",
    "BroadcastReady",
    "ConnectionStatus",
    "ErrorOccurred",
    "Event",
    "GapEvent",
    "InteractAcknowledged",
    "LinkProblem",
    "LinkQuality",
    "LinkQualityChanged",
    "StatusChanged",
    "StreamEnded",
    "StreamFailed",
    "StreamStarted",
    "VideoPaused",
]


class ConnectionStatus(StrEnum):
    """The status of a connection (Python types reference, "ConnectionStatus").

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
    """Not connected: never begun, or ended cleanly."""
    FAILED = "failed"
    """Ended by an error."""


class LinkQuality(StrEnum):
    """How well video arrives over the network."""

    GOOD = "good"
    """Nothing is amiss that a user would notice."""
    POOR = "poor"
    """Video continues, but late or with occasional short freezes."""
    BAD = "bad"
    """Video freezes repeatedly or for long, or comes very late."""


class LinkProblem(StrEnum):
    """A problem of a link."""

    LOSS = "loss"
    """Many packets are lost on the way, even if retransmission repairs the loss."""
    ROUND_TRIP = "round_trip"
    """The round trip to the streamer is long: retransmissions and answers to interactions are late."""
    FREEZES = "freezes"
    """The network held frames up, or lost them."""


class _Happened(Record):
    """Base class of events."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-ready data; ``type`` is the name of its class."""
        return {"type": type(self).__name__} | super().to_dict()


@attrs.frozen(kw_only=True)
class StatusChanged(_Happened):
    """The status of the connection has changed."""

    status: ConnectionStatus
    """The new status."""
    message: str | None = None
    """The reason, if any."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamStarted(_Happened):
    """A stream is ready; frames follow."""

    stream_id: str
    """The id of the stream and of its recording."""
    applied_prompt: str | None
    """The prompt as the service rewrote it, if reported."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class InteractAcknowledged(_Happened):
    """An interaction has been applied."""

    prompt: str
    """The prompt as the service applied it."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamEnded(_Happened):
    """The stream has ended: on request of the client, by the service, or by an error."""

    error: OdysseyError | None = None
    """The error that ended the stream; None if it ended normally."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamFailed(_Happened):
    """The service reported an error of the stream."""

    reason: str
    """The service's reason code, such as ``moderation``."""
    message: str
    """The service's message."""
    ends_stream: bool
    """Whether the error ended the stream."""
    answers_call: bool = False
    """Whether a call, such as `Session.interact`, raises this error too."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class ErrorOccurred(_Happened):
    """An error of the connection occurred."""

    error: OdysseyError
    """The error."""
    fatal: bool
    """Whether the error ended the session."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


def _without_query(url: object) -> str:
    return redact(repr(url))


@attrs.frozen
class BroadcastInfo(Record):
    """The addresses and the token for watching a stream (Python types reference, "BroadcastInfo")."""

    webrtc_url: str = attrs.field(repr=_without_query)
    """The WHEP endpoint, for `connect_to_stream`."""
    spectator_token: str = attrs.field(repr=False)
    """The token that admits a spectator."""
    hls_url: str | None = attrs.field(default=None, repr=_without_query)
    """The HLS playlist, 5 to 10 s behind, if available."""


@attrs.frozen(kw_only=True)
class BroadcastReady(_Happened):
    """Spectators can watch the stream now."""

    info: BroadcastInfo
    """The addresses and the token."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class GapEvent(_Happened):
    """A pause of the video is over: video has resumed, or the stream has ended. The frames in between are lost."""

    seconds: float
    """Time from the last frame before the gap to the first one after it, or to the end of the stream, in s."""
    frames_missed: int
    """Frames that the stream had in that time, at one every 50 ms."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class VideoPaused(_Happened):
    """The streamer sends no video, although the link to it works; a keyframe has been requested.

    Its model may be busy. A `GapEvent` follows when video resumes.
    """

    seconds: float
    """Time since the last frame, in s."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class LinkQualityChanged(_Happened):
    """Video now arrives better or worse than before. At first, a link counts as good. Not reported over HLS.

    A decline is reported at once, an improvement after 10 s, with the worst figures of that time.
    """

    quality: LinkQuality
    """The new quality."""
    problems: tuple[LinkProblem, ...] = ()
    """The problems; empty if the quality is good."""
    loss: float
    """The share of packets lost on the way during the last seconds, repaired or not: 0 to 1."""
    round_trip_ms: float | None = None
    """Round trip in ms; None if it is not known."""
    frozen_s: float
    """How long the network held frames up during the last seconds, in s, including a freeze that still lasts."""
    at: float
    """Time of the event, in s of `time.monotonic`."""


Event: TypeAlias = (
    StatusChanged
    | StreamStarted
    | InteractAcknowledged
    | BroadcastReady
    | StreamEnded
    | StreamFailed
    | GapEvent
    | VideoPaused
    | LinkQualityChanged
    | ErrorOccurred
)
"""Any event of a live session."""

publish("odyssey_proto", *map(globals().get, __all__))
