"""The size of pictures in encoded video, H.264 and VP8, read before a decoder sees them; the text on its limit.

A keyframe of a few KiB can name a size for which a decoder allocates more than a GB.
"""

from __future__ import annotations

import re
from typing import Final

from .keyframes import VP8_START

__all__ = ["TOO_LARGE", "coded_size", "oversize"]

TOO_LARGE: Final = "picture_too_large"
"""The code of the error for pictures that are larger than the user allows."""

_PARAMETERS: Final = re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67]")  # the head of a sequence parameter set
_LOOKED_AT: Final = 1024  # bytes of one such set; the size comes after lists of at most 600
_WITH_CHROMA: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
_BLOCK_PX: Final = 16
_LONGEST_CODE: Final = 32  # zero bits before the first one of a number
_FIRST_SCALE: Final = 8


def oversize(width: int, height: int, most_px: int) -> str:
    """Return the text that names the size of pictures that are too large, and the limit."""
    return f"pictures of {width}×{height} px; the limit is {most_px} px (AdvancedConfig.max_pixels)"


def coded_size(codec: str, data: bytes) -> tuple[int, int] | None:
    """Return the width and the height, in px, of the pictures from an encoded frame on; None if it names none.

    Of several sizes, the largest is returned.

    Args:
        codec: ``h264`` (with start codes) or ``vp8``.
        data: the frame.
    """
    if codec == "vp8":
        if len(data) < 10 or data[3:6] != VP8_START or data[0] & 1:
            return None
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    sizes = [size for found in _PARAMETERS.finditer(data) if (size := _of_parameters(data, found.end()))]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _of_parameters(data: bytes, start: int) -> tuple[int, int] | None:
    """Read a sequence parameter set (H.264, 7.3.2.1.1) from its second byte on, up to the size."""
    # Without the bytes that keep start codes from appearing within a unit.
    bits = _Bits(data[start : start + _LOOKED_AT].replace(b"\x00\x00\x03", b"\x00\x00"))
    try:
        profile = bits.read(8)
        bits.read(16)  # constraints, level
        bits.number()
        if profile in _WITH_CHROMA:
            chroma = bits.number()
            if chroma == 3:
                bits.read(1)
            bits.number()  # depths
            bits.number()
            bits.read(1)
            if bits.read(1):
                _pass_scales(bits, 12 if chroma == 3 else 8)
        bits.number()
        order = bits.number()
        if order == 0:
            bits.number()
        elif order == 1:
            bits.read(1)
            bits.number()
            bits.number()
            for _ in range(min(bits.number(), 255)):
                bits.number()
        bits.number()  # reference frames
        bits.read(1)
        width, height = bits.number() + 1, bits.number() + 1
        return _BLOCK_PX * width, _BLOCK_PX * height * (2 - bits.read(1))
    except IndexError:  # it is cut short, so the decoder refuses it
        return None


def _pass_scales(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.read(1):
            continue
        last = following = _FIRST_SCALE
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


class _Bits:
    """The bits of some bytes, in order; reading beyond their end raises `IndexError`."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """Read a number in Exp-Golomb code (H.264, 9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise IndexError
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """Read a signed number in the same code."""
        number = self.number()
        return (number + 1) // 2 if number % 2 else -(number // 2)
