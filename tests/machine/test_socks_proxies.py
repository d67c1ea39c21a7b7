"""SOCKS proxies: REST, downloads and signaling go through them, and errors name the proxy."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import Odyssey, OdysseyConnectionError, OdysseyError
from odyssey_proto._net.signaling import SignalingConnection
from tests.support.apis import until
from tests.support.hearing import Heard
from tests.support.servers import Connection, HttpServer, Server, SignalingServer, answer, json_answer
from tests.support.socks_proxy import SocksProxy
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from pathlib import Path

HOST = "service.invalid"
LISTED = {"recordings": [], "total": 7, "limit": 50, "offset": 0}
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def rest(url: str = f"http://{HOST}", timeout: float = 10) -> int:
    with Odyssey("ody_key", api_url=url) as client:
        return client.list_stream_recordings(timeout=timeout).total


def signaling(url: str = f"ws://{HOST}") -> None:
    heard = Heard()
    SignalingConnection.open(url, "s-1", "t", until(10), on_message=heard, on_closed=heard).close()


@pytest.mark.parametrize(
    ("scheme", "version", "asked"),
    [
        ("socks", 5, f"{HOST}:80"),
        ("socks5h", 5, f"{HOST}:80"),
        ("SOCKS5H", 5, f"{HOST}:80"),
        ("socks4a", 4, f"{HOST}:80"),
    ],
)
def test_calls_and_signaling_go_through(
    scheme: str, version: int, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        HttpServer({"GET /stream-recordings": json_answer(LISTED)}) as service,
        SocksProxy(service.port) as proxy,
        SignalingServer() as server,
        SocksProxy(server.port) as to_signaling,
    ):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        assert rest() == 7
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{to_signaling.port}")
        signaling()
    assert set(proxy.asked) == set(to_signaling.asked) == {asked}
    assert proxy.versions == to_signaling.versions == {version}


@pytest.mark.parametrize(
    ("scheme", "address"), [("socks5", "2001:db8::7"), ("socks5", "192.0.2.7"), ("socks4", "192.0.2.7")]
)
def test_some_kinds_look_up_the_name_here(scheme: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", _resolving(address, family))
    with HttpServer({"GET /stream-recordings": json_answer(LISTED)}) as service, SocksProxy(service.port) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        assert rest() == 7
    assert set(proxy.asked) == {f"{address}:80"}


def test_version_4_is_not_used_for_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _resolving("2001:db8::7", socket.AF_INET6))
    with SocksProxy(9) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks4://127.0.0.1:{proxy.port}")
        with pytest.raises(OdysseyConnectionError, match="no IPv4 address, which SOCKS 4 needs"):
            rest()


def _resolving(address: str, family: int) -> object:
    known = socket.getaddrinfo

    def resolve(host: str, port: int, *more: int) -> object:
        if host != HOST:
            return known(host, port, *more)
        place = (address, port) if family == socket.AF_INET else (address, port, 0, 0)
        return [(family, socket.SOCK_STREAM, 0, "", place)]

    return resolve


def test_tls_goes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, "192.0.2.7")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    routes = {"GET /stream-recordings": json_answer(LISTED)}
    with HttpServer(routes, tls=certificate.server) as service, SocksProxy(service.port) as proxy:
        monkeypatch.setenv("https_proxy", f"socks5h://127.0.0.1:{proxy.port}")
        assert rest("https://192.0.2.7:8443") == 7
    assert set(proxy.asked) == {"192.0.2.7:8443"}


def test_a_signed_address_travels_byte_by_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = "/files/video%2f%7e?signature=1&k=%2f%7e"
    routes = {
        "GET /recordings/s-1": json_answer({"stream_id": "s-1", "video_url": f"http://{HOST}{signed}"}),
        "GET /files/video%2f%7e": answer(VIDEO),
    }
    with HttpServer(routes) as store, SocksProxy(store.port) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        with Odyssey("ody_key", api_url=f"http://{HOST}") as client:
            path = client.download_recording("s-1", tmp_path, ("video",))["video"]
        assert path.read_bytes() == VIDEO
        assert store.requests[-1].target == signed


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a"])
def test_a_user_and_a_password_are_sent(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        HttpServer({"GET /stream-recordings": json_answer(LISTED)}) as service,
        SocksProxy(service.port, user=("zoë".encode(), b"p@ss:w/ord")) as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://zoë:p%40ss:w%2Ford@127.0.0.1:{proxy.port}")
        assert rest() == 7


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a"])
@pytest.mark.parametrize("given", ["", "user:proxy-secret@"])
def test_a_refused_password_is_final_and_asked_once(
    scheme: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksProxy(9, user=(b"zoe", b"right")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{given}127.0.0.1:{proxy.port}")
        for attempt in (rest, signaling):
            before = proxy.accepted
            with pytest.raises(OdysseyConnectionError) as caught:
                attempt()
            assert (caught.value.code, caught.value.recoverable) == ("proxy", False)
            assert f"the proxy 127.0.0.1:{proxy.port} requires a user and a password, or refused" in str(
                caught.value
            )
            assert "secret" not in str(caught.value)
            assert proxy.accepted == before + 1


@pytest.mark.parametrize(
    ("scheme", "reply", "code", "why"),
    [
        ("socks5h", 2, "proxy", "its rules forbid that"),
        ("socks5h", 4, "unreachable", "the host is unreachable"),
        ("socks5h", 77, "unreachable", "code 77"),
        ("socks4a", 1, "unreachable", "code 91"),
    ],
)
def test_a_proxy_that_does_not_connect_is_named(
    scheme: str, reply: int, code: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksProxy(9, reply=reply) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        with pytest.raises(OdysseyConnectionError) as caught:
            signaling()
    assert (caught.value.code, caught.value.recoverable) == (code, code != "proxy")
    assert f"the proxy 127.0.0.1:{proxy.port} does not connect to {HOST} ({why})" in str(caught.value)


def says_http(connection: Connection) -> None:
    connection.read(3)
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs_up(connection: Connection) -> None:
    connection.read(3)


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a"])
@pytest.mark.parametrize(
    ("script", "text"), [(says_http, "{} does not answer as a SOCKS proxy"), (hangs_up, "the proxy {} closed")]
)
def test_what_is_no_socks_proxy_is_named(
    scheme: str, script: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(script) as proxy:  # type: ignore[arg-type]
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        for attempt in (rest, signaling):
            with pytest.raises(OdysseyError) as caught:
                attempt()
            assert text.format(f"127.0.0.1:{proxy.port}") in str(caught.value)


def test_a_silent_proxy_costs_the_time_of_the_call_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(Connection.hang) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        with pytest.raises(TimeoutError, match=f"the proxy 127.0.0.1:{proxy.port} gave no complete answer"):
            rest(timeout=0.5)
