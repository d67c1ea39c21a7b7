"""Offers of a streamer, as text, and the signaling messages with which a hostile server floods a client."""

from __future__ import annotations

import json

__all__ = ["CHANNEL", "HEAD", "VIDEO", "candidate_line", "candidate_message", "offer_message"]

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
_SECRETS = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AA'] * 32)}\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
    f"a=rtpmap:96 VP8/90000\r\n{_SECRETS}"
)
CHANNEL = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n"
    f"{_SECRETS}"
)


def candidate_line(number: int) -> str:
    """Return a candidate with an address that leads nowhere, a different one for each number."""
    place = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return f"candidate:{number} 1 udp 2130706431 {place} 5000 typ host"


def candidate_message(number: int) -> str:
    """Return the signaling message with a candidate."""
    data = {"candidate": candidate_line(number), "sdpMid": "0", "sdpMLineIndex": 0}
    return json.dumps({"type": "ice_candidate", **data})


def offer_message(sdp: str) -> str:
    """Return the signaling message with an offer."""
    return json.dumps({"type": "offer", "sdp": sdp})
