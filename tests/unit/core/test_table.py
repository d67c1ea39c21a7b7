"""The typed tables, each as a whole; the tests of the machines cover what each row does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import pytest

from odyssey_proto.core import inputs
from odyssey_proto.core.machine import by_state
from odyssey_proto.core.session_machine import SESSION_TABLE, SessionState
from odyssey_proto.core.spectator_machine import SPECTATOR_TABLE, SpectatorState
from odyssey_proto.core.stream_machine import STREAM_TABLE, StreamState

if TYPE_CHECKING:
    from enum import Enum

    from odyssey_proto.core.machine import Row

TABLES: list[tuple[tuple[Row[Any], ...], type[Enum]]] = [
    (SESSION_TABLE, SessionState),
    (STREAM_TABLE, StreamState),
    (SPECTATOR_TABLE, SpectatorState),
]
each_table = pytest.mark.parametrize(("table", "states"), TABLES, ids=["session", "stream", "spectator"])


@each_table
def test_every_state_can_be_reached_and_every_row_with_it(table: tuple[Row[Any], ...], states: type[Enum]) -> None:
    reached = {next(iter(states))}
    while found := {row.target for row in table if row.target and reached & set(row.states)} - reached:
        reached |= found
    assert reached == set(states) == {state for row in table for state in row.states}


@each_table
def test_every_row_can_be_taken(table: tuple[Row[Any], ...], states: type[Enum]) -> None:
    for rows in by_state(table).values():
        assert all(row.guard for row in rows[:-1]), "of two rows without a guard the second can never be taken"


@each_table
def test_no_row_is_there_twice(table: tuple[Row[Any], ...], states: type[Enum]) -> None:
    keys = Counter((state, row.on, row.guard) for row in table for state in row.states)
    assert [key for key, times in keys.items() if times > 1] == []


@each_table
def test_a_row_names_states_of_its_own_machine(table: tuple[Row[Any], ...], states: type[Enum]) -> None:
    named = {state for row in table for state in (*row.states, row.target)} - {None}
    assert named <= set(states)


def test_every_occurrence_fault_and_moment_has_a_row_somewhere() -> None:
    known = {row.on for table, _ in TABLES for row in table}
    kinds = {*get_args(inputs.Occurrence), *get_args(inputs.Fault)} - {inputs.Received}
    assert kinds | set(inputs.Due) <= known


def test_every_command_that_is_answered_has_a_row_somewhere() -> None:
    known = {row.on for table, _ in TABLES for row in table}
    assert set(get_args(inputs.Command)) - {inputs.Abandon} <= known
