"""Which frames of a video, H.264 or VP8, are keyframes, and which packets show one, by their bytes. No I/O."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["VP8_START", "begins_keyframe", "is_keyframe", "payload", "shows_keyframe"]

_START_CODE: Final = b"\x00\x00\x01"  # before each unit of an H.264 frame, as aiortc joins them
_START_CODES: Final = (b"\x00" + _START_CODE, _START_CODE)
_IDR: Final = 5  # the type of the units of an H.264 keyframe
_PARAMETERS: Final = 7  # that of the unit before them, with which a keyframe begins unless a delimiter comes first
_BEGINNERS: Final = (_PARAMETERS, 9)
_VP8_BEGINS: Final = 0x10  # set in the first byte of a payload that begins a frame (RFC 7741, 4.2)
VP8_START: Final = b"\x9d\x01\x2a"
"""What a VP8 keyframe has from byte 3 on (RFC 6386, 9.1)."""


def is_keyframe(data: bytes) -> bool:
    """Return whether an encoded frame, H.264 or VP8, can be decoded without any other."""
    if data.startswith(_START_CODES):
        return any(unit[:1] and unit[0] & 0x1F == _IDR for unit in data.split(_START_CODE))
    return data[3:6] == VP8_START and not data[0] & 1


def begins_keyframe(packet: Any) -> bool:
    """Return whether ``packet`` is the first of a keyframe, or of a frame that may be one."""
    data = payload(packet)
    if data.startswith(_START_CODES):
        unit = data[4:5] if data[2] == 0 else data[3:4]
        return bool(unit) and unit[0] & 0x1F in _BEGINNERS
    descriptor: bytes = packet.payload[:1]
    return is_keyframe(data) and (not descriptor or bool(descriptor[0] & _VP8_BEGINS))


def shows_keyframe(data: bytes) -> bool:
    """Return whether ``data`` shows that its packet belongs to a keyframe; in the middle of one, it does not."""
    if data.startswith(_START_CODES):
        return any(unit[:1] and unit[0] & 0x1F in (_IDR, _PARAMETERS) for unit in data.split(_START_CODE))
    return is_keyframe(data)


def payload(packet: Any) -> bytes:
    """Return the part of its frame that a packet holds."""
    data: bytes = packet._data  # aiortc's own buffer uses this attribute
    return data
