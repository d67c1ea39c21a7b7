"""Calls that end by their deadline or by an abort, in every kind of wait."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import urllib3.exceptions

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.hosts import is_loopback
from odyssey_proto._net import sockets
from odyssey_proto._net.sockets import Adapter, Call, HttpConnection, environment, look_up
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
    """Run ``work`` on a thread; its errors are collected."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except OSError as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


# --- abort and call


def test_an_aborted_call_has_no_time_left() -> None:
    abort = Abort()
    with Call(until(LONG), abort) as call:
        assert call.remaining() == pytest.approx(LONG, abs=5)
        abort.abort()
        assert call.aborted
        with pytest.raises(ConnectionAbortedError):
            call.remaining()


def test_a_call_made_after_the_abort_is_aborted_from_the_start() -> None:
    abort = Abort()
    abort.abort()
    abort.abort()
    assert abort.aborted
    with Call(until(LONG), abort) as call, pytest.raises(ConnectionAbortedError):
        call.remaining()


def test_each_of_several_aborts_ends_a_call() -> None:
    first, second = Abort(), Abort()
    with Call(until(LONG), first, None, second) as call:
        second.abort()
        assert call.aborted


def test_an_abort_wakes_calls_only_while_they_last() -> None:
    abort, woken = Abort(), []
    with Call(until(LONG), abort, on_wake=lambda: woken.append("inside")):
        abort.abort()
    abort.abort()
    assert woken == ["inside"]


def test_a_call_whose_time_is_over_says_so() -> None:
    with Call(until(0), Abort()) as call, pytest.raises(TimeoutError):
        call.remaining()


@pytest.mark.parametrize("seconds", [None, 1e12])
def test_a_call_without_a_limit_or_with_an_endless_one_waits_without_timeout(seconds: float | None) -> None:
    with Call(until(seconds)) as call:
        assert call.remaining() is None


def test_a_pause_is_not_begun_when_the_call_ends_before_it() -> None:
    with Call(until(1.0)) as call:
        assert not call.pause(LONG)
        assert call.pause(0.001)
    with Call(until(None)) as call:
        assert call.pause(0.001)


def test_an_abort_ends_a_pause() -> None:
    abort = Abort()
    with Call(until(LONG), abort) as call:
        results: list[bool] = []
        thread, _ = in_thread(lambda: results.append(call.pause(LONG / 2)))
        abort.abort()
        thread.join(10)
        assert results == [False]


def test_an_abort_ends_a_receive_at_once() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        received: list[bytes] = []
        thread, _ = in_thread(lambda: received.append(ours.recv(1)))
        abort.abort()
        thread.join(10)
        assert received == [b""]


def test_a_socket_guarded_after_the_abort_is_shut() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    abort.abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        assert ours.recv(1) == b""


def test_only_the_socket_guarded_last_is_shut() -> None:
    first, second = socket.socketpair()
    third, fourth = socket.socketpair()
    with contextlib.ExitStack() as stack:
        for sock in (first, second, third, fourth):
            stack.enter_context(contextlib.closing(sock))
        call = stack.enter_context(Call(until(LONG)))
        call.guard(first)
        call.guard(third)
        call.shut()
        second.sendall(b"x")
        assert first.recv(1) == b"x"
        assert third.recv(1) == b""


def test_a_forked_child_leaves_the_parents_socket_alone() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        call._process = os.getpid() + 1  # as in a forked child, without forking a process that has threads
        abort.abort()
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"


# --- names


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.255.1.2", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_names_and_addresses(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours


def test_a_name_is_looked_up() -> None:
    with Call(until(LONG)) as call:
        assert ("127.0.0.1", 80) in [address[4] for address in look_up("localhost", 80, call)]


def test_an_address_is_taken_without_a_thread() -> None:
    asked_on: list[threading.Thread] = []

    def resolve(*_: Any, **__: Any) -> list[Any]:
        asked_on.append(threading.current_thread())
        return ["found"]

    with Call(until(LONG)) as call:
        assert look_up("::1", 80, call, resolve=resolve) == ["found"]
    assert asked_on == [threading.current_thread()]


def test_a_name_that_does_not_exist_is_an_error() -> None:
    with Call(until(LONG)) as call, pytest.raises(socket.gaierror):
        look_up("does-not-exist.invalid", 80, call)


def test_a_name_that_cannot_be_one_is_an_error() -> None:
    with Call(until(LONG)) as call, pytest.raises(socket.gaierror, match="Not a valid host name"):
        look_up("a" * 64 + ".example", 80, call)


def test_a_lookup_that_hangs_is_given_up_in_time_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    answer = threading.Event()
    with Call(until(0.05)) as call, pytest.raises(TimeoutError):
        look_up("slow.example", 80, call, resolve=lambda *_, **__: [answer.wait(LONG)])
    assert "the lookup of slow.example was given up" in caplog.text
    answer.set()


def test_an_abort_ends_the_wait_for_a_lookup() -> None:
    abort, asked, answer = Abort(), threading.Event(), threading.Event()

    def resolve(*_: Any, **__: Any) -> list[Any]:
        asked.set()
        answer.wait(LONG)
        return []

    def work() -> None:
        with Call(until(LONG), abort) as call:
            look_up("slow.example", 80, call, resolve=resolve)

    thread, raised = in_thread(work)
    assert asked.wait(10)
    abort.abort()
    thread.join(10)
    answer.set()
    assert [type(exc) for exc in raised] == [ConnectionAbortedError]


def test_no_lookup_is_begun_for_a_call_that_is_over() -> None:
    asked: list[str] = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return []

    with Call(until(0)) as call, pytest.raises(TimeoutError):
        look_up("localhost", 80, call, resolve=resolve)
    assert asked == []


# --- connecting


def connect(port: int, call: Call, host: str = "127.0.0.1") -> socket.socket:
    """Connect as urllib3 does, and return the socket."""
    connection = HttpConnection(host, port)
    with call.current():
        connection.connect()
    sock: socket.socket = connection.sock
    return sock


def test_a_connection_is_kept_alive_and_sends_at_once() -> None:
    with (
        Server(Connection.hang) as server,
        Call(until(LONG)) as call,
        contextlib.closing(connect(server.port, call)) as sock,
    ):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        refusing = free.getsockname()
    lacking = (98, socket.SOCK_STREAM, 0, "", ("a family that no machine has", 0))
    with Server(Connection.hang) as server, Call(until(LONG)) as call:
        answering = (server.host, server.port)
        stream = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        # No resolver can be made to answer like this.
        monkeypatch.setattr(sockets, "look_up", lambda *_: [lacking, (*stream, refusing), (*stream, answering)])
        with contextlib.closing(connect(80, call)) as sock:
            assert sock.getpeername() == answering


def test_a_refused_connection_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Call(until(LONG)) as call, pytest.raises(ConnectionRefusedError):
        connect(port, call)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port that neither accepts nor refuses: connecting there waits."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("127.0.0.1", port))
        yield port


def test_a_connect_that_is_not_answered_ends_with_its_call() -> None:
    with full_backlog() as port, Call(until(0.2)) as call, pytest.raises(TimeoutError):
        connect(port, call)


class Guarded(Call):
    """Reports when a thread waits on a socket."""

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self.guarded = threading.Event()

    def guard(self, sock: socket.socket) -> None:
        super().guard(sock)
        self.guarded.set()


class Deaf(Guarded):
    """On a system where shutting a socket wakes no wait; on Linux it does."""

    def shut(self) -> None:
        pass


@pytest.mark.parametrize("system", [Guarded, Deaf])
def test_an_abort_ends_a_connect(system: type[Guarded]) -> None:
    abort = Abort()

    def work() -> None:
        with call:
            connect(port, call).close()

    with full_backlog() as port:
        call = system(until(LONG), abort)
        thread, raised = in_thread(work)
        assert call.guarded.wait(10)
        abort.abort()
        thread.join(10)
        assert not thread.is_alive()
    assert len(raised) == 1


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
    """If Ctrl-C wakes no wait, as on Windows, it is noticed at the next turn."""
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


def test_an_option_that_the_system_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = (socket.IPPROTO_TCP, 9999, 1)
    monkeypatch.setattr(sockets, "_OPTIONS", [unknown, *sockets._OPTIONS])  # as WSL 1 refuses TCP_USER_TIMEOUT
    with (
        Server(Connection.hang) as server,
        Call(until(LONG)) as call,
        contextlib.closing(connect(server.port, call)) as sock,
    ):
        with pytest.raises(OSError, match="not available"):
            sock.setsockopt(*unknown)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_every_system_probes_a_silent_path_by_its_own_names() -> None:
    tcp = socket.IPPROTO_TCP
    macos = sockets._options("darwin", SimpleNamespace(TCP_KEEPINTVL=0x101, TCP_KEEPCNT=0x102))
    assert {(tcp, 0x10, 15), (tcp, 0x101, 5), (tcp, 0x102, 3), (tcp, 0x80, 30)} <= set(macos)
    windows = sockets._options("win32", SimpleNamespace(TCP_KEEPIDLE=3, TCP_KEEPINTVL=17, TCP_KEEPCNT=16))
    assert {(tcp, 3, 15), (tcp, 17, 5), (tcp, 16, 3)} <= set(windows)
    assert len(sockets._options("some other", SimpleNamespace())) == 2


def test_a_name_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "look_up", lambda *_: [])  # as above
    with Call(until(LONG)) as call, pytest.raises(socket.gaierror):
        connect(80, call)


def test_an_interrupt_during_a_connect_leaves_nothing_open() -> None:
    class Interrupted(Call):
        def guard(self, sock: socket.socket) -> None:
            raise KeyboardInterrupt

    with Server(Connection.hang) as server, Interrupted(until(LONG)) as call, pytest.raises(KeyboardInterrupt):
        connect(server.port, call)


# --- reading an answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"


def get(port: int, call: Call) -> bytes:
    """Make one GET request with urllib3's own means."""
    with contextlib.closing(HttpConnection("127.0.0.1", port)) as connection:
        with call.current():
            connection.request("GET", "/")
            response = connection.getresponse()
        with contextlib.closing(response):
            return response.data


@pytest.mark.parametrize("dripped", [HEAD, HEAD + b"{" * 20], ids=["headers", "body"])
def test_an_answer_that_drips_ends_with_its_call(dripped: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(dripped[:30])
        connection.drip(dripped[30:], every=0.1)

    with (
        Server(script) as server,
        Call(until(0.5)) as call,
        pytest.raises((TimeoutError, urllib3.exceptions.HTTPError)),
    ):
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


# --- the environment


def test_a_forked_child_on_macos_asks_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> dict[str, str]:
        raise AssertionError("the system was asked, which kills a forked child there")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sockets, "_is_forked", True)
    monkeypatch.setattr("requests.sessions.get_environ_proxies", crash)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", "/ca.pem")
    proxies, ca = environment("https://api.example/x")
    assert (proxies["https"], ca) == ("http://proxy.example:3128", "/ca.pem")
    assert environment("https://direct.example/x")[0] == {}
    assert environment("https://localhost/x")[0] == {}


def test_proxies_and_certificates_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ours.pem")
    proxies, ca = environment("https://api.example/x")
    assert (proxies["https"], ca) == ("http://proxy.example:3128", "/etc/ours.pem")


CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.mark.parametrize("first", range(4))
def test_the_first_certificates_that_are_set_are_taken(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(CA_VARIABLES):
        if number < first:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, f"/etc/{name}.pem")
    _, ca = environment("https://api.example/x")
    assert ca == (f"/etc/{CA_VARIABLES[first]}.pem" if first < len(CA_VARIABLES) else True)


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for url in ("http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8000", "http://127.3.2.1"):
        assert environment(url)[0] == {}


def test_a_socks_proxy_keeps_the_pools_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = Adapter()
    with contextlib.closing(adapter):
        assert adapter.proxy_manager_for("http://proxy.example").pool_classes_by_scheme is sockets._POOLS
        socks = object()
        # PySocks, which would make one, is not among the dependencies.
        monkeypatch.setitem(adapter.proxy_manager, "socks5://proxy.example", socks)
        assert adapter.proxy_manager_for("socks5://proxy.example") is socks
        adapter.proxy_manager.clear()
