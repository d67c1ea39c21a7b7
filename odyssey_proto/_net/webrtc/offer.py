"""Reading offers and answers, and preparing them for aiortc: SDP in, checked SDP out.

What an offer contains is in spec/behaviour.md#offer-and-answer. aiortc is stricter than WebRTC, and breaks on
anything that it cannot read. This module opens nothing.
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
from typing import TYPE_CHECKING, Final

import attrs
from odyssey_models import IceCandidate

from ..._base.errors import MalformedMessageError, OdysseyConnectionError
from ..._base.limits import CANDIDATE_MOST_CHARS, CANDIDATES_MOST
from .bounded_sdp import OversizeError, bounded_lines
from .codecs import VideoCodecs
from .feedback import Terms, terms

if TYPE_CHECKING:
    from aiortc import RTCIceCandidate

__all__ = [
    "DEFAULT_MESSAGE_SIZE",
    "UNREADABLE",
    "Offer",
    "malformed_answer",
    "readable_answer",
    "readable_candidate",
]

log = logging.getLogger("odyssey_proto.webrtc")

DEFAULT_MESSAGE_SIZE: Final = 16 * 1024
"""The largest message on a data channel, in bytes, if the offer does not say
(spec/behaviour.md#messages-and-their-size)."""
_LARGEST_MESSAGE_SIZE: Final = 256 * 1024  # bytes, if the offer sets no limit

UNREADABLE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
"""The exceptions that aiortc raises for descriptions and candidates that it cannot read; all undocumented."""


# --- offers of a streamer


@attrs.frozen(kw_only=True)
class Offer:
    """The parts of an offer that aiortc does not provide, and its text, prepared for aiortc."""

    sdp: str = attrs.field(repr=False)
    user: str
    """The ICE user fragment: the same in every offer of one connection."""
    first_mid: str
    """The id of the section whose transport the others share."""
    max_message_size: int
    """The largest message on a data channel, in bytes."""
    codecs: VideoCodecs
    """The video codecs."""
    feedback: dict[str, Terms]
    """Its terms for reports on each packet, by the ids of its video sections."""
    candidates: tuple[IceCandidate, ...]
    """The candidates, removed from the text: aiortc would reject the whole offer because of a malformed one, and
    wait until the name of one with a ``*.local`` name is resolved."""

    def mid_of(self, candidate: IceCandidate) -> str | None:
        """Return the id of a candidate's section: of the first if it names none, None if it has only an index."""
        is_unnamed = candidate.sdp_mid is None and candidate.sdp_mline_index is None
        return self.first_mid if is_unnamed else candidate.sdp_mid

    def ends_candidates(self, end: IceCandidate) -> bool:
        """Return whether ``end``, an end of candidates, is for the transport that all sections share."""
        return self.mid_of(end) == self.first_mid or end.sdp_mline_index == 0

    @classmethod
    def read(cls, sdp: str) -> Offer:
        """Read a streamer's offer.

        Raises:
            MalformedMessageError: the offer is not SDP, too large, or without video, a data channel or encryption.
        """
        from aiortc.sdp import SessionDescription

        try:
            lines = bounded_lines(sdp)
        except OversizeError as exc:
            raise _malformed_offer(str(exc)) from None
        kept: list[str] = []
        candidates: list[IceCandidate] = []
        ends: dict[int, IceCandidate] = {}
        section = -1
        for line in lines:
            section += line.startswith("m=")
            if line.startswith("a=candidate:"):
                if len(candidates) < CANDIDATES_MOST:
                    candidates.append(IceCandidate(candidate=line, sdp_mline_index=section))
            elif line.startswith("a=end-of-candidates"):
                ends[section] = IceCandidate(candidate="", sdp_mline_index=section)
            elif line.rstrip() != "a=mid":  # aiortc reads an empty one as None, and a missing one as ""
                kept.append(line)
        try:
            media = SessionDescription.parse("\r\n".join([*kept, ""])).media
            codecs = VideoCodecs.of(media)
        except UNREADABLE as exc:
            raise _malformed_offer(f"is not valid SDP ({type(exc).__name__})") from exc
        if not any(each.kind == "video" and each.direction in ("sendonly", "sendrecv") for each in media):
            raise _malformed_offer("has no video")
        channels = [each for each in media if each.kind == "application"]
        if not channels:
            raise _malformed_offer("has no data channel")
        users = [each.ice.usernameFragment for each in media if each.ice]
        if not all(users) or not all(each.dtls and each.dtls.fingerprints for each in media):
            raise _malformed_offer("lacks the parameters of its encryption")
        limit = channels[0].sctpCapabilities
        return cls(
            sdp="\r\n".join([*codecs.disguised(kept), ""]),
            user=str(users[0]),
            first_mid=media[0].rtp.muxId,
            max_message_size=DEFAULT_MESSAGE_SIZE
            if limit is None
            else limit.maxMessageSize or _LARGEST_MESSAGE_SIZE,
            codecs=codecs,
            feedback=terms(media),
            candidates=(*candidates, *ends.values()),
        )


def _malformed_offer(what: str) -> MalformedMessageError:
    return MalformedMessageError(
        f"The streamer's offer {what}",
        code="malformed_offer",
        problems=(what,),
        message_type="offer",
        recoverable=True,
    )


def readable_candidate(candidate: IceCandidate, offer: Offer) -> RTCIceCandidate | None:
    """Return a candidate of the streamer as aiortc takes it; None for the end of candidates.

    It raises the exceptions in `UNREADABLE`.
    """
    from aiortc.sdp import candidate_from_sdp

    if len(candidate.candidate) > CANDIDATE_MOST_CHARS:
        raise ValueError("too long")
    text = candidate.candidate.strip().removeprefix("a=").removeprefix("candidate:").strip()
    if not text:
        return None
    parsed = candidate_from_sdp(text)
    if not 0 < parsed.port < 65536:
        raise ValueError("no such port")  # or aioice would fail in the middle of its checks, and stop
    parsed.sdpMid, parsed.sdpMLineIndex = offer.mid_of(candidate), candidate.sdp_mline_index
    return parsed


# --- answers of a broadcast's server


def readable_answer(answer: str, offer: str, operation: str) -> str:
    """Return ``answer`` in a form that aiortc accepts: with one section for each section of ``offer``.

    The video section is the server's own, without candidates that break aiortc, and with ``setup:active``, as RFC
    8842 demands, in place of ``setup:actpass``. The audio, which nothing plays, is turned off: servers omit its
    section, reject it, or put its candidates into another one.
    """
    from aiortc.sdp import SessionDescription

    try:
        head, *found = _sections(answer)
        _, *own = _sections(offer)
        served = next(
            (section for section in found if _kind(section) == "video" and section[0].split()[1] != "0"), None
        )
        if served is None:
            raise OdysseyConnectionError("The server sends no video", code="no_video", operation=operation)
        head = [line for line in head if not line.startswith("a=group:")]
        video_section = _video(served, next(section for section in own if _kind(section) == "video"))
        sections = [video_section if _kind(each) == "video" else _idle(each, video_section) for each in own]
        lines = [line for section in (head, *sections) for line in section]
        media = SessionDescription.parse("\r\n".join([*lines, ""])).media
        video = next(each for each in media if each.kind == "video")
        text = "\r\n".join([*VideoCodecs.of(media).disguised(lines), ""])
    except OversizeError as exc:
        raise malformed_answer(str(exc), operation) from None
    except UNREADABLE as exc:
        raise malformed_answer(f"is not valid SDP ({type(exc).__name__})", operation) from exc
    if video.direction not in ("sendonly", "sendrecv"):
        raise OdysseyConnectionError("The server sends no video", code="no_video", operation=operation)
    if not (video.ice and video.ice.usernameFragment and video.ice.password):
        raise malformed_answer("lacks the ICE parameters", operation)
    if not (video.dtls and video.dtls.fingerprints):
        raise malformed_answer("lacks the parameters of its encryption", operation)
    return text


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in bounded_lines(sdp):
        if line.startswith("m="):
            sections.append([])
        if line.strip():
            sections[-1].append(line.strip())
    return sections


def _kind(section: list[str]) -> str:
    return section[0].removeprefix("m=").partition(" ")[0]


def _video(served: list[str], own: list[str]) -> list[str]:
    if "a=setup:actpass" in served:
        log.info("the answer does not say which side starts the encryption; assuming the server")
    offered = list(dict.fromkeys(line for line in served if line.startswith("a=candidate:")))
    usable = set(itertools.islice(filter(_is_usable, offered), CANDIDATES_MOST))
    kept = [
        line.replace("a=setup:actpass", "a=setup:active")
        for line in dict.fromkeys(served)
        if not line.startswith("a=mid:") and (not line.startswith("a=candidate:") or line in usable)
    ]
    return [*kept, *(line for line in own if line.startswith("a=mid:"))]


def _is_usable(line: str) -> bool:
    from aiortc.sdp import candidate_from_sdp

    if len(line) > CANDIDATE_MOST_CHARS:
        return False
    try:
        candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
        ipaddress.ip_address(candidate.ip)
    except UNREADABLE:
        return False
    return 0 < candidate.port < 65536


_OF_THE_TRANSPORT: Final = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")


def _idle(own: list[str], video: list[str]) -> list[str]:
    """Return our section ``own`` as an answer in which nothing flows, on the transport of the video."""
    kept = [line for line in own if not line.startswith((*_OF_THE_TRANSPORT, "a=recvonly", "a=ssrc", "a=msid"))]
    return [*kept, "a=inactive", *(line for line in video if line.startswith(_OF_THE_TRANSPORT))]


def malformed_answer(what: str, operation: str) -> MalformedMessageError:
    """Return the error for an answer to ``operation`` that cannot be used."""
    return MalformedMessageError(
        f"The server's answer {what}", code="malformed_answer", problems=(what,), operation=operation
    )
