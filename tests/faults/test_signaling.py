"""The signaling WebSocket against servers that misbehave byte by byte: every end is reported once, and in time."""

from __future__ import annotations

import base64
import contextlib
import logging
import queue
import threading
import traceback
from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
)
from odyssey_proto._net.signaling import SignalingConnection, SignalingEnd
from tests.support.leaks import nothing_left
from tests.support.ports import refusing_port
from tests.support.servers import Connection, Request, Server, SignalingServer, answer, json_answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONG = 30.0
OFFER = '{"type": "offer", "sdp": "v=0"}'
TOKEN = "eyJ-not-quite/SECRET+token="


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float = LONG) -> Deadline:
    return Deadline(seconds, MonotonicClock())


class Heard:
    """The arguments of a connection's callbacks."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.closed: queue.SimpleQueue[SignalingEnd] = queue.SimpleQueue()

    def end(self) -> SignalingEnd:
        return self.closed.get(timeout=LONG)


def opened(url: str, heard: Heard, *, seconds: float = LONG, abort: Abort | None = None) -> SignalingConnection:
    return SignalingConnection.open(
        url,
        "s-1",
        TOKEN,
        until(seconds),
        on_message=heard.messages.put,
        on_malformed=heard.messages.put,
        on_closed=heard.closed.put,
        abort=abort,
    )


def refused(url: str, *, seconds: float = LONG, abort: Abort | None = None) -> OdysseyError:
    """Return the error of opening a connection, and check that no callback was called."""
    heard = Heard()
    with pytest.raises(OdysseyError) as caught:
        opened(url, heard, seconds=seconds, abort=abort)
    assert heard.messages.empty()
    assert heard.closed.empty()
    return caught.value


def abort_after(event: threading.Event, abort: Abort) -> None:
    """Abort from another thread once ``event`` is set."""

    def wait() -> None:
        event.wait(LONG)
        abort.abort()

    threading.Thread(target=wait).start()


# --- handshakes that fail


def replying(data: bytes) -> Callable[[Connection, Request], None]:
    return lambda connection, _: connection.send(data)


@pytest.mark.parametrize(
    ("reply", "kind", "code", "text", "recoverable"),
    [
        (
            answer(status="401 Unauthorized"),
            OdysseyAuthError,
            "session_token_refused",
            "Session token refused",
            False,
        ),
        (
            answer(status="403 Forbidden"),
            OdysseyAuthError,
            "session_token_refused",
            "Session token refused",
            False,
        ),
        (
            answer(status="404 Not Found"),
            OdysseyConnectionError,
            "unknown_session",
            "does not know the session",
            False,
        ),
        (
            json_answer({"detail": "soon"}, "503 Busy"),
            OdysseyConnectionError,
            "http_503",
            "answered 503: soon",
            True,
        ),
        (b"HTTP/1.1 500\r\n\r\n", OdysseyConnectionError, "http_500", "answered 500", True),
        (answer(b"<html>"), OdysseyConnectionError, "http_200", "answered 200: OK", False),
        (
            answer(status="302 Found", Location="ws://x"),
            OdysseyConnectionError,
            "foreign_redirect",
            "redirects (302)",
            False,
        ),
        (
            answer(status="307 There", Location="ws://["),
            OdysseyConnectionError,
            "http_307",
            "redirects (307)",
            False,
        ),
        (answer(status="308 There"), OdysseyConnectionError, "http_308", "redirects (308)", False),
    ],
)
def test_a_refused_handshake_is_reported_by_its_status(
    reply: bytes, kind: type, code: str, text: str, recoverable: bool
) -> None:
    with SignalingServer(handshake=replying(reply)) as server:
        error = refused(server.ws_url)
    assert type(error) is kind
    assert text in str(error)
    assert (error.code, error.recoverable, error.session_id) == (code, recoverable, "s-1")
    assert error.status == int(reply.split(b" ")[1].split(b"\r")[0])


def test_the_token_does_not_follow_a_redirect_to_another_origin() -> None:
    with SignalingServer() as other:
        moved = answer(status="307 Temporary Redirect", Location=other.ws_url + "/client/s-1")
        with SignalingServer(handshake=replying(moved)) as server:
            error = refused(server.ws_url)
            assert f"from {server.url} to {other.url}" in str(error)
        assert other.accepted == 0


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        bytes(range(256)) + b"\n",
        b"HTTP/1.1 hello\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nno colon\r\n\r\n",
        UPGRADE + b"\r\n",
        UPGRADE + b"Sec-WebSocket-Accept: " + base64.b64encode(b"of another key") + b"\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_handshake_is_malformed(reply: bytes) -> None:
    with SignalingServer(handshake=replying(reply)) as server:
        error = refused(server.ws_url)
    assert type(error) is MalformedMessageError
    assert str(error).startswith("WebSocket /client: the answer of 127.0.0.1:")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 101 OK\r\nX: " + b"a" * 1_000_000,
        b"HTTP/1.1 101 OK\r\n" + b"X: a\r\n" * 100_000,
    ],
)
def test_an_answer_to_the_handshake_that_is_too_long_is_not_read_to_its_end(reply: bytes) -> None:
    with SignalingServer(handshake=replying(reply)) as server:
        error = refused(server.ws_url)
    assert type(error) is MalformedMessageError
    assert error.code == "too_large"


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"a" * 1_000_000, "403 Forbidden"),
        answer(b"a" * 100_000, "403 Forbidden", length=10**12),
        answer(b"", "403 Forbidden", length=10),
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 403 Verbot \xfcberall\r\nno colon\r\n\r\n",
    ],
    ids=["long", "endless", "without its body", "of no length", "odd"],
)
def test_a_refusal_of_the_token_counts_whatever_its_body(reply: bytes) -> None:
    with SignalingServer(handshake=replying(reply)) as server:
        error = refused(server.ws_url)
    assert type(error) is OdysseyAuthError
    assert (error.code, error.status) == ("session_token_refused", 403)


def reset(connection: Connection, _: Request) -> None:
    connection.reset()


def silent_end(connection: Connection) -> None:
    pass


@pytest.mark.parametrize("handshake", [reset, replying(b""), replying(UPGRADE)], ids=["reset", "closed", "cut"])
def test_a_handshake_that_is_cut_short_is_a_lost_connection(handshake: Any) -> None:
    with SignalingServer(silent_end, handshake=handshake) as server:
        error = refused(server.ws_url)
    assert (error.code, error.recoverable) == ("connection_lost", True)


def hang(connection: Connection, _: Request) -> None:
    connection.hang()


def drip(connection: Connection, _: Request) -> None:
    connection.drip(UPGRADE * 10, every=0.05)


@pytest.mark.parametrize("handshake", [hang, drip])
def test_opening_ends_in_time_however_slowly_the_server_answers(handshake: Any) -> None:
    clock = MonotonicClock()
    began = clock.now()
    with SignalingServer(handshake=handshake) as server:
        error = refused(server.ws_url, seconds=0.4)
    assert clock.now() - began < LONG  # a server that drips would continue for 40 s
    assert type(error) is OdysseyConnectionTimeoutError
    assert error.code == "timeout"


@pytest.mark.parametrize("handshake", [hang, drip])
def test_an_abort_ends_the_opening_at_once(handshake: Any) -> None:
    abort, asked = Abort(), threading.Event()

    def play(connection: Connection, request: Request) -> None:
        asked.set()
        handshake(connection, request)

    with SignalingServer(handshake=play) as server:
        abort_after(asked, abort)
        error = refused(server.ws_url, abort=abort)
    assert (type(error), error.code) == (OdysseyConnectionError, "closed")


def test_an_aborted_opening_does_not_begin() -> None:
    abort = Abort()
    abort.abort()
    with SignalingServer() as server:
        assert refused(server.ws_url, abort=abort).code == "closed"
        assert server.accepted == 0


def test_an_abort_ends_a_tls_handshake() -> None:
    abort, asked = Abort(), threading.Event()

    def silent(connection: Connection) -> None:
        connection.read(1)
        asked.set()
        connection.hang()

    with Server(silent) as server:
        abort_after(asked, abort)
        assert refused(f"wss://127.0.0.1:{server.port}", abort=abort).code == "closed"


def test_a_server_that_is_gone_a_name_that_is_none_and_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    with refusing_port() as port:
        assert refused(f"ws://127.0.0.1:{port}").code == "refused"
    assert refused("wss://does-not-exist.invalid").code == "unknown_host"
    assert refused("wss://user@host").code == "malformed"
    with SignalingServer(tls=self_signed(tmp_path).server) as untrusted:
        assert refused(untrusted.ws_url).code == "untrusted_certificate"
        assert untrusted.requests == []


def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with SignalingServer(tls=certificate.server, host="127.0.0.2") as server:  # not in the certificate
        assert refused(server.ws_url).code == "untrusted_certificate"
        assert server.requests == []


# --- ends


def close(code: int, reason: str = "") -> Callable[[Connection], None]:
    return lambda connection: connection.send_close(code, reason)


def frames(*payloads: tuple[Any, ...]) -> Callable[[Connection], None]:
    def script(connection: Connection) -> None:
        for payload, opcode, *more in payloads:
            connection.send_frame(payload, opcode, **(more[0] if more else {}))
        connection.hang()

    return script


def broken(connection: Connection) -> None:
    connection.reset()


def end_in_frame(connection: Connection) -> None:
    connection.send_frame(OFFER[:5], length=100)


def end_after_close_by_reset(connection: Connection) -> None:
    connection.send_close(1000, "bye")
    connection.reset()


ENDS: dict[str, tuple[Callable[[Connection], None], int | None, bool, str | None]] = {
    "closed as done": (close(1000, "bye"), 1000, True, None),
    "closed as going away": (close(1001), 1001, True, None),
    "closed as done, then reset": (end_after_close_by_reset, 1000, True, None),
    "closed as broken": (close(1011, "x"), 1011, False, "signaling_closed"),
    "closed by the application": (close(4003, "kicked"), 4003, False, "signaling_closed"),
    "closed without a code": (frames((b"", 8)), None, False, "signaling_closed"),
    "closed with half a code": (frames((b"\x03", 8)), None, False, "malformed"),
    "closed with a code that is none": (frames((b"\x00\x01", 8)), None, False, "malformed"),
    "ended": (silent_end, None, False, "connection_lost"),
    "ended in a frame": (end_in_frame, None, False, "connection_lost"),
    "reset": (broken, None, False, "connection_lost"),
    "reserved bits": (frames((OFFER, 1, {"rsv": 7})), None, False, "malformed"),
    "an opcode that is none": (frames((OFFER, 5)), None, False, "malformed"),
    "a piece of nothing": (frames((OFFER, 0)), None, False, "malformed"),
    "a message within a message": (frames((OFFER, 1, {"fin": False}), (OFFER, 1)), None, False, "malformed"),
    "a ping that is too long": (frames((b"x" * 126, 9)), None, False, "malformed"),
    "a ping in pieces": (frames((b"x", 9, {"fin": False})), None, False, "malformed"),
    "a huge message": (frames((b"x", 1, {"length": 2**40})), None, False, "too_large"),
    "the largest length": (frames((b"x", 1, {"length": 2**63 - 1})), None, False, "too_large"),
    "a huge message in pieces": (
        frames((b"x", 1, {"fin": False}), (b"x", 0, {"length": 64 * 1024 * 1024})),
        None,
        False,
        "too_large",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_is_reported_once(end: str) -> None:
    script, code, clean, error_code = ENDS[end]

    def play(connection: Connection) -> None:
        connection.send_frame(OFFER)
        script(connection)

    heard = Heard()
    with SignalingServer(play) as server:
        connection = opened(server.ws_url, heard)
        closed = heard.end()
        connection.close()
        connection.close()
    assert (closed.code, closed.clean) == (code, clean)
    assert (closed.error and closed.error.code) == error_code
    if closed.error is not None:
        assert closed.error.operation == "WebSocket /client"
        assert closed.error.recoverable == (error_code in ("signaling_closed", "connection_lost"))
        assert str(closed.error).endswith(" is not WebSocket") == (error_code == "malformed")
    assert heard.messages.get(timeout=LONG) == wire.Offer(sdp="v=0")
    assert heard.messages.empty()
    assert heard.closed.empty()


def test_the_servers_reason_is_reported_without_secrets() -> None:
    heard = Heard()
    with SignalingServer(close(4000, "two\nlines ody_live_SECRET")) as server:
        opened(server.ws_url, heard)
        closed = heard.end()
    assert closed.reason == "two lines ody_…"
    assert str(closed.error) == "The signaling server closed the connection (4000: two lines ody_…)"


def test_invalid_utf8_in_a_close_reason_is_replaced() -> None:
    heard = Heard()
    with SignalingServer(frames((b"\x0f\xa0bad \xff", 8))) as server:
        opened(server.ws_url, heard)
        assert heard.end().reason == "bad \N{REPLACEMENT CHARACTER}"


def test_the_servers_goodbye_is_answered() -> None:
    answered: list[Any] = []

    def script(connection: Connection) -> None:
        connection.send_close(1001)
        answered.append(connection.read_frame())

    heard = Heard()
    with SignalingServer(script) as server:
        opened(server.ws_url, heard)
        assert heard.end().code == 1001
    assert answered == [(8, b"\x03\xe8")]


# --- invalid messages

NO_MESSAGES = {
    "no json": b"no json",
    "cut": b'{"type": ',
    "empty": b"",
    "a list": b"[]",
    "no type": b"{}",
    "a type that is none": b'{"type": 5}',
    "no sdp": b'{"type": "offer"}',
    "another sdp": b'{"type": "offer", "sdp": {"sdp": 5}}',
    "a list for the sdp": b'{"type": "offer", "sdp": [5]}',
    "not a number": b'{"type": "offer", "sdp": NaN}',
    "not utf-8": b'{"type": "offer", "sdp": "\xff\xfe"}',
    "utf-16": '{"type": "offer", "sdp": "x"}'.encode("utf-16"),
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", NO_MESSAGES)
def test_a_malformed_message_is_reported_and_the_next_one_still_arrives(kind: str) -> None:
    heard = Heard()
    script = frames((NO_MESSAGES[kind], 1), (OFFER, 1))
    with SignalingServer(script) as server, contextlib.closing(opened(server.ws_url, heard)):
        error = heard.messages.get(timeout=LONG)
        assert heard.messages.get(timeout=LONG) == wire.Offer(sdp="v=0")
    assert type(error) is MalformedMessageError
    assert str(error).startswith("Malformed ")
    assert error.operation == "WebSocket /client"


@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["no BOM", "a BOM"])
def test_bytes_are_read_like_text(opcode: int, before: bytes) -> None:
    heard = Heard()
    with (
        SignalingServer(frames((before + OFFER.encode(), opcode))) as server,
        contextlib.closing(opened(server.ws_url, heard)),
    ):
        assert heard.messages.get(timeout=LONG) == wire.Offer(sdp="v=0")


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"\xff\xfe{\x00}\x00", b"\x1f\x8b\x08"])
def test_bytes_that_are_not_a_message_are_reported_and_the_next_message_is_read(data: bytes) -> None:
    heard = Heard()
    with (
        SignalingServer(frames((data, 2), (OFFER, 2))) as server,
        contextlib.closing(opened(server.ws_url, heard)),
    ):
        assert type(heard.messages.get(timeout=LONG)) is MalformedMessageError
        assert heard.messages.get(timeout=LONG) == wire.Offer(sdp="v=0")


# --- servers that do not read


def test_closing_does_not_wait_for_a_server_that_does_not_read() -> None:
    leave, left = threading.Event(), threading.Event()
    heard = Heard()
    image = "data:image/png;base64," + "x" * 20_000_000
    start = wire.InteractiveStreamStart(prompt="p", portrait=False, input_image_base64=image, broadcast=False)

    def script(connection: Connection) -> None:
        leave.wait(4 * LONG)
        left.set()

    with SignalingServer(script) as server:
        connection = opened(server.ws_url, heard)
        for _ in range(3):
            connection.send(start)
        connection.send(wire.ClientDisconnecting())
        connection.close(timeout=0.3)
        assert not left.is_set()
        leave.set()
        assert heard.end() == SignalingEnd(1000, "Client disconnect", True, None)


def test_a_connection_that_breaks_while_sending_is_reported() -> None:
    heard = Heard()
    image = "data:image/png;base64," + "x" * 20_000_000

    def script(connection: Connection) -> None:
        connection.read(1000)
        connection.reset()

    with SignalingServer(script) as server:
        connection = opened(server.ws_url, heard)
        connection.send(
            wire.InteractiveStreamStart(prompt="p", portrait=False, input_image_base64=image, broadcast=False)
        )
        closed = heard.end()
        connection.send(wire.Keepalive())
        connection.close()
    assert closed.error is not None
    assert closed.error.code == "connection_lost"


def test_both_sides_may_send_much_at_once_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    count, size = 40, 100_000
    received: list[str] = []

    def script(connection: Connection) -> None:
        for _ in range(count):
            connection.send_frame('{"type": "offer", "sdp": "' + "y" * size + '"}')
            received.append(connection.read_message()["sdp"])
        connection.hang()

    heard = Heard()
    with (
        SignalingServer(script, tls=certificate.server) as server,
        contextlib.closing(opened(server.ws_url, heard)) as connection,
    ):
        for _ in range(count):
            connection.send(wire.Answer(sdp="z" * size))
        assert {heard.messages.get(timeout=LONG).sdp for _ in range(count)} == {"y" * size}
    assert set(received) == {"z" * size}


def test_closing_while_the_server_talks_does_not_break_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # Data that arrives at a closed socket is answered with an RST, which can overtake the goodbye. So closing
    # waits for the server's answer, here for as long as a busy machine needs.
    monkeypatch.setattr("odyssey_proto._net.signaling._GOODBYE_WAIT_S", LONG)
    received: list[Any] = []

    def script(connection: Connection) -> None:
        for _ in range(200):
            connection.send_frame(OFFER)
        received.append(connection.read_message())
        received.append(connection.read_frame())
        connection.send_close(1000)
        received.append(connection.sock.recv(1))

    for _ in range(20):
        received.clear()
        heard = Heard()
        with SignalingServer(script) as server:
            connection = opened(server.ws_url, heard)
            connection.send(wire.ClientDisconnecting())
            connection.close(timeout=LONG)
        assert received == [{"type": "client_disconnecting"}, (8, b"\x03\xe8Client disconnect"), b""]


def test_closing_at_the_same_moment_as_the_server_is_one_end() -> None:
    for _ in range(50):
        heard = Heard()
        with SignalingServer(close(1000)) as server:
            opened(server.ws_url, heard).close()
            assert heard.end().clean
            assert heard.closed.empty()


# --- secrets


def told(error: BaseException | None) -> Iterator[str]:
    """Yield every text in which an exception and its causes can appear."""
    if error is not None:
        yield from (str(error), repr(error), repr(error.args))
        yield from traceback.format_exception_only(error)
        yield from (repr(value) for value in vars(error).values() if not isinstance(value, BaseException))
        yield from told(error.__cause__)
        yield from told(error.__context__)


def echo(status: str) -> Callable[[Connection, Request], None]:
    def handshake(connection: Connection, request: Request) -> None:
        connection.send(
            json_answer({"detail": request.target}, status, X_Request_Id=TOKEN, Location=request.target)
        )

    return handshake


def echo_as_garbage(connection: Connection, request: Request) -> None:
    connection.send(f"{request.target} {TOKEN}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "handshake",
    [
        *(echo(status) for status in ("200 OK", "302 Found", "400 No", "403 No", "404 No", "500 Oops")),
        echo_as_garbage,
        reset,
        drip,
    ],
)
def test_no_failure_to_open_reveals_the_token(handshake: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with SignalingServer(handshake=handshake) as server:
        error = refused(server.ws_url, seconds=0.5)
    texts = [*told(error), caplog.text]
    assert not [text for text in texts if "SECRET" in text or "not-quite" in text]


@pytest.mark.parametrize("end", ENDS)
def test_no_end_reveals_the_token(end: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    heard = Heard()
    with SignalingServer(ENDS[end][0]) as server:
        connection = opened(server.ws_url, heard)
        closed = heard.end()
        connection.close()
    texts = [*told(closed.error), repr(closed), repr(connection), caplog.text]
    assert not [text for text in texts if "SECRET" in text or "not-quite" in text]


def test_the_socket_of_a_refused_connection_is_not_left_to_the_collector() -> None:
    with refusing_port() as port:
        for _ in range(20):
            assert refused(f"ws://127.0.0.1:{port}").code == "refused"
