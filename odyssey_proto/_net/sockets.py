"""Connections that keep one deadline and that any thread can abort: name lookup, TCP, proxy, TLS.

`http_exchange` and `websocket` share this layer. It speaks neither protocol and raises the system's errors:
`HttpConnection` and `HttpsConnection` are urllib3's own, except for the way they open their sockets.

A timeout of the socket module limits one operation, but a server that drips bytes causes any number of them.
So every operation here gets the time that is left of its `Call`. Waking another thread requires shutting its
socket: a call keeps a duplicate of the descriptor for this, which no library closes, wraps in TLS or reuses. Only
Linux wakes every waiting thread, and on Windows Ctrl-C wakes none, so all waits are cut into turns.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import http.client
import io
import ipaddress
import logging
import os
import selectors
import socket
import ssl
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.connection
from urllib3.util import wait_for_read

from .._base import process_end
from .._base.clock import TURN_S
from .._base.hosts import is_loopback
from .._version import __version__
from .answer_head import read_head
from .stand_ins import connection_class, unreplaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from _typeshed import WriteableBuffer
    from urllib3.connection import HTTPConnection as _PlainConnection
    from urllib3.connection import HTTPSConnection as _SecureConnection

    from .._base.abort import Abort
    from .._base.clock import Deadline
    from .stopwatch import Stopwatch

__all__ = [
    "USER_AGENT",
    "Adapter",
    "Call",
    "HttpConnection",
    "HttpsConnection",
    "environment",
    "look_up",
]

log = logging.getLogger("odyssey_proto.http")

USER_AGENT: Final = f"odyssey-proto/{__version__}"
"""The ``User-Agent`` of every request and every WebSocket."""

# A silently broken path is noticed within 30 s, even while our own keepalives wait for acknowledgement, and its
# NAT entry stays alive meanwhile.
_IDLE_S: Final = 15
_KEEPALIVES: Final = (
    ("TCP_KEEPIDLE", _IDLE_S),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 30_000),  # ms
)
_MACOS_IDLE: Final = 0x10  # TCP_KEEPALIVE, which is TCP_KEEPIDLE there
_MACOS_DROP: Final = (0x80, 30)  # TCP_RXT_CONNDROPTIME, in s: TCP_USER_TIMEOUT there; Python has no name for it


def _options(platform: str, known: object) -> list[tuple[int, int, int]]:
    """Return the options of every socket, as far as ``known``, the system's socket module, has names for them."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in _KEEPALIVES:
        number = getattr(known, name, None)
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    if platform == "darwin":
        options += [(socket.IPPROTO_TCP, _MACOS_IDLE, _IDLE_S), (socket.IPPROTO_TCP, *_MACOS_DROP)]
    return options


_OPTIONS: Final = _options(sys.platform, socket)

# If sending fails with one of these, urllib3 still reads an answer, even from a socket that does not exist.
_EARLY_ANSWER: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE})
# The error codes of a connect in progress; the last is that of Windows.
_BEGUN: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, 10035})
_READ_AHEAD: Final = 8192  # bytes
_LONGEST_WAIT_S: Final = 1e6  # the C library's timeouts overflow not far above


class Call:
    """One exchange with a server: its deadline, its aborts, and the socket that it waits on.

    Used in a ``with``; the aborting thread calls ``on_wake`` under a lock, so it must not block.
    """

    def __init__(
        self,
        deadline: Deadline,
        *aborts: Abort | None,
        on_wake: Callable[[], object] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.deadline = deadline
        """The deadline for all of it. It may be replaced between two operations."""
        self.aborts = tuple(abort for abort in aborts if abort is not None)
        """The aborts that may end it."""
        self.stopwatch = stopwatch
        """Times it, if that is wanted."""
        self.target: str | None = None
        """The path and the query of the next request, as they are sent; None leaves them to urllib3."""
        self._on_wake = on_wake
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._line: socket.socket | None = None
        self._process = os.getpid()

    def __enter__(self) -> Self:
        for abort in self.aborts:
            abort._add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for abort in self.aborts:
            abort._remove(self)
        with self._lock:
            self._drop_line()

    @property
    def aborted(self) -> bool:
        """Whether it was aborted."""
        return self._woken.is_set() or any(abort.aborted for abort in self.aborts)

    def wake(self) -> None:
        """End the current wait of this call at once, from any thread."""
        self._woken.set()
        self.shut()
        if self._on_wake is not None:
            self._on_wake()

    def remaining(self) -> float | None:
        """Return the time left for the next operation, in s, above 0; None without a limit.

        Raises:
            ConnectionAbortedError: the call was aborted.
            TimeoutError: the deadline has passed.
        """
        if self.aborted:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the call was aborted")
        left = self.deadline.remaining()
        if left is None or left > _LONGEST_WAIT_S:
            return None
        if left <= 0:
            raise TimeoutError("the time of the call is over")
        return left

    def guard(self, sock: socket.socket) -> None:
        """Use ``sock`` from now on: an abort shuts it."""
        # The family is for information only, and TLS inside TLS has none.
        line = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            self._drop_line()
            self._line = line
        if self.aborted:
            self.shut()

    def shut(self) -> None:
        """Shut the socket both ways: a waiting thread reads what has already arrived, and then its end."""
        with self._lock:
            # A forked child shares the connection and must leave it alone.
            if self._line is not None and self._process == os.getpid():
                with contextlib.suppress(OSError):  # not connected yet, or no longer
                    self._line.shutdown(socket.SHUT_RDWR)

    def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` and return whether the call can go on; if it cannot, return False at once."""
        left = self.deadline.remaining()
        return (left is None or left > seconds) and not any(map(self._woken.wait, _turns(seconds)))

    def turns(self, at_most: float | None = None) -> Iterator[float]:
        """Yield the length of each turn of one wait, in s; all take the rest of the call, or ``at_most`` s.

        Raises:
            ConnectionAbortedError: the call was aborted.
            TimeoutError: the last turn is over.
        """
        left = self.remaining()
        for turn in _turns(left if at_most is None else at_most):
            yield turn
            self.remaining()
        raise TimeoutError("the time of the call is over")

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make this the call of all connections that the thread opens or uses within a ``with``."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _turns(seconds: float | None) -> Iterator[float]:
    """Yield the turns into which a wait is cut, in s; without end for None."""
    while seconds is None or seconds > TURN_S:
        yield TURN_S
        seconds = None if seconds is None else seconds - TURN_S
    yield seconds


_current: contextvars.ContextVar[Call] = contextvars.ContextVar("odyssey_call")

# --- finding and reaching a host


def environment(url: str) -> tuple[dict[str, str], bool | str]:
    """Return the proxies and the CA certificates that the environment sets for ``url``, as requests reads it.

    There are no proxies for this machine, whatever the environment says. The certificates are the path in
    ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` or OpenSSL's own ``SSL_CERT_FILE``, or True for the default.
    """
    host = urlsplit(url).hostname or ""
    if sys.platform == "darwin" and _is_forked:
        proxies, verify = _environment_alone(host)
    else:
        with requests.Session() as session:
            settings = session.merge_environment_settings(url, {}, None, None, None)
        proxies, verify = settings["proxies"], settings["verify"]
    if is_loopback(host):
        proxies = {}
    return dict(proxies), verify if isinstance(verify, str) else os.environ.get("SSL_CERT_FILE") or True


def _environment_alone(host: str) -> tuple[Mapping[str, str], str | None]:
    """Return what the variables say; asking macOS for its own settings kills a forked child (gh-105912)."""
    bypassed = urllib.request.proxy_bypass_environment(host)  # type: ignore[attr-defined]  # typeshed lacks it
    proxies = {} if bypassed else urllib.request.getproxies_environment()
    return proxies, os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")


_is_forked = False


@process_end.after_fork_in_child
def _remember_fork() -> None:
    global _is_forked
    _is_forked = True


def look_up(host: str, port: int, call: Call, *, resolve: Callable[..., Any] = socket.getaddrinfo) -> list[Any]:
    """Return the addresses of ``host`` as `socket.getaddrinfo` does, within the call's time.

    A lookup cannot be interrupted, so it runs on a daemon thread of its own. If the call gives up, a warning is
    logged, and the thread stays until the system gives up too.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return list(resolve(host, port, type=socket.SOCK_STREAM))  # makes no request

    outcome: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        try:
            outcome.append(list(resolve(host, port, type=socket.SOCK_STREAM)))
        except UnicodeError:  # a label that is empty or too long
            outcome.append(socket.gaierror(socket.EAI_NONAME, "Not a valid host name"))
        except OSError as exc:
            outcome.append(exc)
        finally:
            done.set()

    with Call(call.deadline, *call.aborts, on_wake=done.set) as waiting:
        waiting.remaining()
        threading.Thread(target=ask, name="odyssey-lookup", daemon=True).start()
        try:
            any(map(done.wait, waiting.turns()))
            if not outcome:
                raise ConnectionAbortedError if waiting.aborted else TimeoutError
        except OSError:
            log.warning("the lookup of %s was given up; its thread stays until the system gives up too", host)
            raise
    (addresses,) = outcome
    if isinstance(addresses, OSError):
        raise addresses
    return cast("list[Any]", addresses)


def _dial(host: str, port: int) -> socket.socket:
    """Connect to the first address of ``host`` that answers; each gets its share of the time left."""
    call = _current.get()
    addresses = look_up(host.strip("[]"), port, call)
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "The name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        left = call.remaining()
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:  # this machine does not support the address family
            failure = exc
            continue
        try:
            for option in _OPTIONS:
                with contextlib.suppress(OSError):  # a system may know an option but not support it: WSL 1
                    sock.setsockopt(*option)
            call.guard(sock)
            _connect(sock, address, call, None if left is None else left / (len(addresses) - tried))
            sock.settimeout(call.remaining())  # raises if an abort made the unfinished connect look like success
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    try:
        raise failure
    finally:
        del failure  # its traceback refers to this frame


def _connect(sock: socket.socket, address: Any, call: Call, at_most: float | None) -> None:
    """Connect within ``at_most`` s, waiting in turns."""
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in _BEGUN:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            any(map(selector.select, call.turns(at_most)))
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


class _TimedReader(io.RawIOBase):
    """The stream that `http.client` reads an answer from; every read is limited to the time left of the call.

    The head of the answer is read first, and passed on in the form that `http.client` reads.
    """

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._raw = cast("io.RawIOBase", sock.makefile("rb", buffering=0))
        self._call = call
        self._ahead: bytes | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if self._ahead is None:
            head, rest = read_head(self._receive)
            self._ahead = rest if head is None else head.text() + rest
        if not self._ahead:
            return self._read(buffer)
        view = memoryview(buffer)
        size = min(len(view), len(self._ahead))
        view[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        return size

    def _receive(self) -> bytes:
        data = bytearray(_READ_AHEAD)
        return bytes(data[: self._read(data) or 0])

    def _read(self, buffer: WriteableBuffer) -> int | None:
        if self._call.stopwatch is not None:
            return self._read_timed(buffer, self._call.stopwatch)
        for turn in self._call.turns():
            self._sock.settimeout(turn)
            # Not through `_raw`, which refuses to read again after its first timeout.
            with contextlib.suppress(TimeoutError):
                return self._sock.recv_into(buffer)
        return None

    def _read_timed(self, buffer: WriteableBuffer, stopwatch: Stopwatch) -> int:
        """Read, and take the time at which the data arrived; each wait returns to Python once, not twice."""
        self._sock.settimeout(0)
        while True:
            try:
                size = self._sock.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                any(wait_for_read(self._sock, timeout=turn) for turn in self._call.turns())
                stopwatch.arrived(self._sock)
            else:
                if stopwatch.is_running:
                    stopwatch.arrived(self._sock)
                return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedFiles:
    """A socket's `makefile`, the only method that `http.client.HTTPResponse` calls."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._reader = _TimedReader(sock, call)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **known: Any) -> None:
        super().__init__(cast("socket.socket", _TimedFiles(sock, _current.get())), *args, **known)


class _Dialling:
    """urllib3's connections with the call's deadline and abort in every operation."""

    response_class: Any = _Response
    _dns_host: str
    port: int
    sock: Any
    connect: Callable[[], None]
    _stopwatch: Stopwatch | None = None  # that of a request; the connecting before it does not count

    def _new_conn(self) -> socket.socket:
        try:
            return _dial(self._dns_host, self.port)
        except OSError as exc:
            if exc.errno not in _EARLY_ANSWER:
                raise
            raise ConnectionAbortedError(
                errno.ECONNABORTED, "the connection was reset while it was opened"
            ) from exc

    def request(self, method: str, url: str, *args: Any, **known: Any) -> None:
        call = _current.get()
        if self.sock is None:
            self.connect()
        else:  # from the pool: it now belongs to another call
            call.guard(self.sock)
        self._stopwatch = call.stopwatch
        if call.target is not None:  # a proxy gets the whole address
            origin = urlsplit(url)._replace(path="", query="", fragment="").geturl()
            url = origin + call.target
        super().request(method, url, *args, **known)  # type: ignore[misc]  # urllib3's class follows in the MRO

    def send(self, data: Any) -> None:
        if self._stopwatch is not None:
            self.sock.settimeout(0)  # a small request fits, and there is no wait between the clock and the network
            self._stopwatch.begin(self.sock)
        super().send(data)  # type: ignore[misc]  # urllib3's class follows in the MRO


if not TYPE_CHECKING:
    _PlainConnection = unreplaced(urllib3.connection.HTTPConnection)
    _SecureConnection = unreplaced(urllib3.connection.HTTPSConnection)


class HttpConnection(_Dialling, _PlainConnection):
    """`urllib3.connection.HTTPConnection`, bounded by the current call."""


class HttpsConnection(_Dialling, _SecureConnection):
    """`urllib3.connection.HTTPSConnection`, bounded by the current call."""


class _HttpPool(urllib3.HTTPConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # nobody sets it
        return connection_class(urllib3.HTTPConnectionPool, HttpConnection)


class _HttpsPool(urllib3.HTTPSConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # nobody sets it
        return connection_class(urllib3.HTTPSConnectionPool, HttpsConnection)


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(requests.adapters.HTTPAdapter):
    """An adapter of requests that uses these connections, except through a SOCKS proxy."""

    def init_poolmanager(self, *args: Any, **known: Any) -> None:
        super().init_poolmanager(*args, **known)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **known: Any) -> Any:
        manager = super().proxy_manager_for(*args, **known)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close the idle connections now; urllib3 closes them only when a pool is garbage-collected."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - not an iterable mapping
                manager.pools[key].close()
        super().close()
