"""The ICE address of the emulator: only the one at which the client reached the emulator.

aiortc gathers candidates on every interface except loopback. This module makes a single connection bind one
address, and leaves aiortc and aioice unchanged for the rest of the process.
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
    """Return a peer connection without ICE servers, which the emulator does not need."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def address_reached(request: web.Request) -> str:
    """Return the address of this machine at which ``request`` arrived."""
    local = request.transport.get_extra_info("sockname") if request.transport else None
    return str(local[0]) if local else _LOOPBACK


def offer_only(connection: RTCPeerConnection, address: str) -> None:
    """Restrict ``connection`` to ``address`` of this machine.

    Call this after adding tracks and channels, or setting the remote offer, but before setting the local
    description.
    """
    transports = [transceiver.sender.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    # aioice's connections, each once. aiortc keeps them in a private attribute.
    agents: dict[int, Any] = {}
    for transport in transports:
        agent = transport.transport.iceGatherer._connection
        agents[id(agent)] = agent
    for agent in agents.values():
        agent.get_component_candidates = functools.partial(_gather, agent.get_component_candidates, address)


async def _gather(gather: Callable[..., Awaitable[list[Any]]], address: str, **asked: Any) -> list[Any]:
    """Call ``gather``, aioice's own method, with another list of addresses."""
    return await gather(**{**asked, "addresses": [address]})
