"""Packets of the data channels that would send aiortc into an endless loop, or end its connection."""

from __future__ import annotations

import asyncio
import random
from struct import pack
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcsctptransport import crc32c

from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._net.webrtc.channels import DataChannels
from odyssey_proto._net.webrtc.sctp_packets import is_readable

HEAD = bytes(12)
HANDLERS = ("on_open", "on_message", "on_close", "on_excess")


def chunk(kind: int, body: bytes) -> bytes:
    return pack("!BBH", kind, 0, 4 + len(body)) + body + bytes(-len(body) % 4)


def signed(chunks: bytes, tag: int = 0) -> bytes:
    head = pack("!HHL", 5000, 5000, tag)
    return head + pack("<L", crc32c(head + bytes(4) + chunks)) + chunks


INIT = bytes.fromhex("00000001 00020000 00100010 00000001")
ENDLESS = bytes.fromhex("000d 0000")


@pytest.mark.parametrize(
    ("chunks", "readable"),
    [
        (b"", True),
        (chunk(1, INIT), True),
        (chunk(1, INIT + bytes.fromhex("c000 0004 8008 0006 c0820000")), True),
        (chunk(1, INIT + ENDLESS), False),
        (chunk(2, INIT + bytes.fromhex("0007 0003")), False),
        (chunk(130, bytes.fromhex("0010 0008 00000001")), True),
        (chunk(130, ENDLESS), False),
        (chunk(4, bytes.fromhex("0001 0005 01000000") + ENDLESS), False),
        (chunk(1, INIT) + chunk(11, b""), False),
        (chunk(11, b"") + chunk(6, b""), True),
        (chunk(99, ENDLESS), True),
        (pack("!BBH", 0, 0, 0), False),
        (chunk(3, pack("!IIHHHHHH", 1, 2, 2, 0, 2, 3, 5, 9)), True),
        (chunk(3, pack("!IIHHHHHH", 1, 2, 2, 0, 1, 65535, 1, 65535)), False),
        (chunk(3, pack("!IIHH", 1, 2, 2, 0)), False),
        (chunk(3, b""), False),
    ],
)
def test_which_packets_have_an_end(chunks: bytes, readable: bool) -> None:
    assert is_readable(HEAD + chunks) is readable


def test_random_packets_neither_hang_nor_end_the_transport() -> None:
    rng = random.Random(7)

    def made_up() -> bytes:
        kinds = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 130, 192, 200]
        return b"".join(
            chunk(rng.choice(kinds), rng.choice([INIT, b"", bytes(12)]) + rng.randbytes(rng.randrange(40)))
            for _ in range(rng.randrange(1, 4))
        )

    async def feed() -> None:
        pc: Any = RTCPeerConnection()
        try:
            pc.createDataChannel("control")
            sctp = pc.sctp
            sctp._remote_port = 5000  # as an offer would set it
            channels = DataChannels(BackgroundLoop("never-started"), **dict.fromkeys(HANDLERS, lambda *_: None))
            channels.limit(sctp)
            channels.limit(sctp)  # as for another offer
            for _ in range(2000):
                await sctp._handle_data(signed(made_up(), rng.choice([0, sctp._local_verification_tag])))
            await sctp._handle_data(b"")
        finally:
            await pc.close()

    asyncio.run(feed())
