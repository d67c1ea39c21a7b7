# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The Odyssey wire protocol as frozen attrs classes, made from the schemas of the project.

Every class is one JSON object and takes keyword arguments only. An attribute bears the snake_case form of
its wire name; where the two differ, the attrs metadata has the wire name under `wire`. What may be absent or
null is None. `write_null` in the metadata says that the service writes such a None as null instead of leaving
it out.

This package imports attrs and nothing else. It neither reads nor writes JSON: that is the job of a converter.
"""

from ._open_enum import OpenStrEnum
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
from .recordings import RecordedEvent, RecordedEventType, Recording, StreamRecordingInfo, StreamRecordingsList
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
    "Keepalive",
    "Offer",
    "OpenStrEnum",
    "RecordedEvent",
    "RecordedEventType",
    "Recording",
    "Region",
    "RegionsResponse",
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
    "Update",
    "UpdateAcknowledged",
    "UsageErrorBody",
    "UsageErrorCode",
    "UsageErrorDetails",
    "ValidationIssue",
]
