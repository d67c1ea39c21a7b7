"""Choosing the addresses of this machine that a connection offers, besides the candidates of its ICE servers.

aiortc never offers the loopback address, and asks only some of the ICE servers on its list. This module arranges
gathering for one connection at a time: no class of aiortc or aioice is patched, and other users of them in the
process are not affected. `ice_servers` asks the servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from typing import TYPE_CHECKING, Any, Final

from odyssey_models import IceCandidate, IceServer

from ..._base.errors import OdysseyConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiortc import RTCIceServer, RTCPeerConnection

    from ..._model.ice_urls import IceUrl
    from .ice_servers import IceServers

__all__ = [
    "FALLBACK_SERVERS",
    "agents",
    "announced",
    "arrange_gathering",
    "close_sockets",
    "for_aiortc",
    "own_addresses",
]

log = logging.getLogger("odyssey_proto.webrtc")

FALLBACK_SERVERS: Final = (IceServer(urls=["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"]),)
"""Public STUN servers, in case the service names none (spec/behaviour.md#ice-servers)."""

_SECTION: Final = re.compile(r"^a=mid:(\S+)", re.MULTILINE)
_LOOPBACK: Final = ("127.0.0.1", "::1")
_BINDING_S: Final = 5.0  # aioice requires a timeout, though binding takes no time
_RECEIVE_BUFFER: Final = 1 << 20  # requested bytes, four times aioice's request; the system may give less


def own_addresses() -> frozenset[str]:
    """Return the addresses of this machine that a connection would offer now, without loopback."""
    from aioice import ice

    return frozenset(ice.get_host_addresses(use_ipv4=True, use_ipv6=True))


def for_aiortc(urls: Iterable[IceUrl]) -> list[RTCIceServer]:
    """Return ``urls`` as aiortc takes them, in case gathering cannot be arranged."""
    from aiortc import RTCIceServer

    return [RTCIceServer(urls=str(url), username=url.username, credential=url.credential) for url in urls]


def arrange_gathering(
    connection: RTCPeerConnection,
    *,
    only: Sequence[str] | None = None,
    loopback: bool = False,
    servers: IceServers | None = None,
) -> None:
    """Set which addresses a peer connection offers, and which ICE servers it asks.

    Call this when its transports exist (after tracks and channels were added, or the remote offer was set) and
    before the local description is set.

    Args:
        connection: the peer connection; no other is affected.
        only: offer exactly these addresses of this machine; None for those of all interfaces.
        loopback: offer the loopback addresses besides those of the interfaces. If there is no other interface,
            they are always offered; with ``only``, they are not.
        servers: the ICE servers to ask. If they are ``relay_only``, no address of this machine is offered.

    Raises:
        OdysseyConnectionError: ``servers`` is ``relay_only``, which this version of aioice does not support.
    """
    for agent in agents(connection):
        gather = getattr(agent, "get_component_candidates", None)
        if gather is not None and hasattr(agent, "_protocols"):
            agent.get_component_candidates = _arranged(agent, gather, only, loopback=loopback, servers=servers)
        elif servers is not None and servers.relay_only:
            raise OdysseyConnectionError(
                "ice_policy='relay' does not work with the installed version of aioice", code="no_relay"
            )
        else:  # another version of aioice, which gathers in its own way, more slowly and without loopback
            log.debug("gathering cannot be arranged with this version of aioice")


def announced(connection: RTCPeerConnection | None, agent: Any, candidate: Any) -> Iterator[IceCandidate]:
    """Yield the message, if any, that announces to the other side a candidate found after the description.

    Args:
        connection: the peer connection, with a local description.
        agent: aioice's connection that has the candidate.
        candidate: the candidate, as aioice has it.
    """
    if connection is None:
        return
    sections = _SECTION.findall(connection.localDescription.sdp)
    owners = [mid for mid, owner in _owners(connection) if owner is agent and mid in sections]
    for mid in owners[:1]:
        yield IceCandidate(
            candidate=f"candidate:{candidate.to_sdp()}", sdp_mid=mid, sdp_mline_index=sections.index(mid)
        )


def agents(connection: RTCPeerConnection) -> Iterator[Any]:
    """Return aioice's connections that ``connection`` uses, each once."""
    return iter({id(agent): agent for _, agent in _owners(connection)}.values())


def close_sockets(connection: RTCPeerConnection) -> None:
    """Close the sockets that are left if closing ``connection`` was cut short: aioice closes them one by one."""
    for agent in agents(connection):
        for protocol in tuple(getattr(agent, "_protocols", ())):
            if protocol.transport.get_extra_info("socket") is not None:  # else a relay, which `IceServers` closes
                protocol.transport.close()


def _owners(connection: RTCPeerConnection) -> Iterator[tuple[str | None, Any]]:
    """Yield the id of each section with its connection of aioice, which aiortc keeps in a private attribute."""
    sections: list[tuple[Any, Any]] = [(each, each.receiver) for each in connection.getTransceivers()]
    if connection.sctp is not None:
        sections.append((connection.sctp, connection.sctp))
    for section, owner in sections:
        gatherer = owner.transport.transport.iceGatherer
        yield getattr(section, "mid", None), getattr(gatherer, "_connection", None)


def _arranged(
    agent: Any,
    gather: Callable[..., Any],
    only: Sequence[str] | None,
    *,
    loopback: bool,
    servers: IceServers | None,
) -> Any:
    async def bind(component: int, addresses: Sequence[str]) -> list[Any]:
        # One call for each address: if a second address is cut short, aioice forgets the sockets of the first.
        found = await asyncio.gather(*(gather(component, [address], _BINDING_S) for address in addresses))
        _widen(agent)
        return [candidate for candidates in found for candidate in candidates]

    async def get_component_candidates(component: int, addresses: list[str]) -> list[Any]:
        agent.stun_server = agent.turn_server = None  # `servers` asks, all of them at once
        asking = addresses if only is None else only
        quiet = _LOOPBACK if only is None and (loopback or not asking) else ()
        if servers is None:
            return await bind(component, [*asking, *quiet])
        if servers.relay_only:
            return await servers.candidates(agent, component, ())
        hosts = await bind(component, asking)
        # No server is asked from a loopback address, because nothing sent from there leaves the machine.
        others = await bind(component, quiet)
        return [*hosts, *others, *await servers.candidates(agent, component, hosts)]

    return get_component_candidates


def _widen(agent: Any) -> None:
    """Let the sockets buffer more than the system's usual 0.1 s of fast video while Python is busy elsewhere."""
    for protocol in agent._protocols:
        with contextlib.suppress(OSError):
            protocol.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER
            )
