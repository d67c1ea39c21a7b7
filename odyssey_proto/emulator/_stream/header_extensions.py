"""Header extensions of finished RTP packets, whose values are replaced (RFC 8285)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["rewritten"]

_FIXED: Final = 12  # bytes of a header without contributing sources and extensions
_ONE_BYTE: Final = b"\xbe\xde"
_END: Final = 15


def rewritten(packet: bytes, values: Mapping[int, bytes]) -> bytes:
    """Return ``packet`` with new ``values``, by id, for its header extensions whose length stays the same.

    Only the one-byte form, which aiortc writes, is supported; any other packet is returned unchanged.
    """
    place = _FIXED + 4 * (packet[0] & 0x0F)
    if not packet[0] & 0x10 or packet[place : place + 2] != _ONE_BYTE:
        return packet
    end = place + 4 + 4 * int.from_bytes(packet[place + 2 : place + 4])
    place += 4
    made = bytearray(packet)
    while place < end and packet[place] >> 4 != _END:
        if not packet[place]:  # padding
            place += 1
            continue
        length = (packet[place] & 0x0F) + 1
        value = values.get(packet[place] >> 4)
        if value is not None and len(value) == length:
            made[place + 1 : place + 1 + length] = value
        place += 1 + length
    return bytes(made)
