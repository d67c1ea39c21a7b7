"""The signaling WebSocket against a server of raw sockets: messages, their order, and the end."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, cast

import attrs
import odyssey_models as wire
import pytest

from odyssey_proto import __version__
from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import MalformedMessageError, OdysseyConnectionError
from odyssey_proto._model.codec import UnknownMessage
from odyssey_proto._model.signaling_url import config_url, normalise_url
from odyssey_proto._net.signaling import SignalingConnection, SignalingEnd
from odyssey_proto._net.sockets import Call
from tests.faults.leaks import nothing_left
from tests.faults.servers import Connection, Request, Server, SignalingServer
from tests.faults.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = 30.0
OFFER = '{"type": "offer", "sdp": "v=0"}'


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float | None = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


@attrs.define
class Heard:
    """What a connection told, in order."""

    told: queue.SimpleQueue[Any] = attrs.field(factory=queue.SimpleQueue)
    threads: set[str] = attrs.field(factory=set)

    def __call__(self, what: object) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.put(what)

    def next(self) -> Any:
        return self.told.get(timeout=LONG)

    def rest(self) -> list[Any]:
        found = []
        while not self.told.empty():
            found.append(self.told.get())
        return found


@contextlib.contextmanager
def connected(server: SignalingServer, heard: Heard, **known: Any) -> Iterator[SignalingConnection]:
    connection = SignalingConnection.open(
        server.ws_url, "s-1", "token", until(), on_message=heard, on_closed=heard, on_malformed=heard, **known
    )
    with contextlib.closing(connection):
        yield connection


# --- addresses


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("wss://eu.example/s", "wss://eu.example/s"),
        ("wss://eu.example/s/", "wss://eu.example/s"),
        ("ws://eu.example:8080", "ws://eu.example:8080"),
        ("https://eu.example/", "wss://eu.example"),
        ("http://eu.example/a/b//", "ws://eu.example/a/b"),
        ("HTTPS://eu.example", "wss://eu.example"),
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
def test_an_address_that_is_none_is_refused_without_telling_it(url: str) -> None:
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
def test_the_ice_servers_are_told_beside_the_websocket(url: str, config: str) -> None:
    assert config_url(url) == config


# --- opening


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


def test_a_folder_of_certificates_can_be_trusted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))  # without the links that OpenSSL looks for
    heard = Heard()
    with (
        SignalingServer(tls=self_signed(tmp_path).server) as server,
        pytest.raises(OdysseyConnectionError) as caught,
    ):
        SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=heard, on_closed=heard)
    assert caught.value.code == "untrusted_certificate"


def proxy(script: Any, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Server:
    """A proxy that is also the server behind it."""

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
def test_a_proxy_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    with proxy(Connection.hang, b"HTTP/1.1 403 Forbidden\r\n\r\n") as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("http_proxy", server.url)
        with pytest.raises(OdysseyConnectionError, match="403 Forbidden"):
            SignalingConnection.open(
                "ws://service.invalid", "s-1", "t", until(), on_message=heard, on_closed=heard
            )


@pytest.mark.usefixtures("_no_exceptions_from_proxies")
@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "https://127.0.0.1:3128", "http://"])
def test_a_proxy_that_cannot_carry_a_websocket_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("http_proxy", url)
    heard = Heard()
    with pytest.raises(OdysseyConnectionError, match="http:// proxies only"):
        SignalingConnection.open("ws://service.invalid", "s-1", "t", until(), on_message=heard, on_closed=heard)


def test_this_machine_is_reached_directly_whatever_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with SignalingServer() as server, connected(server, Heard()):
        assert len(server.requests) == 1


# --- messages


def test_messages_come_typed_and_in_order_on_the_reading_thread() -> None:
    def script(connection: Connection) -> None:
        connection.send_frame(OFFER)
        connection.send_frame('{"type":"ice_candidate","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}')
        connection.send_frame('{"type": "error", "reason": "streamer_not_available"}')
        connection.send_frame('{"type": "error", "reason": "something_new"}')
        connection.send_frame('{"type": "from_the_future", "field": 1}')
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")
        assert heard.next() == wire.IceCandidate(candidate="candidate:1", sdp_mid="0", sdp_mline_index=0)
        assert heard.next() == wire.SignalingError(reason=wire.SignalingErrorReason.STREAMER_NOT_AVAILABLE)
        assert heard.next().reason == "something_new"
        unknown = heard.next()
        assert isinstance(unknown, UnknownMessage)
        assert (unknown.type, unknown.raw["field"]) == ("from_the_future", 1)
    assert heard.threads == {"odyssey-signaling-reader"}


def test_messages_are_sent_in_the_order_of_each_thread() -> None:
    received: list[Any] = []

    def script(connection: Connection) -> None:
        with contextlib.suppress(AssertionError):  # the goodbye is no text
            while True:
                received.append(connection.read_message())

    def send(connection: SignalingConnection, name: str) -> None:
        for number in range(50):
            connection.send(wire.IceCandidate(candidate=str(number), sdp_mid=name, sdp_mline_index=0))

    with SignalingServer(script) as server, connected(server, Heard()) as connection:
        threads = [threading.Thread(target=send, args=(connection, name)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
    assert len(received) == 200
    for name in "abcd":
        numbers = [int(message["candidate"]) for message in received if message["sdpMid"] == name]
        assert numbers == list(range(50))


def test_a_large_message_arrives_whole_both_ways() -> None:
    image = "data:image/png;base64," + "x" * 6_000_000
    received: list[int] = []

    def script(connection: Connection) -> None:
        received.append(len(connection.read_frame()[1]))
        connection.send_frame('{"type": "offer", "sdp": "' + "y" * 6_000_000 + '"}')
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard) as connection:
        connection.send(
            wire.InteractiveStreamStart(prompt="p", portrait=False, input_image_base64=image, broadcast=False)
        )
        assert len(heard.next().sdp) == 6_000_000
    assert received[0] > 6_000_000


def test_a_message_in_pieces_is_put_together() -> None:
    def script(connection: Connection) -> None:
        connection.send_frame(OFFER[:10], fin=False)
        connection.send_frame(OFFER[10:20], 0, fin=False)
        connection.send_frame(b"ping between", 9)
        connection.send_frame(OFFER[20:], 0)
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")


def test_a_ping_is_answered_at_once() -> None:
    answered: list[tuple[int, bytes]] = []

    def script(connection: Connection) -> None:
        connection.send_frame(b"are you there", 9)
        answered.append(connection.read_frame())
        connection.send_frame(b"unasked", 10)
        connection.send_frame(OFFER)
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard):
        assert heard.next() == wire.Offer(sdp="v=0")
    assert answered == [(10, b"are you there")]


def test_text_that_is_no_unicode_is_sent_all_the_same() -> None:
    received: list[Any] = []

    def script(connection: Connection) -> None:
        received.append(connection.read_message())

    with SignalingServer(script) as server, connected(server, Heard()) as connection:
        connection.send(wire.InteractiveStreamStart(prompt="a \ud800 cat", portrait=False, broadcast=False))
    assert received[0]["prompt"] == "a ? cat"


def test_a_callback_that_fails_is_logged_and_the_next_message_still_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(connection: Connection) -> None:
        connection.send_frame(OFFER)
        connection.send_frame('{"type": "offer", "sdp": "second"}')
        connection.hang()

    heard = Heard()

    def on_message(message: Any) -> None:
        heard(message)
        if message.sdp == "v=0":
            raise RuntimeError("the callback's own")

    with SignalingServer(script) as server:
        connection = SignalingConnection.open(
            server.ws_url, "s-1", "t", until(), on_message=on_message, on_closed=heard
        )
        with contextlib.closing(connection):
            assert [heard.next().sdp, heard.next().sdp] == ["v=0", "second"]
    assert "the callback's own" in caplog.text


def test_what_is_no_message_is_logged_when_nobody_asks(caplog: pytest.LogCaptureFixture) -> None:
    def script(connection: Connection) -> None:
        connection.send_frame("no json")
        connection.send_frame(OFFER)
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server:
        connection = SignalingConnection.open(
            server.ws_url, "s-1", "t", until(), on_message=heard, on_closed=heard
        )
        with contextlib.closing(connection):
            assert heard.next() == wire.Offer(sdp="v=0")
    assert "ignored: Malformed message" in caplog.text


def test_kinds_of_messages_are_logged_and_nothing_else_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="odyssey_proto")

    def script(connection: Connection) -> None:
        connection.send_frame('{"type": "offer", "sdp": "SECRET"}')
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard) as connection:
        heard.next()
        connection.send(wire.Answer(sdp="SECRET"))
    lines = {record.getMessage() for record in caplog.records}
    assert {
        "open: /client/s-1",
        "< offer, 34 bytes",
        "> answer, 32 bytes",
        "closed: 1000 Client disconnect",
    } <= lines
    assert "SECRET" not in caplog.text


# --- closing


def test_closing_sends_what_waits_and_then_the_goodbye() -> None:
    received: list[Any] = []

    def script(connection: Connection) -> None:
        received.extend(connection.read_message()["type"] for _ in range(2))
        received.append(connection.read_frame())

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard) as connection:
        connection.send(wire.Keepalive())
        connection.send(wire.ClientDisconnecting())
        connection.close()
    assert received == ["keepalive", "client_disconnecting", (8, b"\x03\xe8Client disconnect")]
    assert heard.rest() == [SignalingEnd(1000, "Client disconnect", True, None)]


def test_closing_wakes_a_reader_whose_server_is_silent() -> None:
    heard, clock = Heard(), MonotonicClock()
    with SignalingServer() as server, connected(server, heard) as connection:
        began = clock.now()
        connection.close(timeout=20)
        assert clock.now() - began < 10
        assert heard.rest() == [SignalingEnd(1000, "Client disconnect", True, None)]


def test_closing_again_and_from_many_threads_is_one_close() -> None:
    heard = Heard()
    with SignalingServer() as server, connected(server, heard) as connection:
        threads = [threading.Thread(target=connection.close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        connection.close(4000, "again")
        assert heard.rest() == [SignalingEnd(1000, "Client disconnect", True, None)]


def test_closing_from_a_callback_waits_for_no_thread_of_its_own() -> None:
    heard = Heard()
    opened = threading.Event()
    connections: list[SignalingConnection] = []

    def script(connection: Connection) -> None:
        connection.send_frame(OFFER)
        connection.hang()

    def close(message: Any) -> None:
        assert opened.wait(LONG)
        connections[0].close()
        heard(message)

    with SignalingServer(script) as server:
        connections.append(
            SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=close, on_closed=heard)
        )
        opened.set()
        assert heard.next() == wire.Offer(sdp="v=0")
        assert heard.next() == SignalingEnd(1000, "Client disconnect", True, None)


def test_closing_does_not_wait_for_a_callback_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    def script(connection: Connection) -> None:
        connection.send_frame(OFFER)
        connection.hang()

    entered, leave, heard = threading.Event(), threading.Event(), Heard()

    def hang(_: Any) -> None:
        entered.set()
        leave.wait(LONG)

    with SignalingServer(script) as server:
        connection = SignalingConnection.open(server.ws_url, "s-1", "t", until(), on_message=hang, on_closed=heard)
        assert entered.wait(10)
        connection.close(timeout=0.1)
        assert "odyssey-signaling-reader is still in a callback" in caplog.text
        leave.set()
        assert heard.next().clean


def test_messages_after_the_close_are_dropped_both_ways(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="odyssey_proto")
    received: list[Any] = []

    def script(connection: Connection) -> None:
        received.append(connection.read_frame()[0])
        connection.send_frame(OFFER)
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard) as connection:
        connection.close()
        connection.send(wire.Keepalive())
        assert [type(item) for item in heard.rest()] == [SignalingEnd]
    assert received == [8]
    assert "dropped keepalive" in caplog.text


def test_code_and_reason_of_the_goodbye_can_be_chosen() -> None:
    received: list[Any] = []
    heard = Heard()

    def script(connection: Connection) -> None:
        received.append(connection.read_frame())

    with SignalingServer(script) as server, connected(server, heard) as connection:
        connection.close(4001, "ü" * 100)
    assert received == [(8, b"\x0f\xa1" + "ü".encode() * 61)]
    assert heard.rest() == [SignalingEnd(4001, "ü" * 100, False, None)]


def test_an_abort_ends_an_open_connection_and_tells_it() -> None:
    heard, abort = Heard(), Abort()
    with SignalingServer() as server, connected(server, heard, abort=abort) as connection:
        abort.abort()
        closed = heard.next()
        assert (closed.code, closed.clean, closed.error.code) == (None, False, "closed")
        connection.close()
        assert heard.rest() == []


def test_the_end_is_told_even_when_the_library_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        parting = False

        def recv_data_frame(self) -> None:
            raise RuntimeError("a bug")

        def send(self, *_: object) -> None:
            raise AssertionError("nothing is sent")

    heard = Heard()
    with contextlib.ExitStack() as resources:
        call = resources.enter_context(Call(until()))
        connection = SignalingConnection(
            cast("Any", Failing()), resources.pop_all(), call, "ws://x", heard, heard, None
        )
    connection._writer.start()
    connection._reader.start()
    closed = heard.next()
    assert (closed.code, closed.clean, closed.error.code) == (None, False, "connection_lost")
    assert "a bug" in caplog.text
