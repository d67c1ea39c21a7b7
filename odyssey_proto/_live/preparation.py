"""Whether the preparation of a link is complete and still usable when it is opened. Nothing is prepared here."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from .._base.abort import Abort
from .._net.webrtc.candidates import own_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Preparation"]


class Preparation:
    """The preparation of one link, which runs on a worker and may be overtaken by opening or closing."""

    def __init__(self) -> None:
        self.abort = Abort()
        """Ends the preparation in progress."""
        self._lock = threading.Lock()
        self._addresses: frozenset[str] | None = None

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Prepare within the ``with``; the preparation is complete unless its block raises."""
        with self._lock:
            addresses = own_addresses()
            yield
            self._addresses = addresses

    def end(self) -> bool:
        """End the preparation; return whether it is complete, and this machine still has the same addresses."""
        self.abort.abort()
        with self._lock:
            return self._addresses is not None and self._addresses == own_addresses()
