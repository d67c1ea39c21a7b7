"""Effects: their `repr` and their equality."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto.core.effects import OpenLink, SendChannel, SendSignaling


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(OpenLink(1, "s", "ws://h", 10.0, token="secret"))


def test_a_link_knows_its_addresses() -> None:
    plan = OpenLink(1, "s/1", "https://h/signaling/", 10.0)
    assert plan.config_url == "https://h/signaling/config"
    assert plan.websocket_url("a&b") == "wss://h/signaling/client/s%2F1?token=a%26b"


@pytest.mark.parametrize("address", ["ftp://h", "wss://"])
def test_an_address_that_is_none_is_reported(address: str) -> None:
    plan = OpenLink(1, "s", address, 10.0)
    with pytest.raises(MalformedMessageError):
        _ = plan.config_url
    with pytest.raises(MalformedMessageError):
        plan.websocket_url("token")


def test_the_encoded_message_is_neither_shown_nor_compared() -> None:
    start = wire.InteractiveStreamStart(prompt="x", portrait=True, broadcast=False)
    for plain, encoded in (
        (SendChannel(1, start), SendChannel(1, start, "JSON")),
        (SendSignaling(1, start), SendSignaling(1, start, "JSON")),
    ):
        assert plain == encoded
        assert "JSON" not in repr(encoded)
