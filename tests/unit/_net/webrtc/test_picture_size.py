"""The size of the pictures in encoded video."""

from __future__ import annotations

from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odyssey_proto._net.webrtc.picture_size import coded_size

VP8_HEAD = b"\x10\x02\x00\x9d\x01\x2a"


def keyframe(encoder: str, width: int, height: int, **options: str) -> bytes:
    """Return one encoded picture."""
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt, context.framerate = width, height, "yuv420p", 20
    context.options = options
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    packets = [*context.encode(picture), *context.encode(None)]
    return bytes(packets[0])


@pytest.mark.parametrize(
    ("options", "size", "coded"),
    [
        ({}, (1280, 704), (1280, 704)),
        ({"profile": "baseline"}, (642, 362), (656, 368)),
        ({"profile": "high444", "x264-params": "cqm=jvt"}, (704, 1280), (704, 1280)),
        ({"x264-params": "interlaced=1"}, (1920, 1080), (1920, 1088)),
        ({"preset": "ultrafast"}, (4096, 2304), (4096, 2304)),
    ],
)
def test_the_size_of_h264_is_read(options: dict[str, str], size: tuple[int, int], coded: tuple[int, int]) -> None:
    data = keyframe("libx264", *size, **options)
    assert coded_size("h264", data) == coded
    assert coded_size("vp8", data) is None


def test_the_size_of_vp8_is_read() -> None:
    assert coded_size("vp8", keyframe("libvpx", 1280, 704)) == (1280, 704)
    assert coded_size("vp8", VP8_HEAD + b"\xff\xff\xff\xff") == (16383, 16383)


@pytest.mark.parametrize(
    "data", [b"", VP8_HEAD, b"\x11" + VP8_HEAD[1:] + b"\1\1\1\1", b"\x00\x00\x01\x67", b"\0" * 99]
)
def test_what_names_no_size_has_none(data: bytes) -> None:
    assert coded_size("vp8", data) is None
    assert coded_size("h264", data) is None


def test_the_largest_of_several_sizes_counts() -> None:
    small, large = keyframe("libx264", 320, 192), keyframe("libx264", 1280, 704)
    assert coded_size("h264", large + small) == coded_size("h264", small + large) == (1280, 704)


@settings(deadline=None, database=None, suppress_health_check=[*HealthCheck])  # a busy machine takes its time
@given(st.binary(max_size=200))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    size = coded_size("h264", b"\x00\x00\x01\x67" + data)
    assert size is None or min(size) > 0
