"""A program that makes a TCP server seem far away: it forwards connections, and delays data in both directions.

    python tests/support/far.py HOST PORT DELAY_S

It listens on HOST and prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

__all__ = ["main"]

_CHUNK: Final = 1 << 16  # bytes


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await reader.read(_CHUNK):
        loop.call_later(delay_s, writer.write, chunk)
    loop.call_later(delay_s, writer.close)


async def main(host: str, port: int, delay_s: float) -> None:
    """Forward connections until the process is ended."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(host, port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_carry(reader, to_there, delay_s), _carry(there, writer, delay_s))

    server = await asyncio.start_server(connect, host, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
