"""The event handlers that users pass (Python client reference, "connect()"): their types and checks.

`odyssey_proto._live.dispatcher` calls them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self, TypeAlias, TypedDict

import attrs

from .._base.public_path import publish
from .._model.events import BroadcastInfo, ConnectionStatus
from .._video.frame import VideoFrame

__all__ = [
    "BroadcastReadyCallback",
    "ConnectedCallback",
    "DisconnectedCallback",
    "ErrorCallback",
    "EventHandlers",
    "InteractAcknowledgedCallback",
    "OdysseyEventHandlers",
    "StatusChangeCallback",
    "StreamEndedCallback",
    "StreamErrorCallback",
    "StreamStartedCallback",
    "VideoFrameCallback",
]

ConnectedCallback: TypeAlias = Callable[[], None]
DisconnectedCallback: TypeAlias = Callable[[], None]
VideoFrameCallback: TypeAlias = Callable[[VideoFrame], None]
StreamStartedCallback: TypeAlias = Callable[[str], None]
StreamEndedCallback: TypeAlias = Callable[[], None]
InteractAcknowledgedCallback: TypeAlias = Callable[[str], None]
StreamErrorCallback: TypeAlias = Callable[[str, str], None]
ErrorCallback: TypeAlias = Callable[[Exception, bool], None]
StatusChangeCallback: TypeAlias = Callable[[ConnectionStatus, str | None], None]
BroadcastReadyCallback: TypeAlias = Callable[[BroadcastInfo], None]


class EventHandlers(TypedDict, total=False):
    """The handlers that `Odyssey.connect` takes, as keyword arguments; see `OdysseyEventHandlers`."""

    on_connected: ConnectedCallback | None
    on_disconnected: DisconnectedCallback | None
    on_video_frame: VideoFrameCallback | None
    on_stream_started: StreamStartedCallback | None
    on_stream_ended: StreamEndedCallback | None
    on_interact_acknowledged: InteractAcknowledgedCallback | None
    on_stream_error: StreamErrorCallback | None
    on_error: ErrorCallback | None
    on_status_change: StatusChangeCallback | None
    on_broadcast_ready: BroadcastReadyCallback | None


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
        TypeError: a handler cannot be called, or is a coroutine function.
    """

    on_connected: ConnectedCallback | None = attrs.field(default=None, validator=_handler)
    """The connection is established. Called at most once: not after rejoining."""
    on_disconnected: DisconnectedCallback | None = attrs.field(default=None, validator=_handler)
    """An established connection has ended, on request or by an error."""
    on_video_frame: VideoFrameCallback | None = attrs.field(default=None, validator=_handler)
    """A frame arrived. A slow handler gets the newest frame and misses those in between."""
    on_stream_started: StreamStartedCallback | None = attrs.field(default=None, validator=_handler)
    """A stream is ready. Argument: its id."""
    on_stream_ended: StreamEndedCallback | None = attrs.field(default=None, validator=_handler)
    """The stream has ended."""
    on_interact_acknowledged: InteractAcknowledgedCallback | None = attrs.field(default=None, validator=_handler)
    """An interaction has been applied. Argument: the prompt as applied."""
    on_stream_error: StreamErrorCallback | None = attrs.field(default=None, validator=_handler)
    """The service reported an error of the stream. Arguments: its reason and message."""
    on_error: ErrorCallback | None = attrs.field(default=None, validator=_handler)
    """The connection or one of these handlers failed. Arguments: the error, and whether it ended the session."""
    on_status_change: StatusChangeCallback | None = attrs.field(default=None, validator=_handler)
    """The status has changed. Arguments: the new status, and the reason or None."""
    on_broadcast_ready: BroadcastReadyCallback | None = attrs.field(default=None, validator=_handler)
    """Spectators can watch the stream. Argument: the addresses and the token."""

    @classmethod
    def _of(cls, *in_order: Any, **by_name: Any) -> Self:
        """Create an instance from handlers in the order of the fields, by name, or both, as in a call."""
        names = [field.name for field in attrs.fields(cls)]
        if len(in_order) > len(names):
            raise TypeError(f"there are {len(names)} handlers, not {len(in_order)}")
        given = dict(zip(names, in_order, strict=False))
        if twice := given.keys() & by_name.keys():
            raise TypeError(f"{min(twice)} was given twice")
        return cls(**given, **by_name)


publish("odyssey_proto", EventHandlers, OdysseyEventHandlers)
