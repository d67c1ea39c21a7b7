"""A link to a broadcast over HLS. `odyssey_proto._net.hls` does the reading."""

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

_READER_ENDS_S: Final = 0.6  # for the reading thread


class HlsLink:
    """A link over HLS; see `odyssey_proto._live.link.Link`."""

    peer_connection: object | None = None
    """Always None: HLS has no peer connection."""
    packets: int | None = None
    """Always None: HLS has no packets."""
    has_moved: bool = False
    """Always False: each request finds its own way."""

    def __init__(
        self, plan: effects.OpenBroadcast, context: LinkContext, hls_url: str, *, http: HttpClient, max_pixels: int
    ) -> None:
        self._number = plan.link
        self._context = context
        self._source = context.hub.source
        self._reader = HlsReader(
            hls_url,
            http=http,
            clock=context.clock,
            abort=Abort(),
            max_pixels=max_pixels,
            on_frame=lambda frame, at: context.hub.publish(frame, at, self._source),
            on_end=self._take_end,
        )

    def prepare(self, deadline: Deadline) -> None:
        """Do nothing: each step is a request for the broadcast."""

    def open(self, deadline: Deadline) -> None:
        """Connect, wait for the first frame, and post `LinkReady`.

        Raises:
            OdysseyConnectionError: the stream does not exist, or cannot be read.
        """
        self._reader.open(deadline)
        self._context.post(inputs.LinkReady(self._number))

    def close(self) -> None:
        """Stop reading."""
        self._reader.close(_READER_ENDS_S)

    def cut(self) -> None:
        """Stop reading, without waiting for the end."""
        self._reader.close(0.0)

    def say_goodbye(self) -> None:
        """Do nothing: HLS has no goodbye."""

    def ask_for_keyframe(self) -> None:
        """Do nothing: every segment begins with a keyframe."""

    def ask_for_sign_of_life(self) -> None:
        """Do nothing: HLS has no lasting connection whose other side could answer."""

    def carry_out(self, effect: effects.LinkEffect) -> None:
        """Raise `TypeError`: a broadcast has neither signaling nor data channels."""
        raise TypeError(f"a broadcast takes no {type(effect).__name__}")

    def _take_end(self, error: errors.OdysseyError | None) -> None:
        if error is None:
            self._context.post(inputs.BroadcastEnded(self._number))
        else:
            self._context.post(inputs.LinkFailed(self._number, error, video_at=self._context.hub.last_at))
