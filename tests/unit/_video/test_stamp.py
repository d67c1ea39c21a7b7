"""The stamp: readers return what was drawn, and nothing for other pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from odyssey_proto._video import stamp
from odyssey_proto._video.stamp import Stamp


def picture(width: int = 1280, height: int = 704, level: int = 128) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), level, np.uint8), format="rgb24").reformat(
        format="yuv420p"
    )


@pytest.mark.parametrize("numbers", [(0, 0), (1, 2), (2**32 - 1, 0xA5A5A5A5), (123456, 2**31), (0x80000001, 7)])
@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "gray"])
def test_what_was_drawn_is_read_back(numbers: tuple[int, int], pixel_format: str) -> None:
    frame = picture()
    stamp.draw(frame, *numbers)
    assert stamp.read(frame.to_ndarray(format=pixel_format)) == Stamp(*numbers)


def test_numbers_are_taken_modulo_two_to_the_32nd() -> None:
    frame = picture()
    stamp.draw(frame, 2**32 + 5, 2**40 + 6)
    assert stamp.read(frame.to_ndarray(format="rgb24")) == Stamp(5, 6)


def test_the_first_cell_is_the_most_significant_bit_of_the_frame_number() -> None:
    frame = picture(level=60)
    stamp.draw(frame, 1 << 31, 1)
    pixels = frame.to_ndarray(format="rgb24")
    assert pixels[8, 8].min() > 240
    assert pixels[8, 24].max() < 15
    assert pixels[24, 8].max() < 15
    assert pixels[24, 31 * 16 + 8].min() > 240


def test_the_picture_beside_the_stamp_is_left_alone() -> None:
    frame = picture()
    before = frame.to_ndarray(format="rgb24")
    stamp.draw(frame, 2**32 - 1, 2**32 - 1)
    after = frame.to_ndarray(format="rgb24")
    assert (after[40:] == before[40:]).all()
    assert (after[:, 520:] == before[:, 520:]).all()


def test_a_portrait_picture_has_room_for_it() -> None:
    frame = picture(704, 1280)
    stamp.draw(frame, 9, 8)
    assert stamp.read(frame.to_ndarray(format="rgb24")) == Stamp(9, 8)


def test_a_picture_without_a_stamp_has_none() -> None:
    assert stamp.read(picture().to_ndarray(format="rgb24")) is None


def test_noise_is_no_stamp() -> None:
    assert stamp.read(np.random.default_rng(0).integers(0, 256, (704, 1280, 3), dtype=np.uint8)) is None


@pytest.mark.parametrize("shape", [(16, 1280, 3), (704, 500, 3), (31, 511)])
def test_a_picture_that_is_too_small_has_none(shape: tuple[int, ...]) -> None:
    assert stamp.read(np.zeros(shape, np.uint8)) is None


@pytest.mark.parametrize(("encoder", "decoder"), [("libx264", "h264"), ("libvpx", "vp8")])
def test_it_survives_an_encoder_with_too_few_bits(encoder: str, decoder: str) -> None:
    writer = av.CodecContext.create(encoder, "w")
    assert isinstance(writer, av.VideoCodecContext)
    writer.width, writer.height, writer.pix_fmt, writer.bit_rate = 1280, 704, "yuv420p", 150_000
    writer.framerate, writer.time_base = Fraction(20), Fraction(1, 20)
    writer.options = (
        {"tune": "zerolatency"} if encoder == "libx264" else {"deadline": "realtime", "lag-in-frames": "0"}
    )
    writer.thread_count = 1  # the threads of libvpx would wait for each other without sleeping
    reader = av.CodecContext.create(decoder, "r")
    assert isinstance(reader, av.VideoCodecContext)
    chance = np.random.default_rng(1)
    read = []
    for number in range(10):
        noise = chance.integers(0, 256, (44, 80, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(1280, 704, "yuv420p")
        stamp.draw(frame, number, number * 50 + 0x5A5A0000)
        frame.pts = number
        read += [
            stamp.read(shown.to_ndarray(format="rgb24"))
            for packet in writer.encode(frame)
            for shown in reader.decode(packet)
        ]
    assert read == [Stamp(number, number * 50 + 0x5A5A0000) for number in range(len(read))]
    assert len(read) >= 9


def test_latency_is_the_time_since_the_stamp() -> None:
    assert stamp.latency_ms(Stamp(0, 5000), 5.25) == 250.0


def test_latency_survives_the_wrap_of_the_time() -> None:
    assert stamp.latency_ms(Stamp(0, 2**32 - 100), (2**32 + 50) / 1000) == 150.0


def test_latency_survives_many_wraps_of_the_time() -> None:
    assert stamp.latency_ms(Stamp(0, 1000), (7 * 2**32 + 1033.5) / 1000) == 33.5
