"""Streams with a chosen bit rate, received by stock aiortc."""

from __future__ import annotations

import asyncio
import collections
import itertools
import statistics
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto._video import stamp
from tests.support.plain_client import PlainClient, connect, credentials_of, scenario
from tests.support.plain_spectator import watch

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator

SMALL: Final = (512, 288)
GRAIN: Final = 10
TRANSPORT_CC: Final = "draft-holmer-rmcat-transport-wide-cc-extensions-01"


async def number(client: PlainClient) -> int:
    """Return the number of the next picture."""
    found = stamp.read(await client.frame())
    assert found is not None
    return found.frame_number


async def packets_of_a_picture(peer: RTCPeerConnection) -> float:
    """Return the median number of packets in 20 pictures.

    It follows from the sequence numbers of their first packets, even if a busy machine loses many of the others.
    """
    receiver: Any = next(each for each in peer.getReceivers() if each.track.kind == "video")
    take = receiver._handle_rtp_packet
    starts = collections.defaultdict[int, dict[int, int]](dict)  # by SSRC: retransmissions have another

    async def note(packet: Any, arrival_time_ms: int) -> None:
        starts[packet.ssrc].setdefault(packet.timestamp, packet.sequence_number)
        await take(packet, arrival_time_ms)

    receiver._handle_rtp_packet = note
    while max(map(len, starts.values()), default=0) < 22:
        await asyncio.sleep(0.01)
    numbers = list(max(starts.values(), key=len).values())[1:22]
    return statistics.median((after - before) % 65536 for before, after in itertools.pairwise(numbers))


@scenario
@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_a_picture_of_eight_megabits_a_second_has_some_forty_packets(
    make_emulator: MakeEmulator, codec: str
) -> None:
    emulator = make_emulator(codec=codec, size=SMALL, bitrate=8_000_000, grain=GRAIN)
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        assert 30 <= await packets_of_a_picture(client.peer) <= 60


@pytest.mark.full_size
@scenario
async def test_full_hd_at_sixty_pictures_a_second_has_a_readable_stamp(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(codec="h264", size=(1920, 1080), fps=60, bitrate=16_000_000, grain=GRAIN)
    async with connect(credentials_of(emulator)) as client:
        client.start()
        await client.message("stream_started")
        pictures = [await client.picture() for _ in range(10)]
        assert {(picture.width, picture.height) for picture in pictures} == {(1920, 1080)}
        stamps = [stamp.read(picture.to_ndarray(format="gray")) for picture in pictures]
        numbers = [found.frame_number for found in stamps if found is not None]
        assert len(numbers) == 10
        assert numbers == sorted(set(numbers))
        steps = [later.pts - earlier.pts for earlier, later in itertools.pairwise(pictures)]
        assert all(step % 1500 in (0, 1, 1499) for step in steps), (
            "a busy machine may skip pictures, but keeps time"
        )


@scenario
async def test_feedback_is_asked_for_only_by_a_stream_that_follows_its_link(make_emulator: MakeEmulator) -> None:
    rate: dict[str, Any] = {"size": SMALL, "bitrate": 4_000_000, "grain": GRAIN}
    for settings, asks in (({"size": SMALL}, False), (rate, False), ({**rate, "congestion_control": True}, True)):
        async with connect(credentials_of(make_emulator(**settings))) as client:
            assert (f"{TRANSPORT_CC}\r\n" in client.offer) is asks
            assert (" transport-cc\r\n" in client.offer) is asks
            client.start()
            await client.message("stream_started")
            assert await number(client) < await number(client)


@scenario
async def test_spectators_get_the_same_rate(make_emulator: MakeEmulator) -> None:
    emulator: Emulator = make_emulator(codec="h264", size=SMALL, bitrate=8_000_000, grain=GRAIN)
    async with connect(credentials_of(emulator)) as client:
        client.send(type="interactive_stream_start", prompt="A cat", portrait=False, broadcast=True)
        await client.message("stream_started")
        ready = await client.message("broadcast_ready")
        async with watch(ready) as spectator:
            assert await spectator.number() < await spectator.number()
            assert 30 <= await packets_of_a_picture(spectator.peer) <= 60
