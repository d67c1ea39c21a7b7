"""RTP packets whose extensions have a wrong length: aiortc drops them, and its connection goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpReceiveParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from odyssey_proto._net.webrtc.unreadable import refuse_unreadable

_URIS = {
    1: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    2: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    3: "urn:ietf:params:rtp-hdrext:toffset",
    4: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
}
_LENGTHS = {1: 3, 2: 2, 3: 3, 4: 1}


def extensions() -> HeaderExtensionsMap:
    found = HeaderExtensionsMap()
    found.configure(
        RTCRtpReceiveParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=id_, uri=uri) for id_, uri in _URIS.items()]
        )
    )
    return found


def with_extension(id_: int, length: int) -> bytes:
    element = bytes([id_ << 4 | length - 1]) + bytes(length)
    element += bytes(-len(element) % 4)
    head = RtpPacket(97, 1, 5, 9, 7).serialize()
    return bytes([head[0] | 0x10]) + head[1:] + b"\xbe\xde" + (len(element) // 4).to_bytes(2) + element + b"video"


@pytest.mark.parametrize("id_", list(_URIS))
def test_a_packet_is_refused_if_an_extension_has_a_wrong_length(id_: int) -> None:
    known = extensions()
    receiver = SimpleNamespace(transport=SimpleNamespace(_rtp_header_extensions_map=known))
    refuse_unreadable(receiver)
    refuse_unreadable(receiver)
    for length in range(1, 9):
        if length == _LENGTHS[id_]:
            assert RtpPacket.parse(with_extension(id_, length), known).payload == b"video"
        else:
            with pytest.raises(ValueError, match="wrong length"):
                RtpPacket.parse(with_extension(id_, length), known)


@pytest.mark.parametrize(
    "receiver",
    [
        SimpleNamespace(),
        SimpleNamespace(transport=SimpleNamespace()),
        SimpleNamespace(transport=SimpleNamespace(_rtp_header_extensions_map=SimpleNamespace())),
    ],
)
def test_a_receiver_of_another_shape_is_left_alone(receiver: SimpleNamespace) -> None:
    before = repr(receiver)
    refuse_unreadable(receiver)
    assert repr(receiver) == before
