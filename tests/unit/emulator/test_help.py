"""`help` on the emulator names every setting, step and action; and so do the types for type checkers."""

from __future__ import annotations

import pydoc
import typing

import attrs
import pytest

from odyssey_proto.emulator import EmulatorConfig, EmulatorSettings, Fault
from odyssey_proto.emulator._faults.script import _ACTIONS, Action, Step


def shown(thing: object) -> str:
    return " ".join(pydoc.render_doc(thing, renderer=pydoc.plaintext).replace("|", " ").split())


@pytest.mark.parametrize("step", typing.get_args(Step))
def test_help_names_a_step(step: str) -> None:
    assert f"``{step}``" in shown(Fault)


@pytest.mark.parametrize("action", typing.get_args(Action))
def test_help_says_what_an_action_does(action: str) -> None:
    assert f"``{action}``: " in shown(Fault)


def test_steps_and_actions_are_those_that_type_checkers_know() -> None:
    assert set(typing.get_args(Step)) == set(_ACTIONS)
    assert set(typing.get_args(Action)) == set().union(*_ACTIONS.values())


def test_settings_are_those_that_type_checkers_know() -> None:
    assert set(typing.get_type_hints(EmulatorSettings)) == {field.name for field in attrs.fields(EmulatorConfig)}


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(EmulatorConfig)])
def test_help_says_what_a_setting_means(name: str) -> None:
    lines = pydoc.render_doc(EmulatorConfig, renderer=pydoc.plaintext).splitlines()
    at = lines.index(f" |  {name}")
    assert lines[at + 1].strip(" |")
