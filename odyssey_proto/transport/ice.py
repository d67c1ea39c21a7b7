"""Which ICE servers a connection uses, and which addresses of this machine it offers.

aiortc raises on server addresses that it does not know, looks names up in ways that nobody can cut short, waits
5 s for a STUN server that does not answer, and never offers the loopback address. Here servers are sorted out
and their names resolved beforehand, and gathering is bounded, for one connection at a time: nothing of aiortc or
aioice is replaced, and other users of them in the process notice nothing. Trying servers in turn is not done here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
from typing import TYPE_CHECKING, Any, Final

import attrs
from odyssey_models import IceServer

from .loop import off_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiortc import RTCIceServer, RTCPeerConnection

__all__ = ["FALLBACK_SERVERS", "IceUrl", "arrange_gathering", "for_aiortc", "resolve", "usable_servers"]

log = logging.getLogger(__name__)

FALLBACK_SERVERS: Final = (IceServer(urls=["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"]),)
"""Public STUN, for when the service does not tell its own (spec/asyncapi.yaml)."""

_LOOPBACK: Final = ("127.0.0.1", "::1")
_PATIENCE: Final = {"stun": 0.5, "turn": 2.0, "turns": 2.0}  # s for a name; without STUN most connections work
_STUN_ANSWER: Final = 0.5  # s; also spent on an interface from which the server cannot be reached
_TURN_ALLOCATION: Final = 2.0  # s; over TLS it takes five round trips
_MOST_SERVERS: Final = 8  # each name costs a thread for its lookup

_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>[a-z]+))?",
    re.IGNORECASE | re.ASCII,
)


@attrs.frozen(kw_only=True)
class IceUrl:
    """One address of one server, taken apart; ``str()`` gives the URL, which has no credentials in it."""

    scheme: str
    host: str
    port: int
    transport: str = "udp"
    username: str | None = None
    credential: str | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        plain = self.transport == ("tcp" if self.scheme == "turns" else "udp")
        return f"{self.scheme}:{self.host}:{self.port}" + ("" if plain else f"?transport={self.transport}")


def usable_servers(servers: Iterable[IceServer]) -> tuple[tuple[IceUrl, ...], tuple[str, ...]]:
    """Sort out which addresses a connection can use (spec/asyncapi.yaml).

    Args:
        servers: as ``/config`` gave them; ``url`` counts as ``urls``.

    Returns:
        The usable addresses in their order, and one line for each that was left out, without credentials.
    """
    usable: list[IceUrl] = []
    left_out: list[str] = []
    for server in servers:
        given = server.urls if server.urls is not None else server.url
        urls = [given] if isinstance(given, str) else given or []
        if not urls:
            left_out.append("an ICE server has no address")
        for url in urls:
            match _parse(url, server):
                case IceUrl() as parsed:
                    usable.append(parsed)
                case reason:
                    left_out.append(reason)
    if len(usable) > _MOST_SERVERS:
        left_out.append(f"{len(usable) - _MOST_SERVERS} more ICE servers are not tried")
    return tuple(usable[:_MOST_SERVERS]), tuple(left_out)


def _parse(url: str, server: IceServer) -> IceUrl | str:
    """Take ``url`` apart, or say in one line why it cannot be used."""
    match = _URL.fullmatch(url.strip())
    if match is None:
        return "the address of an ICE server is malformed"  # not shown: who knows what it holds
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or (5349 if scheme.endswith("s") else 3478))
    transport = (match["transport"] or ("tcp" if scheme == "turns" else "udp")).lower()
    parsed = IceUrl(scheme=scheme, host=host, port=port, transport=transport)
    if scheme == "stuns" or (scheme, transport) not in _TRANSPORTS:
        return f"{parsed} is of a kind that is not supported"
    if host.startswith("["):
        return f"{parsed} is an IPv6 address, which is not supported"
    if not 0 < port < 65536:
        return f"{parsed} has an impossible port"
    if scheme == "stun":
        return parsed
    if not server.username or not server.credential:
        return f"{parsed} comes without user name and password"
    return attrs.evolve(parsed, username=server.username, credential=server.credential)


_TRANSPORTS: Final = {("stun", "udp"), ("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")}


def _ipv4(host: str) -> str:
    return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])


async def resolve(
    urls: Sequence[IceUrl], *, look_up: Callable[[str], str] = _ipv4
) -> tuple[tuple[IceUrl, ...], tuple[str, ...]]:
    """Replace names by addresses, off the loop and all at once; what has none in time is left out.

    A STUN name may take 0.5 s and a TURN name 2 s. ``turns:`` keeps its name, which its certificate is checked
    against. A STUN server on this machine is dropped: it can only tell what is known.

    Args:
        urls: what `usable_servers` found.
        look_up: returns the IPv4 address of a name or raises `OSError` or `UnicodeError`; it may block.

    Returns:
        The addresses in their order, and one line for each that was left out.
    """
    answers = await asyncio.gather(*(_resolve(url, look_up) for url in urls))
    found = tuple(answer for answer in answers if isinstance(answer, IceUrl))
    return found, tuple(answer for answer in answers if isinstance(answer, str))


async def _resolve(url: IceUrl, look_up: Callable[[str], str]) -> IceUrl | str | None:
    try:
        address = str(ipaddress.IPv4Address(url.host))
    except ValueError:
        try:
            address = await asyncio.wait_for(
                off_loop(look_up, url.host, name="odyssey-lookup"), _PATIENCE[url.scheme]
            )
        except TimeoutError:
            return f"{url} was not found in the DNS in time"
        except (OSError, UnicodeError):
            return f"{url} was not found in the DNS"
    if url.scheme == "stun" and ipaddress.ip_address(address).is_loopback:
        return None
    return url if url.scheme == "turns" else attrs.evolve(url, host=address)


def for_aiortc(urls: Iterable[IceUrl]) -> list[RTCIceServer]:
    """Return ``urls`` as aiortc takes them. It uses the first STUN and the first TURN server."""
    from aiortc import RTCIceServer

    return [RTCIceServer(urls=str(url), username=url.username, credential=url.credential) for url in urls]


def arrange_gathering(
    connection: RTCPeerConnection, *, only: Sequence[str] | None = None, loopback: bool = False
) -> None:
    """Say which addresses a peer connection offers, and bound how long it waits for its ICE servers.

    To be called when its transports are there (after tracks and channels were added, or the remote offer was set)
    and before the local description is set.

    Args:
        connection: the peer connection; no other is touched.
        only: offer exactly these addresses of this machine.
        loopback: offer the loopback addresses beside those of the interfaces. Where there is no other interface
            they are offered in any case.
    """
    for agent in _agents(connection):
        gather = getattr(agent, "get_component_candidates", None)
        if gather is None:  # another aioice: it gathers in its own way, more slowly and without loopback
            log.debug("gathering cannot be arranged with this version of aioice")
            continue
        agent.get_component_candidates = _arranged(agent, gather, only, loopback=loopback)


def _agents(connection: RTCPeerConnection) -> Iterator[Any]:
    """Return aioice's connections, each once; aiortc keeps them in an attribute without a public name."""
    transports = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    agents = (getattr(transport.transport.iceGatherer, "_connection", None) for transport in transports)
    return iter({id(agent): agent for agent in agents}.values())


def _arranged(agent: Any, gather: Callable[..., Any], only: Sequence[str] | None, *, loopback: bool) -> Any:
    async def gather_each(component: int, addresses: Sequence[str], patience: float) -> list[Any]:
        # One call for each address: aioice forgets the sockets of the first where the second is cut short.
        found = await asyncio.gather(*(gather(component, [address], patience) for address in addresses))
        return [candidate for candidates in found for candidate in candidates]

    async def get_component_candidates(component: int, addresses: list[str]) -> list[Any]:
        stun, turn = agent.stun_server, agent.turn_server
        asking = addresses if only is None else only
        quiet = _LOOPBACK if only is None and (loopback or not asking) else ()
        try:
            # Not all at once: aioice waits for the slowest, and each has its own patience. The loopback addresses
            # ask nobody, because nothing that is sent from there leaves the machine.
            agent.turn_server = None
            candidates = await gather_each(component, asking, _STUN_ANSWER)
            agent.stun_server = None
            candidates += await gather_each(component, quiet, _STUN_ANSWER)
            agent.turn_server = turn
            candidates += await gather(component, [], _TURN_ALLOCATION)
        finally:
            agent.stun_server, agent.turn_server = stun, turn
        return candidates

    return get_component_candidates
