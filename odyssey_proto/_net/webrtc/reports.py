"""The reports of a peer connection to its listener: its end only once, and nothing after this side closes it.

A peer connection closes in steps: the video, the channels, then the whole. Only one of these is worth a report, so
each step waits a moment for the next. Everything here runs on the background loop, except that the decoding thread
reports frames.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ..._base.errors import OdysseyConnectionError
from ..._base.tracebacks import without_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .listener import PeerListener

__all__ = ["Reports"]

log = logging.getLogger("odyssey_proto.webrtc")

_SETTLING_S: Final = 0.2  # from the first sign of a leaving peer to the last


class Reports:
    """The reports of one peer connection.

    Args:
        listener: receives them.
        is_closing: returns whether this side is closing the connection: from then on, nothing is reported.
        spawn: runs a coroutine for as long as the connection lives.
    """

    def __init__(
        self,
        listener: PeerListener,
        *,
        is_closing: Callable[[], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._listener = listener
        self._is_closing = is_closing
        self._spawn = spawn
        self._is_lost = False

    def notify(self, method: Callable[..., None], *args: object) -> None:
        """Call ``method``, a method of the listener, unless this side is closing; an exception is only logged."""
        if self._is_closing():
            return
        try:
            method(*args)
        except Exception as exc:
            # If it escaped, it would end aiortc's own tasks without a trace.
            log.exception("the listener of a peer connection failed", exc_info=without_locals(exc))

    def lose(self, message: str, code: str, recoverable: bool = True) -> None:
        """Report that the connection has ended, unless that was reported before."""
        if self._is_lost:
            return
        self._is_lost = True
        error = OdysseyConnectionError(message, code=code, operation="peer connection", recoverable=recoverable)
        if code == "peer_closed":
            self._spawn(self._report_lost(error))
        else:
            self.notify(self._listener.on_lost, error)

    async def lose_later(self, message: str, code: str) -> None:
        """Report the end as `lose` does, unless another reason for it comes within a moment."""
        await self._settled()
        self.lose(message, code)

    def close_channel(self, label: str) -> None:
        """Report that a data channel was closed, unless the whole connection ends within a moment."""
        self._spawn(self._report_channel_closed(label))

    async def _report_lost(self, error: OdysseyConnectionError) -> None:
        # A service that ends the session closes this too, and reports why through signaling: let that come first.
        await self._settled()
        self.notify(self._listener.on_lost, error)

    async def _report_channel_closed(self, label: str) -> None:
        await self._settled()
        if not self._is_lost:
            self.notify(self._listener.on_channel_closed, label)

    async def _settled(self) -> None:
        await asyncio.sleep(_SETTLING_S)
