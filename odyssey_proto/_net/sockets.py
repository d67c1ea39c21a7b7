"""Connections that keep one deadline and that any thread can abort: name lookup, TCP, proxy, TLS.

What `http_exchange` and `websocket` share below their protocols. It speaks neither and raises what the system
raises: `HttpConnection` and `HttpsConnection` are urllib3's own with another way to their socket.

A timeout of the socket module bounds one operation, and a server that drips bytes makes any number of them. So
every operation here is given what is left of its `Call`. Waking another thread takes a shut socket: a call keeps
a duplicate of its descriptor for that, which no library closes, wraps in TLS or reuses behind its back. Only Linux
wakes whatever waits there, and on Windows Ctrl-C wakes nothing, so all waits are cut into turns.
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
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.connection

from .._base import process_end
from .._base.clock import TURN_S
from .._base.hosts import is_loopback
from .._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from _typeshed import WriteableBuffer

    from .._base.abort import Abort
    from .._base.clock import Deadline

__all__ = ["USER_AGENT", "Adapter", "Call", "HttpConnection", "HttpsConnection", "environment", "look_up"]

log = logging.getLogger("odyssey_proto.http")

USER_AGENT: Final = f"odyssey-proto/{__version__}"
"""What every request and every WebSocket names as its maker."""

# A path that died silently is noticed within 30 s, also where our own keepalives wait to be acknowledged, and its
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
    """Return the options of every socket, as far as that system's socket module has ``known`` names for them."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in _KEEPALIVES:
        number = getattr(known, name, None)
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    if platform == "darwin":
        options += [(socket.IPPROTO_TCP, _MACOS_IDLE, _IDLE_S), (socket.IPPROTO_TCP, *_MACOS_DROP)]
    return options


_OPTIONS: Final = _options(sys.platform, socket)

# Where a request cannot be sent for one of these, urllib3 reads an answer, also from a socket that is not there.
_EARLY_ANSWER: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE})
# What a connect says that goes on; the last is Windows'.
_BEGUN: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, 10035})
_LONGEST_WAIT_S: Final = 1e6  # the C library's timeouts overflow not far beyond


class Call:
    """One exchange with a server: its deadline, who may abort it, and the socket that it waits on.

    Used in a ``with``; ``on_wake`` is called, under a lock, by the thread that aborts, and must not block.
    """

    def __init__(
        self, deadline: Deadline, *aborts: Abort | None, on_wake: Callable[[], object] | None = None
    ) -> None:
        self.deadline = deadline
        """Until when all of it must be done. May be replaced between two operations."""
        self.aborts = tuple(abort for abort in aborts if abort is not None)
        """Who may end it."""
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
        """Whether it was told to end."""
        return self._woken.is_set() or any(abort.aborted for abort in self.aborts)

    def wake(self) -> None:
        """End whatever this call waits for, at once, from any thread."""
        self._woken.set()
        self.shut()
        if self._on_wake is not None:
            self._on_wake()

    def remaining(self) -> float | None:
        """Return the s left for the next operation, above 0; None without a limit.

        Raises:
            ConnectionAbortedError: it was aborted.
            TimeoutError: its time is over.
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
        """Wait on ``sock`` from here on: aborting shuts it."""
        # The family is for information only, and TLS inside TLS has none to tell.
        line = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            self._drop_line()
            self._line = line
        if self.aborted:
            self.shut()

    def shut(self) -> None:
        """Shut the socket, both ways: who waits on it finds its end there, after what has arrived already."""
        with self._lock:
            # A fork shares the connection: its child must leave it alone.
            if self._line is not None and self._process == os.getpid():
                with contextlib.suppress(OSError):  # not connected yet, or not any more
                    self._line.shutdown(socket.SHUT_RDWR)

    def pause(self, seconds: float) -> bool:
        """Wait ``seconds``; return whether the call can go on after them, at once where it cannot."""
        left = self.deadline.remaining()
        return (left is None or left > seconds) and not any(map(self._woken.wait, _turns(seconds)))

    def turns(self, at_most: float | None = None) -> Iterator[float]:
        """Yield how many s each turn of one wait may take: all that is left of the call, or ``at_most`` s.

        Raises:
            ConnectionAbortedError: it was aborted.
            TimeoutError: the last turn is over.
        """
        left = self.remaining()
        for turn in _turns(left if at_most is None else at_most):
            yield turn
            self.remaining()
        raise TimeoutError("the time of the call is over")

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the connections that this thread opens or uses belong to this call."""
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
    """Yield the turns into which a wait is cut; without end for None."""
    while seconds is None or seconds > TURN_S:
        yield TURN_S
        seconds = None if seconds is None else seconds - TURN_S
    yield seconds


_current: contextvars.ContextVar[Call] = contextvars.ContextVar("odyssey_call")

# --- finding and reaching a host


def environment(url: str) -> tuple[dict[str, str], bool | str]:
    """Return the proxies and the CA certificates that the environment sets for ``url``, as requests reads it.

    The first is empty for this machine, whatever the environment says. The second is a path, or True for the
    default: ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, or else OpenSSL's own ``SSL_CERT_FILE``.
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

    A lookup cannot be interrupted: it runs on a daemon thread of its own, and one that is given up stays there,
    with a warning, until the system gives up too.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return list(resolve(host, port, type=socket.SOCK_STREAM))  # asks nobody

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
    """Connect to the first address of ``host`` that answers, each with its share of the time left."""
    call = _current.get()
    addresses = look_up(host.strip("[]"), port, call)
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "The name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        left = call.remaining()
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:  # this machine has no such family
            failure = exc
            continue
        try:
            for option in _OPTIONS:
                with contextlib.suppress(OSError):  # a system may know an option and not have it: WSL 1
                    sock.setsockopt(*option)
            call.guard(sock)
            _connect(sock, address, call, None if left is None else left / (len(addresses) - tried))
            sock.settimeout(call.remaining())  # also where shutting made an unfinished connect look like success
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
        del failure  # its traceback holds this frame


def _connect(sock: socket.socket, address: Any, call: Call, at_most: float | None) -> None:
    """Connect, in turns, for ``at_most`` s."""
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
    """What `http.client` reads an answer from: every receive gets what is left of the call, also in the body."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._raw = cast("io.RawIOBase", sock.makefile("rb", buffering=0))
        self._call = call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        for turn in self._call.turns():
            self._sock.settimeout(turn)
            # Not by way of `_raw`, which reads nothing any more once it had to wait too long.
            with contextlib.suppress(TimeoutError):
                return self._sock.recv_into(buffer)
        return None

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedFiles:
    """The one method of a socket that `http.client.HTTPResponse` calls."""

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

    def _new_conn(self) -> socket.socket:
        try:
            return _dial(self._dns_host, self.port)
        except OSError as exc:
            if exc.errno not in _EARLY_ANSWER:
                raise
            raise ConnectionAbortedError(
                errno.ECONNABORTED, "the connection was reset while it was opened"
            ) from exc

    def request(self, *args: Any, **known: Any) -> None:
        if self.sock is not None:  # one from the pool: a new call waits on it
            _current.get().guard(self.sock)
        super().request(*args, **known)  # type: ignore[misc]  # urllib3's class follows in the MRO


class HttpConnection(_Dialling, urllib3.connection.HTTPConnection):
    """`urllib3.connection.HTTPConnection`, bounded by the current call."""


class HttpsConnection(_Dialling, urllib3.connection.HTTPSConnection):
    """`urllib3.connection.HTTPSConnection`, bounded by the current call."""


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = HttpsConnection


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(requests.adapters.HTTPAdapter):
    """An adapter of requests with these connections; those through a SOCKS proxy stay as they are."""

    def init_poolmanager(self, *args: Any, **known: Any) -> None:
        super().init_poolmanager(*args, **known)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **known: Any) -> Any:
        manager = super().proxy_manager_for(*args, **known)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close the idle connections now; urllib3 leaves it to whoever drops the last reference to a pool."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no mapping that could be iterated
                manager.pools[key].close()
        super().close()
