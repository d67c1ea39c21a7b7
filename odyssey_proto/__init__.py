"""A blocking, typed client for the Odyssey realtime world model.

    with Odyssey() as client, client.connect() as session:
        session.start_stream("A cat", portrait=False)
        for frame in session.frames():
            show(frame.data)

Importing this loads little more than REST needs: the rest comes when it is first asked for, and aiortc, av and
numpy with the first `Odyssey.connect`.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .client import Odyssey
from .config import AdvancedConfig, ClientConfig
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

    from .credentials import ClientCredentials, StreamerCapabilities
    from .frames import VideoFrame
    from .recording import LiveRecording
    from .session import Session
    from .spectator import SpectatorConnection, connect_to_stream
    from .stats import SessionStats
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

_ON_DEMAND = {
    "BroadcastInfo": ".types",
    "BroadcastReady": ".types",
    "BroadcastReadyCallback": ".types",
    "ClientCredentials": ".credentials",
    "ConnectedCallback": ".types",
    "ConnectionStatus": ".types",
    "DisconnectedCallback": ".types",
    "ErrorCallback": ".types",
    "ErrorOccurred": ".types",
    "Event": ".types",
    "GapEvent": ".types",
    "InteractAcknowledged": ".types",
    "InteractAcknowledgedCallback": ".types",
    "InteractAction": ".types",
    "LiveRecording": ".recording",
    "OdysseyEventHandlers": ".types",
    "Recording": "odyssey_models",
    "ScriptEntry": ".types",
    "Session": ".session",
    "SessionStats": ".stats",
    "SimulationJobDetail": "odyssey_models",
    "SimulationJobInfo": "odyssey_models",
    "SimulationJobStatus": "odyssey_models",
    "SimulationJobsList": "odyssey_models",
    "SimulationStream": "odyssey_models",
    "SpectatorConnection": ".spectator",
    "StartAction": ".types",
    "StatusChangeCallback": ".types",
    "StatusChanged": ".types",
    "StreamEnded": ".types",
    "StreamEndedCallback": ".types",
    "StreamErrorCallback": ".types",
    "StreamFailed": ".types",
    "StreamRecordingInfo": "odyssey_models",
    "StreamRecordingsList": "odyssey_models",
    "StreamStarted": ".types",
    "StreamStartedCallback": ".types",
    "StreamerCapabilities": ".credentials",
    "VideoFrame": ".frames",
    "VideoFrameCallback": ".types",
    "connect_to_stream": ".spectator",
}


if not TYPE_CHECKING:  # for those who check types there are no names but these

    def __getattr__(name: str) -> Any:
        if name not in _ON_DEMAND:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(_ON_DEMAND[name], __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})


logging.getLogger(__name__).addHandler(logging.NullHandler())
