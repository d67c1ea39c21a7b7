"""Answers of servers, in a form that aiortc accepts."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from odyssey_proto._net.webrtc.offer import Offer, readable_answer

OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 9 UDP/TLS/RTP/SAVPF 101 102
c=IN IP4 0.0.0.0
a=recvonly
a=mid:0
a=rtcp-mux
a=ice-ufrag:ours
a=ice-pwd:oursoursoursoursoursours
a=fingerprint:sha-256 {0}
a=setup:actpass
a=rtpmap:101 H264/90000
a=rtpmap:102 rtx/90000
a=fmtp:102 apt=101
m=audio 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=recvonly
a=mid:1
a=rtcp-mux
a=ice-ufrag:ours
a=ice-pwd:oursoursoursoursoursours
a=fingerprint:sha-256 {0}
a=setup:actpass
a=ssrc:1 cname:x
a=rtpmap:96 opus/48000/2
""".replace("\n", "\r\n").format(":".join(["00"] * 32))

VIDEO = """v=0
o=- 2 2 IN IP4 127.0.0.1
s=A server
t=0 0
a=group:BUNDLE 0
a=fingerprint:sha-256 {0}
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 127.0.0.1
a=sendonly
a=mid:0
a=rtcp-mux
a=ice-ufrag:them
a=ice-pwd:themthemthemthemthemthem
a=setup:actpass
a=rtpmap:96 H264/90000
a=candidate:1 1 udp 2015363327 127.0.0.1 40000 typ host
a=candidate:2 1 udp 2015363327 host.local 40000 typ host
a=candidate:3 1 udp 2015363327 127.0.0.1 99999 typ host
a=candidate:4 nonsense
a=end-of-candidates
""".replace("\n", "\r\n").format(":".join(["11"] * 32))

AUDIO = {
    "left out": "",
    "rejected": "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n",
    "sent": "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\na=mid:1\r\n"
    "a=ice-ufrag:them\r\na=ice-pwd:themthemthemthemthemthem\r\na=setup:active\r\na=rtpmap:96 opus/48000/2\r\n",
}


@pytest.mark.parametrize("audio", AUDIO)
def test_an_answer_has_one_section_for_each_of_the_offer(audio: str) -> None:
    video, silence = SessionDescription.parse(readable_answer(VIDEO + AUDIO[audio], OFFER, "POST /whep")).media
    assert (video.kind, video.direction, video.rtp.muxId) == ("video", "sendonly", "0")
    assert (silence.kind, silence.direction, silence.rtp.muxId) == ("audio", "inactive", "1")
    assert video.dtls is not None
    assert video.dtls.role == "client"  # active
    assert [candidate.port for candidate in video.ice_candidates] == [40000]
    assert silence.ice.usernameFragment == "them"
    assert [candidate.port for candidate in silence.ice_candidates] == [40000]


def test_a_role_that_the_answer_gives_is_kept() -> None:
    text = readable_answer(VIDEO.replace("setup:actpass", "setup:passive"), OFFER, "POST /whep")
    assert {media.dtls.role for media in SessionDescription.parse(text).media if media.dtls} == {"server"}


def test_video_that_comes_after_the_audio_is_found() -> None:
    head, video = VIDEO.split("m=video")
    text = readable_answer(f"{head}{AUDIO['sent']}m=video{video}", OFFER, "POST /whep")
    assert [media.kind for media in SessionDescription.parse(text).media] == ["video", "audio"]


@pytest.mark.parametrize("parameters", ["", "a=fmtp:96 packetization-mode=1;profile-level-id=640028\r\n"])
def test_h264_of_any_profile_is_shown_to_aiortc_as_one_that_it_accepts(parameters: str) -> None:
    answer = VIDEO.replace("a=rtpmap:96 H264/90000\r\n", f"a=rtpmap:96 H264/90000\r\n{parameters}")
    video, _ = SessionDescription.parse(readable_answer(answer, OFFER, "POST /whep")).media
    (codec,) = video.rtp.codecs
    assert (codec.parameters["packetization-mode"], codec.parameters["profile-level-id"]) == ("1", "42e01f")


def test_a_section_whose_name_is_empty_has_the_name_of_one_that_has_none() -> None:
    sdp = OFFER.replace("recvonly", "sendonly").replace("a=mid:0", "a=mid")
    sdp += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" + sdp[sdp.index("c=IN") : sdp.index("a=rtpmap")]
    assert Offer.read(sdp).first_mid == ""
    assert Offer.read(sdp.replace("a=mid\r\n", "")).first_mid == ""
