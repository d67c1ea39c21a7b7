"""A STUN server (RFC 8489, binding requests only), on the emulator's port number if possible.

It lets ``/config`` name a server that answers at once. If ``/config`` named none, a client might ask a public one,
and wait 5 s for it on a machine without a network.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self, cast

from aioice import stun

__all__ = ["StunServer"]


class StunServer(asyncio.DatagramProtocol):
    """Answers each binding request with the address that it came from."""

    _transport: asyncio.DatagramTransport
    port: int
    """UDP port on which it listens."""

    @classmethod
    async def listen(cls, host: str, port: int) -> Self:
        """Listen on ``port``, or on any free port if that is taken."""
        loop = asyncio.get_running_loop()
        try:
            transport, server = await loop.create_datagram_endpoint(cls, local_addr=(host, port))
        except OSError:
            transport, server = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        server.port = transport.get_extra_info("sockname")[1]
        return server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer a binding request; ignore anything else."""
        try:
            request = stun.parse_message(data)
        except ValueError:
            return
        if request.message_method is not stun.Method.BINDING or request.message_class is not stun.Class.REQUEST:
            return
        response = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = addr[:2]
        self._transport.sendto(bytes(response), addr)

    def close(self) -> None:
        """Stop answering."""
        self._transport.close()
