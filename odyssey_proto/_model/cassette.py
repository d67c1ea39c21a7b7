"""The file format of a live cassette: a recorded session. This module opens no file.

    magic      8 bytes    89 4F 44 59 43 41 53 54, which is \\x89ODYCAST
    version    2 bytes    1
    reserved   2 bytes    0
    record     any number, each
        length of the head       4 bytes
        length of the payload    4 bytes
        CRC-32                   4 bytes, of both lengths, the head and the payload
        head                     a JSON object in UTF-8, with at least "kind" and "at_ms"
        payload                  any bytes

Numbers are big-endian. Records are only ever appended, each in one piece, so a program that is killed leaves a
file that ends within its last record at worst. `tools/docs/cassettes.md` describes the records.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs

from .._base.errors import CassetteError
from .._base.limits import CASSETTE_HEAD_MOST_BYTES, CASSETTE_PAYLOAD_MOST_BYTES, CASSETTE_RECORDS_MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BEGINNING", "MAGIC", "CassetteRecord", "TooLargeError", "encode", "index"]

MAGIC: Final = b"\x89ODYCAST"
"""The first bytes of every cassette, of any version."""
_VERSION: Final = 1
_BEGIN: Final = struct.Struct(">8sHH")
_LENGTHS: Final = struct.Struct(">II")
_CHECKSUM: Final = struct.Struct(">I")
_PREFIX_BYTES: Final = _LENGTHS.size + _CHECKSUM.size
_AT_ONCE: Final = 1 << 16
_HEAD_MOST_CONTAINERS: Final = 1000  # objects and lists; each takes 20 times as much memory as in the file

BEGINNING: Final = _BEGIN.pack(MAGIC, _VERSION, 0)
"""The beginning of every cassette."""


@attrs.frozen
class CassetteRecord:
    """One record of a cassette that was opened."""

    kind: str
    """``cassette``, ``call``, ``message``, ``frame``, ``closed``, ``end``, or a kind that a later version
    writes."""
    at_ms: float
    """When it happened, in ms since the capture began."""
    head: dict[str, Any] = attrs.field(repr=False)
    """Its whole head."""
    size: int
    """The length of its payload, in bytes."""
    _offset: int = attrs.field(repr=False)

    def payload(self, file: BinaryIO) -> bytes:
        """Return its payload, read from ``file``, the one that it came from.

        Raises:
            CassetteError: the file has been cut off meanwhile.
        """
        file.seek(self._offset)
        found = file.read(self.size)
        if len(found) < self.size:
            raise CassetteError("The cassette was cut off while it was being read", code="damaged")
        return found


class TooLargeError(ValueError):
    """A record is larger than any that a reader accepts."""


def encode(head: dict[str, Any], payload: bytes = b"") -> bytes:
    """Return a record as the bytes of the file.

    Raises:
        TooLargeError: no reader would accept it.

    >>> len(encode({"kind": "end", "at_ms": 7}))
    36
    """
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    if len(text) > CASSETTE_HEAD_MOST_BYTES or len(payload) > CASSETTE_PAYLOAD_MOST_BYTES:
        raise TooLargeError
    lengths = _LENGTHS.pack(len(text), len(payload))
    checksum = zlib.crc32(payload, zlib.crc32(text, zlib.crc32(lengths)))
    return lengths + _CHECKSUM.pack(checksum) + text + payload


def index(file: BinaryIO) -> tuple[list[CassetteRecord], bool]:
    """Read a cassette, without keeping its payloads; return its records, and whether the last one is complete.

    Raises:
        CassetteError: it is not a cassette (code ``not_a_cassette``), has another version (``unknown_version``),
            or is damaged (``damaged``).
    """
    begin = file.read(_BEGIN.size)
    if len(begin) < _BEGIN.size or not begin.startswith(MAGIC):
        raise CassetteError("This file is not a cassette", code="not_a_cassette")
    _, version, _ = _BEGIN.unpack(begin)
    if version != _VERSION:
        raise CassetteError(
            f"This cassette has version {version}, and only {_VERSION} can be read: update odyssey-proto",
            code="unknown_version",
        )
    records: list[CassetteRecord] = []
    for record in (reading := _Reading(file)):
        records.append(record)
        if len(records) > CASSETTE_RECORDS_MOST:
            raise CassetteError(f"The cassette has more than {CASSETTE_RECORDS_MOST} records", code="damaged")
    return records, not reading.is_cut


class _Reading:
    """Reads records until the end, or until one that was not written to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = file.tell()
        self.is_cut = False

    def __iter__(self) -> Iterator[CassetteRecord]:
        while prefix := self._file.read(_PREFIX_BYTES):
            if len(prefix) < _PREFIX_BYTES:
                self.is_cut = True
                return
            head_size, size = _LENGTHS.unpack_from(prefix)
            if head_size > CASSETTE_HEAD_MOST_BYTES or size > CASSETTE_PAYLOAD_MOST_BYTES:
                raise self._damaged("its length is impossible")
            text = self._file.read(head_size)
            found = self._checksum(zlib.crc32(text, zlib.crc32(prefix[: _LENGTHS.size])), size)
            if len(text) < head_size or found is None:
                self.is_cut = True
                return
            if _CHECKSUM.pack(found) != prefix[_LENGTHS.size :]:
                raise self._damaged("its checksum is wrong")
            yield self._record(text, size)
            self._offset += _PREFIX_BYTES + head_size + size

    def _checksum(self, checksum: int, left: int) -> int | None:
        """Continue a record's checksum over its payload, and return it, or None if the payload is cut off."""
        while left:
            piece = self._file.read(min(left, _AT_ONCE))
            if not piece:
                return None
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
        return checksum

    def _record(self, text: bytes, size: int) -> CassetteRecord:
        try:
            head = json.loads(text)
        except (ValueError, RecursionError):
            raise self._damaged("its head is not JSON") from None
        kind, at_ms = (head.get("kind"), head.get("at_ms")) if isinstance(head, dict) else (None, None)
        if not isinstance(kind, str) or isinstance(at_ms, bool) or not isinstance(at_ms, int | float):
            raise self._damaged("its head lacks kind or at_ms")
        # Brackets in a string are not objects or lists, so their number in the text alone does not decide.
        if text.count(b"{") + text.count(b"[") > _HEAD_MOST_CONTAINERS < _containers(head):
            raise self._damaged("its head has too many objects and lists")
        if not 0 <= at_ms < 1e12:
            raise self._damaged("its time is impossible")
        return CassetteRecord(kind, float(at_ms), head, size, self._offset + _PREFIX_BYTES + len(text))

    def _damaged(self, why: str) -> CassetteError:
        return CassetteError(f"The cassette is damaged: the record at byte {self._offset}: {why}", code="damaged")


def _containers(data: Any) -> int:
    """Return how many objects and lists are in parsed JSON, itself included."""
    found, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            found += 1
            waiting += value.values() if isinstance(value, dict) else value
    return found
