"""Connections and answers that end with their call, and connections that are used again."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
import urllib3.exceptions

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net import sockets
from odyssey_proto._net.call import Call
from odyssey_proto._net.sockets import Adapter, HttpConnection
from tests.support.clocks import Time
from tests.support.leaks import nothing_left
from tests.support.servers import Connection, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60.0


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float | None) -> Deadline:
    return Deadline(seconds, MonotonicClock())


def in_thread(work: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Run ``work`` on a thread; return the thread, and the list that collects its errors."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except OSError as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


# --- reading an answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"


def get(port: int, call: Call) -> bytes:
    """Make one GET request as urllib3 makes it, and return the body of the answer."""
    with contextlib.closing(HttpConnection("127.0.0.1", port)) as connection:
        with call.current():
            connection.request("GET", "/")
            response = connection.getresponse()
        with contextlib.closing(response):
            return response.data


@pytest.mark.parametrize(
    ("begun", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", TimeoutError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", urllib3.exceptions.ReadTimeoutError),
    ],
    ids=["headers", "body"],
)
def test_an_answer_that_drips_ends_with_its_call(begun: bytes, error: type[Exception]) -> None:
    clock = Time()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(begun)
        connection.drip(b"x" * 5, every=0.1)
        clock.at += LONG
        connection.drip(b"x" * 300, every=0.1)  # an end of the connection would be another error

    with Server(script) as server, Call(Deadline(LONG, clock)) as call, pytest.raises(error):
        get(server.port, call)


def test_an_answer_that_never_pauses_ends_with_its_call() -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        while True:
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with Server(script) as server, Call(until(0.3)) as call, pytest.raises(TimeoutError):
        get(server.port, call)


def test_an_abort_ends_the_reading_of_a_body() -> None:
    abort, begun = Abort(), threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD)
        begun.set()
        connection.hang()

    def work() -> None:
        with Call(until(LONG), abort) as call, contextlib.suppress(urllib3.exceptions.ProtocolError):
            get(server.port, call)

    with Server(script) as server:
        thread, _ = in_thread(work)
        assert begun.wait(10)
        abort.abort()
        thread.join(10)
        assert not thread.is_alive()


def test_a_connection_that_is_used_again_belongs_to_the_new_call() -> None:
    first, second, asked = Abort(), Abort(), threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b"x" * 20)
        connection.read_request()
        asked.set()
        connection.hang()

    with Server(script) as server, contextlib.closing(HttpConnection("127.0.0.1", server.port)) as connection:
        with Call(until(LONG), first) as call, call.current():
            connection.request("GET", "/")
            assert connection.getresponse().data == b"x" * 20

        def work() -> None:
            with Call(until(LONG), second) as call, call.current():
                connection.request("GET", "/")
                connection.getresponse()

        thread, raised = in_thread(work)
        assert asked.wait(10)
        first.abort()
        assert thread.is_alive()
        second.abort()
        thread.join(10)
        assert len(raised) == 1


class Deaf(Call):
    """A call on a system where shutting down a socket wakes no waiting thread, unlike on Linux."""

    def shut(self) -> None:
        pass


def test_an_abort_ends_a_receive_where_a_shut_socket_wakes_nobody() -> None:
    abort, asked = Abort(), threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        asked.set()
        connection.hang()

    def work() -> None:
        with Deaf(until(LONG), abort) as call:
            get(server.port, call)

    with Server(script) as server:
        thread, raised = in_thread(work)
        assert asked.wait(10)
        abort.abort()
        thread.join(10)
        assert [type(exc) for exc in raised] == [ConnectionAbortedError]


def test_no_wait_for_an_answer_is_longer_than_a_turn() -> None:
    """On Windows, Ctrl-C wakes no waiting thread: it is noticed only when the turn is over."""
    timeouts: list[float | None] = []

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.drip(HEAD + b"x" * 20, every=0.01)

    with (
        Server(script) as server,
        Call(until(LONG)) as call,
        contextlib.closing(HttpConnection("127.0.0.1", server.port)) as connection,
        call.current(),
    ):
        connection.request("GET", "/")
        assert connection.sock is not None
        sock = connection.sock
        response = connection.getresponse()
        timeouts.append(sock.gettimeout())
        assert response.data == b"x" * 20
    assert timeouts == [0.2]


def test_a_read_that_took_many_turns_goes_on() -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b"x" * 10)
        connection.pause(0.5)
        connection.send(b"x" * 10)

    with Server(script) as server, Call(until(LONG)) as call:
        assert get(server.port, call) == b"x" * 20


# --- adapters


def test_each_socks_proxy_has_connections_of_its_own() -> None:
    adapter = Adapter()
    with contextlib.closing(adapter):
        assert adapter.proxy_manager_for("http://proxy.example").pool_classes_by_scheme is sockets._POOLS
        one, other = (adapter.proxy_manager_for(f"socks5h://{name}.example") for name in ("one", "other"))
        assert adapter.proxy_manager_for("socks5h://one.example") is one
        for scheme in ("http", "https"):
            made = [manager.pool_classes_by_scheme[scheme].socks.host for manager in (one, other)]
            assert made == ["one.example", "other.example"]


def test_a_socks_proxy_is_complete_before_another_thread_can_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, known = Adapter(), []
    through = sockets._pools_through

    def look(proxy: Any) -> Any:
        known.append(list(adapter.proxy_manager))
        return through(proxy)

    monkeypatch.setattr(sockets, "_pools_through", look)
    with contextlib.closing(adapter):
        adapter.proxy_manager_for("socks5h://proxy.example")
        assert known == [[]]


def test_connections_that_another_thread_has_closed_are_left_out() -> None:
    adapter = Adapter()
    with contextlib.closing(adapter):
        for host in ("one.example", "other.example"):
            adapter.poolmanager.connection_from_host(host)
        pools = adapter._pools()
        next(pools)
        adapter.close()
        assert list(pools) == []
