"""What aiortc knows of a peer connection besides its video: if anything arrives, and the time of a round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

__all__ = ["channels_round_trip_s", "packets_received"]

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


def channels_round_trip_s(connection: RTCPeerConnection | None) -> float | None:
    """Return the round trip of the data channels in s; None before anything was sent on them.

    It is the only one that a receiver can measure before a packet was lost.
    """
    found = None if connection is None else getattr(connection.sctp, "_srtt", None)
    return found if isinstance(found, float) else None
