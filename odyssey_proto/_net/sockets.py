"""Connections that keep the deadline of a call and that any thread can abort: proxy, TLS, and reading answers.

`http_exchange` and `websocket` share this layer. It speaks neither protocol and raises the system's errors:
`HttpConnection` and `HttpsConnection` are urllib3's own, except that they open their sockets by `dialing`. Every
operation gets the time that is left of its `Call`.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import queue
import ssl
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import requests.adapters
import urllib3
import urllib3.connection
from urllib3.util import wait_for_read

from .._version import __version__
from .answer_head import read_head
from .call import Call, current_call
from .dialing import dial, is_on_its_way
from .failures import ProxyTroubleError
from .proxies import Proxy
from .socks import open_through
from .stand_ins import connection_class, unreplaced
from .trust import trusting_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer
    from urllib3.connection import HTTPConnection as _PlainConnection
    from urllib3.connection import HTTPSConnection as _SecureConnection

    from .stopwatch import Stopwatch

__all__ = ["USER_AGENT", "Adapter", "HttpConnection", "HttpsConnection"]

USER_AGENT: Final = f"odyssey-proto/{__version__}"
"""The ``User-Agent`` of every request and every WebSocket."""

# If sending fails with one of these, urllib3 still reads an answer, even from a socket that does not exist.
_EARLY_ANSWER: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE})
_READ_AHEAD: Final = 8192  # bytes


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
            if head is not None:
                self._call.challenge = head.all(b"proxy-authenticate").decode("latin-1")
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
        super().__init__(cast("socket.socket", _TimedFiles(sock, current_call())), *args, **known)


class _Dialling:
    """urllib3's connections with the call's deadline and abort in every operation."""

    response_class: Any = _Response
    _dns_host: str
    _tunnel_host: str | None
    port: int
    proxy: Any
    sock: Any
    connect: Callable[[], None]
    socks: Proxy | None = None
    """The SOCKS proxy that it goes through; None if there is none."""
    _stopwatch: Stopwatch | None = None  # that of a request; connecting does not count

    @property
    def is_connected(self) -> bool:
        """Whether the connection can be used again; urllib3 asks this about the connections in its pools."""
        connected: bool = super().is_connected  # type: ignore[misc]  # urllib3's class follows in the MRO
        return connected and is_on_its_way(self.sock)

    def _new_conn(self) -> socket.socket:
        with self._reaching_proxy():
            try:
                return self._dialled(current_call())
            except OSError as exc:
                if exc.errno not in _EARLY_ANSWER:
                    raise
                raise ConnectionAbortedError(
                    errno.ECONNABORTED, "the connection was reset while it was opened"
                ) from exc

    def _dialled(self, call: Call) -> socket.socket:
        if self.socks is None:
            return dial(self._dns_host, self.port, call)
        with contextlib.ExitStack() as undo:
            sock = undo.enter_context(dial(self.socks.host, self.socks.port, call))
            open_through(sock, self.socks, self._dns_host, self.port, call)
            sock.settimeout(call.remaining())
            undo.pop_all()
            return sock

    def _tunnel(self) -> None:
        with self._reaching_proxy():
            super()._tunnel()  # type: ignore[misc]  # urllib3's class follows in the MRO

    @contextlib.contextmanager
    def _reaching_proxy(self) -> Iterator[None]:
        """Mark failures within as those of the proxy, if there is one."""
        # Determined now: urllib3 forgets the tunnel when it fails.
        direct = self.proxy is None and self._tunnel_host is None and self.socks is None
        host, port = (self._dns_host, self.port) if self.socks is None else (self.socks.host, self.socks.port)
        try:
            yield
        except (OSError, http.client.HTTPException) as exc:
            if direct:
                raise
            raise ProxyTroubleError(host, port) from exc

    def request(self, method: str, url: str, *args: Any, **known: Any) -> None:
        call = current_call()
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
            self.sock.settimeout(0)  # a small request fits, and nothing waits between the clock and the network
            self._stopwatch.begin(self.sock)
        super().send(data)  # type: ignore[misc]  # urllib3's class follows in the MRO


if not TYPE_CHECKING:
    _PlainConnection = unreplaced(urllib3.connection.HTTPConnection)
    _SecureConnection = unreplaced(urllib3.connection.HTTPSConnection)


class HttpConnection(_Dialling, _PlainConnection):
    """`urllib3.connection.HTTPConnection`, bounded by the current call."""


class HttpsConnection(_Dialling, _SecureConnection):
    """`urllib3.connection.HTTPSConnection`, bounded by the current call."""

    def _connect_tls_proxy(self, *args: Any, **known: Any) -> Any:
        with self._reaching_proxy():
            return super()._connect_tls_proxy(*args, **known)


class _HttpPool(urllib3.HTTPConnectionPool):
    socks: Proxy | None = None

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.socks = self.socks
        return connection

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # nobody sets it
        return connection_class(urllib3.HTTPConnectionPool, HttpConnection)


class _HttpsPool(urllib3.HTTPSConnectionPool):
    socks: Proxy | None = None

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.socks = self.socks
        return connection

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # nobody sets it
        return connection_class(urllib3.HTTPSConnectionPool, HttpsConnection)


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}


def _pools_through(socks: Proxy) -> dict[str, Any]:
    return {scheme: type(pool.__name__, (pool,), {"socks": socks}) for scheme, pool in _POOLS.items()}


class Adapter(requests.adapters.HTTPAdapter):
    """An adapter of requests that uses these connections."""

    def init_poolmanager(self, *args: Any, **known: Any) -> None:
        super().init_poolmanager(*args, **known)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: object,  # noqa: ARG002 - requests passes it
        cert: object = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        """Return the host to connect to, and the context that checks its certificate."""
        parts = urlsplit(cast("str", request.url))
        host = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        is_secure = parts.scheme == "https"
        return host, {"ssl_context": trusting_context(), "cert_reqs": "CERT_REQUIRED"} if is_secure else {}

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Do nothing: the context of the connection has the certificates."""

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the headers for a proxy; those of requests use Latin-1, and omit a user without a password."""
        return Proxy.of(proxy, "the proxy").headers

    def proxy_manager_for(self, proxy: str, **known: Any) -> Any:
        """Return the manager of the connections through ``proxy``."""
        if proxy.startswith("socks"):
            if proxy not in self.proxy_manager:
                manager = urllib3.PoolManager(**self.poolmanager.connection_pool_kw)
                manager.pool_classes_by_scheme = _pools_through(Proxy.of(proxy, "the setting of the proxy"))
                # Not earlier: without its pools, another thread would connect past the proxy.
                self.proxy_manager.setdefault(proxy, manager)
            return self.proxy_manager[proxy]
        if proxy.startswith("https:"):
            known["proxy_ssl_context"] = trusting_context()
        manager = super().proxy_manager_for(proxy, **known)
        if isinstance(manager, urllib3.ProxyManager):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def drop_idle(self) -> None:
        """Close the connections that are idle now. Running requests continue."""
        for pool in self._pools():
            with contextlib.suppress(queue.Empty):
                while pool.pool is not None:  # it is not closed
                    idle = pool.pool.get(block=False)
                    if idle is not None:
                        idle.close()

    def close(self) -> None:
        """Close the idle connections now; urllib3 closes them only when a pool is garbage-collected."""
        for pool in self._pools():
            pool.close()
        for manager in self._managers():
            manager.clear()

    def _pools(self) -> Iterator[Any]:
        for manager in self._managers():
            for key in manager.pools.keys():  # noqa: SIM118 - not an iterable mapping
                if (pool := manager.pools.get(key)) is not None:  # another thread may have removed it
                    yield pool

    def _managers(self) -> tuple[Any, ...]:
        return (self.poolmanager, *tuple(self.proxy_manager.values()))
