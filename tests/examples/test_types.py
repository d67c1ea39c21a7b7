"""Documented signatures and types, as the pages write them, beside what the library has under these names."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

import attrs
import pytest

import odyssey_proto
from odyssey_proto import Odyssey, SimulationJobStatus, StreamerCapabilities
from tests.examples.documentation import example_of

if TYPE_CHECKING:
    from odyssey_proto import (
        ClientCredentials,
        Recording,
        SimulationJobDetail,
        SimulationJobInfo,
        SimulationJobsList,
        StreamRecordingsList,
    )

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
    "StreamerCapabilities": [("image_to_video", "bool", False)],
    "ClientCredentials": [
        ("signaling_url", "str", REQUIRED),
        ("session_token", "str", REQUIRED),
        ("expires_in", "int", REQUIRED),
        ("capabilities", "StreamerCapabilities | None", None),
        ("session_id", "str", REQUIRED),
    ],
}


@pytest.mark.parametrize("name", TYPES)
@example_of("sdk/python/types", *TYPES)
def test_a_type_has_the_documented_fields(name: str) -> None:
    kind = getattr(odyssey_proto, name)
    ours, types, documented = attrs.fields(kind), typing.get_type_hints(kind), TYPES[name]
    assert [field.name for field in ours[: len(documented)]] == [field for field, _, _ in documented]
    for field, (_, written, default) in zip(ours, documented, strict=False):
        expected, found = eval(written, vars(odyssey_proto)), types[field.name]
        # A string may be one of an enum of strings.
        assert found == expected or (expected is str and issubclass(found, str)), field.name
        assert default in (REQUIRED, field.default), field.name
    # What is there beyond them need not be given.
    assert all(field.default is not attrs.NOTHING or not field.init for field in ours[len(documented) :])


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
    assert ours.return_annotation == documented.return_annotation
    beyond = [of for each, of in ours.parameters.items() if each not in documented.parameters]
    assert all(of.kind is inspect.Parameter.KEYWORD_ONLY and of.default is not REQUIRED for of in beyond)
