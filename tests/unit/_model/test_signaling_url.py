"""Addresses of signaling servers."""

from __future__ import annotations

import pytest

from odyssey_proto._base.errors import MalformedMessageError
from odyssey_proto._model.signaling_url import config_url, normalise_url


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("wss://eu.example/s", "wss://eu.example/s"),
        ("wss://eu.example/s/", "wss://eu.example/s"),
        ("ws://eu.example:8080", "ws://eu.example:8080"),
        ("https://eu.example/", "wss://eu.example"),
        ("http://eu.example/a/b//", "ws://eu.example/a/b"),
        ("HTTPS://eu.example", "wss://eu.example"),
        ("https://eu.example/?", "wss://eu.example"),
        ("https://eu.example/s/#", "wss://eu.example/s"),
        (" wss://eu.example \n", "wss://eu.example"),
        ("eu.example", "wss://eu.example"),
        ("eu.example:8443/s", "wss://eu.example:8443/s"),
        ("//eu.example/s", "wss://eu.example/s"),
        ("localhost:8000", "ws://localhost:8000"),
        ("127.0.0.1:8000/s", "ws://127.0.0.1:8000/s"),
        ("[::1]:8000", "ws://[::1]:8000"),
    ],
)
def test_a_signaling_address_is_normalised(url: str, normal: str) -> None:
    assert normalise_url(url) == normal
    assert normalise_url(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "ftp://eu.example",
        "wss://",
        "wss:///path",
        "wss://user:SECRET@eu.example",
        "user:SECRET@eu.example",
        "wss://eu.example/s?token=SECRET",
        "wss://eu.example/s#SECRET",
        "wss://eu.example:port",
        "wss://eu.example:99999",
        "wss://[::1",
        "wss://eu example",
        "wss://eu.example/\r\nX: y",
        "wss://eu.example/\x00",
    ],
)
def test_an_invalid_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        normalise_url(url)
    assert "SECRET" not in str(caught.value)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("url", "config"),
    [
        ("wss://eu.example/s/", "https://eu.example/s/config"),
        ("ws://127.0.0.1:8000", "http://127.0.0.1:8000/config"),
        ("localhost:8000", "http://localhost:8000/config"),
    ],
)
def test_the_ice_servers_are_served_beside_the_websocket(url: str, config: str) -> None:
    assert config_url(url) == config
