"""The limits of data channels: parts of messages that never end, and too many messages."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcsctptransport import SCTP_DATA_FIRST_FRAG, SCTP_DATA_LAST_FRAG, DataChunk

from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._base.limits import (
    CHANNEL_MESSAGES_MOST_PER_S,
    CHANNEL_MOST_HELD_BYTES,
    CHANNEL_MOST_HELD_CHUNKS,
    CHANNEL_STREAMS_MOST,
)
from odyssey_proto._net.webrtc.channels import DataChannels


@attrs.define
class Rig:
    """Data channels, and their reports."""

    messages: list[str | bytes] = attrs.field(factory=list)
    excess: list[str] = attrs.field(factory=list)
    channels: DataChannels = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channels = DataChannels(
            BackgroundLoop("never-started"),
            on_open=lambda _: None,
            on_message=self.messages.append,
            on_close=lambda _: None,
            on_excess=self.excess.append,
        )


def chunk(tsn: int, *, flags: int = 0, stream: int = 1, size: int = 1) -> DataChunk:
    found = DataChunk(flags=flags)
    found.tsn, found.stream_id, found.stream_seq, found.protocol = tsn, stream, 0, 51
    found.user_data = bytes(size)
    return found


async def feed(rig: Rig, chunks: list[DataChunk]) -> Any:
    """Give chunks to the SCTP transport of a peer connection, as if from the network; return the transport."""
    pc: Any = RTCPeerConnection()
    try:
        pc.createDataChannel("control")
        sctp = pc.sctp
        sctp._last_received_tsn = 0
        rig.channels.limit(sctp)
        rig.channels.limit(sctp)  # as for another offer
        for each in chunks:
            await sctp._receive_chunk(each)
        return sctp
    finally:
        await pc.close()


FLOODS = {
    "bytes": [chunk(n, flags=SCTP_DATA_FIRST_FRAG * (n == 1), size=1200) for n in range(1, 1200)],
    "packets": [chunk(n, flags=SCTP_DATA_FIRST_FRAG * (n == 1)) for n in range(1, CHANNEL_MOST_HELD_CHUNKS + 50)],
    "gaps": [chunk(2 * n, stream=n % 30) for n in range(1, CHANNEL_MOST_HELD_CHUNKS + 50)],
    "streams": [chunk(n, flags=SCTP_DATA_FIRST_FRAG, stream=n) for n in range(1, CHANNEL_STREAMS_MOST + 50)],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_parts_of_messages_that_never_end_are_not_kept(flood: str) -> None:
    rig = Rig()
    sctp = asyncio.run(feed(rig, FLOODS[flood]))
    kept = [part for stream in sctp._inbound_streams.values() for part in stream.reassembly]
    assert len(kept) < len(FLOODS[flood])
    assert sum(len(part.user_data) for part in kept) <= CHANNEL_MOST_HELD_BYTES + 1200
    assert set(rig.excess) == {"parts of messages that never end"}


def test_messages_in_parts_are_kept_until_they_are_whole() -> None:
    rig = Rig()
    last = 200
    chunks = [chunk(n, flags=SCTP_DATA_FIRST_FRAG * (n == 1), size=1200) for n in range(1, last)]
    sctp = asyncio.run(feed(rig, [*chunks, chunk(last, flags=SCTP_DATA_LAST_FRAG)]))
    assert rig.excess == []
    assert sctp._inbound_streams[1].reassembly == []


def test_more_messages_than_anybody_takes_are_an_excess() -> None:
    rig = Rig()
    for number in range(10 * CHANNEL_MESSAGES_MOST_PER_S):
        rig.channels._receive(str(number))
    assert 5 * CHANNEL_MESSAGES_MOST_PER_S <= len(rig.messages) < 10 * CHANNEL_MESSAGES_MOST_PER_S
    assert rig.excess[0] == f"more than {CHANNEL_MESSAGES_MOST_PER_S} messages in a second"


def test_another_aiortc_is_left_alone() -> None:
    rig = Rig()
    other: Any = type("Other", (), {})()
    rig.channels.limit(other)
    assert vars(other) == {}
