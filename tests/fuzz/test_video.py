"""RTP packets in any order, the headers of VP8 and H.264, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from aiortc.rtp import HeaderExtensions, RtpPacket
from av.error import FFmpegError
from hypothesis import strategies as st

from odyssey_proto._net.webrtc.jitter import MarkerJitterBuffer
from odyssey_proto._net.webrtc.keyframes import is_keyframe
from odyssey_proto._net.webrtc.packets import DEPAYLOADERS, read
from odyssey_proto._net.webrtc.picture_size import coded_size
from odyssey_proto._video import stamp
from odyssey_proto._video.media_clock import MediaClock
from tests.support.clocks import HandClock
from tests.support.fuzzing import mutated, target

if TYPE_CHECKING:
    from collections.abc import Sequence

VP8_KEY: Final = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00" + bytes(20)
VP8_INTER: Final = b"\x11\x02\x00" + bytes(20)
H264_KEY: Final = b"\x00\x00\x00\x01\x67\x42\xe0\x1f\x00\x00\x00\x01\x68\xce\x00\x00\x01\x65\x88" + bytes(20)
H264_INTER: Final = b"\x00\x00\x00\x01\x41\x9a" + bytes(20)
FRAMES: Final = [VP8_KEY, VP8_INTER, H264_KEY, H264_INTER, b"", b"\x00", b"\x00\x00\x01"]


@target(mutated(FRAMES), refuses=())
def test_the_header_of_a_frame(data: bytes) -> None:
    assert is_keyframe(data) in (True, False)


HEADS: Final = [
    bytes.fromhex("80 61 0001 00000002 00000003") + VP8_INTER,
    bytes.fromhex("90 61 0001 00000002 00000003 bede 0002 10 30 22 010203 00 00") + H264_INTER,
    bytes.fromhex("90 61 0001 00000002 00000003 bede 0002 31 1234 22 010203 00") + VP8_KEY,
    bytes.fromhex("b1 e1 0001 00000002 00000003 00000004 1000 0001 02 00 00 00") + b"\x7c\x85" + bytes(20),
]
EXTENSIONS: Final = HeaderExtensions(mid=1, abs_send_time=2, transport_sequence_number=3)


@target(mutated(HEADS), refuses=())
def test_the_head_of_a_packet(data: bytes) -> None:
    packet = read(data.ljust(12, b"\0"), EXTENSIONS)
    assert packet is None or 12 <= packet.begin <= max(12, len(data))


@target(mutated([b"\x7c\x85" + bytes(9), b"\x61\x00", b"\x90\x80\x81\x02", b"\x10" + VP8_INTER]), refuses=())
def test_a_part_of_a_frame(payload: bytes) -> None:
    for depayload in DEPAYLOADERS.values():
        part = depayload(payload)
        assert part is None or len(part) <= len(payload) + 4


# (step of the sequence number, step of the timestamp, marker bit, payload, pause before the packet)
PACKETS: Final = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 1, 0, 2, 5, -1, -2, -99, -101, 128, 511, 512, 32_767, 32_768]),
        st.sampled_from([0, 0, 4500, 4500, -4500, 1, 90_000, 2**31 - 1, 2**31]),
        st.booleans(),
        st.sampled_from(FRAMES),
        st.sampled_from([0.0, 0.001, 0.05, 0.4, 60.0]),
    ),
    max_size=120,
)


@target(st.integers(0, 65_535), st.integers(0, 2**32 - 1), PACKETS, refuses=())
def test_packets_in_any_order(
    number: int, time: int, packets: Sequence[tuple[int, int, bool, bytes, float]]
) -> None:
    clock = HandClock()
    buffer = MarkerJitterBuffer(clock)
    released = 0
    for step, later, marker, data, pause in packets:
        number, time = (number + step) % 65_536, (time + later) % 2**32
        clock.time += pause
        packet: Any = RtpPacket(payload_type=97, sequence_number=number, timestamp=time, marker=int(marker))
        packet.ssrc, packet._data = 7, data
        asks, frame = buffer.add(packet)
        assert asks in (True, False)
        if frame is not None:
            released += 1
            assert frame.data
            assert frame.arrived_at <= frame.whole_at == clock.time
            assert len(frame.data) <= len(packets) * max(map(len, FRAMES)), "no packet is used twice"
            assert released > 1 or frame.is_keyframe, "nothing comes before a keyframe"
    assert released + buffer.held <= len(packets)
    assert len(buffer._first_packet) <= 256


@target(
    st.lists(
        st.tuples(st.none() | st.integers(-(2**40), 2**40), st.sampled_from([0.0, 0.05, 0.04, 1.0, 5.0, 1e6])),
        max_size=50,
    ),
    st.booleans(),
    refuses=(),
)
def test_the_sender_s_clock(frames: Sequence[tuple[int | None, float]], renewed: bool) -> None:
    clock, now, last = MediaClock(), 100.0, -(2**63)
    for count, (sent_ms, pause) in enumerate(frames):
        now += pause
        if renewed and count == 10:
            clock.renew()
        placed = clock.place(sent_ms, now)
        assert placed >= last, "time never goes back"
        last = placed


def _encoded(codec: str) -> bytes:
    made = av.CodecContext.create(codec, "w")
    assert isinstance(made, av.VideoCodecContext)
    made.width, made.height, made.pix_fmt, made.framerate = 64, 64, "yuv420p", 20  # type: ignore[assignment]  # it takes numbers
    frame = av.VideoFrame(64, 64, "yuv420p")
    return b"".join(map(bytes, [*made.encode(frame), *made.encode(None)]))


MOST_PX: Final = 1920 * 1088
VIDEO: Final = {"vp8": _encoded("libvpx"), "h264": _encoded("libx264")}


@target(
    st.sampled_from(sorted(VIDEO)).flatmap(lambda name: st.tuples(st.just(name), mutated([VIDEO[name]]))),
    refuses=(FFmpegError,),
    within_mb=100,
)
def test_video_that_was_damaged(given: tuple[str, bytes]) -> None:
    name, data = given
    width, height = coded_size(name, data) or (0, 0)
    if width * height > MOST_PX:  # the client, too, hands no such picture to a decoder
        return
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    for frame in decoder.decode(av.Packet(data)):
        assert stamp.read(frame.to_ndarray(format="rgb24")) is None or frame.width >= 512


@target(st.integers(0, 700), st.integers(0, 100), st.binary(max_size=200), refuses=())
def test_a_stamp(width: int, height: int, noise: bytes) -> None:
    picture = np.resize(np.frombuffer(noise + b"\x00", np.uint8), (height, width, 3))
    stamp.read(picture)
