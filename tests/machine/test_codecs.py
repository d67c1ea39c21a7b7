"""Video that aiortc would refuse or garble: other profiles of H.264, other packets, pictures in disorder."""

from __future__ import annotations

import asyncio
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._net.webrtc.candidates import arrange_gathering
from odyssey_proto._net.webrtc.peer import Peer
from odyssey_proto._net.whep import WhepPeer
from odyssey_proto._video.frame_hub import FrameHub
from tests.support.peers import GENEROUS, Heard, Streamer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import VideoFrame

FPS: Final = 20
GREY: Final = 180


def filmed(profile: str, pixels: str = "yuv420p", disorder: int = 0) -> type[MediaStreamTrack]:
    """Return a track that sends grey pictures, encoded in this profile and format, with ``disorder`` B-frames."""

    class Filmed(MediaStreamTrack):
        kind = "video"

        def __init__(self) -> None:
            super().__init__()
            self.encoder: Any = av.CodecContext.create("libx264", "w")
            self.encoder.width, self.encoder.height, self.encoder.pix_fmt = 320, 192, pixels
            self.encoder.time_base = Fraction(1, FPS)
            self.encoder.profile = profile
            self.encoder.options = {"preset": "ultrafast", "bf": str(disorder), "g": "10", "b_strategy": "0"}
            self.encoder.gop_size, self.encoder.max_b_frames = 10, disorder
            self.encoder.thread_count = 1
            self.number = 0
            self.encoded: list[Any] = []

        async def recv(self) -> Any:
            await asyncio.sleep(1 / FPS)
            while not self.encoded:
                grey = np.full((192, 320, 3), GREY, np.uint8)
                picture = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format=pixels)
                picture.pts, picture.time_base = self.number, Fraction(1, FPS)
                self.number += 1
                self.encoded += self.encoder.encode(picture)
            return self.encoded.pop(0)

    return Filmed


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    background = BackgroundLoop("odyssey-test")
    background.start()
    yield background
    assert background.stop(GENEROUS)


@pytest.fixture
def make_peer(loop: BackgroundLoop) -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def make(heard: Heard, **how: Any) -> Peer:
        made.append(Peer(loop, heard, MonotonicClock(), loopback=True, **how))
        return made[-1]

    yield make
    for peer in made:
        peer.close().result(GENEROUS)


@pytest.fixture
def make_streamer() -> Iterator[Callable[..., Streamer]]:
    made: list[Streamer] = []

    def make(**how: Any) -> Streamer:
        made.append(Streamer(**how))
        return made[-1]

    yield make
    for streamer in made:
        streamer.close()


def offering(offer: str, parameters: str) -> str:
    """Return a stock offer with these parameters for H.264, and no other codec that the client decodes."""
    offer = offer.replace(" VP8/", " AV1/")
    formats = re.compile(r"a=fmtp:(\d+) [^\r\n]*profile-level-id[^\r\n]*\r\n")
    return formats.sub(rf"a=fmtp:\1 {parameters}\r\n" if parameters else "", offer)


def to_stock(answer: str) -> str:
    """Return our answer as the stock streamer, which really offered Baseline, has to read it."""
    stock = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
    answer = re.sub(r"a=fmtp:\d+ [^\r\n]*(profile-level-id|packetization-mode)[^\r\n]*\r\n", "", answer)
    return re.sub(r"(a=rtpmap:(\d+) H264/90000\r\n)", rf"\1a=fmtp:\2 {stock}\r\n", answer)


def as_users_get_it(frame: av.VideoFrame) -> VideoFrame:
    hub = FrameHub()
    hub.begin()
    hub.publish(frame, 0.0)
    assert hub.latest is not None
    return hub.latest


@pytest.mark.parametrize(
    ("parameters", "profile", "pixels"),
    [
        ("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", "Main", "yuv420p"),
        ("level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=64001F", "High", "yuv420p"),
        ("packetization-mode=1;profile-level-id=640c34", "High", "yuv420p"),
        ("packetization-mode=0;profile-level-id=42e01f", "Baseline", "yuv420p"),
        ("packetization-mode=1;profile-level-id=42e03e", "Baseline", "yuv420p"),  # level 6.2
        ("profile-level-id=640028", "High", "yuv420p"),
        ("", "Baseline", "yuv420p"),
        ("packetization-mode=1;profile-level-id=6e001f", "High 10", "yuv420p10le"),
        ("packetization-mode=1;profile-level-id=7a001f", "High 4:2:2", "yuv422p"),
        ("packetization-mode=1;profile-level-id=f4001f", "High 4:4:4 Predictive", "yuv444p"),
    ],
)
def test_any_profile_that_can_be_decoded_is_taken(
    parameters: str,
    profile: str,
    pixels: str,
    make_peer: Callable[..., Peer],
    make_streamer: Callable[..., Streamer],
) -> None:
    heard = Heard()
    streamer = make_streamer(tracks=(filmed(profile, pixels),))
    answer = make_peer(heard).answer(offering(streamer.offer, parameters)).result(GENEROUS)
    found = re.findall(r"a=rtpmap:(\d+) H264/90000", answer)
    assert len(found) == 1
    formats = re.findall(rf"a=fmtp:{found[0]} ([^\r\n]*)", answer)
    assert formats == ([parameters.replace(" ", "")] if parameters else [])
    streamer.accept(to_stock(answer))
    heard.wait_for_frames(3)
    frame, _ = heard.frames[-1]
    assert frame.format.name == pixels
    assert as_users_get_it(frame).data.mean() == pytest.approx(GREY, abs=4)


def test_pictures_that_are_sent_out_of_order_come_in_order(
    make_peer: Callable[..., Peer], make_streamer: Callable[..., Streamer]
) -> None:
    heard = Heard()
    streamer = make_streamer(tracks=(filmed("Main", disorder=2),))
    offer = offering(streamer.offer, "packetization-mode=1;profile-level-id=4d001f")
    streamer.accept(to_stock(make_peer(heard).answer(offer).result(GENEROUS)))
    heard.wait_for_frames(20)
    times = [frame.pts for frame, _ in heard.frames[:20]]
    assert times == [(times[0] or 0) + number * 90_000 // FPS for number in range(20)]


@pytest.mark.parametrize(
    ("parameters", "profile"),
    [
        ("packetization-mode=1;profile-level-id=64001f", "High"),
        ("packetization-mode=1;profile-level-id=4d001f", "Main"),
        ("packetization-mode=0;profile-level-id=42e01f", "Baseline"),
    ],
)
def test_a_broadcast_of_one_profile_is_watched_where_the_server_sends_only_what_is_offered_exactly(
    parameters: str, profile: str, loop: BackgroundLoop
) -> None:
    heard = Heard()
    peer = WhepPeer(loop, heard, MonotonicClock(), loopback=True)
    server = BackgroundLoop("server")
    server.start()

    async def serve(offer: str) -> tuple[RTCPeerConnection, str]:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTrack(filmed(profile)())
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        arrange_gathering(pc, only=("127.0.0.1",))
        await pc.setLocalDescription(await pc.createAnswer())
        return pc, pc.localDescription.sdp

    try:
        offer = peer.offer(()).result(GENEROUS)
        (number,) = re.findall(rf"a=fmtp:(\d+) level-asymmetry-allowed=1;{parameters}\r\n", offer)
        # A stock server finds no other codec in this offer, and takes the format for the one that it knows.
        only = re.sub(rf"a=rtpmap:(?!{number} )(\d+) (H264|VP8)/", r"a=rtpmap:\1 none/", offer)
        pc, answer = server.run(serve(to_stock(only)), GENEROUS)
        assert re.findall(r"a=rtpmap:(\d+) H264/90000", answer) == [number]
        told = re.sub(rf"a=fmtp:{number} [^\r\n]*", f"a=fmtp:{number} {parameters}", answer)
        peer.accept(told).result(GENEROUS)
        heard.wait_for_frames(3)
        server.run(pc.close(), GENEROUS)
    finally:
        peer.close().result(GENEROUS)
        assert server.stop(GENEROUS)


@pytest.mark.parametrize(
    ("parameters", "codec", "text"),
    [
        (
            "packetization-mode=2;profile-level-id=42e01f",
            "auto",
            "no video that can be decoded here, only AV1, H264 (packetization-mode=2, profile-level-id=42e01f)",
        ),
        (
            "profile-level-id=760028",  # two pictures in one, for 3D
            "h264",
            "no H.264 that can be decoded here, only AV1, H264 (profile-level-id=760028)",
        ),
        ("profile-level-id=64", "vp8", "no VP8, only AV1, H264 (profile-level-id=64)"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_what_was_offered(
    parameters: str, codec: str, text: str, make_peer: Callable[..., Peer], make_streamer: Callable[..., Streamer]
) -> None:
    offer = offering(make_streamer().offer, parameters)
    with pytest.raises(OdysseyConnectionError) as caught:
        make_peer(Heard(), codec=codec).answer(offer).result(GENEROUS)
    assert (caught.value.code, caught.value.recoverable) == ("no_common_codec", False)
    hint = "" if codec == "auto" else "; codec='auto' takes what there is"
    assert caught.value.message == f"The streamer offers {text}{hint}"
