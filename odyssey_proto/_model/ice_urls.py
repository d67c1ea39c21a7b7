"""Parses the URLs of ICE servers, and says which of them a connection can use, and why not the others.

No I/O: `odyssey_proto._net.webrtc.ice_servers` resolves the names and contacts the servers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from .._base.limits import ICE_SERVERS_MOST, PROBLEMS_MOST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from odyssey_models import IceServer

__all__ = ["IceUrl", "usable_servers"]

_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]{1,253})(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>[a-z]+))?",
    re.IGNORECASE | re.ASCII,
)


@attrs.frozen(kw_only=True)
class IceUrl:
    """One parsed URL of a server; ``str()`` gives the URL, without credentials."""

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
    """Select the URLs that a connection can use (spec/behaviour.md#ice-servers).

    Args:
        servers: from ``/config`` or from a user; ``url`` counts as ``urls``.

    Returns:
        The usable URLs in their order, each once, and the reasons why others are left out, one line each, without
        credentials.
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
    kept = dict.fromkeys(usable)  # some lists name a server twice
    for kind, schemes in _KINDS.items():
        surplus = [url for url in kept if url.scheme in schemes][ICE_SERVERS_MOST:]
        for each in surplus:
            del kept[each]
        if surplus:
            left_out.append(f"only the first {ICE_SERVERS_MOST} {kind} servers are tried")
    reasons = list(dict.fromkeys(left_out))
    if len(reasons) > PROBLEMS_MOST_SHOWN:
        reasons[PROBLEMS_MOST_SHOWN:] = [f"{len(reasons) - PROBLEMS_MOST_SHOWN} more reasons are not shown"]
    return tuple(kept), tuple(reasons)


def _parse(url: str, server: IceServer) -> IceUrl | str:
    """Parse ``url``, or return one line that says why it cannot be used."""
    match = _URL.fullmatch(url.strip())
    if match is None or not url.strip().isprintable():
        return "the address of an ICE server is malformed"  # not shown: it may contain secrets
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or (5349 if scheme.endswith("s") else 3478))
    transport = (match["transport"] or ("tcp" if scheme == "turns" else "udp")).lower()
    parsed = IceUrl(scheme=scheme, host=host, port=port, transport=transport)
    if scheme == "stuns" or (scheme, transport) not in _TRANSPORTS:
        return f"{parsed} is not supported"
    if host.startswith("["):
        return f"{parsed} is an IPv6 address, which is not supported"
    if not 0 < port < 65536:
        return f"{parsed} has an invalid port"
    if scheme == "stun":
        return parsed
    if not server.username or not server.credential:
        return f"{parsed} has no user name or no password"
    return attrs.evolve(parsed, username=server.username, credential=server.credential)


_KINDS: Final = {"STUN": ("stun",), "TURN": ("turn", "turns")}
_TRANSPORTS: Final = {("stun", "udp"), ("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")}
