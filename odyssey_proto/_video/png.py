"""PNG files without the parts that a picture does not need and that may keep it from being decoded.

Programs put whole workflows and large profiles into PNG files, and decoders limit what such parts may unpack to.
This module walks the chunks (PNG specification, "Chunk layout"); it decodes no pixels, and leaves a file that
breaks off to the decoder.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PngParts"]

_SIGNATURE_BYTES: Final = 8
_MOST_TEXT_BYTES: Final = 1024 * 1024
"""Decoders refuse texts and profiles that are larger than this once they are unpacked."""
_MOST_PROFILE_BYTES: Final = 16 * 1024 * 1024

_SHOWN: Final = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"eXIf")  # optional chunks that change the picture
_ANIMATION: Final = (b"acTL", b"fcTL", b"fdAT")
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_WITH_ORIENTATION: Final = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")


@attrs.frozen
class PngParts:
    """The parts of a PNG file."""

    picture: bytes
    """The same file with only the first picture, and only the parts that change how it looks."""
    profile: bytes | None
    """The colour profile, unless it is broken."""
    is_animated: bool
    """Whether the file has more than one picture."""
    is_sound: bool
    """Whether its other parts are whole, and small enough for every decoder."""

    @classmethod
    def of(cls, raw: bytes) -> PngParts:
        """Take a file apart.

        >>> PngParts.of(b"not a PNG").is_animated
        False
        """
        kept, profile, is_animated, texts, is_sound = [raw[:_SIGNATURE_BYTES]], None, False, 0, True
        for kind, chunk in _chunks(raw):
            content = chunk[8:-4]
            if kind[:1].isupper() or not kind.isalpha():
                kept.append(chunk)  # required, or the rest of a file that breaks off
            elif kind in _ANIMATION:
                is_animated = True
            elif zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                is_sound = False
            elif kind == b"iCCP":
                profile = _inflated(content.partition(b"\0")[2][1:], _MOST_PROFILE_BYTES)
                is_sound &= profile is not None and len(profile) <= _MOST_TEXT_BYTES
            elif kind in _TEXTS:
                text = _text(kind, content)
                texts += len(text or b"")
                is_sound &= text is not None and texts <= _MOST_TEXT_BYTES
                if text is not None and content.startswith(_WITH_ORIENTATION):
                    kept.append(chunk)
            elif kind in _SHOWN:
                kept.append(chunk)
        return cls(b"".join(kept), profile, is_animated, is_sound)


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk with its kind, up to ``IEND``; the rest of a file that breaks off has the kind ``b""``."""
    at = _SIGNATURE_BYTES
    while len(raw) >= at + 12:
        end = at + 12 + int.from_bytes(raw[at : at + 4], "big")
        kind = raw[at + 4 : at + 8]
        if end > len(raw):
            break
        yield kind, raw[at:end]
        at = end
        if kind == b"IEND":
            return
    yield b"", raw[at:]


def _text(kind: bytes, content: bytes) -> bytes | None:
    """Return what the text of a chunk unpacks to; None if that is broken or too large."""
    _, _, rest = content.partition(b"\0")
    if kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1"):
        packed = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
        return _inflated(packed, _MOST_TEXT_BYTES)
    return content if len(content) <= _MOST_TEXT_BYTES else None


def _inflated(packed: bytes, most: int) -> bytes | None:
    try:
        inflater = zlib.decompressobj()
        result = inflater.decompress(packed, most + 1)
    except zlib.error:
        return None
    return result if inflater.eof and len(result) <= most else None
