"""The size of descriptions and the number of candidates, checked before any parser or library sees them.

aiortc compares some lines with all lines before them, and opens sockets for each section, so a description of
a few hundred KiB could keep the event loop busy for minutes; so could a few thousand candidates. This module does
not know what the lines mean.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from ..._base.limits import (
    CANDIDATE_MOST_CHARS,
    CANDIDATES_MOST,
    SDP_CODECS_MOST,
    SDP_LINE_MOST_CHARS,
    SDP_LINES_MOST,
    SDP_LINES_MOST_PER_KIND,
    SDP_MOST_BYTES,
    SDP_SECTIONS_MOST,
)

if TYPE_CHECKING:
    from odyssey_models import IceCandidate

__all__ = ["CandidateCount", "OversizeError", "bounded_lines"]

log = logging.getLogger("odyssey_proto.webrtc")

_CODEC: Final = "a=rtpmap"
_COUNTED_ELSEWHERE: Final = (
    "a=candidate",
    "a=end-of-candidates",
)  # these are taken out, and the first ones are used


class OversizeError(ValueError):
    """A description has more of something than any server needs; the text says of what."""


def bounded_lines(sdp: str) -> list[str]:
    r"""Return the lines of a description.

    Raises:
        OversizeError: the description is too large.

    >>> bounded_lines("v=0\r\ns=-\r\n")
    ['v=0', 's=-']
    """
    if len(sdp) > SDP_MOST_BYTES or len(sdp.encode(errors="replace")) > SDP_MOST_BYTES:
        raise OversizeError(f"is larger than {SDP_MOST_BYTES >> 10} KiB")
    lines = sdp.splitlines()
    sections = total = 0
    kinds: Counter[str] = Counter()
    for line in lines:
        if len(line) > SDP_LINE_MOST_CHARS:
            raise OversizeError(f"has a line of more than {SDP_LINE_MOST_CHARS} characters")
        if line.startswith("m="):
            sections += 1
            kinds.clear()
            if sections > SDP_SECTIONS_MOST:
                raise OversizeError(f"has more than {SDP_SECTIONS_MOST} sections")
            continue
        kind = line.partition(":")[0]
        if kind in _COUNTED_ELSEWHERE:
            continue
        total += 1
        if total > SDP_LINES_MOST:
            raise OversizeError(f"has more than {SDP_LINES_MOST} lines")
        kinds[kind] += 1
        if kinds[kind] > (SDP_CODECS_MOST if kind == _CODEC else SDP_LINES_MOST_PER_KIND):
            raise OversizeError(f"has too many lines of one kind in a section: {kinds[kind]}")
    return lines


class CandidateCount:
    """Counts the different candidates of the other side, over the life of one connection."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str | None, int | None]] = set()
        self._is_full = False

    def admits(self, candidate: IceCandidate) -> bool:
        """Return whether to use a candidate, or an end of candidates: none twice, none too long, not too many."""
        if len(candidate.candidate) > CANDIDATE_MOST_CHARS or len(candidate.sdp_mid or "") > CANDIDATE_MOST_CHARS:
            log.warning("an ICE candidate was ignored: it is too long")
            return False
        key = (candidate.candidate, candidate.sdp_mid, candidate.sdp_mline_index)
        if key in self._seen:
            return False
        # An end counts too: each section may have one.
        if len(self._seen) >= CANDIDATES_MOST + SDP_SECTIONS_MOST * (not candidate.candidate):
            if not self._is_full:
                log.warning("only the first %d ICE candidates of the other side are used", CANDIDATES_MOST)
            self._is_full = True
            return False
        self._seen.add(key)
        return True
