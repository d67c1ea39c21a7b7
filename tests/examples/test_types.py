"""Documented signatures and types, as the pages have them, compared with those of the library."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NotRequired, Protocol, TypedDict

import attrs
import numpy as np
import pytest

import odyssey_proto
from odyssey_proto import (
    AdvancedConfig,
    ClientConfig,
    ConnectionStatus,
    Odyssey,
    OdysseyEventHandlers,
    SimulationJobStatus,
    StreamerCapabilities,
    VideoFrame,
)
from tests.support.documentation import example_of

if TYPE_CHECKING:
    from odyssey_proto import (
        BroadcastInfo,
        ClientCredentials,
        Recording,
        Session,
        SimulationJobDetail,
        SimulationJobInfo,
        SimulationJobsList,
        StreamRecordingsList,
    )
    from odyssey_proto._model.script import ImageInput

REQUIRED = inspect.Parameter.empty

# Name, type and default of each field, in the order of the page.
TYPES: dict[str, list[tuple[str, str, Any]]] = {
    "Recording": [
        ("stream_id", "str", REQUIRED),
        ("video_url", "str | None", REQUIRED),
        ("events_url", "str | None", REQUIRED),
        ("thumbnail_url", "str | None", REQUIRED),
        ("preview_url", "str | None", REQUIRED),
        ("frame_count", "int | None", REQUIRED),
        ("duration_seconds", "float | None", REQUIRED),
    ],
    "StreamRecordingInfo": [
        ("stream_id", "str", REQUIRED),
        ("width", "int", REQUIRED),
        ("height", "int", REQUIRED),
        ("started_at", "str", REQUIRED),
        ("ended_at", "str | None", REQUIRED),
        ("duration_seconds", "float | None", REQUIRED),
    ],
    "StreamRecordingsList": [
        ("recordings", "list[StreamRecordingInfo]", REQUIRED),
        ("total", "int", REQUIRED),
        ("limit", "int", REQUIRED),
        ("offset", "int", REQUIRED),
    ],
    "SimulationStream": [
        ("stream_id", "str", REQUIRED),
        ("video_url", "str | None", REQUIRED),
        ("events_url", "str | None", REQUIRED),
        ("thumbnail_url", "str | None", REQUIRED),
        ("preview_url", "str | None", REQUIRED),
        ("frame_count", "int | None", REQUIRED),
        ("duration_seconds", "float | None", REQUIRED),
        ("script_index", "int", REQUIRED),
    ],
    "SimulationJobInfo": [
        ("job_id", "str", REQUIRED),
        ("status", "str", REQUIRED),
        ("priority", "str", REQUIRED),
        ("created_at", "str", REQUIRED),
        ("completed_at", "str | None", REQUIRED),
        ("error_message", "str | None", REQUIRED),
    ],
    "SimulationJobDetail": [
        ("job_id", "str", REQUIRED),
        ("status", "SimulationJobStatus", REQUIRED),
        ("priority", "str", REQUIRED),
        ("created_at", "str", REQUIRED),
        ("dispatched_at", "str | None", REQUIRED),
        ("started_at", "str | None", REQUIRED),
        ("completed_at", "str | None", REQUIRED),
        ("error_message", "str | None", REQUIRED),
        ("assigned_region", "str | None", REQUIRED),
        ("retry_count", "int", REQUIRED),
        ("streams", "list[SimulationStream]", REQUIRED),
        ("estimated_wait_minutes", "float | None", REQUIRED),
    ],
    "SimulationJobsList": [
        ("jobs", "list[SimulationJobInfo]", REQUIRED),
        ("total", "int", REQUIRED),
        ("limit", "int", REQUIRED),
        ("offset", "int", REQUIRED),
    ],
    "BroadcastInfo": [
        ("webrtc_url", "str", REQUIRED),
        ("spectator_token", "str", REQUIRED),
        ("hls_url", "str | None", None),
    ],
    "StreamerCapabilities": [("image_to_video", "bool", False)],
    "ClientCredentials": [
        ("signaling_url", "str", REQUIRED),
        ("session_token", "str", REQUIRED),
        ("expires_in", "int", REQUIRED),
        ("capabilities", "StreamerCapabilities | None", None),
        ("session_id", "str", REQUIRED),
    ],
}


PUBLIC: Final[dict[str, object]] = {name: getattr(odyssey_proto, name) for name in odyssey_proto.__all__}


@pytest.mark.parametrize("name", TYPES)
@example_of("sdk/python/types", *TYPES)
def test_a_type_has_the_documented_fields(name: str) -> None:
    kind = getattr(odyssey_proto, name)
    ours, types, documented = attrs.fields(kind), typing.get_type_hints(kind), TYPES[name]
    assert [field.name for field in ours[: len(documented)]] == [field for field, _, _ in documented]
    for field, (_, written, default) in zip(ours, documented, strict=False):
        expected, found = eval(written, PUBLIC), types[field.name]
        # A documented string may be a member of a string enum.
        assert found == expected or (expected is str and issubclass(found, str)), field.name
        assert default in (REQUIRED, field.default), field.name
    # Additional fields are optional.
    assert all(field.default is not attrs.NOTHING or not field.init for field in ours[len(documented) :])


CONFIGURATIONS: dict[type, dict[str, Any]] = {
    ClientConfig: {
        "api_key": REQUIRED,
        "api_url": "https://api.odyssey.ml",
        "debug": False,
        "advanced": AdvancedConfig(),
    },
    AdvancedConfig: {
        "max_retries": 5,
        "initial_retry_delay_ms": 1000,
        "max_retry_delay_ms": 2000,
        "retry_backoff_multiplier": 2.0,
        "queue_timeout_s": 30,
    },
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
@example_of("sdk/python/types", "ClientConfig", "AdvancedConfig")
def test_a_configuration_has_the_documented_fields(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_URL", raising=False)
    documented = CONFIGURATIONS[kind]
    made = kind("ody_your_api_key_here") if kind is ClientConfig else kind()
    for name, default in documented.items():
        assert getattr(made, name) == ("ody_your_api_key_here" if default is REQUIRED else default), name
    in_order = kind(*[getattr(made, name) for name in documented])  # by position, as for a dataclass
    assert in_order == made


@example_of("sdk/python/types", "VideoFrame")
def test_a_frame_has_the_documented_properties() -> None:
    pixels = np.arange(704 * 1280 * 3, dtype=np.uint8).reshape(704, 1280, 3)
    frame = VideoFrame.from_ndarray(pixels, timestamp_ms=50)
    assert frame.data.dtype == np.uint8
    assert frame.data.shape == (704, 1280, 3)
    assert np.array_equal(frame.data, pixels)
    assert (frame.width, frame.height, frame.timestamp_ms) == (1280, 704, 50)
    for name in ("data", "width", "height", "timestamp_ms", "another"):  # "frozen=True, slots=True"
        with pytest.raises(AttributeError):
            setattr(frame, name, 1)


@example_of("sdk/python/types", "ConnectionStatus")
def test_the_statuses_are_the_documented_ones() -> None:
    assert {status.name: status.value for status in ConnectionStatus} == {
        "AUTHENTICATING": "authenticating",
        "CONNECTING": "connecting",
        "RECONNECTING": "reconnecting",
        "CONNECTED": "connected",
        "DISCONNECTED": "disconnected",
        "FAILED": "failed",
    }
    assert issubclass(ConnectionStatus, str)


BASES = {
    "OdysseyError": Exception,
    "OdysseyAuthError": odyssey_proto.OdysseyError,
    "OdysseyConnectionError": odyssey_proto.OdysseyError,
    "OdysseyStreamError": odyssey_proto.OdysseyError,
}


@pytest.mark.parametrize("name", BASES)
@example_of("sdk/python/types", *BASES)
def test_an_exception_has_the_documented_base(name: str) -> None:
    kind = getattr(odyssey_proto, name)
    assert kind.__bases__[0] is BASES[name]
    assert str(kind("What happened")) == "What happened"
    others = [getattr(odyssey_proto, other) for other in BASES if other not in ("OdysseyError", name)]
    assert not issubclass(kind, tuple(others))


@example_of("sdk/javascript/types", "OdysseyEventHandlers")
def test_there_are_the_documented_handlers() -> None:
    named = {field.name for field in attrs.fields(OdysseyEventHandlers)}
    assert named == {
        "on_connected",
        "on_disconnected",
        "on_stream_started",
        "on_stream_ended",
        "on_interact_acknowledged",
        "on_stream_error",
        "on_error",
        "on_status_change",
        "on_broadcast_ready",
        "on_video_frame",  # instead of the MediaStream that on_connected gets in JavaScript
    }
    assert all(field.default is None for field in attrs.fields(OdysseyEventHandlers))


def test_a_status_is_a_string() -> None:
    assert issubclass(SimulationJobStatus, str)
    assert f"{SimulationJobStatus.PENDING}" == "pending"


def test_capabilities_need_no_names() -> None:
    assert StreamerCapabilities(True).to_dict() == {"image_to_video": True}


# --- scripts, as the pages write their types


class StartAction(TypedDict):
    prompt: str
    image: NotRequired[str | bytes]  # Optional image for image-to-video


class InteractAction(TypedDict):
    prompt: str


class ScriptEntry(TypedDict):
    timestamp_ms: int  # When this action occurs (milliseconds from start)
    start: NotRequired[StartAction]  # Begin a new stream
    interact: NotRequired[InteractAction]  # Send an interaction
    end: NotRequired[dict[str, Any]]  # End the stream (empty dict)


@pytest.mark.parametrize("documented", [StartAction, InteractAction, ScriptEntry])
@example_of("sdk/python/types", "ScriptEntry")
@example_of("sdk/python/simulations", "Script Format")
def test_a_script_entry_is_typed_as_documented(documented: Any) -> None:
    ours = getattr(odyssey_proto, documented.__name__)
    assert typing.is_typeddict(ours)
    assert ours.__required_keys__ == documented.__required_keys__
    assert ours.__optional_keys__ == documented.__optional_keys__


# --- methods, as the client page writes them, without `async`


class Documented(Protocol):
    # The page says `None`; this library returns the session.
    def connect(
        self,
        on_connected: Callable[[], None] | None = None,
        on_disconnected: Callable[[], None] | None = None,
        on_video_frame: Callable[[VideoFrame], None] | None = None,
        on_stream_started: Callable[[str], None] | None = None,
        on_stream_ended: Callable[[], None] | None = None,
        on_interact_acknowledged: Callable[[str], None] | None = None,
        on_stream_error: Callable[[str, str], None] | None = None,
        on_error: Callable[[Exception, bool], None] | None = None,
        on_status_change: Callable[[ConnectionStatus, str | None], None] | None = None,
        on_broadcast_ready: Callable[[BroadcastInfo], None] | None = None,
    ) -> Session: ...

    def connect_with_credentials(
        self,
        credentials: ClientCredentials,
        on_connected: Callable[[], None] | None = None,
        on_disconnected: Callable[[], None] | None = None,
        on_video_frame: Callable[[VideoFrame], None] | None = None,
        on_stream_started: Callable[[str], None] | None = None,
        on_stream_ended: Callable[[], None] | None = None,
        on_interact_acknowledged: Callable[[str], None] | None = None,
        on_stream_error: Callable[[str, str], None] | None = None,
        on_error: Callable[[Exception, bool], None] | None = None,
        on_status_change: Callable[[ConnectionStatus, str | None], None] | None = None,
        on_broadcast_ready: Callable[[BroadcastInfo], None] | None = None,
    ) -> Session: ...

    def disconnect(self) -> None: ...

    def start_stream(
        self,
        prompt: str = "",
        portrait: bool = True,
        image: ImageInput | None = None,
        image_path: str | None = None,
        bypass_prompt_expansion: bool | None = None,
        broadcast: bool = False,
    ) -> str: ...

    def interact(self, prompt: str) -> str: ...

    def end_stream(self) -> None: ...

    def create_client_credentials(self) -> ClientCredentials: ...

    def get_recording(self, stream_id: str) -> Recording: ...

    def list_stream_recordings(
        self, limit: int | None = None, offset: int | None = None
    ) -> StreamRecordingsList: ...

    def simulate(
        self,
        *,
        script: list[dict[str, Any]] | None = None,
        scripts: list[list[dict[str, Any]]] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
    ) -> SimulationJobDetail: ...

    def get_simulate_status(self, job_id: str) -> SimulationJobDetail: ...

    def list_simulations(
        self,
        *,
        status: SimulationJobStatus | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> SimulationJobsList: ...

    def cancel_simulation(self, job_id: str) -> SimulationJobInfo: ...


METHODS = [name for name in vars(Documented) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_documented_signature(name: str) -> None:
    documented = inspect.signature(getattr(Documented, name))
    ours = inspect.signature(getattr(Odyssey, name))

    def shown(signature: inspect.Signature, names: Any) -> list[tuple[str, object, object]]:
        of = signature.parameters
        return [(each, of[each].kind, of[each].default) for each in names]

    assert shown(ours, documented.parameters) == shown(documented, documented.parameters)
    returned = typing.get_type_hints(getattr(Odyssey, name))["return"]
    assert getattr(returned, "__name__", "None").replace("NoneType", "None") == documented.return_annotation
    beyond = [of for each, of in ours.parameters.items() if each not in documented.parameters]
    assert all(of.kind is inspect.Parameter.KEYWORD_ONLY and of.default is not REQUIRED for of in beyond)


HANDLERS: dict[str, Any] = {
    "ConnectedCallback": Callable[[], None],
    "DisconnectedCallback": Callable[[], None],
    "VideoFrameCallback": Callable[[VideoFrame], None],
    "StreamStartedCallback": Callable[[str], None],
    "StreamEndedCallback": Callable[[], None],
    "InteractAcknowledgedCallback": Callable[[str], None],
    "StreamErrorCallback": Callable[[str, str], None],
    "ErrorCallback": Callable[[Exception, bool], None],
    "StatusChangeCallback": Callable[[ConnectionStatus, str | None], None],
    "BroadcastReadyCallback": Callable[[odyssey_proto.BroadcastInfo], None],
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_typed_as_documented(name: str) -> None:
    ours = getattr(odyssey_proto, name)
    assert ours == HANDLERS[name]


@pytest.mark.parametrize(("name", "kind"), [("is_connected", bool), ("current_status", ConnectionStatus)])
def test_a_property_is_typed_as_documented(name: str, kind: type) -> None:
    of = vars(Odyssey)[name]
    assert isinstance(of, property)
    assert of.fget is not None
    assert typing.get_type_hints(of.fget)["return"] is kind
