"""Looking up names, and racing the addresses found, within the time of a call."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.hosts import is_loopback
from odyssey_proto._net import dialing
from odyssey_proto._net.call import Call
from odyssey_proto._net.dialing import dial, is_on_its_way, look_up
from tests.support.clocks import Time
from tests.support.leaks import nothing_left
from tests.support.ports import refusing_port
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
    answer, clock = threading.Event(), Time()

    def resolve(*_: Any, **__: Any) -> list[Any]:
        clock.at += 1  # ends the call's time, but only once the lookup has begun
        return [answer.wait(LONG)]

    with Call(Deadline(0.05, clock)) as call, pytest.raises(TimeoutError):
        look_up("slow.example", 80, call, resolve=resolve)
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


def connect(port: int, call: Call) -> socket.socket:
    return dial("127.0.0.1", port, call)


def test_a_connection_is_kept_alive_and_sends_at_once() -> None:
    with (
        Server(Connection.hang) as server,
        Call(until(LONG)) as call,
        contextlib.closing(connect(server.port, call)) as sock,
    ):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = (98, socket.SOCK_STREAM, 0, "", ("a family that no machine has", 0))
    with refusing_port() as port, Server(Connection.hang) as server, Call(until(LONG)) as call:
        refusing, answering = ("127.0.0.1", port), (server.host, server.port)
        stream = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        # No resolver can be made to answer like this.
        monkeypatch.setattr(dialing, "look_up", lambda *_: [lacking, (*stream, refusing), (*stream, answering)])
        with contextlib.closing(connect(80, call)) as sock:
            assert sock.getpeername() == answering


# --- the race


@pytest.fixture(autouse=True)
def _nothing_known_of_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "_lags", {})


STREAM = (socket.AF_INET, socket.SOCK_STREAM, 0, "")


def test_an_address_that_swallows_packets_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_backlog() as silent, Server(Connection.hang) as server, Call(until(LONG)) as call:
        addresses = [(*STREAM, ("127.0.0.1", silent)), (*STREAM, (server.host, server.port))]
        monkeypatch.setattr(dialing, "look_up", lambda *_: addresses)  # no resolver can be made to answer this
        with contextlib.closing(connect(80, call)) as sock:
            assert sock.getpeername() == (server.host, server.port)
        left = call.remaining()
        assert left is not None
        assert left > LONG * 3 / 4  # without a race, the silent address would have used up half of it


def test_an_address_that_answers_late_wins_against_one_that_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as slow, full_backlog() as silent, Call(until(LONG)) as call:
        with dialing._Attempts(call) as attempts:
            assert attempts.begin(*STREAM, ("127.0.0.1", silent))
            assert attempts.winner(until(0.01)) is None
            assert attempts.begin(*STREAM, slow.getsockname())
            winner = attempts.winner()
        assert winner is not None
        with contextlib.closing(winner):
            assert winner.getpeername() == slow.getsockname()
            assert winner.gettimeout() == pytest.approx(LONG, abs=LONG / 4)


def test_a_refusal_says_more_than_an_address_that_this_machine_cannot_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = (98, socket.SOCK_STREAM, 0, "", ("a family that no machine has", 0))
    with refusing_port() as port, Call(until(LONG)) as call:
        refusing = (*STREAM, ("127.0.0.1", port))
        monkeypatch.setattr(dialing, "look_up", lambda *_: [refusing, lacking])  # as above
        with pytest.raises(ConnectionRefusedError):
            connect(80, call)


def test_families_take_turns_and_one_that_was_overtaken_comes_second(monkeypatch: pytest.MonkeyPatch) -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    found = [(six, "a"), (six, "b"), (six, "c"), (four, "d")]
    assert dialing._in_turns(found) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]
    monkeypatch.setitem(dialing._lags, six, until(LONG))
    assert dialing._in_turns(found) == [(four, "d"), (six, "a"), (six, "b"), (six, "c")]
    monkeypatch.setitem(dialing._lags, six, until(0))
    assert dialing._in_turns(found) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]


def test_an_abort_ends_every_connect_of_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    abort, guarded = Abort(), threading.Event()

    class Watched(Call):
        def guard(self, *socks: socket.socket) -> None:
            super().guard(*socks)
            if len(socks) == 2:
                guarded.set()

    def work() -> None:
        with Watched(until(LONG), abort) as call:
            connect(80, call)

    with full_backlog() as one, full_backlog() as other:
        silent = [(*STREAM, ("127.0.0.1", port)) for port in (one, other)]
        monkeypatch.setattr(dialing, "look_up", lambda *_: silent)  # as above
        thread, raised = in_thread(work)
        assert guarded.wait(10)
        abort.abort()
        thread.join(10)
    assert [type(exc) for exc in raised] == [ConnectionAbortedError]


def test_a_refused_connection_leaves_nothing_open() -> None:
    with refusing_port() as port, Call(until(LONG)) as call, pytest.raises(ConnectionRefusedError):
        connect(port, call)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Yield a port that neither accepts nor refuses connections: connecting to it hangs."""
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
    """A call that reports when a thread is about to wait on a socket."""

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self.guarded = threading.Event()

    def guard(self, *socks: socket.socket) -> None:
        super().guard(*socks)
        self.guarded.set()


class Deaf(Guarded):
    """A call on a system where shutting down a socket wakes no waiting thread, unlike on Linux."""

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


def test_an_option_that_the_system_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = (socket.IPPROTO_TCP, 9999, 1)
    monkeypatch.setattr(dialing, "_OPTIONS", [unknown, *dialing._OPTIONS])  # as WSL 1 refuses TCP_USER_TIMEOUT
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
    macos = dialing._options("darwin", SimpleNamespace(TCP_KEEPINTVL=0x101, TCP_KEEPCNT=0x102))
    assert {(tcp, 0x10, 15), (tcp, 0x101, 5), (tcp, 0x102, 3), (tcp, 0x80, 30)} <= set(macos)
    windows = dialing._options("win32", SimpleNamespace(TCP_KEEPIDLE=3, TCP_KEEPINTVL=17, TCP_KEEPCNT=16))
    assert {(tcp, 3, 15), (tcp, 17, 5), (tcp, 16, 3)} <= set(windows)
    assert len(dialing._options("some other", SimpleNamespace())) == 2


def test_a_name_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "look_up", lambda *_: [])  # as above
    with Call(until(LONG)) as call, pytest.raises(socket.gaierror):
        connect(80, call)


def test_an_interrupt_during_a_connect_leaves_nothing_open() -> None:
    class Interrupted(Call):
        def guard(self, *socks: socket.socket) -> None:
            raise KeyboardInterrupt

    with Server(Connection.hang) as server, Interrupted(until(LONG)) as call, pytest.raises(KeyboardInterrupt):
        connect(server.port, call)


# --- later


def test_a_connection_is_on_its_way_while_the_system_would_take_the_same_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
        assert not is_on_its_way(sock)  # it is not connected
        sock.connect(listener.getsockname())
        assert is_on_its_way(sock)


def test_a_connection_from_another_address_than_the_systems_choice_is_not() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), source_address=("127.0.0.9", 0)) as sock,
    ):
        assert not is_on_its_way(sock)
