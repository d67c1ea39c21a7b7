"""A link to a broadcast over HLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._base.abort import Abort
from .._net.hls import HlsReader
from ..core import effects, inputs

if TYPE_CHECKING:
    from .._base import errors
    from .._base.clock import Deadline
    from .._net.http_exchange import HttpClient
    from .link import LinkContext

__all__ = ["HlsLink"]

_CLOSING_S: Final = 0.6  # for the thread that reads


class HlsLink:
    """A link over HLS, see `odyssey_proto._live.link.Link`."""

    peer_connection: object | None = None
    """There is none."""

    def __init__(
        self, plan: effects.OpenBroadcast, context: LinkContext, hls_url: str, *, http: HttpClient
    ) -> None:
        self._number = plan.link
        self._context = context
        self._source = context.hub.source
        self._reader = HlsReader(
            hls_url,
            http=http,
            clock=context.clock,
            abort=Abort(),
            on_frame=lambda frame, at: context.hub.publish(frame, at, self._source),
            on_end=self._take_end,
        )

    def open(self, deadline: Deadline) -> None:
        """Connect, wait for the first frame, and post `LinkReady`.

        Raises:
            OdysseyConnectionError: there is no such stream, or none that can be read.
        """
        self._reader.open(deadline)
        self._context.post(inputs.LinkReady(self._number))

    def close(self) -> None:
        """End the reading."""
        self._reader.close(_CLOSING_S)

    def cut(self) -> None:
        """End the reading without waiting for it."""
        self._reader.close(0.0)

    def say_goodbye(self) -> None:
        """Nobody is to be told."""

    def ask_for_keyframe(self) -> None:
        """Every segment begins with one."""

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """There is no signaling and no data channel to a broadcast."""
        raise TypeError(f"a broadcast takes no {type(effect).__name__}")

    def _take_end(self, error: errors.OdysseyError | None) -> None:
        if error is None:
            self._context.post(inputs.BroadcastEnded(self._number))
        else:
            self._context.post(inputs.LinkFailed(self._number, error))
