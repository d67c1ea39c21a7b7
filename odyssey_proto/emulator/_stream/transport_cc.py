"""Transport-wide feedback: the lines of an offer that ask for it, and the reports of a receiver.

A sender numbers all packets of a connection, and the receiver reports when each of them arrived
(draft-holmer-rmcat-transport-wide-cc-extensions-01). `rate_control` draws the conclusions.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import attrs

__all__ = ["EXTENSION_ID", "EXTENSION_URI", "REFERENCE_S", "Report", "asked_for", "granted", "reports"]

EXTENSION_URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXTENSION_ID: Final = 5
"""Number of the header extension in our offers; aiortc uses 1 to 3."""

REFERENCE_S: Final = 0.064
"""Unit of the reference times of reports, in s."""

_FEEDBACK: Final = " transport-cc"
_GRANTED: Final = (
    re.compile(rf"^a=extmap:{EXTENSION_ID}(?:/\w+)? {re.escape(EXTENSION_URI)}\s*$", re.MULTILINE),
    re.compile(rf"^a=rtcp-fb:\S+{_FEEDBACK}\s*$", re.MULTILINE),
)
_HEADER: Final = struct.Struct("!BBH")
_REPORT: Final = struct.Struct("!LLHHL")
_RTPFB: Final = 205  # payload type (RFC 4585)
_TRANSPORT_CC: Final = 15  # its format
_TICK_S: Final = 0.000_25
_SMALL, _LARGE = 1, 2


@attrs.frozen
class Report:
    """A receiver's report on consecutive packets."""

    first: int
    """Number of the first packet, 0 to 65,535."""
    reference: int
    """Time that ``arrivals`` count from, in units of 64 ms, modulo 2²⁴."""
    arrivals: tuple[float | None, ...]
    """When each packet arrived, in s after ``reference``; None for one that did not."""


def asked_for(sdp: str) -> str:
    """Return the video offer ``sdp`` with added lines that ask for transport-wide feedback."""
    lines: list[str] = []
    for line in sdp.splitlines():
        lines.append(line)
        if line.startswith("a=extmap:") and line.endswith("abs-send-time"):
            lines.append(f"a=extmap:{EXTENSION_ID} {EXTENSION_URI}")
        if line.startswith("a=rtcp-fb:") and line.endswith(" goog-remb"):
            lines.append(line.removesuffix(" goog-remb") + _FEEDBACK)
    return "\r\n".join(lines) + "\r\n"


def granted(answer: str) -> bool:
    """Return whether an answer promises transport-wide feedback."""
    return all(pattern.search(answer) for pattern in _GRANTED)


def reports(data: bytes) -> list[Report]:
    """Return the reports in an RTCP datagram. Unreadable ones, and all other packets, are left out."""
    found = []
    while len(data) >= _HEADER.size:
        first, kind, words = _HEADER.unpack_from(data)
        end = 4 + 4 * words
        if kind == _RTPFB and first & 0x1F == _TRANSPORT_CC and end <= len(data):
            report = _report(data[_HEADER.size : end])
            if report is not None:
                found.append(report)
        data = data[end:]
    return found


def _report(body: bytes) -> Report | None:
    try:
        _, _, first, count, reference = _REPORT.unpack_from(body)
        symbols, place = _symbols(body, _REPORT.size, count)
        at, arrivals = 0.0, list[float | None]()
        for symbol in symbols:
            if symbol == _SMALL:
                at += body[place] * _TICK_S
                place += 1
            elif symbol == _LARGE:
                at += struct.unpack_from("!h", body, place)[0] * _TICK_S
                place += 2
            arrivals.append(at if symbol in (_SMALL, _LARGE) else None)
    except (struct.error, IndexError):  # the report ends too early
        return None
    return Report(first, reference >> 8, tuple(arrivals))  # its low byte is the number of the report


def _symbols(body: bytes, place: int, count: int) -> tuple[list[int], int]:
    """Return the symbol of each packet, and the place in ``body`` where the symbols end."""
    symbols: list[int] = []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", body, place)
        place += 2
        if not chunk >> 15:  # one symbol for a run of packets
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, count - len(symbols))
        elif chunk >> 14 & 1:  # seven symbols of two bits
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:  # fourteen of one bit
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return symbols[:count], place
