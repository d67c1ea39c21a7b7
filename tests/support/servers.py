"""Servers on raw sockets that misbehave byte by byte: exact bytes, pauses, resets, and silence.

A script is a function that gets each `Connection`, on a separate thread, and does what a test needs.
`HttpServer` and `SignalingServer` answer correctly by default; a test replaces only the step that it is about.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import attrs

from odyssey_proto._model.traffic import Message
from odyssey_proto.conformance._contract import request_alone
from odyssey_proto.emulator._traffic import show

if TYPE_CHECKING:
    import ssl

__all__ = [
    "Connection",
    "HttpServer",
    "Request",
    "Server",
    "SignalingServer",
    "answer",
    "json_answer",
]

_PATIENCE = 30.0  # s after which a server's own wait fails, so that no test hangs forever


@attrs.frozen
class Request:
    """One HTTP request as received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def route(self) -> str:
        """The name of its route, such as ``POST /auth/token``."""
        return f"{self.method} {self.path}"

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection:
    """One accepted connection. If the client is gone, its script ends silently."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self._stopping = stopping
        self._ahead = b""
        self._agent = ""

    def send(self, data: bytes) -> None:
        """Send ``data``, all of it."""
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send ``data`` byte by byte, with a pause of ``every`` s after each byte."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            self.pause(every)

    def pause(self, seconds: float) -> None:
        """Wait; end the script if the server stops meanwhile."""
        if self._stopping.wait(seconds):
            raise ConnectionAbortedError("the server stops")

    def hang(self) -> None:
        """Do nothing until the client gives up or the server stops."""
        self.sock.settimeout(_PATIENCE)
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """Break the connection with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        while len(self._ahead) < size:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("the client is gone")
            self._ahead += data
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def read_request(self) -> Request:
        """Read one HTTP request."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        return Request(method, target, headers, self.read(int(headers.get("content-length", 0))))

    # --- WebSocket

    def accept_websocket(self, request: Request) -> None:
        """Answer the handshake correctly."""
        self._agent = request.headers.get("user-agent", "")
        key = request.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.send(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    def send_frame(
        self, payload: bytes | str, opcode: int = 1, *, fin: bool = True, rsv: int = 0, length: int | None = None
    ) -> None:
        """Send one frame; ``length`` lies about its size."""
        data = payload.encode() if isinstance(payload, str) else payload
        size = len(data) if length is None else length
        head = bytes([fin << 7 | rsv << 4 | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += struct.pack("!BH", 126, size)
        else:
            head += struct.pack("!BQ", 127, size)
        self.send(head + data)

    def send_close(self, code: int, reason: str = "") -> None:
        """Send a close frame."""
        self.send_frame(struct.pack("!H", code) + reason.encode(), 8)

    def read_frame(self) -> tuple[int, bytes]:
        """Read one frame of the client, unmasked: opcode and payload."""
        first, second = self.read(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", self.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.read(8))
        mask = (self.read(4) * (size // 4 + 1))[:size]
        return first & 15, (int.from_bytes(self.read(size)) ^ int.from_bytes(mask)).to_bytes(size)

    def read_message(self) -> Any:
        """Read one text message of the client, parsed."""
        opcode, data = self.read_frame()
        assert opcode == 1, f"a text frame was expected, not {opcode}"
        show(Message(place="signaling", from_client=True, text=data.decode(), user_agent=self._agent))
        return json.loads(data)


Script: TypeAlias = Callable[[Connection], object]
Handler: TypeAlias = Callable[[Connection, Request], object]
Reply: TypeAlias = bytes | Handler


class Server:
    """A TCP server on 127.0.0.1 that plays ``script`` for each connection; used in a ``with``."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0))
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self.failures: list[BaseException] = []
        """Errors in scripts; leaving the ``with`` raises the first."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http{'s' if self._tls else ''}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        for sock in tuple(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a script does not end"
        if self.failures:
            raise self.failures[0]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name=f"server-{target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(_PATIENCE)
        self._sockets.add(sock)
        plain = sock
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._sockets.add(sock)
            self._script(Connection(sock, self._stopping))
        except OSError:
            pass  # the client is gone, or the server stops
        except Exception as exc:  # noqa: BLE001  # raised at the end of the `with`
            self.failures.append(exc)
        finally:
            self._sockets -= {sock, plain}
            sock.close()
            plain.close()


# --- HTTP


def answer(body: bytes = b"", status: str = "200 OK", *, length: int | None = None, **headers: str) -> bytes:
    """Return an HTTP answer; ``length`` lies about the size, and headers are written with ``_`` for ``-``."""
    lines = {"Content-Length": str(len(body) if length is None else length)}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def json_answer(data: Any, status: str = "200 OK", **headers: str) -> bytes:
    """Return an HTTP answer with ``data`` as JSON."""
    headers = {"Content_Type": "application/json"} | headers
    return answer(json.dumps(data).encode(), status, length=None, **headers)


class HttpServer(Server):
    """The REST part of the service, which answers correctly unless ``routes`` says otherwise.

    A route has one reply for every request, or a list: each request takes the next reply, and the last is
    repeated. A reply is bytes, or a function of the connection and the request, after which the connection is
    closed.
    """

    def __init__(
        self, routes: Mapping[str, Reply | list[Reply]] | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(self._play, tls=tls)
        self.requests: list[Request] = []
        """All requests received, in order."""
        self.routes: dict[str, Reply | list[Reply]] = {
            "POST /auth/token": json_answer({"access_token": "at-secret-1", "expires_in": 3600}),
            "GET /regions": json_answer({"regions": [{"id": "here", "ping_url": f"{self.url}/ping"}]}),
            "GET /ping": answer(b"pong"),
            "POST /sessions/request": json_answer({"session_id": "s-1", "signalling_url": self.url}),
            "POST /sessions/token": json_answer({"session_token": "st-secret-1", "expires_in": 600}),
            "GET /config": json_answer({"iceServers": [{"urls": "stun:stun.example:3478"}]}),
        }
        self.routes |= routes or {}

    def received(self, route: str) -> list[Request]:
        """Return the requests of one route, in order."""
        return [request for request in tuple(self.requests) if request.route == route]

    def _play(self, connection: Connection) -> None:
        while True:
            request = connection.read_request()
            self.requests.append(request)
            if seen := request_alone(request.method, request.target, request.headers, request.body):
                show(seen)
            reply = self.routes.get(request.route, answer(status="404 Not Found"))
            if isinstance(reply, list):
                reply = reply[min(len(self.received(request.route)), len(reply)) - 1]
            if not isinstance(reply, bytes):
                reply(connection, request)
                return
            connection.send(reply)
            if b"connection: close" in reply.partition(b"\r\n\r\n")[0].lower():
                return


class SignalingServer(Server):
    """A signaling server: ``handshake`` answers the request, correctly by default, then ``script`` plays."""

    def __init__(
        self,
        script: Script = Connection.hang,
        *,
        handshake: Handler = Connection.accept_websocket,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(self._play, tls=tls, host=host)
        self._after = script
        self._handshake = handshake
        self.requests: list[Request] = []

    @property
    def ws_url(self) -> str:
        """Its ws: or wss: address."""
        return "ws" + self.url.removeprefix("http")

    def _play(self, connection: Connection) -> None:
        request = connection.read_request()
        self.requests.append(request)
        self._handshake(connection, request)
        self._after(connection)
