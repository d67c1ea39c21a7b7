"""Offers, answers and candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from aiortc.sdp import SessionDescription
from hypothesis import strategies as st
from odyssey_models import IceCandidate

from odyssey_proto import MalformedMessageError, OdysseyConnectionError
from odyssey_proto._net.webrtc.codecs import widened
from odyssey_proto._net.webrtc.offer import UNREADABLE, Offer, readable_answer, readable_candidate
from tests.support.fuzzing import mutated_text, target

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRINT: Final = ":".join(["1f"] * 32)
_TRANSPORT: Final = (
    "a=ice-ufrag:user\r\na=ice-pwd:passwordpasswordpassword\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {_PRINT}\r\n"
)
_HEAD: Final = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic:WMS *\r\n"
_VIDEO: Final = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\nc=IN IP4 127.0.0.1\r\na=sendonly\r\na=mid:0\r\na=rtcp-mux\r\n"
    "a=msid:stream track\r\na=ssrc:1 cname:x\r\na=ssrc-group:FID 1 2\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=640028\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 rtx/90000\r\n"
    "a=fmtp:98 apt=97\r\na=rtcp-fb:96 nack pli\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=candidate:1 1 udp 2015363327 127.0.0.1 40000 typ host\r\n"
    "a=candidate:2 1 udp 1 203.0.113.1 1 typ srflx raddr 10.0.0.1 rport 2 generation 0\r\na=end-of-candidates\r\n"
)
_CHANNEL: Final = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n"
    "a=max-message-size:65536\r\n"
)
OFFERS: Final = [_HEAD + _VIDEO + _TRANSPORT + _CHANNEL + _TRANSPORT]
ANSWERS: Final = [_HEAD + _VIDEO + _TRANSPORT, _HEAD.replace("t=0 0\r\n", "t=0 0\r\n" + _TRANSPORT) + _VIDEO]
OURS: Final = _HEAD + _VIDEO.replace("sendonly", "recvonly") + _TRANSPORT
CANDIDATES: Final = [
    "candidate:1 1 udp 2015363327 127.0.0.1 40000 typ host",
    "a=candidate:2 1 tcp 1 ::1 9 typ host tcptype active",
    "3 1 udp 1 host.local 40000 typ relay raddr 0.0.0.0 rport 9",
    "",
]
TOKENS: Final = (
    *(
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        "m=audio 9 X 0\r\n",
        "a=mid:\r\n",
        "a=candidate:1 1 udp 1 h 1 typ host\r\n",
    ),
    *(
        "a=ssrc:1 cname:x\r\n",
        "a=fmtp:96 ",
        "a=rtpmap:",
        "a=sctpmap:5000 x 1\r\n",
        "a=fingerprint:",
        "a=group:BUNDLE",
    ),
    *("a=extmap:", "b=AS:", "c=IN IP6 ::1\r\n", "a=bundle-only\r\n", "a=inactive\r\n", "a=ice-lite\r\n"),
)


@target(mutated_text(OFFERS, TOKENS), refuses=(MalformedMessageError,))
def test_an_offer(sdp: str) -> None:
    offer = Offer.read(sdp)
    assert offer.first_mid is not None
    assert offer.max_message_size > 0
    widened(offer.sdp)
    for each in offer.codecs.names.values():
        assert isinstance(each, str)


@target(mutated_text(ANSWERS, TOKENS), refuses=(MalformedMessageError, OdysseyConnectionError))
def test_an_answer(sdp: str) -> None:
    text = readable_answer(sdp, OURS, "POST /whep")
    assert SessionDescription.parse(text).media[0].kind == "video"


@target(
    mutated_text(CANDIDATES),
    st.none() | st.sampled_from(["0", "1", "", "x"]),
    st.none() | st.integers(-(2**63), 2**63),
    refuses=(),
)
def test_a_candidate(text: str, mid: str | None, index: int | None) -> None:
    offer = Offer.read(OFFERS[0])
    candidate = IceCandidate(candidate=text, sdp_mid=mid, sdp_mline_index=index)
    try:
        parsed = readable_candidate(candidate, offer)
    except UNREADABLE:
        return
    assert parsed is None or 0 < parsed.port < 65536
    offer.ends_candidates(candidate)


@attrs.frozen
class _Many:
    """A line to repeat many times, and its place in the offer."""

    line: str
    section: str


MANY: Final = [
    _Many("a=candidate:{} 1 udp 1 10.0.0.1 {} typ host\r\n", "video"),
    _Many("a=ssrc:{} cname:{}\r\n", "video"),
    _Many("m=audio {} UDP/TLS/RTP/SAVPF {}\r\n", "end"),
    _Many("a=rtpmap:{} H264/{}\r\n", "video"),
    _Many("a=fmtp:{} x={}\r\n", "video"),
    _Many("a=extmap:{} urn:{}\r\n", "video"),
    _Many("a=x{}:{}\r\n", "head"),
]


@target(
    st.lists(st.tuples(st.sampled_from(MANY), st.sampled_from([10, 300, 3000])), min_size=1, max_size=3),
    examples=25,
)
def test_an_offer_with_many_lines(many: Sequence[tuple[_Many, int]]) -> None:
    sdp = OFFERS[0]
    for each, times in many:
        lines = "".join(each.line.format(number + 1, number + 1) for number in range(times))
        anchor = {"video": "a=rtcp-mux\r\n", "head": "t=0 0\r\n", "end": "a=max-message-size:65536\r\n"}[
            each.section
        ]
        sdp = sdp.replace(anchor, anchor + lines)
    Offer.read(sdp)
