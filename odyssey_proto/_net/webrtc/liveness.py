"""The state of a peer connection apart from its video: whether the other side is alive, and its round trip.

aiortc counts the packets that arrive, and every ICE agent answers the checks of the other side (RFC 8445, 7.3).
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

from ..dialing import sender_towards
from .candidates import agents

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCPeerConnection

__all__ = ["LocalAddress", "answers", "channels_round_trip_s", "packets_received"]

_COUNT: Final = "_RTCDtlsTransport__rx_packets"  # its public statistics can be made on the loop only

_SECOND: Final = 1  # a check or its answer may be lost, and a path may take longer than the 0.5 s of the first one


def packets_received(connection: RTCPeerConnection | None) -> int | None:
    """Return how many encrypted packets have come: video, reports on it, and data channels. For any thread.

    The result is None without a connection, or if this version of aiortc does not count as the known one does.
    """
    if connection is None:
        return None
    transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    counts = [getattr(transport, _COUNT, None) for transport in transports]
    return sum(filter(None, counts)) if any(count is not None for count in counts) else None


class LocalAddress:
    """The address from which this machine sends over a peer connection. For any thread.

    The path itself does not show this: a machine with two addresses may receive at one and send from the other.
    """

    def __init__(self) -> None:
        self._senders: dict[Any, str] = {}

    def note(self, connection: RTCPeerConnection | None) -> None:
        """Note the address, once the connection is established."""
        self.has_changed(connection)

    def has_changed(self, connection: RTCPeerConnection | None) -> bool:
        """Return whether the address has changed; without a network, which may come back, it has not."""
        changed = False
        for _, pair in () if connection is None else _pairs(connection):
            changed |= self._is_new(pair.remote_addr)
        return changed

    def _is_new(self, there: Any) -> bool:
        family = socket.AF_INET6 if ":" in there[0] else socket.AF_INET
        try:
            sender = sender_towards(family, there)
        except OSError:
            return False
        return self._senders.setdefault(there, sender) != sender


async def answers(
    connection: RTCPeerConnection | None, on_round_trip: Callable[[float], None] = lambda _: None
) -> bool:
    """Send a STUN check over the path in use, a second one after 0.5 s; return whether one is answered in 1.5 s.

    For the loop's thread. Without a path, or if this version of aioice cannot send a check, nothing is known, and
    the result is True.

    Args:
        connection: the peer connection.
        on_round_trip: called with the round trip in s, if an answer comes before the second check.
    """
    if connection is None:
        return True
    from aioice import stun

    now = asyncio.get_running_loop().time
    for agent, pair in _pairs(connection):
        try:
            began = now()
            await _check(agent, pair)
            if (took := now() - began) < stun.RETRY_RTO:  # else it is unknown which one was answered
                on_round_trip(took)
        except stun.TransactionTimeout:
            return False
        except (stun.TransactionFailed, AttributeError, TypeError):
            pass  # an answer too, or another aioice
    return True


def _pairs(connection: RTCPeerConnection) -> list[tuple[Any, Any]]:
    """Return aioice's connections, each with the pair of addresses that it uses."""
    return [
        (agent, pair) for agent in agents(connection) for pair in tuple(getattr(agent, "_nominated", {}).values())
    ]


async def _check(agent: Any, pair: Any) -> None:
    request = agent.build_request(pair, nominate=False)
    key = agent.remote_password.encode()
    await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=_SECOND)


def channels_round_trip_s(connection: RTCPeerConnection | None) -> float | None:
    """Return the round trip of the data channels in s; None before anything has been sent on them.

    Unlike the round trip of retransmissions, it can be known before a packet has been lost.
    """
    found = None if connection is None else getattr(connection.sctp, "_srtt", None)
    return found if isinstance(found, float) else None
