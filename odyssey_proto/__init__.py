"""A blocking, typed client for the Odyssey realtime world model.

    with Odyssey() as client, client.connect() as session:
        session.start_stream("A cat", portrait=False)
        for frame in session.frames():
            show(frame.data)

Importing this loads neither aiortc, av nor numpy: they come with the first `Odyssey.connect`.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from odyssey_models import (
    Recording,
    SimulationJobDetail,
    SimulationJobInfo,
    SimulationJobsList,
    SimulationJobStatus,
    SimulationStream,
    StreamRecordingInfo,
    StreamRecordingsList,
)

from ._version import __version__
from .client import Odyssey
from .config import AdvancedConfig, ClientConfig
from .credentials import ClientCredentials, StreamerCapabilities
from .downloads import iter_events
from .errors import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    MalformedMessageError,
    MissingExtraError,
    MonthlyLimitReachedError,
    OdysseyAuthError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    OdysseyUsageError,
    RateLimitError,
    SpectatorTokenError,
    StreamDurationExceededError,
)
from .raw import RawResponse
from .types import (
    BroadcastInfo,
    BroadcastReady,
    BroadcastReadyCallback,
    ConnectedCallback,
    ConnectionStatus,
    DisconnectedCallback,
    ErrorCallback,
    ErrorOccurred,
    Event,
    GapEvent,
    InteractAcknowledged,
    InteractAcknowledgedCallback,
    InteractAction,
    OdysseyEventHandlers,
    ScriptEntry,
    StartAction,
    StatusChangeCallback,
    StatusChanged,
    StreamEnded,
    StreamEndedCallback,
    StreamErrorCallback,
    StreamFailed,
    StreamStarted,
    StreamStartedCallback,
    VideoFrameCallback,
)

__all__ = [
    "AccountSuspendedError",
    "AdvancedConfig",
    "BroadcastInfo",
    "BroadcastReady",
    "BroadcastReadyCallback",
    "ClientConfig",
    "ClientCredentials",
    "ConcurrentLimitReachedError",
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
    "LiveRecording",
    "MalformedMessageError",
    "MissingExtraError",
    "MonthlyLimitReachedError",
    "Odyssey",
    "OdysseyAuthError",
    "OdysseyConfigError",
    "OdysseyConnectionError",
    "OdysseyConnectionTimeoutError",
    "OdysseyError",
    "OdysseyEventHandlers",
    "OdysseyStreamError",
    "OdysseyStreamTimeoutError",
    "OdysseyUsageError",
    "RateLimitError",
    "RawResponse",
    "Recording",
    "ScriptEntry",
    "Session",
    "SessionStats",
    "SimulationJobDetail",
    "SimulationJobInfo",
    "SimulationJobStatus",
    "SimulationJobsList",
    "SimulationStream",
    "SpectatorConnection",
    "SpectatorTokenError",
    "StartAction",
    "StatusChangeCallback",
    "StatusChanged",
    "StreamDurationExceededError",
    "StreamEnded",
    "StreamEndedCallback",
    "StreamErrorCallback",
    "StreamFailed",
    "StreamRecordingInfo",
    "StreamRecordingsList",
    "StreamStarted",
    "StreamStartedCallback",
    "StreamerCapabilities",
    "VideoFrame",
    "VideoFrameCallback",
    "__version__",
    "connect_to_stream",
    "iter_events",
]

if TYPE_CHECKING:
    from .frames import VideoFrame
    from .recording import LiveRecording
    from .session import Session
    from .spectator import SpectatorConnection, connect_to_stream
    from .stats import SessionStats

_OF_CONNECTIONS = {
    "LiveRecording": "recording",
    "Session": "session",
    "SessionStats": "stats",
    "SpectatorConnection": "spectator",
    "VideoFrame": "frames",
    "connect_to_stream": "spectator",
}


def __getattr__(name: str) -> Any:
    # What only connections need is loaded by the first of them, or by who asks for it.
    if name in _OF_CONNECTIONS:
        return getattr(importlib.import_module(f".{_OF_CONNECTIONS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


logging.getLogger(__name__).addHandler(logging.NullHandler())
