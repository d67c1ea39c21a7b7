"""Addresses from the service, from strangers and from the environment: HTTP, signaling, ICE servers, proxies."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import odyssey_models as wire
import pytest
from hypothesis import strategies as st

from odyssey_proto import MalformedMessageError, OdysseyAuthError, OdysseyConfigError, OdysseyConnectionError
from odyssey_proto._base.environment import cleaned
from odyssey_proto._base.hosts import host_named, origin_named
from odyssey_proto._base.secrets import Secret
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._model.ice_urls import usable_servers
from odyssey_proto._model.signaling_url import config_url, normalise_url, websocket_url
from odyssey_proto._net.failures import SettingError
from odyssey_proto._net.hls import check_address
from odyssey_proto._net.proxies import Proxy, proxy_for
from odyssey_proto._net.redirects import Reach, Route, as_sent, is_same_origin, resolved
from odyssey_proto.core.refusals import HttpAnswer
from tests.support.fuzzing import json_like, mutated_text, target

ADDRESSES: Final = [
    "https://api.odyssey.ml",
    "http://127.0.0.1:8000/a%2fb/../c?sig=%7e|+ä b#top",
    "wss://eu.example:8443/signaling/",
    "//other.example/path;x?y",
    "/files/video.mp4?Expires=1&Signature=a+b/c=",
    "https://user:pass@[2001:db8::1]:443/",
    "http://bücher.example/",
    "eu.example",
    "",
]
TOKENS: Final = (
    "://",
    "//",
    "@",
    "[",
    "]",
    "%",
    "%00",
    "?",
    "#",
    "/../",
    "javascript:",
    "file:///etc/passwd",
    "\u3002",
)
TEXTS: Final = mutated_text(ADDRESSES, TOKENS, largest=50_000)


@target(TEXTS, mutated_text(["s-1", "a/b?c"]), mutated_text(["to.k-en"]), refuses=(MalformedMessageError,))
def test_a_signaling_address(url: str, session_id: str, token: str) -> None:
    made = normalise_url(url)
    assert normalise_url(made) == made
    assert urlsplit(made).scheme in ("ws", "wss")
    assert config_url(url).startswith("http")
    if session_id.isprintable() and token.isprintable():
        assert websocket_url(url, session_id, token).startswith(made)


@target(st.sampled_from(ADDRESSES[:3]), TEXTS, refuses=())
def test_a_location(url: str, location: str) -> None:
    target_url = resolved(url, location)
    if target_url is not None and urlsplit(target_url).scheme in ("http", "https"):
        assert urlsplit(target_url).hostname
        assert as_sent(target_url).isprintable()
        is_same_origin(url, target_url)


@target(
    st.sampled_from(ADDRESSES[:2]),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.sampled_from([*Reach]),
    st.sampled_from(["", "to.k-en"]),
    st.lists(st.tuples(st.sampled_from([200, 301, 302, 303, 307, 308]), TEXTS), max_size=12),
    refuses=(OdysseyConnectionError,),
)
def test_redirects(url: str, method: str, reach: Reach, token: str, answers: list[tuple[int, str]]) -> None:
    route = Route(url, method, reach, token)
    for status, location in answers:
        answer = HttpAnswer(
            operation="GET /a", status=status, headers={"Location": location}, secrets=("to.k-en", "secret")
        )
        before = route.url
        if route.follow(answer):
            assert urlsplit(route.url).scheme in ("http", "https")
        else:
            assert route.url == before


@target(TEXTS, refuses=(OdysseyConfigError,))
def test_the_address_of_a_broadcast(url: str) -> None:
    check_address(url)


@target(TEXTS, refuses=())
def test_a_host_and_an_origin(text: str) -> None:
    for port in (True, False):
        host = host_named(text, port=port)
        assert host is None or host_named(host) == host
    origin = origin_named(text)
    assert origin is None or origin_named(origin) == origin


SERVERS: Final = mutated_text(
    ["stun:stun.example:3478", "turn:turn.example?transport=tcp", "turns:[::1]:5349", "stuns:a", "TURN:b:0"],
    ("stun:", "turns:", "?transport=", "?transport=udp", "://", "@"),
    largest=5000,
)
ENTRY: Final = st.builds(
    wire.IceServer,
    urls=st.none() | SERVERS | st.lists(SERVERS, max_size=3).map(lambda urls: urls * 4),
    url=st.none() | SERVERS,
    username=st.none() | st.text(max_size=5),
    credential=st.none() | st.text(max_size=5),
)


@target(st.lists(ENTRY, max_size=4), refuses=())
def test_ice_servers_of_the_service(servers: list[wire.IceServer]) -> None:
    urls, left_out = usable_servers(servers)
    assert len(urls) <= 16
    for url in urls:
        assert 0 < url.port < 65536
        assert str(url).isprintable()
    assert all(line.isprintable() for line in left_out)


@target(
    json_like() | st.lists(st.fixed_dictionaries({"urls": SERVERS | json_like(5)})),
    refuses=(OdysseyConfigError, TypeError),
)
def test_ice_servers_of_a_user(servers: Any) -> None:
    assert "credential" not in repr(ClientConfig(api_key="ody_x", ice_servers=servers)) or not servers


# The environment

VALUES: Final = mutated_text(
    ["ody_live_123", "\ufeffody_x\r\n", "ï»¿ody_x", " ", *ADDRESSES], ("\ufeff", "\u00ef\u00bb\u00bf", "\x00")
).map(lambda text: text.replace("\0", "").encode("utf-8", "replace").decode())
PROXIES: Final = mutated_text(
    [
        "http://user:p%40ss@proxy.example:3128",
        "proxy:8080",
        "socks5h://[::1]:1080",
        "https://u@p",
        "http://a:b@c@d/",
    ],
    ("://", "@", "#", "%", "[", " "),
).map(lambda text: text.replace("\0", "").encode("utf-8", "replace").decode())


@target(VALUES, VALUES, refuses=(OdysseyConfigError, OdysseyAuthError))
def test_the_key_and_the_address_from_the_environment(key: str, url: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ODYSSEY_API_KEY", key)
        patched.setenv("ODYSSEY_API_URL", url)
        config = ClientConfig()
        assert config.api_key is None or repr(config.api_key) == repr(Secret("another"))
        config.require_api_key()
        assert urlsplit(config.api_url).hostname


@target(TEXTS, refuses=())
def test_what_is_around_a_value(text: str) -> None:
    assert cleaned(cleaned(text)) == cleaned(text)


@target(PROXIES, refuses=(SettingError,))
def test_a_proxy_from_the_environment(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "all_proxy", "no_proxy"):
            patched.delenv(name, raising=False)
        patched.setenv("https_proxy", text)
        proxy = proxy_for("https://api.example/")
        if proxy is not None:
            assert proxy.url == Proxy.of(proxy.url, "again").url
            assert all(value.isascii() and value.isprintable() for value in proxy.headers.values())
