"""Every message of the spec is handled: one of the service has a row, and each side makes what it may send.

Without these tests, a new message would be ignored, or never sent, and nothing would fail. mypy checks
that the emulator hears every message (`assert_never`).
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, get_args

import odyssey_models as wire
import pytest

import odyssey_proto
from odyssey_proto.core.session_machine import SESSION_ROWS, SESSION_TABLE, SessionState
from odyssey_proto.core.stream_machine import STREAM_TABLE

PACKAGE = Path(odyssey_proto.__file__).parent


def members(*unions: Any) -> list[type]:
    return list(dict.fromkeys(kind for union in unions for kind in get_args(union)))


def made_by(*, emulator: bool) -> frozenset[str]:
    """Return the names of all functions and classes that the emulator's code calls, or all other code."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if ("emulator" in path.relative_to(PACKAGE).parts) is not emulator:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
                    found.add(name)
    return frozenset(found)


@pytest.mark.parametrize("kind", members(wire.SignalingServerMessage, wire.DataChannelStreamerMessage))
def test_a_message_of_the_service_has_a_row(kind: type) -> None:
    assert kind in {row.on for row in (*SESSION_TABLE, *STREAM_TABLE)}


@pytest.mark.parametrize("kind", members(wire.DataChannelStreamerMessage))
@pytest.mark.parametrize("state", [SessionState.CONNECTING, SessionState.RECONNECTING])
def test_a_message_of_the_streamer_is_kept_until_the_connection_is_complete(
    kind: type, state: SessionState
) -> None:
    assert [row.action.__name__ for row in SESSION_ROWS[state, kind]] == ["hold_report"]


def test_the_client_makes_each_message_that_it_may_send() -> None:
    may_send = {kind.__name__ for kind in members(wire.SignalingClientMessage, wire.DataChannelClientMessage)}
    assert may_send - made_by(emulator=False) == set()


def test_the_emulator_makes_each_message_of_the_service() -> None:
    service = {kind.__name__ for kind in members(wire.SignalingServerMessage, wire.DataChannelStreamerMessage)}
    assert service - made_by(emulator=True) == set()
