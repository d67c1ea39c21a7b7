"""Opening the WebSocket to a raw-socket server: what is sent, through TLS and through proxies."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto import __version__
from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._net.signaling import SignalingConnection
from tests.support.hearing import Heard, connected, until
from tests.support.leaks import nothing_left
from tests.support.servers import Connection, Request, Server, SignalingServer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFFER = '{"type": "offer", "sdp": "v=0"}'


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def test_the_handshake_asks_for_the_session_with_its_token() -> None:
    with SignalingServer() as server:
        with connected(server, Heard()):
            (request,) = server.requests
        assert request.target == "/client/s-1?token=token"
        assert request.headers["user-agent"] == f"odyssey-proto/{__version__}"
        assert "origin" not in request.headers


def test_session_and_token_are_quoted() -> None:
    with SignalingServer() as server:
        heard = Heard()
        SignalingConnection.open(
            server.url, "a/b?c", "x+y/z= &", until(), on_message=heard, on_closed=heard
        ).close()
        assert server.requests[0].target == "/client/a%2Fb%3Fc?token=x%2By%2Fz%3D%20%26"


def test_a_path_of_the_address_is_kept() -> None:
    with SignalingServer() as server:
        heard = Heard()
        SignalingConnection.open(
            server.url + "/eu/", "s-1", "t", until(None), on_message=heard, on_closed=heard
        ).close()
        assert server.requests[0].path == "/eu/client/s-1"


def test_a_message_right_behind_the_handshake_is_not_lost() -> None:
    def together(connection: Connection, request: Request) -> None:
        sent: list[bytes] = []
        with pytest.MonkeyPatch.context() as held:
            held.setattr(connection, "send", sent.append)
            connection.accept_websocket(request)
            connection.send_frame(OFFER)
        connection.send(b"".join(sent))  # both in one segment

    heard = Heard()
    with SignalingServer(handshake=together) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")


@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize(
    "announced",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
        b"HTTP/1.1 103 Early Hints\nLink: </a>\n\n",
    ],
)
def test_what_announces_the_answer_to_a_handshake_is_passed_over(announced: bytes, pieces: int) -> None:
    def announcing(connection: Connection, request: Request) -> None:
        for at in range(0, len(announced), pieces):
            connection.send(announced[at : at + pieces])
        connection.accept_websocket(request)
        connection.send_frame(OFFER)

    heard = Heard()
    with SignalingServer(handshake=announcing) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")


@pytest.mark.parametrize(
    "odd",
    [
        b"Connection: keep-alive\r\n",
        b"Upgrade: h2c\r\n",
        b"X-Region: Z\xfcrich\r\n",
        "X-Region: Zürich\r\n".encode(),
        b"X-Folded: a\r\n b\r\n",
        b"no field\r\n",
        b"Content-Length: 0\r\n",
    ],
)
def test_a_handshake_with_an_odd_head_is_one(odd: bytes) -> None:
    def handshake(connection: Connection, request: Request) -> None:
        sent: list[bytes] = []
        with pytest.MonkeyPatch.context() as held:
            held.setattr(connection, "send", sent.append)
            connection.accept_websocket(request)
        connection.send(b"".join(sent).removesuffix(b"\r\n") + odd + b"\r\n")
        connection.send_frame(OFFER)

    heard = Heard()
    with SignalingServer(handshake=handshake) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        (b"Content-Length: 17\r\n\r\n" + b'{"detail": "busy"}'[:17], "Service Unavailable"),
        (b"Content-Length: 18\r\n\r\n" + b'{"detail": "busy"}', "busy"),
        (b"Content-Length: 18\r\n\r\n", "Service Unavailable"),
        (b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000, "Service Unavailable"),
        (b"Content-Length: many\r\n\r\n", "Service Unavailable"),
        (b"Content-Length: -1\r\n\r\n", "Service Unavailable"),
        (b"X-Region: Z\xfcrich\r\n\r\n", "Service Unavailable"),
    ],
    ids=["a part", "whole", "none", "too many", "no number", "negative", "Latin-1"],
)
def test_a_refused_handshake_does_not_depend_on_its_words(words: bytes, detail: str) -> None:
    def refuse(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 503 Odd\r\nRetry-After: 7\r\n" + words)
        connection.hang()

    heard = Heard()
    with SignalingServer(handshake=refuse) as server, pytest.raises(OdysseyConnectionError) as caught:
        SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=heard, on_closed=heard)
    error = caught.value
    assert (error.code, error.status, error.retry_after) == ("http_503", 503, 7.0)
    assert str(error).endswith(f": {detail}")


@pytest.mark.parametrize("announced", [b"HTTP/1.1 103 Hints\r\nLink", b"HTTP/1.1 103 Hints\r\n\r\n", b"H"])
def test_a_handshake_that_is_only_announced_is_a_lost_connection(announced: bytes) -> None:
    def closing(connection: Connection, _: Request) -> None:
        connection.send(announced)
        connection.sock.close()

    heard = Heard()
    with SignalingServer(handshake=closing) as server, pytest.raises(OdysseyConnectionError) as caught:
        SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=heard, on_closed=heard)
    assert caught.value.code == "connection_lost"


def test_a_connection_through_tls_works_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))

    def script(connection: Connection) -> None:
        connection.send_frame(OFFER)
        assert connection.read_message() == {"type": "keepalive"}
        connection.send_frame(OFFER)
        connection.hang()

    heard = Heard()
    with SignalingServer(script, tls=certificate.server) as server, connected(server, heard) as connection:
        assert server.ws_url.startswith("wss://")
        assert heard.next() == wire.Offer(sdp="v=0")
        connection.send(wire.Keepalive())
        assert heard.next() == wire.Offer(sdp="v=0")


def test_a_folder_in_which_openssl_finds_no_certificate_is_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))  # no file in it has a name that OpenSSL looks for
    heard = Heard()
    with (
        SignalingServer(tls=self_signed(tmp_path).server) as server,
        pytest.raises(OdysseyConnectionError) as caught,
    ):
        SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=heard, on_closed=heard)
    assert caught.value.code == "ca_bundle"


def proxy(script: Any, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Server:
    """Return a proxy that is also the server behind it."""

    def play(connection: Connection) -> None:
        request = connection.read_request()
        assert request.method == "CONNECT"
        asked.append(request)
        connection.send(answer)
        connection.accept_websocket(connection.read_request())
        script(connection)

    asked: list[Request] = []
    server = Server(play)
    server.asked = asked  # type: ignore[attr-defined]  # for the test to look at
    return server


@pytest.fixture
def _no_exceptions_from_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_exceptions_from_proxies")
@pytest.mark.parametrize("form", ["http://user:pass%40word@127.0.0.1:{port}", "user:pass%40word@127.0.0.1:{port}"])
def test_another_host_is_reached_through_the_environments_proxy(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    with proxy(lambda connection: (connection.send_frame(OFFER), connection.hang())) as server:
        monkeypatch.setenv("HTTP_PROXY", form.format(port=server.port))
        monkeypatch.setenv("http_proxy", form.format(port=server.port))
        connection = SignalingConnection.open(
            "ws://service.invalid", "s-1", "t", until(), on_message=heard, on_closed=heard
        )
        with contextlib.closing(connection):
            assert heard.next() == wire.Offer(sdp="v=0")
        (request,) = server.asked  # type: ignore[attr-defined]
    assert request.target == "service.invalid:80"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNzQHdvcmQ="


@pytest.mark.usefixtures("_no_exceptions_from_proxies")
def test_a_proxy_that_refuses_a_websocket_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    with proxy(Connection.hang, b"HTTP/1.1 403 Forbidden\r\n\r\n") as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("http_proxy", server.url)
        with pytest.raises(OdysseyConnectionError, match="403 Forbidden"):
            SignalingConnection.open(
                "ws://service.invalid", "s-1", "t", until(), on_message=heard, on_closed=heard
            )


@pytest.mark.usefixtures("_no_exceptions_from_proxies")
@pytest.mark.parametrize("url", ["https://127.0.0.1:3128"])
def test_a_proxy_that_cannot_carry_a_websocket_is_reported(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("http_proxy", url)
    heard = Heard()
    with pytest.raises(OdysseyConnectionError, match="http:// and socks5h:// proxies only"):
        SignalingConnection.open("ws://service.invalid", "s-1", "t", until(), on_message=heard, on_closed=heard)


def test_this_machine_is_reached_directly_whatever_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with SignalingServer() as server, connected(server, Heard()):
        assert len(server.requests) == 1
