"""Ordinary RTP packets, parsed in one pass. No I/O.

aiortc parses a packet in several steps, with five objects and a list. Most packets of a video need only one step:
they have no padding and no contributing sources, and their header extensions have one-byte headers. All others are
left to aiortc.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEPAYLOADERS", "Packet", "h264_part", "read", "vp8_part"]

_HEAD: Final = struct.Struct("!BBHLL").unpack_from
_RTP_HEAD_BYTES: Final = 12
_EXTENSION: Final = struct.Struct("!HH").unpack_from
_EXTENSION_AT: Final = 16
_PLAIN: Final = 0x80  # version 2, and neither padding, nor an extension, nor sources
_EXTENDED: Final = 0x90
_ONE_BYTE: Final = 0xBEDE  # heads of elements (RFC 8285, 4.2)
_SEND_TIME_BYTES: Final = 3
_TRANSPORT_NUMBER_BYTES: Final = 2
_START_CODE: Final = b"\x00\x00\x00\x01"
_FRAGMENT: Final = 28  # FU-A (RFC 6184, 5.8)
_SINGLE: Final = range(1, 24)
_VP8_LONGEST: Final = 6  # bytes of a payload's description (RFC 7741, 4.2)


class Packet:
    """An RTP packet, with the attributes of aiortc's own packets that receivers use.

    It is its own `extensions`, with the values of the two that are read: when the packet was sent, and its number
    among all packets of the transport.
    """

    __slots__ = (
        "_data",
        "abs_send_time",
        "begin",
        "marker",
        "payload",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
        "transport_sequence_number",
    )

    padding_size: Final = 0
    """No packet here has padding."""

    _data: bytes
    payload: bytes

    def __init__(self, payload_type: int, marker: int, number: int, timestamp: int, ssrc: int, begin: int) -> None:
        self.payload_type = payload_type
        self.marker = marker
        self.sequence_number = number
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.begin = begin
        """Where its payload begins, in bytes from the start of the packet."""
        self.abs_send_time: int | None = None
        self.transport_sequence_number: int | None = None

    @property
    def extensions(self) -> Packet:
        """This packet, which also has the values of the extensions."""
        return self


def read(data: bytes, ids: Any) -> Packet | None:
    """Return the packet whose headers ``data`` begins with, without its payload; None if it is not ordinary.

    Headers are never encrypted; the rest of ``data`` may be.

    Args:
        data: 12 bytes or more.
        ids: aiortc's `HeaderExtensions`, which has the ids of the extensions.
    """
    first, second, number, timestamp, ssrc = _HEAD(data)
    if first == _PLAIN:
        return Packet(second & 0x7F, second >> 7, number, timestamp, ssrc, _RTP_HEAD_BYTES)
    if first != _EXTENDED or len(data) < _EXTENSION_AT:
        return None
    profile, words = _EXTENSION(data, _RTP_HEAD_BYTES)
    end = _EXTENSION_AT + 4 * words
    if profile != _ONE_BYTE or end > len(data):
        return None
    packet = Packet(second & 0x7F, second >> 7, number, timestamp, ssrc, end)
    at = _EXTENSION_AT
    while at < end:
        head = data[at]
        at += 1
        if not head:  # padding
            continue
        kind, after = head >> 4, at + (head & 0x0F) + 1
        if after > end:
            return None
        if kind == ids.mid:
            if not data[at:after].isascii():
                return None
        elif kind == ids.repaired_rtp_stream_id or kind == ids.rtp_stream_id:  # quicker
            return None
        elif kind == ids.abs_send_time:
            if after - at != _SEND_TIME_BYTES:
                return None
            packet.abs_send_time = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        elif kind == ids.transmission_offset or kind == ids.audio_level:  # likewise
            return None
        elif kind == ids.transport_sequence_number:
            if after - at != _TRANSPORT_NUMBER_BYTES:
                return None
            packet.transport_sequence_number = data[at] << 8 | data[at + 1]
        at = after
    return packet


def h264_part(payload: bytes) -> bytes | None:
    """Return a payload's part of an H.264 frame; None if it is of a rare kind (RFC 6184)."""
    if len(payload) < 2:
        return None
    first = payload[0]
    kind = first & 0x1F
    if kind == _FRAGMENT:
        second = payload[1]
        if second & 0x80:
            return b"%b%c%b" % (_START_CODE, first & 0xE0 | second & 0x1F, payload[2:])
        return payload[2:]
    return _START_CODE + payload if kind in _SINGLE else None


def vp8_part(payload: bytes) -> bytes | None:
    """Return a payload's part of a VP8 frame; None if it is too short to be sure (RFC 7741)."""
    if len(payload) < _VP8_LONGEST:
        return None
    if not payload[0] & 0x80:
        return payload[1:]
    more, at = payload[1], 2
    if more & 0x80:
        at += 2 if payload[2] & 0x80 else 1
    at += (more >> 6 & 1) + bool(more & 0x30)
    return payload[at:]


DEPAYLOADERS: Final[dict[str, Callable[[bytes], bytes | None]]] = {"H264": h264_part, "VP8": vp8_part}
"""The functions that return a payload's part of a frame, by the names of codecs."""
