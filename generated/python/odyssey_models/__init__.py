# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The Odyssey wire protocol as frozen attrs classes, generated from the schemas of the project.

Every class is one JSON object and takes only keyword arguments. The name of an attribute is the snake_case form
of its wire name; if the two differ, the attrs metadata has the wire name under `wire`. None stands for an absent
or null field. With `write_null` in the metadata, the service writes None as null instead of omitting the field.
A tolerant reader refuses an object only if it cannot read a field that has `essential` in the metadata; `stand_in`
is what it takes for another required field.

This package imports only attrs, and loads each of its modules on first use of one of its names. `converter` reads
and writes JSON-ready data, and needs cattrs (`odyssey-models[cattrs]`); `JsonObject.to_dict` writes without it.
For each channel and direction, a table has the model of each tag:
`CLIENT_TO_STREAMER`, `SIGNALING_FROM_SERVER`, `SIGNALING_FROM_CLIENT`, `STREAMER_TO_CLIENT`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._converter import converter
    from ._json_object import JsonObject
    from ._open_enum import OpenStrEnum
    from ._tables import CLIENT_TO_STREAMER, SIGNALING_FROM_CLIENT, SIGNALING_FROM_SERVER, STREAMER_TO_CLIENT
    from ._tags import UnknownTagError
    from .channel import (
        BroadcastReady,
        DataChannelClientMessage,
        DataChannelStreamerMessage,
        InteractiveStreamEnd,
        InteractiveStreamError,
        InteractiveStreamStart,
        StreamEnded,
        StreamErrorReason,
        StreamStarted,
        Update,
        UpdateAcknowledged,
    )
    from .errors import ErrorBody, UsageErrorBody, UsageErrorCode, UsageErrorDetails, ValidationIssue
    from .ice import IceServer, SignalingConfig
    from .recordings import (
        RecordedEvent,
        RecordedEventType,
        Recording,
        StreamRecordingInfo,
        StreamRecordingsList,
    )
    from .sessions import (
        Region,
        RegionsResponse,
        SessionRequest,
        SessionResponse,
        SessionTokenClaims,
        SessionTokenRequest,
        SessionTokenResponse,
        StreamerCapabilities,
        TokenRequest,
        TokenResponse,
    )
    from .signaling import (
        Answer,
        ClientDisconnecting,
        IceCandidate,
        Keepalive,
        Offer,
        SignalingClientMessage,
        SignalingError,
        SignalingErrorReason,
        SignalingServerMessage,
    )
    from .simulations import (
        CancelledSimulation,
        EndAction,
        InteractAction,
        ScriptEntry,
        SimulationJobDetail,
        SimulationJobInfo,
        SimulationJobsList,
        SimulationJobStatus,
        SimulationRequest,
        SimulationStream,
        StartAction,
    )
    from .telemetry import TelemetryErrorType, TelemetryEvent, TelemetryEventName, TelemetryRequest

__all__ = [
    "Answer",
    "BroadcastReady",
    "CLIENT_TO_STREAMER",
    "CancelledSimulation",
    "ClientDisconnecting",
    "DataChannelClientMessage",
    "DataChannelStreamerMessage",
    "EndAction",
    "ErrorBody",
    "IceCandidate",
    "IceServer",
    "InteractAction",
    "InteractiveStreamEnd",
    "InteractiveStreamError",
    "InteractiveStreamStart",
    "JsonObject",
    "Keepalive",
    "Offer",
    "OpenStrEnum",
    "RecordedEvent",
    "RecordedEventType",
    "Recording",
    "Region",
    "RegionsResponse",
    "SIGNALING_FROM_CLIENT",
    "SIGNALING_FROM_SERVER",
    "STREAMER_TO_CLIENT",
    "ScriptEntry",
    "SessionRequest",
    "SessionResponse",
    "SessionTokenClaims",
    "SessionTokenRequest",
    "SessionTokenResponse",
    "SignalingClientMessage",
    "SignalingConfig",
    "SignalingError",
    "SignalingErrorReason",
    "SignalingServerMessage",
    "SimulationJobDetail",
    "SimulationJobInfo",
    "SimulationJobStatus",
    "SimulationJobsList",
    "SimulationRequest",
    "SimulationStream",
    "StartAction",
    "StreamEnded",
    "StreamErrorReason",
    "StreamRecordingInfo",
    "StreamRecordingsList",
    "StreamStarted",
    "StreamerCapabilities",
    "TelemetryErrorType",
    "TelemetryEvent",
    "TelemetryEventName",
    "TelemetryRequest",
    "TokenRequest",
    "TokenResponse",
    "UnknownTagError",
    "Update",
    "UpdateAcknowledged",
    "UsageErrorBody",
    "UsageErrorCode",
    "UsageErrorDetails",
    "ValidationIssue",
    "converter",
]

_MODULES = {
    "Answer": "signaling",
    "BroadcastReady": "channel",
    "CLIENT_TO_STREAMER": "_tables",
    "CancelledSimulation": "simulations",
    "ClientDisconnecting": "signaling",
    "DataChannelClientMessage": "channel",
    "DataChannelStreamerMessage": "channel",
    "EndAction": "simulations",
    "ErrorBody": "errors",
    "IceCandidate": "signaling",
    "IceServer": "ice",
    "InteractAction": "simulations",
    "InteractiveStreamEnd": "channel",
    "InteractiveStreamError": "channel",
    "InteractiveStreamStart": "channel",
    "JsonObject": "_json_object",
    "Keepalive": "signaling",
    "Offer": "signaling",
    "OpenStrEnum": "_open_enum",
    "RecordedEvent": "recordings",
    "RecordedEventType": "recordings",
    "Recording": "recordings",
    "Region": "sessions",
    "RegionsResponse": "sessions",
    "SIGNALING_FROM_CLIENT": "_tables",
    "SIGNALING_FROM_SERVER": "_tables",
    "STREAMER_TO_CLIENT": "_tables",
    "ScriptEntry": "simulations",
    "SessionRequest": "sessions",
    "SessionResponse": "sessions",
    "SessionTokenClaims": "sessions",
    "SessionTokenRequest": "sessions",
    "SessionTokenResponse": "sessions",
    "SignalingClientMessage": "signaling",
    "SignalingConfig": "ice",
    "SignalingError": "signaling",
    "SignalingErrorReason": "signaling",
    "SignalingServerMessage": "signaling",
    "SimulationJobDetail": "simulations",
    "SimulationJobInfo": "simulations",
    "SimulationJobStatus": "simulations",
    "SimulationJobsList": "simulations",
    "SimulationRequest": "simulations",
    "SimulationStream": "simulations",
    "StartAction": "simulations",
    "StreamEnded": "channel",
    "StreamErrorReason": "channel",
    "StreamRecordingInfo": "recordings",
    "StreamRecordingsList": "recordings",
    "StreamStarted": "channel",
    "StreamerCapabilities": "sessions",
    "TelemetryErrorType": "telemetry",
    "TelemetryEvent": "telemetry",
    "TelemetryEventName": "telemetry",
    "TelemetryRequest": "telemetry",
    "TokenRequest": "sessions",
    "TokenResponse": "sessions",
    "UnknownTagError": "_tags",
    "Update": "channel",
    "UpdateAcknowledged": "channel",
    "UsageErrorBody": "errors",
    "UsageErrorCode": "errors",
    "UsageErrorDetails": "errors",
    "ValidationIssue": "errors",
    "converter": "_converter",
}

if not TYPE_CHECKING:  # type checkers know only the names above

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
