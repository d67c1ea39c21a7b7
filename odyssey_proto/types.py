"""Documented types that are not shapes on the wire: statuses, events of a session, scripts as users write them.

Data only. The wire's own shapes are in `odyssey_models`; what leads to an event is in
`odyssey_proto.protocol`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import odyssey_models as wire

    from .errors import OdysseyError
    from .frames import VideoFrame
    from .images import ImageInput

    # Plain dicts too, as documented: a script that is built step by step has no narrower type.
    Script: TypeAlias = Sequence["ScriptEntry | wire.ScriptEntry | Mapping[str, Any]"]

__all__ = [
    "BroadcastInfo",
    "ConnectionStatus",
    "DisconnectedCallback",
    "ErrorOccurred",
    "Event",
    "InteractAcknowledged",
    "InteractAction",
    "ScriptEntry",
    "StartAction",
    "StatusChanged",
    "StreamEnded",
    "StreamFailed",
    "StreamStarted",
    "VideoFrameCallback",
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


@attrs.frozen(kw_only=True)
class StatusChanged:
    """The connection has another status."""

    status: ConnectionStatus
    """The new one."""
    message: str | None = None
    """Why, where there is more to say."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen(kw_only=True)
class StreamStarted:
    """A stream is ready; frames follow."""

    stream_id: str
    """Its id, also that of its recording."""
    applied_prompt: str | None
    """The prompt as the service rewrote it, where it told."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen(kw_only=True)
class InteractAcknowledged:
    """An interaction has been applied."""

    prompt: str
    """The prompt as the service applied it."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen(kw_only=True)
class StreamEnded:
    """The stream is over, on our request or the service's."""

    error: OdysseyError | None = None
    """What broke it; None when it ended as it should."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen(kw_only=True)
class StreamFailed:
    """The service reported an error of the stream."""

    reason: str
    """The service's reason, such as ``moderation``."""
    message: str
    """The service's text."""
    ends_stream: bool
    """Whether the stream is over because of it."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen(kw_only=True)
class ErrorOccurred:
    """Something went wrong with the connection."""

    error: OdysseyError
    """What."""
    fatal: bool
    """Whether the session is over because of it."""
    at: float
    """When, in s of the client's clock."""


@attrs.frozen
class BroadcastInfo:
    """Where spectators can watch a stream (types page, "BroadcastInfo")."""

    webrtc_url: str
    """The WHEP endpoint, for `connect_to_stream`."""
    spectator_token: str = attrs.field(repr=False)
    """What a spectator is let in with."""
    hls_url: str | None = None
    """The same as HLS, 5 to 10 s behind, where there is one."""


Event: TypeAlias = (
    StatusChanged | StreamStarted | InteractAcknowledged | StreamEnded | StreamFailed | ErrorOccurred
)
"""Whatever a live session can tell."""


# --- handlers of a connection (client page, "connect()")

DisconnectedCallback: TypeAlias = Callable[[], None]
VideoFrameCallback: TypeAlias = "Callable[[VideoFrame], None]"


# --- scripts of simulations (types page, "Simulate API Types")


class StartAction(TypedDict):
    """Begin a stream."""

    prompt: str
    """What to show."""
    image: NotRequired[ImageInput]
    """A picture to start from: whatever `Session.start_stream` takes."""


class InteractAction(TypedDict):
    """Steer the stream."""

    prompt: str
    """What should happen."""


class ScriptEntry(TypedDict):
    """One step of a script: a moment, and exactly one action.

    >>> entry: ScriptEntry = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}
    """

    timestamp_ms: int
    """When, in ms from the start of the script; never less than in the entry before."""
    start: NotRequired[StartAction]
    """Begin a stream."""
    interact: NotRequired[InteractAction]
    """Steer it."""
    end: NotRequired[dict[str, Any]]
    """End it; an empty dict."""
