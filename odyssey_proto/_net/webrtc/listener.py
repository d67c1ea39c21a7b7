"""Who hears what a peer connection receives: the interface between `peer.Peer` and whoever uses one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import av

    from ..._base.errors import OdysseyConnectionError

__all__ = ["PeerListener"]


class PeerListener(Protocol):
    """Called on the loop's thread, but for frames. No method may block. No call comes after `Peer.close`."""

    def on_track(self) -> None:
        """The streamer's video track is there."""

    def on_channel_open(self, max_message_size: int) -> None:
        """``clientToStreamer`` is open: `Peer.send` works, for messages of at most so many bytes."""

    def on_message(self, text: str) -> None:
        """A text message came on ``streamerToClient``."""

    def on_channel_closed(self, label: str) -> None:
        """One of the two data channels was closed, while the connection may go on."""

    def on_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        """A video frame was decoded, by this thread; its first packet came at ``received_at`` s of the clock."""

    def on_state(self, state: str) -> None:
        """The connection went to ``new``, ``connecting``, ``connected``, ``failed`` or ``closed``."""

    def on_lost(self, error: OdysseyConnectionError) -> None:
        """The connection has come to its end, though nobody here closed it. Called at most once."""
