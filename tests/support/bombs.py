"""Compressed zeros, which unpack to far more than their size; only one MiB of them is really compressed."""

from __future__ import annotations

import struct
import zlib
from typing import Final

__all__ = ["GZIP", "MIB", "ZLIB", "zeros"]

MIB: Final = 1024 * 1024
ZLIB: Final = zlib.MAX_WBITS
GZIP: Final = zlib.MAX_WBITS | 16


def zeros(mebibytes: int, form: int = ZLIB) -> bytes:
    """Return ``mebibytes`` MiB of zeros in the form of `ZLIB` or `GZIP`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    one = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to no earlier data
    content = one * mebibytes + zlib.compress(b"", wbits=-zlib.MAX_WBITS)
    adler, crc = 1, 0
    for _ in range(mebibytes):
        adler, crc = zlib.adler32(bytes(MIB), adler), zlib.crc32(bytes(MIB), crc)
    if form == ZLIB:
        return b"\x78\x9c" + content + struct.pack(">I", adler)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + content + struct.pack("<II", crc, mebibytes * MIB % 2**32)
