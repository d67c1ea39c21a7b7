"""What is known of a peer connection besides its video: whether the other side is there, and how far away it is.

aiortc counts the packets that arrive, and every ICE agent answers the checks of the other side (RFC 8445, 7.3).
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from ..dialing import sender_towards
from .candidates import agents

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

__all__ = ["answers", "channels_round_trip_s", "has_moved", "packets_received"]

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


def has_moved(connection: RTCPeerConnection | None) -> bool:
    """Return whether this machine would now send from another address than that of the path. For any thread.

    A machine without a network has not moved: it may come back. Neither has one whose path begins at a relay.
    """
    if connection is None:
        return False
    for agent in agents(connection):
        for pair in tuple(getattr(agent, "_nominated", {}).values()):
            here, there = pair.local_candidate, pair.remote_addr
            with contextlib.suppress(OSError):
                family = socket.AF_INET6 if ":" in there[0] else socket.AF_INET
                if here.type != "relay" and sender_towards(family, there) != here.host:
                    return True
    return False


async def answers(connection: RTCPeerConnection | None) -> bool:
    """Send a STUN check over the path in use, once, and return whether it is answered within 0.5 s.

    For the loop's thread. Without a path, or if this version of aioice cannot send it, nothing is known: True.
    """
    if connection is None:
        return True
    from aioice import stun

    for agent in agents(connection):
        for pair in tuple(getattr(agent, "_nominated", {}).values()):
            try:
                await _check(agent, pair)
            except stun.TransactionTimeout:
                return False
            except (stun.TransactionFailed, AttributeError, TypeError):
                pass  # an answer too, or another aioice
    return True


async def _check(agent: Any, pair: Any) -> None:
    request = agent.build_request(pair, nominate=False)
    key = agent.remote_password.encode()
    await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)


def channels_round_trip_s(connection: RTCPeerConnection | None) -> float | None:
    """Return the round trip of the data channels in s; None before anything was sent on them.

    It is the only one that a receiver can measure before a packet was lost.
    """
    found = None if connection is None else getattr(connection.sctp, "_srtt", None)
    return found if isinstance(found, float) else None
