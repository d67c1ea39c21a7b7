"""The packets that the emulator's senders keep, and those that they send again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc import RTCRtpSender
from aiortc.rtp import RtpPacket

from odyssey_proto.emulator._stream.history import SentPackets, keep_sent
from tests.support.clocks import Time


def packet(number: int) -> RtpPacket:
    return RtpPacket(sequence_number=number)


def test_a_packet_is_sent_again_once_in_a_round_trip() -> None:
    time = Time()
    sent = SentPackets(time.now)
    sent[7] = packet(7)
    assert sent.may_send(7, 0.1)
    assert sent.get(7).sequence_number == 7
    time.at += 0.09
    assert not sent.may_send(7, 0.1)
    time.at += 0.02
    assert sent.may_send(7, 0.1)


def test_packets_are_kept_for_a_second_however_many_there_are() -> None:
    time = Time()
    sent = SentPackets(time.now)
    for number in range(65_000, 67_000):
        sent[number % 128] = packet(number % 65_536)
        time.at += 0.001
    assert sent.may_send((66_999 - 900) % 65_536, 0.1)
    assert not sent.may_send((66_999 - 1010) % 65_536, 0.1)
    assert not sent.may_send(65_000, 0.1)


def test_a_number_that_comes_around_is_another_packet() -> None:
    sent = SentPackets(Time().now)
    sent[7], first = packet(7), packet(7)
    assert sent.may_send(7, 0.1)
    sent[7] = first
    assert sent.may_send(7, 0.1)
    assert sent.get(7) is first


def test_no_more_is_sent_again_than_the_rate_allows() -> None:
    time = Time()
    sent = SentPackets(time.now)
    sent.most_again = lambda: 100_000  # bits per s: 5 of these packets in half a second
    for number in range(40):
        sent[number] = RtpPacket(sequence_number=number, payload=bytes(1250))
    assert [number for number in range(40) if sent.may_send(number, 0.1)] == [0, 1, 2, 3, 4]
    time.at += 0.49
    assert not sent.may_send(5, 0.1)
    time.at += 0.02
    assert [number for number in range(40) if sent.may_send(number, 0.1)] == [0, 1, 2, 3, 4]


class Transport:
    """The parts of a DTLS transport that sending again requires."""

    state = "new"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.sent: list[int] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(int.from_bytes(data[2:4]))


def test_a_round_trip_is_guessed_until_it_is_measured() -> None:
    async def ask() -> list[int]:
        transport: Any = Transport()
        sender: Any = RTCRtpSender("video", transport)
        guess: float | None = None
        keep_sent(sender, lambda: guess)
        for number in range(3):
            sender._RTCRtpSender__rtp_history[number] = packet(number)
        await sender._retransmit(0)
        await asyncio.sleep(0.02)  # longer than the round trip that is assumed without a guess
        await sender._retransmit(0)
        for number, guess, measured in ((1, 1000.0, None), (2, 0.001, 1000.0)):  # noqa: B007  # the lambda reads it
            sender._RTCRtpSender__rtt = measured
            for _ in range(2):
                await sender._retransmit(number)
                await asyncio.sleep(0.02)
        return transport.sent  # type: ignore[no-any-return]

    assert asyncio.run(ask()) == [0, 0, 1, 2]


@pytest.mark.parametrize("place", [300, 300 - 128, 300 - 256])
def test_a_sender_of_aiortc_sends_again_from_it(place: int) -> None:
    async def ask() -> list[int]:
        transport: Any = Transport()
        sender: Any = RTCRtpSender("video", transport)
        keep_sent(sender, lambda: 1000.0)
        for number in range(301):
            sender._RTCRtpSender__rtp_history[number % 128] = packet(number)
        for _ in range(2):
            await sender._retransmit(place)
        await sender._retransmit(1000)
        return transport.sent  # type: ignore[no-any-return]

    assert asyncio.run(ask()) == [place], "once in a round trip"
