"""Host names and origins: all spellings of one have the same form."""

from __future__ import annotations

import pytest

from odyssey_proto._base.hosts import host_named, is_loopback, origin_named


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("my_service", "my_service"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", None),
        (".", None),
        ("a..b", None),
        ("a.b..", None),
        ("-a", None),
        ("a b", None),
        ("a/b", None),
        ("a@b", None),
        ("a:80", None),
        ("[a]", None),
        ("[::1", None),
        ("fe80::1%eth0", None),
        ("é.example", None),
        ("a" * 254, None),
    ],
)
def test_a_host_has_one_form(text: str, name: str | None) -> None:
    assert host_named(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.org:80", "example.org"),
        ("example.org:", "example.org"),
        ("[::1]:80", "::1"),
        ("::1", None),
        ("[::1]80", None),
        ("example.org:65536", None),
        ("example.org:-1", None),
        ("example.org:٣", None),
        (":80", None),
    ],
)
def test_a_port_may_follow_a_host(text: str, name: str | None) -> None:
    assert host_named(text, port=True) == name


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("null", "null"),
        ("HTTPS://Example.org:443", "https://example.org"),
        ("https://example.org:0443", "https://example.org"),
        ("https://example.org:80", "https://example.org:80"),
        ("http://[0::1]:3000", "http://[::1]:3000"),
        ("app://x", "app://x"),
        ("NULL", None),
        ("http://", None),
        ("http://a/", None),
        ("http://a?b", None),
        ("http://a@b", None),
        ("http://a b", None),
        ("http:a", None),
        ("a", None),
    ],
)
def test_an_origin_has_one_form(text: str, origin: str | None) -> None:
    assert origin_named(text) == origin


@pytest.mark.parametrize(
    ("host", "is_so"), [("localhost", True), ("::1", True), ("127.8.8.8", True), ("localhost.example", False)]
)
def test_loopback_is_known(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so
