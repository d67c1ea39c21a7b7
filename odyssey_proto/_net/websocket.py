"""The signaling WebSocket over websocket-client: opening it, and frames in and out.

This module does not interpret messages. Failures of opening and receiving raise our own errors. `redirects`
decides where the handshake may go.
"""

from __future__ import annotations

import contextlib
import functools
import http
import http.client
import logging
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import attrs
import websocket
from urllib3.util import parse_url, wait_for_read, wait_for_write

from .._base.clock import Deadline, MonotonicClock
from .._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyError
from .._base.limits import SIGNALING_FRAMES_MOST_PER_S, SIGNALING_RECEIVED_MOST_BYTES
from ..core.refusals import HttpAnswer, refusal
from .answer_head import read_head
from .failures import NETWORK_ERRORS, SettingError, connection_error
from .library_logs import without_secrets
from .observation import show_exchange
from .pace import Pace
from .proxies import proxy_for
from .redirects import Reach, Route
from .sockets import USER_AGENT, HttpConnection, HttpsConnection
from .trust import trusting_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from .call import Call

__all__ = ["OPERATION", "SENDING_ERRORS", "Goodbye", "ReceivedMessage", "WebSocket", "open_websocket"]

log = logging.getLogger("odyssey_proto.signaling")

OPERATION: Final = "WebSocket /client"
"""The name of the connection in errors."""
SENDING_ERRORS: Final = (websocket.WebSocketException, OSError)
"""The exceptions that sending raises."""
_HANDSHAKE: Final = "GET /client/{session_id}"  # as spec/asyncapi.yaml has it
_HANDSHAKE_LIMIT: Final = 64 * 1024  # bytes of the answer to the handshake
_LONGEST_REASON: Final = 123  # bytes of UTF-8 in a close frame
_READ_AHEAD: Final = 4096  # bytes
_WORDS: Final = 16 * 1024  # bytes of a refusal's body that are read
_REFUSAL_BODY_S: Final = 0.5  # for that body, which usually comes with its head


@attrs.frozen
class ReceivedMessage:
    """A received message, sent as text or as bytes."""

    data: bytes = attrs.field(repr=False)
    is_text: bool = True


@attrs.frozen
class Goodbye:
    """The close frame of the server."""

    code: int | None
    reason: str


class WebSocket(websocket.WebSocket):
    """websocket-client's class, with limits on messages, and a close frame that may fail silently.

    One thread may receive while another sends.
    """

    parting = False
    """Whether we said goodbye first; the server's goodbye is then an answer."""
    _call: Call | None = None
    _given_up = False

    def give_up(self) -> None:
        """Read no more, not even what has already arrived. For any thread."""
        self._given_up = True

    def recv_frame(self) -> Any:
        if self._given_up:
            raise websocket.WebSocketConnectionClosedException
        early_s = self._pace.take()
        if early_s and self._call is not None:
            self._call.pause(early_s)  # what the server sends meanwhile waits in its own buffer
        buffer = self.frame_buffer
        if buffer.needs_header():
            buffer.recv_header()
        if buffer.needs_length():
            buffer.recv_length()
        before = self.cont_frame.cont_data
        if (buffer.length or 0) + (len(before[1]) if before else 0) > SIGNALING_RECEIVED_MOST_BYTES:
            raise MalformedMessageError(
                f"The signaling server sent a message of more than {SIGNALING_RECEIVED_MOST_BYTES >> 20} MiB",
                code="too_large",
                operation=OPERATION,
            )
        return super().recv_frame()  # type: ignore[no-untyped-call]  # websocket-client annotates in part

    @functools.cached_property
    def _pace(self) -> Pace:
        return Pace(SIGNALING_FRAMES_MOST_PER_S, 2 * SIGNALING_FRAMES_MOST_PER_S, MonotonicClock())

    def send_message(self, data: bytes) -> None:
        """Send a message that is already in UTF-8; may raise the exceptions in `SENDING_ERRORS`."""
        with without_secrets():
            self.send(data, websocket.ABNF.OPCODE_TEXT)

    def say_goodbye(self, code: int, reason: str) -> None:
        """Say goodbye first, with as much of the reason as fits; may raise those in `SENDING_ERRORS`."""
        self.parting = True
        text = reason.encode(errors="replace")[:_LONGEST_REASON].decode(errors="ignore").encode()
        self.send(struct.pack("!H", code) + text, websocket.ABNF.OPCODE_CLOSE)

    def receive(self, call: Call, url: str) -> ReceivedMessage | Goodbye:
        """Wait for the next message, or for the goodbye of the server.

        Raises:
            OdysseyConnectionError: the connection was lost, or ``call`` was aborted.
            MalformedMessageError: the message is too large, or the server does not speak WebSocket.
        """
        self._call = call
        try:
            with without_secrets():
                opcode, frame = self.recv_data_frame()
        except (websocket.WebSocketException, *NETWORK_ERRORS) as exc:
            failure = _loss(exc, call, url)
        else:
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = struct.unpack("!H", frame.data[:2])[0] if len(frame.data) >= 2 else None
                return Goodbye(code, frame.data[2:].decode(errors="replace"))
            return ReceivedMessage(frame.data, opcode == websocket.ABNF.OPCODE_TEXT)
        raise failure

    def send_close(self, *args: Any, **known: Any) -> None:
        # websocket-client calls this to answer the server's goodbye, which counts even if the answer fails.
        if self.parting:
            return
        with contextlib.suppress(websocket.WebSocketException, OSError):
            super().send_close(*args, **known)


def _loss(exc: Exception, call: Call, url: str) -> OdysseyConnectionError:
    why = connection_error(_without_library(exc), call, OPERATION, url)
    if why.code == "malformed" and not isinstance(exc, MalformedMessageError):
        problem = f"what {urlsplit(url).netloc} sent is not WebSocket"
        return MalformedMessageError(
            f"{OPERATION}: {problem}", problems=(problem,), code="malformed", operation=OPERATION
        )
    if why.code != "connection_lost":
        return why
    error = OdysseyConnectionError(
        f"The signaling connection to {urlsplit(url).netloc} was lost",
        code=why.code,
        operation=OPERATION,
        recoverable=why.recoverable,
    )
    error.__cause__ = why.__cause__
    return error


# --- opening one


def open_websocket(
    target: str, secrets: tuple[str, ...], call: Call, resources: contextlib.ExitStack
) -> WebSocket:
    """Open a WebSocket to ``target``, or to where the server redirects; ``resources`` then closes its socket.

    Args:
        target: the ws or wss address, with its query.
        secrets: the parts of ``target`` that no error may quote; the first is the token.
        call: has the deadline for opening, and the aborts that end the opening or the open connection.
        resources: receives everything that has to be closed at the end.

    Raises:
        OdysseyAuthError: the session token was refused.
        OdysseyConnectionError: the server cannot be reached, refused otherwise, or redirects to where the token
            must not go.
    """
    route = Route("http" + target.removeprefix("ws"), "GET", Reach.ORIGIN, secrets[0])
    path = urlsplit(target).path
    while True:
        with contextlib.ExitStack() as attempt:
            opened = _attempt(route.url, secrets, call, attempt)
            _show(route.url, opened)
            if isinstance(opened, WebSocket):
                resources.push(attempt.pop_all())
                log.debug("open: %s", path)
                return opened
        if isinstance(opened, HttpAnswer):
            try:
                if route.follow(opened):
                    log.debug("%s: %d, redirected", path, opened.status)
                    continue
                opened = refusal(opened)
            except OdysseyError as exc:
                opened = exc
        log.debug("%s: %s", path, opened.code)
        raise opened


def _show(url: str, opened: WebSocket | HttpAnswer | OdysseyError) -> None:
    if isinstance(opened, OdysseyError):
        return
    agent = {"User-Agent": USER_AGENT}
    if isinstance(opened, WebSocket):
        show_exchange(_HANDSHAKE, "GET", url, agent, None, http.HTTPStatus.SWITCHING_PROTOCOLS, {}, None)
    else:
        show_exchange(_HANDSHAKE, "GET", url, agent, None, opened.status, _titled(opened.headers), opened.body)


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.title(): text for name, text in headers.items()}  # websocket-client returns names in lower case


def _attempt(
    url: str, secrets: tuple[str, ...], call: Call, resources: contextlib.ExitStack
) -> WebSocket | HttpAnswer | OdysseyError:
    """Try to open a WebSocket at ``url``, http or https; return it, the refusal or redirect, or the error."""
    ws = WebSocket(skip_utf8_validation=True)  # the reader validates: one bad message must not end the connection
    stream: _BoundedStream | None = None
    try:
        url = _in_ascii(url)
        stream = resources.enter_context(_open_stream(url, call))
        with without_secrets():
            ws.connect(  # type: ignore[no-untyped-call]  # websocket-client annotates in part
                "ws" + url.removeprefix("http"),
                socket=stream,
                header=[f"User-Agent: {USER_AGENT}"],
                suppress_origin=True,
                redirect_limit=0,
            )
        if ws.getstatus() != http.HTTPStatus.SWITCHING_PROTOCOLS:
            return _redirect(ws, secrets)  # some releases treat a redirect as success
        stream.settle()
    except websocket.WebSocketBadStatusException as exc:
        return _answer(exc, stream.read_body() if stream else b"", secrets)
    except (websocket.WebSocketException, LookupError, *NETWORK_ERRORS) as exc:
        if ws.getstatus() is None:
            return connection_error(_without_library(exc), call, OPERATION, url)
        return _redirect(ws, secrets)
    return ws


def _in_ascii(url: str) -> str:
    """Return ``url`` with the name of its host in ASCII; http.client would send that name unchanged."""
    parts = urlsplit(url)
    if parts.netloc.isascii():
        return url
    host = parse_url(url).host or ""
    return parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()


def _redirect(ws: WebSocket, secrets: tuple[str, ...]) -> HttpAnswer:
    headers = dict(ws.getheaders() or {})
    location = headers.get("location", "")
    if location.lower().startswith(("ws:", "wss:")):
        headers["location"] = "http" + location[len("ws") :]
    return HttpAnswer(operation=OPERATION, status=ws.getstatus() or 0, headers=headers, secrets=secrets)


def _answer(exc: websocket.WebSocketBadStatusException, body: bytes, secrets: tuple[str, ...]) -> HttpAnswer:
    return HttpAnswer(
        operation=OPERATION,
        status=exc.status_code,
        reason=http.client.responses.get(exc.status_code, ""),
        headers=exc.resp_headers or {},
        body=body,
        secrets=secrets,
    )


def _without_library(exc: Exception) -> Exception:
    """Return the exception that the system would have raised: those of websocket-client quote the server."""
    match exc:
        case websocket.WebSocketTimeoutException():
            return TimeoutError()
        case websocket.WebSocketConnectionClosedException():
            return ConnectionResetError()
        case websocket.WebSocketException() | LookupError():
            return http.client.HTTPException()
    return exc


class _BoundedStream:
    """A connected socket, plain or TLS, with the interface that websocket-client uses, limited by its call.

    One thread may receive while others send. An OpenSSL object allows only one thread at a time, so reading and
    writing take turns, and only waiting happens in parallel. `settle` lifts the limits of the opening.
    """

    def __init__(self, sock: socket.socket, call: Call) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._call = call
        self._turn = threading.Lock()
        self._opening: int | None = _HANDSHAKE_LIMIT
        self._ahead = b""
        self._is_new = True  # nothing has been received yet
        self._body_size = 0  # bytes, of a refusal

    def settle(self) -> None:
        """Lift the deadline and the size limit: the handshake is done."""
        self._opening = None
        self._call.deadline = Deadline(None, MonotonicClock())

    def recv(self, size: int) -> bytes:
        """Wait for data and return at most ``size`` bytes; b"" at the end."""
        if self._is_new:
            self._is_new = False
            self._read_head()
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._receive(size)

    def _read_head(self) -> None:
        """Read the head of the answer, and convert it for websocket-client: to UTF-8, and as if without a body."""
        head, rest = read_head(lambda: self._receive(_READ_AHEAD))
        if head is None:
            self._ahead = rest
            return
        length = head.field(b"content-length") or b""
        if head.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self._body_size = int(length) if length.isdigit() else 0
            head = head.without(b"content-length")
        try:
            text = head.text().decode()
        except UnicodeDecodeError:
            text = head.text().decode("latin-1")
        self._ahead = text.encode() + rest

    def read_body(self) -> bytes:
        """Return as much of a refusal's body as comes soon."""
        size = min(self._body_size, _WORDS)
        deadline, self._call.deadline = self._call.deadline, self._call.deadline.within(_REFUSAL_BODY_S)
        try:
            while len(self._ahead) < size and (data := self._receive(_READ_AHEAD)):
                self._ahead += data
        except (OSError, MalformedMessageError) as exc:
            log.debug("the body of a refusal did not arrive: %s", type(exc).__name__)
        finally:
            self._call.deadline = deadline
        return self._ahead[:size]

    def _receive(self, size: int) -> bytes:
        data: bytes = self._attempt(lambda: self._sock.recv(size), wait_for_read)
        if self._opening is not None:
            self._opening -= len(data)
            if self._opening < 0:
                raise MalformedMessageError("The answer to the handshake is too long", code="too_large")
        return data

    def send(self, data: bytes) -> int:
        """Send all of ``data``, unlike a plain socket, so that the rest of a large message is not copied again."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._attempt(functools.partial(self._sock.send, rest), wait_for_write) :]
        return len(data)

    def _attempt(self, operate: Callable[[], Any], wait: Callable[..., bool]) -> Any:
        while True:
            self._call.remaining()
            try:
                with self._turn:
                    return operate()
            except BlockingIOError:
                ready = wait
            except ssl.SSLWantReadError:  # TLS may have to read in order to write, and the other way round
                ready = wait_for_read
            except ssl.SSLWantWriteError:
                ready = wait_for_write
            # In turns: a socket that another thread shuts does not wake its reader on every system.
            for turn in self._call.turns():
                if ready(self._sock, timeout=turn):
                    break

    def close(self) -> None:
        """Do nothing, and leave it to the owner to close the socket.

        websocket-client would close it while another thread waits on it.
        """

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._sock.fileno()

    def gettimeout(self) -> None:
        """Return None: the call has the deadline."""

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing: the call has the deadline."""


@contextlib.contextmanager
def _open_stream(url: str, call: Call) -> Iterator[_BoundedStream]:
    """Connect to the host of an http(s) ``url``, through the environment's proxy if any, with TLS for https."""
    target = urlsplit(url)
    secure = target.scheme == "https"
    host, port = target.hostname or "", target.port or (443 if secure else 80)
    proxy = proxy_for(url)
    trust: dict[str, Any] = {"ssl_context": trusting_context(), "cert_reqs": "CERT_REQUIRED"} if secure else {}
    kind = HttpsConnection if secure else HttpConnection
    call.proxy = "" if proxy is None else proxy.name
    if proxy is None or proxy.scheme.startswith("socks"):
        connection = kind(host, port, **trust)
        connection.socks = proxy
    elif proxy.scheme == "http":
        connection = kind(proxy.host, proxy.port, **trust)
        connection.set_tunnel(host, port, proxy.headers)
    else:
        raise SettingError(
            f"signaling works through http:// and socks5h:// proxies only; {proxy.source} names "
            f"{proxy.scheme}://{proxy.name}: set another one, or NO_PROXY for this host",
            "proxy",
        )
    with contextlib.closing(connection):
        with call.current():
            connection.connect()
        yield _BoundedStream(cast("socket.socket", connection.sock), call)
