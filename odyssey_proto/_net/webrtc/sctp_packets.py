"""Which SCTP packets aiortc can read: a packet whose parts have impossible lengths would keep it busy for ever.

No I/O. The meaning of packets is left to aiortc.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = ["is_readable"]

_SCTP_HEAD_BYTES: Final = 12  # of a packet
_CHUNK_HEAD: Final = Struct("!BBH")  # type, flags, length including this head (RFC 9260, 3.2)
_PARAMETER_HEAD: Final = Struct("!HH")  # type, length including this head (RFC 9260, 3.2.1)
_SACK_HEAD: Final = Struct("!IIHH")  # TSN, window, number of gaps, of duplicates (RFC 9260, 3.3.4)
_GAP: Final = Struct("!HH")  # first and last TSN, relative to the one in the head
_INIT: Final = 1
_SACK: Final = 3
_PARAMETERS_AT: Final = {_INIT: 16, 2: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0}
"""The offset of the parameters in a chunk's body, by type: INIT, INIT ACK, HEARTBEAT and its ACK, ABORT, ERROR,
RE-CONFIG."""
_GAPS_MOST_NUMBERS: Final = 65_536  # over all gaps of a report: as many as one gap can have


def is_readable(data: bytes) -> bool:
    """Return whether aiortc finishes reading this packet, which may still be wrong in other ways.

    >>> reset = bytes(12) + bytes.fromhex("8200 0008 000d 0004")
    >>> is_readable(reset), is_readable(reset[:-1] + bytes(1))
    (True, False)
    """
    at, chunks = _SCTP_HEAD_BYTES, 0
    begins = False
    while at <= len(data) - _CHUNK_HEAD.size:
        kind, _, length = _CHUNK_HEAD.unpack_from(data, at)
        if length < _CHUNK_HEAD.size:
            return False
        body = data[at + _CHUNK_HEAD.size : at + length]
        if kind in _PARAMETERS_AT and not _has_parameters(body, _PARAMETERS_AT[kind]):
            return False
        if kind == _SACK and not _has_few_gaps(body):
            return False
        begins |= kind == _INIT
        chunks += 1
        at += length + -length % 4
    return not begins or chunks == 1  # INIT has to be alone


def _has_parameters(body: bytes, at: int) -> bool:
    while at <= len(body) - _PARAMETER_HEAD.size:
        _, length = _PARAMETER_HEAD.unpack_from(body, at)
        if length < _PARAMETER_HEAD.size:
            return False
        at += length + -length % 4
    return True


def _has_few_gaps(body: bytes) -> bool:
    if len(body) < _SACK_HEAD.size:
        return False
    gaps: int = _SACK_HEAD.unpack_from(body)[2]
    end = _SACK_HEAD.size + gaps * _GAP.size
    if len(body) < end:
        return False
    numbers: int = sum(max(0, last - first + 1) for first, last in _GAP.iter_unpack(body[_SACK_HEAD.size : end]))
    return numbers <= _GAPS_MOST_NUMBERS
