"""The handshake with a SOCKS proxy, on an open connection to it: versions 4, 4a and 5, with passwords.

With socks5 and socks4, names are looked up here; with socks5h and socks4a, the proxy looks them up. RFC 1928 and
1929 describe version 5.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from .dialing import look_up
from .failures import ProxyRefusalError

if TYPE_CHECKING:
    from .call import Call
    from .proxies import Proxy

__all__ = ["open_through"]

_NO_PASSWORD: Final = 0
_PASSWORD: Final = 2
_LONGEST_TEXT: Final = 255  # bytes, of a name, a user or a password
_GRANTED_4: Final = 90
_REFUSALS_4: Final = {92: "it cannot identify this user", 93: "it cannot identify this user"}
_REFUSALS_5: Final = {
    1: "it failed",
    2: "its rules forbid that",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the host refuses connections",
    6: "it took too long",
    7: "it opens no connections",
    8: "it does not support this kind of address",
}
_FORBIDDEN_5: Final = 2
_LENGTHS: Final = {1: 4, 4: 16}
"""The lengths of addresses by their type, in bytes."""


def open_through(sock: socket.socket, proxy: Proxy, host: str, port: int, call: Call) -> None:
    """Have ``proxy``, to which ``sock`` is connected, connect to a host, within the time of the call.

    Raises:
        ProxyRefusalError: the proxy refuses, or does not speak SOCKS.
        OSError: the proxy is no longer reachable, or the name has no address.
    """
    line = _Line(sock, call)
    host = host.strip("[]")
    if proxy.scheme in ("socks4", "socks5"):
        host = _address(host, port, call, only_ipv4=proxy.scheme == "socks4")
    (_open_5 if proxy.scheme.startswith("socks5") else _open_4)(line, proxy, host, port)


def _address(host: str, port: int, call: Call, *, only_ipv4: bool) -> str:
    """Return the address of a host: an IPv4 one if there is one, because every proxy can use that."""
    found = sorted((each[0] == socket.AF_INET6, each[4][0]) for each in look_up(host, port, call))
    address = next((str(text) for is_ipv6, text in found if not (only_ipv4 and is_ipv6)), None)
    if address is None:
        raise socket.gaierror(socket.EAI_NONAME, "The name has no IPv4 address, which SOCKS 4 needs")
    return address


class _Line:
    """The connection to the proxy; each wait is limited by the call."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._call = call

    def send(self, data: bytes) -> None:
        self._sock.settimeout(self._call.remaining())
        self._sock.sendall(data)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._receive(size - len(data))
            if not piece:
                raise ConnectionResetError("the proxy closed the connection")
            data += piece
        return data

    def _receive(self, size: int) -> bytes:
        for turn in self._call.turns():
            self._sock.settimeout(turn)
            with contextlib.suppress(TimeoutError):
                return self._sock.recv(size)
        raise TimeoutError


def _open_5(line: _Line, proxy: Proxy, host: str, port: int) -> None:
    user, password = _credentials(proxy)
    methods = bytes([_NO_PASSWORD, _PASSWORD] if user or password else [_NO_PASSWORD])
    line.send(bytes([5, len(methods)]) + methods)
    version, method = line.read(2)
    _check(version == 5, proxy)
    if method == _PASSWORD and _PASSWORD in methods:
        line.send(bytes([1]) + _counted(user) + _counted(password))
        if line.read(2)[1]:
            raise _refused_password(proxy)
    elif method != _NO_PASSWORD:
        raise _refused_password(proxy)
    line.send(bytes([5, 1, 0]) + _packed(host) + struct.pack("!H", port))
    version, reply, _, kind = line.read(4)
    _check(version == 5, proxy)
    if reply:
        raise _refused(proxy, host, _REFUSALS_5.get(reply, f"code {reply}"), is_final=reply == _FORBIDDEN_5)
    line.read((_LENGTHS.get(kind) or line.read(1)[0]) + 2)  # the address from which the proxy connects


def _open_4(line: _Line, proxy: Proxy, host: str, port: int) -> None:
    user, _ = _credentials(proxy)
    try:
        where, name = ipaddress.IPv4Address(host).packed, b""
    except ValueError:  # 4a: an impossible address, and the name at the end
        where, name = bytes([0, 0, 0, 1]), _name(host) + b"\0"
    line.send(struct.pack("!BBH", 4, 1, port) + where + user.replace(b"\0", b"") + b"\0" + name)
    version, reply, *_ = line.read(8)
    _check(version == 0, proxy)
    if reply in _REFUSALS_4:
        raise _refused_password(proxy)
    if reply != _GRANTED_4:
        raise _refused(proxy, host, f"code {reply}", is_final=False)


def _credentials(proxy: Proxy) -> tuple[bytes, bytes]:
    user, _, password = proxy.userinfo.partition(":")
    return unquote_to_bytes(user), unquote_to_bytes(password)


def _packed(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bytes([3]) + _counted(_name(host))
    return bytes([1 if address.version == 4 else 4]) + address.packed


def _name(host: str) -> bytes:
    try:
        return host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "Not a valid host name") from None


def _counted(text: bytes) -> bytes:
    if len(text) > _LONGEST_TEXT:
        raise socket.gaierror(socket.EAI_NONAME, "A name is too long for SOCKS")
    return bytes([len(text)]) + text


def _check(is_socks: bool, proxy: Proxy) -> None:
    if not is_socks:
        raise ProxyRefusalError(
            f"{proxy.name} does not answer as a SOCKS proxy: check {proxy.source}", is_final=True
        )


def _refused_password(proxy: Proxy) -> ProxyRefusalError:
    return ProxyRefusalError(
        f"the proxy {proxy.name} requires a user and a password, or refused those that it was given: check "
        f"{proxy.source}, which is like socks5h://user:password@host:1080",
        is_final=True,
    )


def _refused(proxy: Proxy, host: str, why: str, *, is_final: bool) -> ProxyRefusalError:
    return ProxyRefusalError(f"the proxy {proxy.name} does not connect to {host} ({why})", is_final=is_final)
