"""Effects: their `repr` and their equality."""

from __future__ import annotations

import odyssey_models as wire

from odyssey_proto.core.effects import OpenLink, SendChannel, SendSignaling


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(OpenLink(1, "s", "ws://h", 10.0, token="secret"))


def test_the_encoded_message_is_neither_shown_nor_compared() -> None:
    start = wire.InteractiveStreamStart(prompt="x", portrait=True, broadcast=False)
    for plain, encoded in (
        (SendChannel(1, start), SendChannel(1, start, "JSON")),
        (SendSignaling(1, start), SendSignaling(1, start, "JSON")),
    ):
        assert plain == encoded
        assert "JSON" not in repr(encoded)
