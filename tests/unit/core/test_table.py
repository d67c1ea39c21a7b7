"""The table of transitions, as a whole; what each row does is tested in test_protocol."""

from __future__ import annotations

from typing import get_args

from odyssey_proto.core import inputs
from odyssey_proto.core.protocol import Protocol
from odyssey_proto.core.table import ROWS, TABLE


def test_every_row_names_real_methods() -> None:
    for row in TABLE:
        assert callable(getattr(Protocol, row.action))
        assert row.guard is None or callable(getattr(Protocol, row.guard))


def test_every_row_can_be_taken() -> None:
    for rows in ROWS.values():
        assert all(row.guard for row in rows[:-1]), "of two rows without a guard the second can never be taken"


def test_every_occurrence_and_moment_has_a_row_somewhere() -> None:
    known = {key for _, key in ROWS}
    told = {kind for kind in get_args(inputs.Occurrence) if kind is not inputs.Received}
    assert told | set(inputs.Due) <= known
