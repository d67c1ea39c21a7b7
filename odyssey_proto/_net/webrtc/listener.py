"""The listener of a peer connection: the interface between `peer.Peer` and its user, with no implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import av
    from odyssey_models import IceCandidate

    from ..._base.errors import OdysseyConnectionError

__all__ = ["PeerListener"]


class PeerListener(Protocol):
    """Called on the loop's thread, except `on_frame`. No method may block. None is called after `Peer.close`."""

    def on_track(self) -> None:
        """The connection has the streamer's video track."""

    def on_candidate(self, candidate: IceCandidate) -> None:
        """The connection has found a candidate that is not in its description, and may use it already."""

    def on_channel_open(self, max_message_size: int) -> None:
        """``clientToStreamer`` is open: `Peer.send` works, for messages of up to ``max_message_size`` bytes."""

    def on_message(self, message: str | bytes) -> None:
        """A message came on ``streamerToClient``."""

    def on_channel_closed(self, label: str) -> None:
        """The streamer closed one of the two data channels; the connection may continue."""

    def on_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        """A frame was decoded, usually on this thread; its first packet came at ``received_at`` s of the clock."""

    def on_state(self, state: str) -> None:
        """The state is now ``new``, ``connecting``, ``connected``, ``failed`` or ``closed``."""

    def on_lost(self, error: OdysseyConnectionError) -> None:
        """The connection has ended, although this side did not close it. Called at most once."""
