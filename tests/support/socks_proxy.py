"""A SOCKS proxy for versions 4, 4a and 5, which forwards every connection to one port of this machine."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self

from tests.support.servers import Connection, Server

__all__ = ["SocksProxy"]


class SocksProxy(Server):
    """The proxy, inside a ``with``.

    Args:
        port: the target of all connections.
        user: the user and the password, if it requires them.
        reply: its answer to a request; anything but 0 refuses it.
    """

    def __init__(self, port: int, *, user: tuple[bytes, bytes] | None = None, reply: int = 0) -> None:
        super().__init__(self._play)
        self.asked: list[str] = []
        """The requested hosts and ports."""
        self.versions: set[int] = set()
        self._to = port
        self._user = user
        self._reply = reply

    def __enter__(self) -> Self:
        return super().__enter__()

    def _play(self, connection: Connection) -> None:
        (version,) = connection.read(1)
        self.versions.add(version)
        granted = self._grant_5(connection) if version == 5 else self._grant_4(connection)
        if granted:
            self._relay(connection)

    def _grant_5(self, connection: Connection) -> bool:
        methods = connection.read(connection.read(1)[0])
        wanted = 0 if self._user is None else 2
        connection.send(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            return False
        if self._user is not None:
            assert connection.read(1) == b"\1"
            given = tuple(connection.read(connection.read(1)[0]) for _ in range(2))
            connection.send(bytes([1, given != self._user]))
            if given != self._user:
                return False
        _, _, _, kind = connection.read(4)
        if kind == 3:
            host = connection.read(connection.read(1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, connection.read(size))
        self._note(host, connection.read(2))
        connection.send(bytes([5, self._reply, 0, 3, 4]) + b"here" + bytes(2))
        return not self._reply

    def _grant_4(self, connection: Connection) -> bool:
        _, *rest = connection.read(7)
        port, address = bytes(rest[:2]), bytes(rest[2:])
        user = self._text(connection)
        host = self._text(connection).decode() if address.startswith(bytes(3)) else socket.inet_ntoa(address)
        self._note(host, port)
        is_known = self._user is None or user == self._user[0]
        connection.send(bytes([0, (91 if self._reply else 90) if is_known else 93]) + bytes(6))
        return is_known and not self._reply

    @staticmethod
    def _text(connection: Connection) -> bytes:
        return b"".join(iter(lambda: connection.read(1), b"\0"))

    def _note(self, host: str, port: bytes) -> None:
        self.asked.append(f"{host}:{struct.unpack('!H', port)[0]}")

    def _relay(self, connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", self._to), 30) as there:
            back = threading.Thread(target=_pump, args=(there, connection.sock), daemon=True)
            back.start()
            _pump(connection.sock, there)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
