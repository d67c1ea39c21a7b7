"""A reader of the reports that a receiver sends, written from their specifications."""

from __future__ import annotations

import struct

import attrs

__all__ = ["PacketReport", "read_limit", "read_packet_report"]


@attrs.frozen(kw_only=True)
class PacketReport:
    """A report on each packet (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1)."""

    sender: int
    source: int
    count: int
    """The number of the report, from 0 to 255."""
    times: dict[int, float | None]
    """The arrival time of each packet by its number, in s; None if it did not arrive."""


def read_packet_report(packet: bytes) -> PacketReport:
    """Read an RTCP packet, and refuse violations of the specification."""
    head, kind, words, sender, source, base, total, last = struct.unpack_from("!BBHLLHHL", packet)
    assert (head, kind) == (0x8F, 205), "version 2, no padding, format 15"
    assert len(packet) == 4 * (words + 1)
    reference, count = last >> 8, last & 0xFF
    symbols: list[int] = []
    at = 20
    while len(symbols) < total:
        (chunk,) = struct.unpack_from("!H", packet, at)
        at += 2
        if chunk >> 15 == 0:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
            assert len(symbols) <= total, "a run ends with the report"
        elif chunk >> 14 & 1 == 0:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -1, -2)]
    assert not any(symbols[total:]), "what is beyond the end is 0"
    ticks = reference * 256
    times: dict[int, float | None] = {}
    for ahead, symbol in enumerate(symbols[:total]):
        number = (base + ahead) & 0xFFFF
        assert number not in times
        if symbol == 0:
            times[number] = None
            continue
        assert symbol in (1, 2), "3 is reserved"
        (step,) = struct.unpack_from("!B" if symbol == 1 else "!h", packet, at)
        at += symbol
        ticks += step
        times[number] = ticks / 4000
    assert len(packet) - at < 4
    assert not any(packet[at:])
    return PacketReport(sender=sender, source=source, count=count, times=times)


def read_limit(packet: bytes) -> tuple[int, int, list[int]]:
    """Read a limit of the bit rate (draft-alvestrand-rmcat-remb-03, 2.2): sender, bits per s, and streams."""
    head, kind, words, sender, source, name, last = struct.unpack_from("!BBHLL4sL", packet)
    assert (head, kind, source, name) == (0x8F, 206, 0, b"REMB")
    assert len(packet) == 4 * (words + 1)
    streams = list(struct.unpack_from(f"!{last >> 24}L", packet, 20))
    return sender, (last & 0x3FFFF) << (last >> 18 & 0x3F), streams
