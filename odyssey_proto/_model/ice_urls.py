"""Addresses of ICE servers, taken apart: which of them a connection can use, and why not the others.

It asks nobody: names are looked up, and servers asked, in `odyssey_proto._net.webrtc.ice_servers`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from odyssey_models import IceServer

__all__ = ["IceUrl", "usable_servers"]

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
        servers: as ``/config`` or a user gave them; ``url`` counts as ``urls``.

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
