"""Reaching a host: looking up its name, and connecting to the first of its addresses that answers. No TLS here.

The addresses are raced as in RFC 8305 (Happy Eyeballs): one that swallows packets costs 250 ms, not a timeout.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import itertools
import logging
import selectors
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Self, cast

from .._base.clock import TURN_S, Deadline, MonotonicClock
from .._base.resources import start
from .._base.shortage import is_shortage
from .._base.texts import system_text
from .call import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["dial", "is_on_its_way", "look_up", "sender_towards"]

log = logging.getLogger("odyssey_proto.http")

_HEAD_START_S: Final = 0.25  # of an address, before the next is tried beside it (RFC 8305, section 5)
_LAG_S: Final = 60.0  # how long a family that lost a race is tried second

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

# The error codes of a connect in progress; the last is that of Windows.
_BEGUN: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, 10035})
# The error codes for a missing route from an address, or to one.
_NO_WAY: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ENOTCONN, errno.EINVAL}
)


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


def look_up(host: str, port: int, call: Call, *, resolve: Callable[..., Any] | None = None) -> list[Any]:
    """Return the addresses of ``host`` as `socket.getaddrinfo` does, within the call's time.

    A lookup cannot be interrupted, so it runs on a daemon thread of its own. If the call gives up, a warning is
    logged, and the thread remains until the system gives up, too.
    """
    resolve = resolve or socket.getaddrinfo  # now: a program's own tests may have replaced it
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return list(resolve(host, port, 0, socket.SOCK_STREAM))  # makes no request

    outcome: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        try:
            outcome.append(list(resolve(host, port, 0, socket.SOCK_STREAM)))
        except UnicodeError:  # a label that is empty or too long
            outcome.append(socket.gaierror(socket.EAI_NONAME, "Not a valid host name"))
        except Exception as exc:  # noqa: BLE001  # raised to the caller
            outcome.append(exc)
        finally:
            done.set()

    with Call(call.deadline, *call.aborts, on_wake=done.set) as waiting:
        waiting.remaining()
        start(threading.Thread(target=ask, name="odyssey-lookup", daemon=True))
        try:
            any(map(done.wait, waiting.turns()))
            if not outcome:
                raise ConnectionAbortedError if waiting.aborted else TimeoutError
        except OSError:
            log.warning("the lookup of %s was given up; its thread stays until the system gives up too", host)
            raise
    (addresses,) = outcome
    if isinstance(addresses, Exception):
        raise addresses
    return cast("list[Any]", addresses)


# --- the race


def dial(host: str, port: int, call: Call) -> socket.socket:
    """Connect to the first address of ``host`` that answers, within the call's time.

    Raises:
        OSError: no address can be reached in time, the name has none, or the call was aborted.
    """
    addresses = _in_turns(look_up(host.strip("[]"), port, call))
    with _Attempts(call) as attempts:
        for address in addresses:
            if not attempts.begin(*address):
                continue
            if (winner := attempts.winner(call.deadline.within(_HEAD_START_S))) is not None:
                break
        else:
            winner = attempts.winner()
        if winner is None:
            raise attempts.failure
        return winner


_lags: Final[dict[int, Deadline]] = {}
"""For each family of addresses that lost a race: until when it is tried second."""


def _in_turns(addresses: Iterable[Any]) -> list[Any]:
    """Return addresses in the order of RFC 8305, section 4: the families take turns, the system's choice first."""
    families: dict[int, list[Any]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    order = sorted(families, key=lambda family: family in _lags and not _lags[family].expired)
    rows = itertools.zip_longest(*(families[family] for family in order))
    return [address for row in rows for address in row if address is not None]


class _Attempts:
    """The attempts of one race to connect. At its end, those that have not won are closed."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._running: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self.failure: OSError = socket.gaierror(socket.EAI_NONAME, "The name has no address")
        """Why none has won: the first refusal, which shows that a host is there, or else the last failure."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for sock in self._running:
            sock.close()
        del self.failure  # its traceback may refer to a frame that refers to this

    def begin(self, family: int, kind: int, protocol: int, _: str, address: Any) -> bool:
        """Begin to connect to an address of `socket.getaddrinfo`; return False if that fails at once.

        It raises the same as `winner`, and the system's error if it lacks resources for a socket.
        """
        self._call.remaining()
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:  # this machine does not support the address family
            if is_shortage(exc):
                raise
            self._note(exc)
            return False
        self._running.append(sock)
        for option in _OPTIONS:
            with contextlib.suppress(OSError):  # a system may know an option but not support it: WSL 1
                sock.setsockopt(*option)
        sock.setblocking(False)
        self._call.guard(*self._running)
        try:
            sock.connect(address)  # not `connect_ex`: tools that keep tests offline replace only this
        except OSError as exc:
            if exc.errno not in _BEGUN:
                self._give_up(sock, exc.errno or errno.EIO)
                return False
        self._selector.register(sock, selectors.EVENT_WRITE)
        return True

    def winner(self, until: Deadline | None = None) -> socket.socket | None:
        """Wait for a connect to succeed, and return its socket; it then belongs to the caller.

        Return None if all have failed; with ``until``, also as soon as one fails, or when that time is over.

        Raises:
            ConnectionAbortedError: the call was aborted.
            TimeoutError: the time of the call is over.
        """
        while self._selector.get_map():
            left = self._call.remaining()
            wait = left if until is None else until.remaining()
            ready = self._selector.select(TURN_S if wait is None else min(wait, TURN_S))
            for key, _ in ready:
                sock = cast("socket.socket", key.fileobj)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                left = self._call.remaining()  # raises if an abort made an unfinished connect look like success
                if not code:
                    sock.settimeout(left)
                    return self._finish(sock)
                self._selector.unregister(sock)
                self._give_up(sock, code)
            if until is not None and (ready or until.expired):
                break
        return None

    def _finish(self, winner: socket.socket) -> socket.socket:
        self._call.guard(winner)
        place = self._running.index(winner)
        del self._running[place]
        for overtaken in self._running[:place]:
            if overtaken.family != winner.family:
                _lags[overtaken.family] = Deadline(_LAG_S, MonotonicClock())
        return winner

    def _give_up(self, sock: socket.socket, code: int) -> None:
        self._running.remove(sock)
        sock.close()
        self._note(OSError(code, system_text(code)))

    def _note(self, exc: OSError) -> None:
        if not isinstance(self.failure, ConnectionRefusedError):
            self.failure = exc


# --- later


def is_on_its_way(sock: socket.socket) -> bool:
    """Return whether the system would still use the route of ``sock``, a connected socket, to its other end.

    It would not if the address of this machine has changed, or if another network is now preferred. In that case
    nothing reports that packets from the old address are lost.
    """
    line = getattr(sock, "socket", sock)  # TLS inside TLS has no address of its own
    try:
        here, there = line.getsockname(), line.getpeername()
        return sender_towards(line.family, there) == str(here[0])
    except OSError as exc:
        return exc.errno not in _NO_WAY


def sender_towards(family: int, there: Any) -> str:
    """Return the address from which this machine would send to the address ``there`` now; it sends nothing.

    Raises:
        OSError: there is no route.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(there)
        return str(probe.getsockname()[0])
