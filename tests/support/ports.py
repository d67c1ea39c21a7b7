"""Ports that refuse connections, and ports that nobody is likely to take before a server starts."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["port_for_later", "refusing_port"]

_FIRST, _LAST = 20_000, 32_000
"""Below the ephemeral ports of the system: those of Linux begin with 32768."""

_ours: Final = itertools.count(os.getpid() * 61)
"""Numbers far from those of the other workers, whose process ids are close."""


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a TCP port that refuses connections: nobody listens there, and nobody else can bind it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def port_for_later(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a free port for a server that is yet to start."""
    for number in _ours:
        port = _FIRST + number % (_LAST - _FIRST)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            break
    return port
