"""Which address the emulator offers in ICE: the one that the client has reached, and no other.

aiortc gathers on every interface, and never on loopback. Here it is told, for one connection at a time, to bind
one address; nothing of aiortc or aioice is replaced for others in the process.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcconfiguration import RTCBundlePolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

__all__ = ["address_reached", "new_connection", "offer_only"]

_LOOPBACK: Final = "127.0.0.1"


def new_connection() -> RTCPeerConnection:
    """Return a peer connection that asks no ICE server: the emulator is where it listens."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def address_reached(request: web.Request) -> str:
    """Return the address of this machine at which ``request`` arrived."""
    local = request.transport.get_extra_info("sockname") if request.transport else None
    return str(local[0]) if local else _LOOPBACK


def offer_only(connection: RTCPeerConnection, address: str) -> None:
    """Let ``connection`` offer ``address`` of this machine and nothing else.

    Call it after tracks and channels are added, or the remote offer is set, and before the local description is.
    """
    transports = [transceiver.sender.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    # aioice's connections, each once. aiortc keeps them in an attribute that is not public.
    agents: dict[int, Any] = {}
    for transport in transports:
        agent = transport.transport.iceGatherer._connection
        agents[id(agent)] = agent
    for agent in agents.values():
        agent.get_component_candidates = functools.partial(_gather, agent.get_component_candidates, address)


async def _gather(gather: Callable[..., Awaitable[list[Any]]], address: str, **asked: Any) -> list[Any]:
    """Stand in for ``gather``, aioice's own, with another list of addresses."""
    return await gather(**{**asked, "addresses": [address]})
