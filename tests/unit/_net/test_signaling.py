"""The signaling connection with a raw-socket server: messages, their order, and the end."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any, cast

import odyssey_models as wire
import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._model.codec import UnknownMessage
from odyssey_proto._net.call import Call
from odyssey_proto._net.signaling import SignalingConnection, SignalingEnd
from tests.support.hearing import LONG, Heard, connected, until
from tests.support.leaks import nothing_left
from tests.support.servers import Connection, SignalingServer

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFER = '{"type": "offer", "sdp": "v=0"}'


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


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
        with contextlib.suppress(AssertionError):  # the goodbye is not a text message
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
        connection.close(timeout=LONG)
    assert received == ["keepalive", "client_disconnecting", (8, b"\x03\xe8Client disconnect")]
    assert heard.rest() == [SignalingEnd(1000, "Client disconnect", True, None)]


def test_closing_wakes_a_reader_whose_server_is_silent() -> None:
    heard, clock = Heard(), MonotonicClock()
    with SignalingServer() as server, connected(server, heard) as connection:
        began = clock.now()
        connection.close(timeout=2 * LONG)
        assert clock.now() - began < LONG
        assert heard.rest() == [SignalingEnd(1000, "Client disconnect", True, None)]


def test_closing_again_and_from_many_threads_is_one_close() -> None:
    heard = Heard()
    with SignalingServer() as server, connected(server, heard) as connection:
        threads = [threading.Thread(target=connection.close, kwargs={"timeout": LONG}) for _ in range(8)]
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
        connection.close(timeout=LONG)
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
        connection.close(4001, "ü" * 100, timeout=LONG)
    assert received == [(8, b"\x0f\xa1" + "ü".encode() * 61)]
    assert heard.rest() == [SignalingEnd(4001, "ü" * 100, False, None)]


def test_an_abort_ends_an_open_connection_and_is_reported() -> None:
    heard, abort = Heard(), Abort()
    with SignalingServer() as server, connected(server, heard, abort=abort) as connection:
        abort.abort()
        closed = heard.next()
        assert (closed.code, closed.clean, closed.error.code) == (None, False, "closed")
        connection.close()
        assert heard.rest() == []


def test_the_end_is_reported_even_if_the_library_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def receive(self, *_: object) -> None:
            raise RuntimeError("a bug")

        def send_message(self, *_: object) -> None:
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
