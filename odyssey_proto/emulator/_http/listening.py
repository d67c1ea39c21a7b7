"""How a server stops listening without losing the connections that it has just accepted."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["stop_listening"]

_ACCEPTING_TURNS: Final = 5  # of the loop, from accepting a connection to its `connection_made`; it takes three


async def stop_listening(server: asyncio.Server) -> None:
    """Accept no more connections, and free the port once ``server`` has all those that were accepted.

    If a server is closed while a connection is being accepted, asyncio loses the connection: it stays open, and
    its client waits. `aiohttp.web.TCPSite` closes its server in that way.
    """
    for sock in server.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(_ACCEPTING_TURNS):
        await asyncio.sleep(0)
    server.close()
