"""A blocking, typed client for the Odyssey realtime world model.

    with Odyssey() as client, client.connect() as session:
        session.start_stream("A cat", portrait=False)
        for frame in session.frames():
            show(frame.data)

Importing this package loads next to nothing: each name is loaded, with the module that defines it, when it is
first asked for; aiortc, av and numpy are loaded by the first `Odyssey.connect`.
"""

import logging
from typing import TYPE_CHECKING

from ._base.lazy_names import lazy_names
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from odyssey_models import IceServer as IceServer
    from odyssey_models import Recording as Recording
    from odyssey_models import SimulationJobInfo as SimulationJobInfo
    from odyssey_models import SimulationJobsList as SimulationJobsList
    from odyssey_models import SimulationJobStatus as SimulationJobStatus
    from odyssey_models import SimulationStream as SimulationStream
    from odyssey_models import StreamRecordingInfo as StreamRecordingInfo
    from odyssey_models import StreamRecordingsList as StreamRecordingsList

    from ._base.arguments import CLIENT_DEFAULT as CLIENT_DEFAULT
    from ._base.arguments import ClientDefault as ClientDefault
    from ._base.errors import AccountSuspendedError as AccountSuspendedError
    from ._base.errors import CassetteError as CassetteError
    from ._base.errors import ConcurrentLimitReachedError as ConcurrentLimitReachedError
    from ._base.errors import MalformedMessageError as MalformedMessageError
    from ._base.errors import MissingExtraError as MissingExtraError
    from ._base.errors import MonthlyLimitReachedError as MonthlyLimitReachedError
    from ._base.errors import NotCancellableError as NotCancellableError
    from ._base.errors import OdysseyAuthError as OdysseyAuthError
    from ._base.errors import OdysseyConfigError as OdysseyConfigError
    from ._base.errors import OdysseyConnectionError as OdysseyConnectionError
    from ._base.errors import OdysseyConnectionTimeoutError as OdysseyConnectionTimeoutError
    from ._base.errors import OdysseyError as OdysseyError
    from ._base.errors import OdysseyNotFoundError as OdysseyNotFoundError
    from ._base.errors import OdysseyRequestError as OdysseyRequestError
    from ._base.errors import OdysseyStreamError as OdysseyStreamError
    from ._base.errors import OdysseyStreamTimeoutError as OdysseyStreamTimeoutError
    from ._base.errors import OdysseyUnauthorizedError as OdysseyUnauthorizedError
    from ._base.errors import OdysseyUsageError as OdysseyUsageError
    from ._base.errors import RateLimitError as RateLimitError
    from ._base.errors import SimulationFailedError as SimulationFailedError
    from ._base.errors import SpectatorTokenError as SpectatorTokenError
    from ._base.errors import StreamDurationExceededError as StreamDurationExceededError
    from ._base.secrets import Secret as Secret
    from ._live.handlers import BroadcastReadyCallback as BroadcastReadyCallback
    from ._live.handlers import ConnectedCallback as ConnectedCallback
    from ._live.handlers import DisconnectedCallback as DisconnectedCallback
    from ._live.handlers import ErrorCallback as ErrorCallback
    from ._live.handlers import EventHandlers as EventHandlers
    from ._live.handlers import InteractAcknowledgedCallback as InteractAcknowledgedCallback
    from ._live.handlers import OdysseyEventHandlers as OdysseyEventHandlers
    from ._live.handlers import StatusChangeCallback as StatusChangeCallback
    from ._live.handlers import StreamEndedCallback as StreamEndedCallback
    from ._live.handlers import StreamErrorCallback as StreamErrorCallback
    from ._live.handlers import StreamStartedCallback as StreamStartedCallback
    from ._live.handlers import VideoFrameCallback as VideoFrameCallback
    from ._live.live_capture import LiveCapture as LiveCapture
    from ._live.live_recording import LiveRecording as LiveRecording
    from ._model.config import AdvancedConfig as AdvancedConfig
    from ._model.config import ClientConfig as ClientConfig
    from ._model.config import IcePolicy as IcePolicy
    from ._model.config import VideoCodec as VideoCodec
    from ._model.credentials import ClientCredentials as ClientCredentials
    from ._model.credentials import StreamerCapabilities as StreamerCapabilities
    from ._model.events import BroadcastInfo as BroadcastInfo
    from ._model.events import BroadcastReady as BroadcastReady
    from ._model.events import ConnectionStatus as ConnectionStatus
    from ._model.events import ErrorOccurred as ErrorOccurred
    from ._model.events import Event as Event
    from ._model.events import GapEvent as GapEvent
    from ._model.events import InteractAcknowledged as InteractAcknowledged
    from ._model.events import LinkProblem as LinkProblem
    from ._model.events import LinkQuality as LinkQuality
    from ._model.events import LinkQualityChanged as LinkQualityChanged
    from ._model.events import StatusChanged as StatusChanged
    from ._model.events import StreamEnded as StreamEnded
    from ._model.events import StreamFailed as StreamFailed
    from ._model.events import StreamStarted as StreamStarted
    from ._model.events import VideoPaused as VideoPaused
    from ._model.script import ImageInput as ImageInput
    from ._model.script import InteractAction as InteractAction
    from ._model.script import Script as Script
    from ._model.script import ScriptEntry as ScriptEntry
    from ._model.script import StartAction as StartAction
    from ._model.simulation_job import SimulationJobDetail as SimulationJobDetail
    from ._model.stats import SessionStats as SessionStats
    from ._rest.download import Artifact as Artifact
    from ._rest.download import OnProgress as OnProgress
    from ._rest.event_log import iter_events as iter_events
    from ._rest.event_log import read_event_log as read_event_log
    from ._rest.job_updates import OnUpdate as OnUpdate
    from ._video.frame import VideoFrame as VideoFrame
    from ._video.frame_hub import FramePace as FramePace
    from ._video.frame_queue import FramePolicy as FramePolicy
    from .client import Odyssey as Odyssey
    from .raw_response import RawCalls as RawCalls
    from .raw_response import RawResponse as RawResponse
    from .session import Session as Session
    from .spectator import SpectatorConnection as SpectatorConnection
    from .spectator import connect_to_stream as connect_to_stream

_MODULES = {
    "._base.arguments": ("CLIENT_DEFAULT", "ClientDefault"),
    "._base.errors": (
        "AccountSuspendedError",
        "CassetteError",
        "ConcurrentLimitReachedError",
        "MalformedMessageError",
        "MissingExtraError",
        "MonthlyLimitReachedError",
        "NotCancellableError",
        "OdysseyAuthError",
        "OdysseyConfigError",
        "OdysseyConnectionError",
        "OdysseyConnectionTimeoutError",
        "OdysseyError",
        "OdysseyNotFoundError",
        "OdysseyRequestError",
        "OdysseyStreamError",
        "OdysseyStreamTimeoutError",
        "OdysseyUnauthorizedError",
        "OdysseyUsageError",
        "RateLimitError",
        "SimulationFailedError",
        "SpectatorTokenError",
        "StreamDurationExceededError",
    ),
    "._base.secrets": ("Secret",),
    "._live.handlers": (
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
    ),
    "._live.live_capture": ("LiveCapture",),
    "._live.live_recording": ("LiveRecording",),
    "._model.config": ("AdvancedConfig", "ClientConfig", "IcePolicy", "VideoCodec"),
    "._model.credentials": ("ClientCredentials", "StreamerCapabilities"),
    "._model.events": (
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
    ),
    "._model.script": ("ImageInput", "InteractAction", "Script", "ScriptEntry", "StartAction"),
    "._model.simulation_job": ("SimulationJobDetail",),
    "._model.stats": ("SessionStats",),
    "._rest.download": ("Artifact", "OnProgress"),
    "._rest.event_log": ("iter_events", "read_event_log"),
    "._rest.job_updates": ("OnUpdate",),
    "._video.frame": ("VideoFrame",),
    "._video.frame_hub": ("FramePace",),
    "._video.frame_queue": ("FramePolicy",),
    ".client": ("Odyssey",),
    ".raw_response": ("RawCalls", "RawResponse"),
    ".session": ("Session",),
    ".spectator": ("SpectatorConnection", "connect_to_stream"),
    "odyssey_models": (
        "IceServer",
        "Recording",
        "SimulationJobInfo",
        "SimulationJobStatus",
        "SimulationJobsList",
        "SimulationStream",
        "StreamRecordingInfo",
        "StreamRecordingsList",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above, and find no other name
    __all__, __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF, ("__version__",))


logging.getLogger(__name__).addHandler(logging.NullHandler())
