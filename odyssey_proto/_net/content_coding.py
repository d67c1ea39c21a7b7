"""Content codings: unpacking the body of an answer, within a limit.

A label and the body behind it need not agree: servers send names that are not codings, and label a plain body as
packed. The body decides. This module reads nothing from the network.
"""

from __future__ import annotations

import itertools
import re
import zlib
from typing import TYPE_CHECKING, Final

from .._base.errors import MalformedMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["named_codings", "too_large", "unacceptable", "unpacked", "unpacked_pieces"]

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_DEFLATE: Final = "deflate"
# All other codings that IANA lists. What is not listed (UTF-8, none, binary, aws-chunked, …) names no coding.
_NOT_ASKED_FOR: Final = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "aes128gcm", "pack200-gzip"}
)
_MOST_CODINGS: Final = 5
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_BITS: Final = 31  # with the header and the checksum of gzip
_ZLIB_BITS: Final = 15
_RAW_BITS: Final = -15  # deflate without the header of zlib, as some servers send it
_PIECE: Final = 16 * 1024  # bytes; the data after a gzip member is copied, but never more than this
_JSON_OR_SDP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[\[{]|v=0)")
_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def named_codings(label: str) -> list[str]:
    """Return the codings in a ``Content-Encoding``, in the order in which they were applied.

    >>> named_codings("GZIP, identity"), named_codings("UTF-8"), named_codings("br,, x-gzip;q=1")
    (['gzip'], [], ['br', 'x-gzip'])
    """
    names = (name.partition(";")[0].strip().lower() for name in label.split(","))
    return [name for name in names if name in _GZIP or name == _DEFLATE or name in _NOT_ASKED_FOR]


def unpacked(body: bytes, label: str, limit: int) -> bytes:
    """Undo the codings that ``label``, a ``Content-Encoding``, names.

    Args:
        body: the body as it arrived.
        label: the header; "" if it is absent.
        limit: the largest result of each coding, in bytes.

    Raises:
        MalformedMessageError: the body is damaged, too large (code ``too_large``), or packed in a way that was not
            asked for; or it is cut short before anything came out of it.
    """
    codings = named_codings(label)
    if len(codings) > _MOST_CODINGS:
        raise unacceptable(f"it is compressed {len(codings)} times")
    for coding in reversed(codings):
        if not body:
            break
        if coding == _DEFLATE:
            body = _inflated(body, limit)
        elif body.startswith(_GZIP_MAGIC) and coding in _GZIP:
            body = _gunzipped(body, limit)
        elif not _is_plain(body):
            if coding in _NOT_ASKED_FOR:
                raise unacceptable(f"it is compressed in a way that was not asked for: {coding}")
            body = _gunzipped(body, limit)
    return body


def unpacked_pieces(pieces: Iterator[bytes], label: str) -> Iterator[bytes]:
    """Undo the codings that ``label`` names while the body arrives; a body that is not packed stays unchanged.

    Raises:
        MalformedMessageError: the body is packed in a way that cannot be undone here; or, raised while the pieces
            are read, it is damaged or cut short.
    """
    codings = named_codings(label)
    if len(codings) > _MOST_CODINGS:
        raise unacceptable(f"it is compressed {len(codings)} times")
    for coding in reversed(codings):
        if coding in _NOT_ASKED_FOR:
            raise unacceptable(f"it is compressed in a way that was not asked for: {coding}")
        pieces = _each_unpacked(pieces, coding)
    return pieces


def _each_unpacked(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    ahead = b""
    while len(ahead) < len(_GZIP_MAGIC) and (piece := next(pieces, b"")):
        ahead += piece
    bits = _ZLIB_BITS if coding == _DEFLATE else _GZIP_BITS
    if not (_has_zlib_header(ahead) if coding == _DEFLATE else ahead.startswith(_GZIP_MAGIC)):
        yield from itertools.chain((ahead,) if ahead else (), pieces)
        return
    unpacker = zlib.decompressobj(wbits=bits)
    while ahead:
        if unpacker.eof:
            if not _GZIP_MAGIC.startswith(ahead[:2]):  # data after the last member, often padding, is ignored
                return
            unpacker = zlib.decompressobj(wbits=bits)
        try:
            whole = unpacker.decompress(ahead, _PIECE)
        except zlib.error:
            raise unacceptable(f"it is not valid {coding}") from None
        if whole:
            yield whole
        ahead = unpacker.unused_data or unpacker.unconsumed_tail or next(pieces, b"")
    if rest := unpacker.flush():
        yield rest
    if not unpacker.eof:
        raise unacceptable(f"its {coding} is cut short")


def unacceptable(problem: str, code: str = "malformed") -> MalformedMessageError:
    """Return the error for the body of an answer."""
    return MalformedMessageError(f"Malformed answer: {problem}", problems=(problem,), code=code)


def too_large(limit: int) -> MalformedMessageError:
    """Return the error for the body of an answer that has more than ``limit`` bytes."""
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
    return unacceptable(f"it is larger than {size}", "too_large")


def _is_plain(body: bytes) -> bool:
    """Return whether a body that is labelled as packed is in fact what the service sends unpacked: JSON or SDP."""
    if _JSON_OR_SDP.match(body) is None or _NO_TEXT.search(body) is not None:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _gunzipped(body: bytes, limit: int) -> bytes:
    """Unpack all gzip members; data after the last one, often padding, is ignored."""
    whole = bytearray()
    at = 0
    while at < len(body) and (at == 0 or _GZIP_MAGIC.startswith(body[at : at + 2])):
        at = _unpack(body, at, _GZIP_BITS, "gzip", whole, limit)
    return bytes(whole)


def _inflated(body: bytes, limit: int) -> bytes:
    wrapped = _has_zlib_header(body)
    if not wrapped and _is_plain(body):
        return body
    whole = bytearray()
    _unpack(body, 0, _ZLIB_BITS if wrapped else _RAW_BITS, _DEFLATE, whole, limit)
    return bytes(whole)


def _has_zlib_header(body: bytes) -> bool:
    """Return whether the body begins with a zlib header, which names the method 8 and is a multiple of 31."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0


def _unpack(body: bytes, at: int, bits: int, name: str, whole: bytearray, limit: int) -> int:
    """Unpack the stream that begins at ``at``, add it to ``whole``, and return where it ends.

    Some servers never finish a stream, or leave out its checksum: what it yielded is used, as with a plain body,
    whose reader notices if it is incomplete.
    """
    before = len(whole)
    unpacker = zlib.decompressobj(wbits=bits)
    while not unpacker.eof:
        piece = body[at : at + _PIECE]
        if not piece:
            if len(whole) > before:
                break
            raise unacceptable(f"its {name} is cut short")
        at += len(piece)
        try:
            whole += unpacker.decompress(piece, limit + 1 - len(whole))
        except zlib.error:
            raise unacceptable(f"it is not valid {name}") from None
        if len(whole) > limit:
            raise too_large(limit)
    return at - len(unpacker.unused_data)
