"""Public objects: their paths, their types, and the modules that are loaded when they are inspected."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import traceback
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Any

import attrs
import cattrs
import pytest

import odyssey_proto
from odyssey_proto import (
    BroadcastInfo,
    BroadcastReady,
    ConnectionStatus,
    ErrorOccurred,
    GapEvent,
    InteractAcknowledged,
    LinkProblem,
    LinkQuality,
    LinkQualityChanged,
    OdysseyAuthError,
    OdysseyStreamError,
    StatusChanged,
    StreamEnded,
    StreamFailed,
    StreamStarted,
    VideoPaused,
    conformance,
    core,
    emulator,
)
from tests.support.cases import every

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = (odyssey_proto, core, emulator, conformance)
INFO = BroadcastInfo("https://live.example.org/s", "hush")
ERROR = OdysseyStreamError("It broke", code="broken", recoverable=True)
EVENTS = [
    StatusChanged(status=ConnectionStatus.FAILED, message="why", at=1.0),
    StreamStarted(stream_id="st-1", applied_prompt=None, at=1.0),
    InteractAcknowledged(prompt="It rains", at=1.0),
    BroadcastReady(info=INFO, at=1.0),
    StreamEnded(at=1.0),
    StreamEnded(error=ERROR, at=1.0),
    StreamFailed(reason="moderation", message="no", ends_stream=True, at=1.0),
    GapEvent(seconds=1.0, frames_missed=20, at=1.0),
    VideoPaused(seconds=1.0, at=1.0),
    LinkQualityChanged(
        quality=LinkQuality.BAD, problems=(LinkProblem.LOSS, LinkProblem.FREEZES), loss=0.2, frozen_s=2.5, at=1.0
    ),
    ErrorOccurred(error=ERROR, fatal=True, at=1.0),
]
every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)


def things(package: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in package.__all__:
        yield f"{package.__name__}.{name}", getattr(package, name)


CLASSES: dict[str, Any] = {
    name: thing for package in PACKAGES for name, thing in things(package) if inspect.isclass(thing)
}
FUNCTIONS: dict[str, Any] = {
    name: thing for package in PACKAGES for name, thing in things(package) if inspect.isfunction(thing)
}
PUBLIC: dict[str, Any] = {**CLASSES, **FUNCTIONS}
CALLABLES: dict[str, Any] = dict(FUNCTIONS)
for name, cls in CLASSES.items():
    for member, value in inspect.getmembers_static(cls):
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and (member == "__init__" or not member.startswith("_")):
            CALLABLES[f"{name}.{member}"] = function


@every("name", PUBLIC)
def test_a_public_object_says_that_it_is_from_where_users_import_it(name: str) -> None:
    thing = PUBLIC[name]
    if thing.__module__.split(".")[0] != "odyssey_models":  # a public package of its own
        # Events are in the core's package too, and one function has an older name.
        assert f"{thing.__module__}.{thing.__qualname__}" in PUBLIC
        assert thing.__module__ in (name.rpartition(".")[0], "odyssey_proto")


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
@every("name", PUBLIC)
def test_a_public_object_is_pickled_by_that_path(name: str, protocol: int) -> None:
    thing = PUBLIC[name]
    assert pickle.loads(pickle.dumps(thing, protocol)) is thing


def test_a_traceback_shows_the_public_path() -> None:
    lines = traceback.format_exception_only(OdysseyAuthError("no"))
    assert lines == ["odyssey_proto.OdysseyAuthError: no\n"]


@every_event
def test_an_event_survives_pickling_and_copying(event: Any) -> None:
    for other in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
        assert repr(other) == repr(event)


@every_event
def test_cattrs_takes_an_event_apart(event: Any) -> None:
    assert set(cattrs.unstructure(event)) == {field.name for field in attrs.fields(type(event))}


def test_the_source_of_a_public_function_is_found() -> None:
    for function in (
        odyssey_proto.connect_to_stream,
        odyssey_proto.Odyssey.connect,
        odyssey_proto.Session.interact,
    ):
        assert f"def {function.__name__}(" in inspect.getsource(function)


# --- types


@every("name", CLASSES)
def test_the_types_of_a_class_can_be_had(name: str) -> None:
    typing.get_type_hints(CLASSES[name])
    if attrs.has(CLASSES[name]):
        attrs.resolve_types(CLASSES[name])
        assert not [field.name for field in attrs.fields(CLASSES[name]) if isinstance(field.type, str)]


@every("name", CALLABLES)
def test_the_types_of_a_call_can_be_had(name: str) -> None:
    typing.get_type_hints(CALLABLES[name])


def test_types_cost_nothing_until_they_are_asked_for() -> None:
    code = (
        "import sys; from odyssey_proto import *\n"
        "print({'numpy', 'av', 'PIL', 'aiortc'} & set(sys.modules))\n"
        "import typing; print(typing.get_type_hints(VideoFrame.data.fget)['return'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "set()"
    assert "uint8" in done.stdout.splitlines()[1]


NOT_MADE_BY_USERS = {
    f"odyssey_proto.{name}.__init__" for name in ("LiveCapture", "LiveRecording", "Session", "SpectatorConnection")
}
OF_USERS = [name for name in {**CLASSES, **CALLABLES} if "emulator" not in name and name not in NOT_MADE_BY_USERS]


def named(annotation: object) -> Iterator[Any]:
    """Yield the classes that an annotation names, nested ones included."""
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from (each for part in (inner if isinstance(inner, list) else [inner]) for each in named(part))


@every("name", OF_USERS)
def test_a_type_that_a_public_annotation_names_can_be_imported(name: str) -> None:
    thing = {**CLASSES, **CALLABLES}[name]
    for hint in typing.get_type_hints(thing).values():
        for kind in named(hint):
            private = kind.__module__.startswith("odyssey_proto.") and "._" in kind.__module__
            assert not private or kind.__name__ in ("_Array", "_Pixels"), kind
