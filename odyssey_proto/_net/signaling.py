"""The signaling WebSocket over websocket-client: typed messages in and out, and an end that is told exactly once.

Opening blocks the caller, who has a worker for that. Then one thread reads and one writes, so that sending never
blocks and closing wakes both at once. It sends no keepalive, joins nothing anew and judges no message: that is
`protocol`'s.
"""

from __future__ import annotations

import contextlib
import functools
import http
import http.client
import logging
import queue
import ssl
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast
from urllib.parse import quote, urlsplit

import attrs
import requests.utils
import urllib3.util
import websocket
from urllib3.util import wait_for_read, wait_for_write

from .._base.clock import Deadline, MonotonicClock
from .._base.errors import MalformedMessageError, OdysseyAuthError, OdysseyConnectionError, OdysseyError
from .._base.secrets import redact
from .._model import codec
from .._model.signaling_url import normalise_url
from .._version import __version__
from .failures import NETWORK_ERRORS, Answer, connection_error, refusal
from .sockets import Call, HttpConnection, HttpsConnection, environment

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    import odyssey_models as wire

    from .._base.abort import Abort
    from .._model.codec import UnknownMessage
    from .failures import Refusals

__all__ = ["SignalingClosed", "SignalingConnection"]

log = logging.getLogger(__name__)

_OPERATION: Final = "WebSocket /client"
_MESSAGE_LIMIT: Final = 64 * 1024 * 1024  # bytes (spec/asyncapi.yaml)
_HANDSHAKE_LIMIT: Final = 64 * 1024  # bytes of the answer to the handshake
_CLEAN: Final = frozenset({1000, 1001})  # close codes that are no loss (spec/asyncapi.yaml)
_GOODBYE_WAIT: Final = 0.5  # s for the server's answer to the goodbye; until then it may not have read it
_REFUSALS: Final[Refusals] = {
    401: (OdysseyAuthError, "session_token_refused", "Session token refused: it is invalid or has expired"),
    403: (OdysseyAuthError, "session_token_refused", "Session token refused: it is invalid or has expired"),
    404: (OdysseyConnectionError, "unknown_session", "The signaling server does not know the session"),
}


@attrs.frozen
class SignalingClosed:
    """How a signaling connection ended."""

    code: int | None
    """The close code; None when the connection was lost, or closed without one."""
    reason: str
    """The reason beside the code."""
    clean: bool
    """Whether the code says that nothing is wrong: 1000 and 1001."""
    error: OdysseyConnectionError | None
    """What to tell the user; None where it is clean."""


_Message: TypeAlias = "wire.SignalingServerMessage | UnknownMessage"


class SignalingConnection:
    """An open signaling WebSocket, made by `open`. Any thread may call any method."""

    def __init__(
        self,
        ws: _WebSocket,
        resources: contextlib.ExitStack,
        call: Call,
        url: str,
        on_message: Callable[[_Message], object],
        on_closed: Callable[[SignalingClosed], object],
        on_malformed: Callable[[MalformedMessageError], object] | None,
    ) -> None:
        self._ws = ws
        self._resources = resources  # the socket, and the call that can shut it
        self._call = call
        self._url = url
        self._on_message = on_message
        self._on_closed = on_closed
        self._on_malformed = on_malformed or (lambda exc: log.warning("ignored: %s", exc))
        self._lock = threading.Lock()
        self._closing: tuple[int, str] | None = None
        self._ended = False
        self._outbox: queue.SimpleQueue[bytes | tuple[int, str] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="odyssey-signaling-writer", daemon=True)
        self._reader = threading.Thread(target=self._read, name="odyssey-signaling-reader", daemon=True)

    @classmethod
    def open(
        cls,
        url: str,
        session_id: str,
        token: str,
        deadline: Deadline,
        *,
        on_message: Callable[[_Message], object],
        on_closed: Callable[[SignalingClosed], object],
        on_malformed: Callable[[MalformedMessageError], object] | None = None,
        abort: Abort | None = None,
    ) -> Self:
        """Connect to ``<url>/client/<session_id>`` and start reading, within ``deadline``.

        The callbacks run on the reading thread, the first perhaps before this returns. `on_message` gets every
        message, `on_malformed` what is none (by default it is logged), and `on_closed` is called once, at the end,
        however it comes. ``abort`` ends the opening and also the open connection, without a goodbye.

        Raises:
            OdysseyAuthError: the session token was refused.
            OdysseyConnectionError: the server cannot be reached, or refused otherwise.
        """
        target = f"{normalise_url(url)}/client/{quote(session_id, safe='')}?token={quote(token, safe='')}"
        with contextlib.ExitStack() as resources:
            call = resources.enter_context(Call(deadline, abort))
            ws = _handshake(target, session_id, (token, quote(token, safe="")), call, resources)
            # From here on the reader owns them, and gives them up when it ends.
            connection = cls(ws, resources.pop_all(), call, target, on_message, on_closed, on_malformed)
        connection._writer.start()
        connection._reader.start()
        return connection

    def send(self, message: wire.SignalingClientMessage, text: str = "") -> None:
        """Send ``message`` after those before it. Never blocks; dropped when the connection is closed.

        ``text`` is the message encoded, if that is at hand.
        """
        if self._closing is not None or self._ended:
            log.debug("dropped %s: the connection is closed", message.type)
            return
        data = (text or codec.encode(message)).encode(errors="replace")
        self._outbox.put(data)
        log.debug("> %s, %d bytes", message.type, len(data))  # an SDP holds the password of the connection

    def close(self, code: int = 1000, reason: str = "Client disconnect", *, timeout: float = 0.5) -> None:
        """Send what waits to be sent, for at most ``timeout`` s, and a goodbye; then end both threads.

        A server that answers the goodbye at once is heard, so that nothing it still sends breaks the connection
        before the goodbye is read; no other is waited for. May be called again, and from the callbacks.
        """
        with self._lock:
            if self._closing is None:
                self._closing = (code, reason)
                self._outbox.put(self._closing)
        self._writer.join(timeout)
        if threading.current_thread() is self._reader:
            self._call.shut()
            return
        self._reader.join(min(_GOODBYE_WAIT, timeout))
        self._call.shut()
        self._reader.join(timeout)
        if self._reader.is_alive():
            log.warning("thread %s is still in a callback", self._reader.name)

    # --- the threads

    def _write(self) -> None:
        try:
            while isinstance(item := self._outbox.get(), bytes):
                self._ws.send(item, websocket.ABNF.OPCODE_TEXT)
            if item is not None:
                code, reason = item
                self._ws.parting = True
                self._ws.send(struct.pack("!H", code) + _utf8_prefix(reason), websocket.ABNF.OPCODE_CLOSE)
        except (websocket.WebSocketException, OSError) as exc:
            log.debug("sending failed: %s", type(exc).__name__)
            self._call.shut()  # the reader tells of it

    def _read(self) -> None:
        failed = OdysseyConnectionError(
            "The signaling connection failed", code="connection_lost", recoverable=True
        )
        closed = SignalingClosed(None, "", False, failed)
        try:
            closed = self._read_to_end()
        except Exception:
            log.exception("reading failed")
        finally:  # whatever it was, its end is told
            self._ended = True
            self._outbox.put(None)
            self._call.shut()
            self._writer.join()
            self._resources.close()
            if self._closing is not None:
                code, reason = self._closing
                closed = SignalingClosed(code, reason, code in _CLEAN, None)
            log.debug("closed: %s %s", closed.code, closed.reason)
            self._tell(self._on_closed, closed)

    def _read_to_end(self) -> SignalingClosed:
        while True:
            try:
                opcode, frame = self._ws.recv_data_frame()
            except (websocket.WebSocketException, *NETWORK_ERRORS) as exc:
                why = connection_error(_without_library(exc), self._call, _OPERATION, self._url)
                error = OdysseyConnectionError(
                    f"The signaling connection to {urlsplit(self._url).netloc} was lost",
                    code=why.code,
                    operation=_OPERATION,
                    recoverable=why.recoverable,
                )
                error.__cause__ = why.__cause__
                return SignalingClosed(None, "", False, error if why.code == "connection_lost" else why)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return _closed_by_server(frame.data)
            if self._closing is None:
                self._deliver(opcode, frame.data)

    def _deliver(self, opcode: int, data: bytes) -> None:
        try:
            if opcode != websocket.ABNF.OPCODE_TEXT:
                raise _malformed("it is binary")
            message = codec.signaling_from_server(_text(data))
        except MalformedMessageError as exc:
            exc.operation = _OPERATION
            self._tell(self._on_malformed, exc)
        else:
            log.debug("< %s, %d bytes", redact(message.type)[:80], len(data))
            self._tell(self._on_message, message)

    def _tell(self, callback: Callable[[Any], object], what: object) -> None:
        try:
            callback(what)
        except Exception:
            log.exception("a callback of the signaling connection failed")


def _closed_by_server(data: bytes) -> SignalingClosed:
    code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None
    reason = " ".join(redact(data[2:].decode(errors="replace")).split())
    if code in _CLEAN:
        return SignalingClosed(code, reason, True, None)
    said = f"{code or 'no code'}{reason and ': '}{reason}"
    error = OdysseyConnectionError(
        f"The signaling server closed the connection ({said})",
        code="signaling_closed",
        operation=_OPERATION,
        recoverable=True,
    )
    return SignalingClosed(code, reason, False, error)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None


def _malformed(problem: str) -> MalformedMessageError:
    return MalformedMessageError(f"Malformed message: {problem}", problems=(problem,), code="malformed")


def _utf8_prefix(reason: str) -> bytes:
    """Return as much of the reason as fits a close frame, in whole characters."""
    return reason.encode(errors="replace")[:123].decode(errors="ignore").encode()


# --- websocket-client


class _WebSocket(websocket.WebSocket):
    """websocket-client's, with a limit to the size of a message, and a goodbye that may find nobody there."""

    parting = False
    """Whether we said goodbye first; the server's is then an answer."""

    def recv_frame(self) -> Any:
        buffer = self.frame_buffer
        if buffer.needs_header():
            buffer.recv_header()
        if buffer.needs_length():
            buffer.recv_length()
        before = self.cont_frame.cont_data
        if (buffer.length or 0) + (len(before[1]) if before else 0) > _MESSAGE_LIMIT:
            raise MalformedMessageError(
                f"The signaling server sent a message of more than {_MESSAGE_LIMIT >> 20} MiB",
                code="too_large",
                operation=_OPERATION,
            )
        return super().recv_frame()  # type: ignore[no-untyped-call]  # websocket-client annotates in part

    def send_close(self, *args: Any, **known: Any) -> None:
        # websocket-client answers the server's goodbye with it. When that fails, the goodbye still counts.
        if self.parting:
            return
        with contextlib.suppress(websocket.WebSocketException, OSError):
            super().send_close(*args, **known)


def _handshake(
    target: str, session_id: str, secrets: tuple[str, ...], call: Call, resources: contextlib.ExitStack
) -> _WebSocket:
    """Open the WebSocket; ``resources`` then closes its socket."""
    ws = _WebSocket(skip_utf8_validation=True)  # `_text` does it, and one bad message is not the end
    failure: OdysseyError
    try:
        stream = resources.enter_context(_open_stream("http" + target.removeprefix("ws"), call))
        ws.connect(  # type: ignore[no-untyped-call]  # websocket-client annotates in part
            target,
            socket=stream,
            header=[f"User-Agent: odyssey-proto/{__version__}"],
            suppress_origin=True,
            redirect_limit=0,
        )
        if ws.getstatus() == http.HTTPStatus.SWITCHING_PROTOCOLS:
            stream.settle()
            log.debug("open: %s", urlsplit(target).path)
            return ws
        failure = refusal(_redirect(ws), _REFUSALS)  # some releases take one for a success
    except websocket.WebSocketBadStatusException as exc:
        failure = refusal(_answer(exc, secrets), _REFUSALS)
    except (websocket.WebSocketException, LookupError, *NETWORK_ERRORS) as exc:
        if ws.getstatus() is None:
            failure = connection_error(_without_library(exc), call, _OPERATION, target)
        else:
            failure = refusal(_redirect(ws), _REFUSALS)
    failure.session_id = session_id
    log.debug("%s: %s", urlsplit(target).path, failure.code)
    raise failure


def _redirect(ws: _WebSocket) -> Answer:
    return Answer(operation=_OPERATION, status=ws.getstatus() or 0)


def _answer(exc: websocket.WebSocketBadStatusException, secrets: tuple[str, ...]) -> Answer:
    return Answer(
        operation=_OPERATION,
        status=exc.status_code,
        reason=http.client.responses.get(exc.status_code, ""),
        headers=exc.resp_headers or {},
        body=exc.resp_body or b"",
        secrets=secrets,
    )


def _without_library(exc: Exception) -> Exception:
    """Return what the system would have raised: the texts of websocket-client quote the server."""
    match exc:
        case websocket.WebSocketTimeoutException():
            return TimeoutError()
        case websocket.WebSocketConnectionClosedException():
            return ConnectionResetError()
        case websocket.WebSocketException() | LookupError():
            return http.client.HTTPException()
    return exc


class _Stream:
    """A connected socket, plain or TLS, in the shape that websocket-client uses one, bounded by its call.

    One thread may receive while others send: an OpenSSL object bears one thread at a time, so reading and writing
    take turns, and only waiting happens side by side. `settle` lifts the limits of the opening.
    """

    def __init__(self, sock: socket.socket, call: Call) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._call = call
        self._turn = threading.Lock()
        self._opening: int | None = _HANDSHAKE_LIMIT

    def settle(self) -> None:
        """Lift the deadline and the size limit: the handshake is done."""
        self._opening = None
        self._call.deadline = Deadline(None, MonotonicClock())

    def recv(self, size: int) -> bytes:
        """Wait for at most ``size`` bytes; b"" is the end."""
        data: bytes = self._attempt(lambda: self._sock.recv(size), wait_for_read)
        if self._opening is not None:
            self._opening -= len(data)
            if self._opening < 0:
                raise MalformedMessageError("The answer to the handshake is too long", code="too_large")
        return data

    def send(self, data: bytes) -> int:
        """Send all of ``data``, unlike a plain socket: what is left of a large message is not copied again."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._attempt(functools.partial(self._sock.send, rest), wait_for_write) :]
        return len(data)

    def _attempt(self, operate: Callable[[], Any], wait: Callable[..., bool]) -> Any:
        while True:
            left = self._call.remaining()
            try:
                with self._turn:
                    return operate()
            except BlockingIOError:
                ready = wait
            except ssl.SSLWantReadError:  # TLS may have to read in order to write, and the other way round
                ready = wait_for_read
            except ssl.SSLWantWriteError:
                ready = wait_for_write
            ready(self._sock, timeout=left)

    def close(self) -> None:
        """Do nothing: websocket-client closes what another thread still waits on; the owner closes the socket."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def gettimeout(self) -> None:
        """Return None: the call has the deadline."""

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing: the call has the deadline."""


@contextlib.contextmanager
def _open_stream(url: str, call: Call) -> Iterator[_Stream]:
    """Connect to the host of an http(s) ``url``, through the environment's proxy, with TLS for https."""
    target = urlsplit(url)
    secure = target.scheme == "https"
    host, port = target.hostname or "", target.port or (443 if secure else 80)
    proxies, ca = environment(url)
    proxy = requests.utils.select_proxy(url, proxies)
    trust: dict[str, Any] = {}
    if secure:
        path = requests.utils.DEFAULT_CA_BUNDLE_PATH if ca is True else str(ca)
        trust = {"cert_reqs": "CERT_REQUIRED", "ca_cert_dir" if Path(path).is_dir() else "ca_certs": path}
    kind = HttpsConnection if secure else HttpConnection
    if proxy is None:
        connection = kind(host, port, **trust)
    else:
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if via.scheme != "http" or via.hostname is None:
            raise OdysseyConnectionError(
                "Signaling works through http:// proxies only: set NO_PROXY for its host, or another proxy",
                code="proxy",
                operation=_OPERATION,
            )
        connection = kind(via.hostname, via.port or 80, **trust)
        user, password = requests.utils.get_auth_from_url(via.geturl())
        connection.set_tunnel(
            host, port, urllib3.util.make_headers(proxy_basic_auth=f"{user}:{password}" if user else None)
        )
    with contextlib.closing(connection):
        with call.current():
            connection.connect()
        yield _Stream(cast("socket.socket", connection.sock), call)
