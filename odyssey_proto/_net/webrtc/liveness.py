"""Whether anything still arrives over a peer connection, even if it is no video: aiortc counts the packets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

__all__ = ["packets_received"]

_COUNT: Final = (
    "_RTCDtlsTransport__rx_packets"  # its statistics, which have a public way, are made on the loop only
)


def packets_received(connection: RTCPeerConnection | None) -> int | None:
    """Return how many encrypted packets have come: video, reports on it, and data channels. For any thread.

    None without a connection, and if this version of aiortc does not count as the one known here does.
    """
    if connection is None:
        return None
    transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    counts = [getattr(transport, _COUNT, None) for transport in transports]
    return sum(filter(None, counts)) if any(count is not None for count in counts) else None
