"""Calls that take handlers show each handler in their signature."""

from __future__ import annotations

import inspect
import typing

import attrs
import pytest

from odyssey_proto import EventHandlers, Odyssey, OdysseyEventHandlers
from odyssey_proto._live.handler_signature import HANDLER_NAMES


def test_the_handlers_are_those_of_the_type_in_its_order() -> None:
    assert tuple(field.name for field in attrs.fields(OdysseyEventHandlers)) == HANDLER_NAMES
    assert tuple(EventHandlers.__annotations__) == HANDLER_NAMES


@pytest.mark.parametrize("call", [Odyssey.connect, Odyssey.connect_with_credentials])
def test_a_signature_has_every_handler_with_its_type(call: typing.Any) -> None:
    import odyssey_proto

    parameters = inspect.signature(call).parameters
    types = typing.get_type_hints(OdysseyEventHandlers)
    shown = {name: eval(parameters[name].annotation, {"odyssey_proto": odyssey_proto}) for name in HANDLER_NAMES}
    assert shown == {name: types[name] for name in HANDLER_NAMES}
    assert list(parameters)[-1] == "timeout"
