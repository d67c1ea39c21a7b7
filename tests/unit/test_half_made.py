"""Objects whose ``__init__`` did not run to its end: debuggers show them, and the end of a ``with`` ends them."""

from __future__ import annotations

import contextlib
import enum
import inspect
from typing import TYPE_CHECKING, Any

import odyssey_models
import pytest

import odyssey_proto
from odyssey_proto import (
    LiveRecording,
    Odyssey,
    OdysseyConfigError,
    Session,
    SpectatorConnection,
    conformance,
    core,
)
from odyssey_proto import emulator as emulators
from odyssey_proto.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path


def public_classes() -> list[type[Any]]:
    modules = (odyssey_proto, odyssey_models, core, conformance, emulators)
    found = [getattr(module, name) for module in modules for name in module.__all__]
    classes = {each for each in found if inspect.isclass(each) and not issubclass(each, enum.Enum)}
    return sorted(classes, key=lambda each: f"{each.__module__}.{each.__qualname__}")


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_an_object_that_was_never_made_can_be_shown(cls: type[Any]) -> None:
    try:
        half_made = cls.__new__(cls)
    except TypeError:
        pytest.skip("it cannot be made without its arguments")
    assert repr(half_made)
    assert isinstance(str(half_made), str)


@pytest.mark.parametrize(
    ("cls", "end"),
    [
        (Odyssey, "close"),
        (Session, "disconnect"),
        (SpectatorConnection, "disconnect"),
        (LiveRecording, "close"),
        (Emulator, "stop"),
    ],
)
def test_an_object_that_was_never_made_can_be_ended(cls: type[Any], end: str) -> None:
    half_made = cls.__new__(cls)
    getattr(half_made, end)()
    with contextlib.ExitStack() as stack:
        stack.push(half_made)  # as at the end of a `with`


def test_an_object_that_could_not_be_made_can_be_shown_and_ended(tmp_path: Path) -> None:
    client = Odyssey.__new__(Odyssey)
    with pytest.raises(OdysseyConfigError):
        client.__init__("ody_key", api_url="nowhere")  # type: ignore[misc]
    assert repr(client) == "<Odyssey, not initialised>"
    client.close()
