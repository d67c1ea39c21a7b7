"""The proxies that the environment names; none of them is contacted."""

from __future__ import annotations

import base64
import sys

import pytest

from odyssey_proto._net import proxies
from odyssey_proto._net.failures import SettingError
from odyssey_proto._net.proxies import Proxy, proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def found(url: str = "https://api.example/x") -> Proxy:
    proxy = proxy_for(url)
    assert proxy is not None
    return proxy


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_is_known_with_the_variable_that_names_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://proxy.example:3128")
    assert found() == Proxy("http", "proxy.example", 3128, name)


@pytest.mark.parametrize(
    "text", ["proxy.example:3128", " http://proxy.example:3128\r\n", "\ufeffhttp://proxy.example:3128/"]
)
def test_a_proxy_is_read_without_a_scheme_and_without_what_surrounds_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    assert found().url == "http://proxy.example:3128"


@pytest.mark.parametrize("text", ["", " ", "\n", "\ufeff"])
def test_a_variable_with_nothing_in_it_names_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    assert proxy_for("https://api.example") is None


@pytest.mark.parametrize(
    ("text", "port"), [("http://p", 80), ("https://p", 443), ("socks5h://p", 1080), ("http://[2001:db8::1]", 80)]
)
def test_every_kind_of_proxy_has_a_port_of_its_own(text: str, port: int) -> None:
    assert Proxy.of(text, "HTTPS_PROXY").port == port


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    proxy = Proxy.of("http://user@[2001:db8::1]:3128", "HTTPS_PROXY")
    assert (proxy.host, proxy.name) == ("2001:db8::1", "[2001:db8::1]:3128")
    assert proxy.url == "http://user:@[2001:db8::1]:3128"


@pytest.mark.parametrize(
    ("userinfo", "sent"),
    [
        ("user:pass%40word", b"user:pass@word"),
        ("user:pass:word", b"user:pass:word"),
        ("user", b"user:"),
        ("user:p%C3%A4ss", "user:päss".encode()),
        ("user:päss€", "user:päss€".encode()),
        ("user:p%E4ss", b"user:p\xe4ss"),  # escaped bytes that are Latin-1 stay unchanged
    ],
)
def test_user_and_password_are_sent_in_utf8(userinfo: str, sent: bytes) -> None:
    proxy = Proxy.of(f"http://{userinfo}@proxy.example:3128", "HTTPS_PROXY")
    expected = {"Proxy-Authorization": f"Basic {base64.b64encode(sent).decode()}"}
    assert proxy.headers == expected
    assert proxy.url.isascii()
    assert Proxy.of(proxy.url, "").headers == expected
    assert "ss" not in repr(proxy)


def test_a_proxy_without_a_user_gets_no_password() -> None:
    assert Proxy.of("proxy.example", "HTTPS_PROXY").headers == {}


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http://:3128",
        "http://proxy.example:port",
        "http://proxy.example:0",
        "http://proxy.example:99999",
        "http://proxy example",
        "http://proxy\nexample",
        "http://[2001:db8::1",
        "http://user:secret#1@proxy.example:3128",
        "http://user:1#secret@proxy.example:3128",
        "http://user:1/secret@proxy.example:3128",
        "http://user:1?secret@proxy.example:3128",
    ],
)
def test_an_invalid_proxy_is_reported_with_its_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(SettingError, match=r"^HTTPS_PROXY must be like http://host:3128") as caught:
        proxy_for("https://api.example")
    assert caught.value.code == "proxy"
    assert "secret" not in str(caught.value)


def test_an_unknown_kind_of_proxy_is_reported() -> None:
    with pytest.raises(SettingError, match="HTTPS_PROXY names an unknown kind of proxy"):
        Proxy.of("htpp://proxy.example:3128", "HTTPS_PROXY")


def test_an_invalid_system_proxy_is_reported_as_a_system_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "_asked", lambda _: {"https": "http://"})  # stands in for the Windows registry
    with pytest.raises(SettingError, match=r"^the proxy setting of the system must be like"):
        proxy_for("https://api.example")


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    for url in ("http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8000", "http://127.3.2.1"):
        assert proxy_for(url) is None


def test_a_host_that_no_proxy_names_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    assert proxy_for("https://direct.example/x") is None
    assert found().name == "proxy.example:3128"


def test_a_forked_child_on_macos_asks_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> dict[str, str]:
        raise AssertionError("the system was asked, which kills a forked child there")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(proxies, "_is_forked", True)
    monkeypatch.setattr(proxies, "_asked", crash)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    assert found().name == "proxy.example:3128"
    assert proxy_for("https://direct.example/x") is None
    assert proxy_for("https://localhost/x") is None
