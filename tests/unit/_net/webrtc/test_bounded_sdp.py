"""The size of descriptions and the number of candidates."""

from __future__ import annotations

import pytest
from odyssey_models import IceCandidate

from odyssey_proto import MalformedMessageError, OdysseyConnectionError
from odyssey_proto._base.limits import CANDIDATE_MOST_CHARS, CANDIDATES_MOST, SDP_MOST_BYTES, SDP_SECTIONS_MOST
from odyssey_proto._net.webrtc.bounded_sdp import CandidateCount, OversizeError, bounded_lines
from odyssey_proto._net.webrtc.offer import Offer, readable_answer
from tests.support.offers import CHANNEL, HEAD, VIDEO, candidate_line

LARGE = {
    "sources": HEAD + VIDEO + "".join(f"a=ssrc:{number} cname:x\r\n" for number in range(1000)) + CHANNEL,
    "codecs": HEAD + VIDEO + "".join(f"a=rtpmap:{n % 128} X{n}/90000\r\n" for n in range(200)) + CHANNEL,
    "feedback": HEAD + VIDEO + "a=rtcp-fb:* nack\r\n" * 400 + CHANNEL,
    "sections": HEAD + VIDEO * SDP_SECTIONS_MOST + CHANNEL,
    "a long line": HEAD + VIDEO + "a=x:" + "y" * 10_000 + "\r\n" + CHANNEL,
    "bytes": HEAD + VIDEO + "a=x:y\r\n" * (SDP_MOST_BYTES // 7) + CHANNEL,
    "bytes of letters": HEAD + VIDEO + f"a=x:{'😀' * 2000}\r\n" * 40 + CHANNEL,
    "other lines": HEAD + VIDEO + "".join(f"a=x{number}:y\r\n" for number in range(4000)) + CHANNEL,
    "a group": HEAD.replace("0 1", " ".join(map(str, range(4000)))) + VIDEO + CHANNEL,
}


@pytest.mark.parametrize("what", LARGE)
def test_a_description_that_is_too_large_is_refused_before_it_is_parsed(what: str) -> None:
    with pytest.raises(OversizeError):
        bounded_lines(LARGE[what])
    with pytest.raises(MalformedMessageError, match=r"offer (has|is)") as caught:
        Offer.read(LARGE[what])
    assert (caught.value.code, caught.value.message_type) == ("malformed_offer", "offer")


@pytest.mark.parametrize("what", LARGE)
def test_an_answer_that_is_too_large_is_refused(what: str) -> None:
    with pytest.raises(OdysseyConnectionError) as caught:
        readable_answer(LARGE[what], HEAD + VIDEO, "POST /whep")
    assert caught.value.code == "malformed_answer"


def test_an_offer_like_that_of_a_browser_with_every_codec_is_read() -> None:
    codecs = "".join(
        f"a=rtpmap:{n} VP8/90000\r\n"
        + "".join(f"a=rtcp-fb:{n} x{k}\r\n" for k in range(5))
        + f"a=fmtp:{n} a=1\r\n"
        for n in range(35, 60)
    )
    sources = "".join(f"a=ssrc:{n // 2} {'cname:x' if n % 2 else 'msid:a b'}\r\n" for n in range(50))
    assert Offer.read(HEAD + VIDEO + codecs + sources + CHANNEL).user == "abcd"


def test_only_the_first_candidates_of_a_description_are_used() -> None:
    lines = "".join(f"a={candidate_line(number)}\r\n" for number in range(3000))
    offer = Offer.read(HEAD + VIDEO + lines + "a=end-of-candidates\r\n" + CHANNEL)
    assert len(offer.candidates) == CANDIDATES_MOST + 1
    assert offer.candidates[-1].candidate == ""
    answer = readable_answer(HEAD + VIDEO.replace("actpass", "passive") + lines, HEAD + VIDEO, "POST /whep")
    assert answer.count("a=candidate:") == CANDIDATES_MOST


def test_candidates_count_once_and_up_to_the_limit() -> None:
    count = CandidateCount()

    def admitted(text: str, mid: str | None = "0") -> bool:
        return count.admits(IceCandidate(candidate=text, sdp_mid=mid))

    assert not admitted("x" * (CANDIDATE_MOST_CHARS + 1))
    assert not admitted("x", "m" * (CANDIDATE_MOST_CHARS + 1))
    assert sum(admitted(candidate_line(number)) for number in range(1000)) == CANDIDATES_MOST
    assert not admitted(candidate_line(0))
    assert sum(admitted("", str(number)) for number in range(1000)) == SDP_SECTIONS_MOST
