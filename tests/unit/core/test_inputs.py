"""Inputs: their `repr` and their equality."""

from __future__ import annotations

import odyssey_models as wire

from odyssey_proto.core.inputs import Interact, Join, Start


def test_a_token_is_not_shown() -> None:
    session = wire.SessionResponse(session_id="s", signalling_url="ws://h")
    assert "secret" not in repr(Join(1, session, "secret", 60.0))


def test_the_encoded_message_is_neither_shown_nor_compared() -> None:
    update, start = (
        wire.Update(prompt="x"),
        wire.InteractiveStreamStart(prompt="x", portrait=True, broadcast=False),
    )
    for plain, encoded in (
        (Interact(1, update, 4), Interact(1, update, 4, "JSON")),
        (Start(1, start, 4), Start(1, start, 4, "JSON")),
    ):
        assert plain == encoded
        assert "JSON" not in repr(encoded)


def test_a_command_measures_its_message_in_bytes() -> None:
    text = '{"type":"update","prompt":"äh"}'
    assert Interact.of(7, wire.Update(prompt="äh")) == Interact(7, wire.Update(prompt="äh"), 32, text)
    assert Interact.of(7, wire.Update(prompt="äh")).text == text
    start = wire.InteractiveStreamStart(prompt="x", portrait=True, broadcast=False)
    made = Start.of(8, start)
    assert (made.call, made.message, made.size) == (8, start, len(made.text))
