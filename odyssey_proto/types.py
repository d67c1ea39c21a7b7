"""Documented types that are not shapes on the wire: statuses, events and handlers of a session, scripts of users.

Data only. The wire's own shapes are in `odyssey_models`; what leads to an event is in
`odyssey_proto.protocol`, and what calls a handler in `odyssey_proto.callbacks`.
"""

from __future__ import annotations

import inspect
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
    "BroadcastReady",
    "BroadcastReadyCallback",
    "ConnectedCallback",
    "ConnectionStatus",
    "DisconnectedCallback",
    "ErrorCallback",
    "ErrorOccurred",
    "Event",
    "GapEvent",
    "InteractAcknowledged",
    "InteractAcknowledgedCallback",
    "InteractAction",
    "OdysseyEventHandlers",
    "ScriptEntry",
    "StartAction",
    "StatusChangeCallback",
    "StatusChanged",
    "StreamEnded",
    "StreamEndedCallback",
    "StreamErrorCallback",
    "StreamFailed",
    "StreamStarted",
    "StreamStartedCallback",
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
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamStarted:
    """A stream is ready; frames follow."""

    stream_id: str
    """Its id, also that of its recording."""
    applied_prompt: str | None
    """The prompt as the service rewrote it, where it told."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class InteractAcknowledged:
    """An interaction has been applied."""

    prompt: str
    """The prompt as the service applied it."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class StreamEnded:
    """The stream is over, on our request or the service's."""

    error: OdysseyError | None = None
    """What broke it; None when it ended as it should."""
    at: float
    """When, in s of `time.monotonic`."""


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
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class ErrorOccurred:
    """Something went wrong with the connection."""

    error: OdysseyError
    """What."""
    fatal: bool
    """Whether the session is over because of it."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen
class BroadcastInfo:
    """Where spectators can watch a stream (types page, "BroadcastInfo")."""

    webrtc_url: str
    """The WHEP endpoint, for `connect_to_stream`."""
    spectator_token: str = attrs.field(repr=False)
    """What a spectator is let in with."""
    hls_url: str | None = None
    """The same as HLS, 5 to 10 s behind, where there is one."""


@attrs.frozen(kw_only=True)
class BroadcastReady:
    """Spectators can watch the stream now."""

    info: BroadcastInfo
    """Where, and with which token."""
    at: float
    """When, in s of `time.monotonic`."""


@attrs.frozen(kw_only=True)
class GapEvent:
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


# --- handlers of a connection (client page, "connect()")

ConnectedCallback: TypeAlias = Callable[[], None]
DisconnectedCallback: TypeAlias = Callable[[], None]
VideoFrameCallback: TypeAlias = "Callable[[VideoFrame], None]"
StreamStartedCallback: TypeAlias = Callable[[str], None]
StreamEndedCallback: TypeAlias = Callable[[], None]
InteractAcknowledgedCallback: TypeAlias = Callable[[str], None]
StreamErrorCallback: TypeAlias = Callable[[str, str], None]
ErrorCallback: TypeAlias = Callable[[Exception, bool], None]
StatusChangeCallback: TypeAlias = Callable[[ConnectionStatus, str | None], None]
BroadcastReadyCallback: TypeAlias = Callable[[BroadcastInfo], None]


def _handler(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if not callable(value):
        raise TypeError(f"{attribute.name} must be a function or None, not {type(value).__name__}")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        raise TypeError(f"{attribute.name} must be a plain function, not a coroutine function: delete its `async`")


@attrs.frozen(kw_only=True)
class OdysseyEventHandlers:
    """The handlers that `Odyssey.connect` takes, as one object.

    Raises:
        TypeError: one cannot be called, or is a coroutine function.
    """

    on_connected: ConnectedCallback | None = attrs.field(default=None, validator=_handler)
    """The connection is there; called once, not after rejoining."""
    on_disconnected: DisconnectedCallback | None = attrs.field(default=None, validator=_handler)
    """A connection that was there is over, as wished or by an error."""
    on_video_frame: VideoFrameCallback | None = attrs.field(default=None, validator=_handler)
    """A frame came. One that takes long sees the newest and misses those in between."""
    on_stream_started: StreamStartedCallback | None = attrs.field(default=None, validator=_handler)
    """A stream is ready; its id."""
    on_stream_ended: StreamEndedCallback | None = attrs.field(default=None, validator=_handler)
    """The stream is over."""
    on_interact_acknowledged: InteractAcknowledgedCallback | None = attrs.field(default=None, validator=_handler)
    """An interaction has been applied; the prompt as it was."""
    on_stream_error: StreamErrorCallback | None = attrs.field(default=None, validator=_handler)
    """The service reported an error of the stream; its reason and message."""
    on_error: ErrorCallback | None = attrs.field(default=None, validator=_handler)
    """Something failed: the connection, or one of these handlers; whether the session is over because of it."""
    on_status_change: StatusChangeCallback | None = attrs.field(default=None, validator=_handler)
    """The connection has another status; and why, where there is more to say."""
    on_broadcast_ready: BroadcastReadyCallback | None = attrs.field(default=None, validator=_handler)
    """Spectators can watch the stream; where, and with which token."""


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
