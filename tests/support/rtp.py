"""RTP packets of made-up frames, and the transport that aiortc's receiver requires."""

from __future__ import annotations

from typing import Any

from aiortc.rtp import RtpPacket

__all__ = ["INTER", "KEYFRAME", "Transport", "packets"]

KEYFRAME = b"\x10\x02\x00\x9d\x01\x2a"  # the beginning of a VP8 frame
INTER = b"\x11\x02\x00"


def packets(
    sizes: list[int],
    *,
    first: int = 65530,
    step: int = 4500,
    start: int = 2**32 - 9000,
    keyframes: tuple[int, ...] = (0,),
) -> list[RtpPacket]:
    """Make the packets of frames with ``sizes`` packets each; by default, both counters soon wrap around."""
    made: list[Any] = []
    for frame, size in enumerate(sizes):
        for part in range(size):
            packet: Any = RtpPacket(
                payload_type=97,
                sequence_number=(first + len(made)) % 65536,
                timestamp=(start + frame * step) % 2**32,
                marker=int(part == size - 1),
            )
            packet.ssrc = 7
            begin = KEYFRAME if frame in keyframes else INTER
            packet._data = (b"" if part else begin) + f"{frame}.{part};".encode()
            made.append(packet)
    return made


class Transport:
    """The parts of a DTLS transport that creating a receiver requires."""

    state = "new"
    _stats_id = "transport"
