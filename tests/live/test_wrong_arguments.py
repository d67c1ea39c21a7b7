"""Every wrong argument of every public call: a typed error in one line, and nothing is sent.

The calls and their parameters are found by introspection; `wrong_arguments` has the wrong values for each.
The calls are made on a connected client and its session with a running stream, so that only the
argument prevents sending. The emulator counts the requests that arrive.
"""

from __future__ import annotations

import enum
import inspect
import warnings
from types import FunctionType
from typing import TYPE_CHECKING, Any, get_args

import attrs
import numpy as np
import pytest

import odyssey_proto
from odyssey_proto import (
    AdvancedConfig,
    BroadcastInfo,
    Event,
    Odyssey,
    OdysseyAuthError,
    OdysseyError,
    Session,
    SpectatorConnection,
    VideoFrame,
    emulator,
)
from odyssey_proto.emulator._config import EmulatorConfig
from odyssey_proto.emulator._faults.script import FaultScript
from odyssey_proto.emulator._server import Emulator
from tests.support.cases import every, run_all
from tests.support.wrong_arguments import CALLS, NOT_CALLED, lacking, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from odyssey_proto.emulator._faults.script import Fault

NAMED_OTHERWISE = {
    "attempt": "only numbers can be compared, says Python",
    "data": "what is wrong in it is named",
    "faults": "it is one of several",
    "image_path": "the file is named",
    "info": "what is wrong in it is named",
    "path": "the file is named",
}
OF_FILES = ("image_path", "path")  # but a TypeError, for which there is no file, names the parameter
BY_ITSELF = ("keepalive", "media")  # steps that happen without a call


# --- finding the calls


def public_calls() -> dict[str, list[str]]:
    """Return everything that users can call, by its dotted name, with the names of its parameters."""
    things = {name: getattr(module, name) for module in (odyssey_proto, emulator) for name in module.__all__}
    found: dict[str, list[str]] = {}
    for name, thing in things.items():
        if inspect.isfunction(thing):
            found[name] = parameters(thing)
        elif inspect.isclass(thing) and thing.__module__.startswith("odyssey_proto") and not is_plain(thing):
            if getattr(thing, "_is_protocol", False):
                continue  # the user writes it, and the emulator calls it
            if name not in NOT_CALLED:
                found[name] = parameters(thing)
            for method, value in inspect.getmembers_static(thing):
                if not method.startswith("_") and isinstance(value, FunctionType | classmethod | staticmethod):
                    found[f"{name}.{method}"] = parameters(getattr(thing, method))
    return {name: names for name, names in found.items() if names}


def is_plain(cls: type) -> bool:
    """Return whether users do not call this class: an error, enum, string, dict for type checkers, or event."""
    return issubclass(cls, BaseException | enum.Enum | dict | str) or cls in (BroadcastInfo, *get_args(Event))


def parameters(call: Callable[..., Any]) -> list[str]:
    """Return the parameters of ``call``; in place of ``**settings``, the names of the settings."""
    names: list[str] = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            names += attrs.fields_dict(EmulatorConfig)
        elif parameter.name != "self" and not parameter.name.startswith("_"):
            names.append(parameter.name)
    return names


def named(value: object) -> str:
    try:
        return f"{value!r:.24}"
    except ValueError:
        return "more digits than Python shows"


PUBLIC = public_calls()


@every("name", PUBLIC)
def test_something_is_wrong_for_every_parameter_of_every_public_call(name: str) -> None:
    assert lacking(name, PUBLIC[name]) == [], "say in tests/support/wrong_arguments.py what cannot work"


def test_the_table_has_no_call_and_no_parameter_that_is_not_there() -> None:
    assert set(CALLS) - set(PUBLIC) == set()
    for name, call in CALLS.items():
        assert {*call.works, *call.wrong, *call.never_wrong} - set(PUBLIC[name]) == set(), name


def test_what_is_not_called_is_there() -> None:
    things = {**vars(emulator), **{name: getattr(odyssey_proto, name) for name in odyssey_proto.__all__}}
    assert [name for name in NOT_CALLED if not inspect.isclass(things.get(name))] == []


# --- making the calls


class Counting(FaultScript):
    """A fault script without faults, which records every step of the emulator."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def take(self, step: str) -> Fault | None:
        if step not in BY_ITSELF:
            self.steps.append(step)
        return super().take(step)


@attrs.frozen
class Rig:
    client: Odyssey
    session: Session
    spectator: SpectatorConnection
    heard: Counting

    def find(self, name: str) -> Callable[..., Any]:
        """Return the callable with this dotted name."""
        subjects: dict[str, Any] = {
            "Odyssey": self.client,
            "Session": self.session,
            "SpectatorConnection": self.spectator,
            "VideoFrame": VideoFrame.from_ndarray(np.zeros((2, 2, 3), np.uint8)),
            "AdvancedConfig": AdvancedConfig(),
            "Emulator": Emulator(),
            "FaultScript": FaultScript(),
        }
        owner, _, method = name.partition(".")
        thing: Any = getattr(odyssey_proto, owner, None) or getattr(emulator, owner)
        call: Callable[..., Any] = getattr(subjects.get(owner, thing), method) if method else thing
        return call


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    heard = Counting()
    service = Emulator(fps=1, simulation_workers=0, record=False, size=(512, 64))
    service.faults = heard
    with (
        service,
        # Without reconnecting, it prepares no second link if a busy machine stalls the first: that takes calls.
        Odyssey(service.api_key, api_url=service.api_url, reconnect=False) as client,
        client.connect() as session,
    ):
        session.start_stream("A cat", broadcast=True)
        spectator = client.watch(session.wait_for_broadcast())
        heard.steps.clear()
        yield Rig(client, session, spectator, heard)
        session.end_stream()  # everything sent before this call has been received by now
        assert heard.steps == ["stream end"]


def call_with(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # `image_path`
        if "faults" in arguments:
            call(arguments["faults"])
        else:
            call(**arguments)


def refuses(call: Callable[..., Any], arguments: dict[str, Any], error: type[Exception]) -> Exception:
    """Assert that ``call`` refuses these ``arguments`` with an error of one line."""
    with pytest.raises(error) as caught:
        call_with(call, arguments)
    assert type(caught.value) is error
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_what_fits_is_heard(rig: Rig) -> None:
    rig.session.interact("It runs")
    with pytest.raises(OdysseyError):
        rig.client.get_recording("unknown")
    assert rig.heard.steps == ["stream update", "GET /recordings/{stream_id}"]  # the client already has a token
    rig.heard.steps.clear()


@pytest.mark.parametrize("name", [name for name, names in PUBLIC.items() if rows_of(name, names)])
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def check(row: tuple[dict[str, Any], type[Exception], str | None]) -> None:
        arguments, error, parameter = row
        text = str(refuses(rig.find(name), arguments, error))
        is_exempt = parameter in NAMED_OTHERWISE and not (error is TypeError and parameter in OF_FILES)
        assert parameter is None or parameter in text or is_exempt
        assert rig.heard.steps == []
        assert list(tmp_path.iterdir()) == []

    monkeypatch.chdir(tmp_path)
    rows = rows_of(name, PUBLIC[name])
    run_all(check, ((f"{row[2] or 'together'}-{named(row[0].get(row[2] or ''))}", row) for row in rows))


@pytest.mark.parametrize("name", list(vars(Odyssey("ody_key").with_raw_response)))
def test_a_call_with_its_raw_response_refuses_the_same(rig: Rig, name: str) -> None:
    call = getattr(rig.client.with_raw_response, name)
    for arguments, error, _ in rows_of(f"Odyssey.{name}", PUBLIC[f"Odyssey.{name}"]):
        refuses(call, arguments, error)
    assert rig.heard.steps == []


@pytest.mark.parametrize("key", [None, "", "  ", "ody_with blank", "ody_\n", "ody_ü"])
def test_without_a_usable_key_nothing_is_sent(rig: Rig, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    calls = ["connect", "create_client_credentials", *vars(rig.client.with_raw_response)]
    with Odyssey(key, api_url=rig.client.config.api_url) as client:
        for name in calls:
            with pytest.raises(OdysseyAuthError) as caught:
                getattr(client, name)(**CALLS[f"Odyssey.{name}"].works)
            assert caught.value.code in ("missing_api_key", "malformed_api_key")
    assert rig.heard.steps == []
