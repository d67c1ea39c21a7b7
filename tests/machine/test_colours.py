"""Streams that declare their colour space, as NVENC, GStreamer and browsers send them: shown and recorded right.

x264 encodes eight colours, with the matrix, range, primaries and transfer in the headers; the tests decode the
stream and read the frames as a user does.
"""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import attrs
import av
import numpy as np
import pytest

from odyssey_proto import LiveRecording, VideoFrame
from odyssey_proto._video.frame_hub import FrameHub

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COLOURS: Final = np.array(
    [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (200, 30, 30),
        (30, 200, 60),
    ]
)
WIDTH, HEIGHT, STRIPE = 256, 64, 32
CODED_TWICE: Final = 4  # how far a colour may be off after two encodings, in levels of 255
RED_AND_BLUE: Final = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}


@attrs.frozen
class Kind:
    """What a stream declares about its colours, by x264's names and by FFmpeg's numbers."""

    matrix: str
    is_full: bool = False
    says: str = ""
    numbers: tuple[int, int, int, int] = (6, 1, 2, 2)
    """Matrix, range, primaries and transfer that a recording must declare."""

    def __str__(self) -> str:
        return f"{self.matrix}-{'full' if self.is_full else 'limited'}-{'says' if self.says else 'silent'}"

    def yuv(self) -> NDArray[np.uint8]:
        """Return the colours as Y, U and V, by the formulas of H.273."""
        red_share, blue_share = RED_AND_BLUE[self.matrix]
        red, green, blue = (COLOURS / 255).T
        luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
        differences = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
        if self.is_full:
            planes = [luma * 255, *(each * 255 + 128 for each in differences)]
        else:
            planes = [16 + luma * 219, *(each * 224 + 128 for each in differences)]
        return np.clip(np.round(planes), 0, 255).astype(np.uint8)


KINDS: Final = (
    Kind("601"),
    Kind("601", says="colormatrix=smpte170m:colorprim=smpte170m:transfer=smpte170m", numbers=(6, 1, 6, 6)),
    Kind("601", says="colormatrix=bt470bg:colorprim=bt470bg:transfer=bt470bg", numbers=(5, 1, 5, 5)),
    Kind("709", says="colormatrix=bt709:colorprim=bt709:transfer=bt709", numbers=(1, 1, 1, 1)),
    Kind("601", True, "colormatrix=smpte170m:fullrange=on", (6, 2, 2, 2)),
    Kind("709", True, "colormatrix=bt709:colorprim=bt709:transfer=iec61966-2-1:fullrange=on", (1, 2, 1, 13)),
    Kind("2020", says="colormatrix=bt2020nc:colorprim=bt2020:transfer=bt2020-10", numbers=(9, 1, 9, 14)),
)


def decoded(kind: Kind, at_ms: int = 0) -> av.VideoFrame:
    """Return a picture of the colours, side by side, as a decoder returns it from such a stream."""
    planes = [np.repeat(plane, STRIPE)[None].repeat(HEIGHT, 0) for plane in kind.yuv()]
    halved = [plane[::2, ::2].reshape(-1, WIDTH) for plane in planes[1:]]
    picture = av.VideoFrame.from_ndarray(np.concatenate([planes[0], *halved]), format="yuv420p")
    picture.pts, picture.time_base = 0, Fraction(1, 90_000)
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = (
        WIDTH,
        HEIGHT,
        "yuv420p",
        Fraction(1, 90_000),
    )
    encoder.options = {"preset": "ultrafast", "qp": "1", "x264-params": kind.says or "ref=1"}
    decoder: Any = av.CodecContext.create("h264", "r")
    pictures = [
        each for packet in encoder.encode(picture) + encoder.encode(None) for each in decoder.decode(packet)
    ]
    (found,) = pictures + decoder.decode(None)
    found.pts, found.time_base = at_ms * 90, Fraction(1, 90_000)
    return found  # type: ignore[no-any-return]


def received(picture: av.VideoFrame) -> VideoFrame:
    hub = FrameHub()
    hub.begin()
    hub.publish(picture, 1.0)
    assert hub.latest is not None
    return hub.latest


def seen(rgb: NDArray[Any]) -> NDArray[np.int64]:
    """Return the colour in the middle of each stripe."""
    return rgb[HEIGHT // 2, STRIPE // 2 :: STRIPE].astype(np.int64)


def furthest(rgb: NDArray[Any]) -> int:
    """Return how far the colours are off, in levels of 255."""
    return int(np.abs(seen(rgb) - COLOURS).max())


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_shown_is_what_the_stream_meant(kind: Kind) -> None:
    frame = received(decoded(kind))
    assert furthest(frame.data) <= 3
    for pixel_format, order in (("bgr24", (2, 1, 0)), ("rgba", (0, 1, 2)), ("abgr", (3, 2, 1))):
        assert np.array_equal(frame.to_ndarray(pixel_format)[..., order], frame.data)
    assert furthest(np.asarray(frame.to_image())) <= 3


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_arrays_of_yuv_have_the_colours_that_everybody_takes_them_for(kind: Kind, pixel_format: str) -> None:
    import cv2

    code = cv2.COLOR_YUV2RGB_I420 if pixel_format == "yuv420p" else cv2.COLOR_YUV2RGB_NV12
    array = received(decoded(kind)).to_ndarray(pixel_format)
    assert furthest(cv2.cvtColor(array, code)) <= 5


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_planes_and_gray_are_as_they_were_sent(kind: Kind) -> None:
    frame = received(decoded(kind))
    luma, *_ = kind.yuv()
    assert np.abs(seen(frame.planes[0]) - luma.astype(np.int64)).max() <= 2
    assert np.array_equal(frame.to_ndarray("gray"), frame.planes[0])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_frame_that_went_through_a_pickle_is_shown_and_recorded_alike(kind: Kind, tmp_path: Path) -> None:
    frame = received(decoded(kind))
    twin = pickle.loads(pickle.dumps(frame))
    assert np.array_equal(twin.data, frame.data)
    assert twin._picture.colours == frame._picture.colours


def recorded(path: Path, *pictures: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Record pictures, and return those in the file as a player shows them."""
    hub = FrameHub()
    hub.begin()
    with LiveRecording(path, hub) as recording:
        for number, picture in enumerate(pictures):
            hub.publish(picture, 1 + number / 20)
    assert (recording.frames, recording.dropped) == (len(pictures), 0)
    with av.open(str(path)) as file:
        return [picture.to_ndarray(format="rgb24") for picture in file.decode(video=0)]


def said_by(path: Path) -> tuple[int, int, int, int]:
    with av.open(str(path)) as file:
        next(file.decode(video=0))
        video = file.streams.video[0].codec_context
        return video.colorspace, video.color_range, video.color_primaries, video.color_trc


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_recording_shows_what_the_stream_showed_and_says_of_which_kind_it_is(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    shown = recorded(path, *(decoded(kind, 50 * number) for number in range(3)))
    assert [furthest(picture) <= CODED_TWICE for picture in shown] == [True] * 3
    assert said_by(path) == kind.numbers


@pytest.mark.parametrize("later", KINDS, ids=str)
@pytest.mark.parametrize("first", [KINDS[0], KINDS[3], KINDS[4]], ids=str)
def test_colours_that_change_in_a_recording_are_converted_to_those_of_its_beginning(
    first: Kind, later: Kind, tmp_path: Path
) -> None:
    """A link with another codec, or another streamer, may declare another colour space."""
    path = tmp_path / "video.mp4"
    shown = recorded(path, decoded(first), decoded(later, 50))
    assert [furthest(picture) <= CODED_TWICE + 1 for picture in shown] == [True] * 2
    assert said_by(path) == first.numbers


# Numbers of H.273 that are reserved, or that FFmpeg does not convert: YCgCo, ICtCp, constant luminance.
@pytest.mark.parametrize("matrix", [0, 3, 8, 10, 11, 12, 13, 14, 15, 16, 17])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_a_stream_that_names_a_matrix_which_nobody_converts_is_shown_and_recorded(
    pixel_format: str, matrix: int, tmp_path: Path
) -> None:
    picture = decoded(KINDS[0]).reformat(format=pixel_format)
    picture.colorspace, picture.color_primaries, picture.color_trc = matrix, 3, 3
    frame = received(picture)
    assert furthest(frame.data) <= 5
    assert furthest(np.asarray(pickle.loads(pickle.dumps(frame)).data)) <= 5
    frame.to_ndarray("nv12")
    (shown,) = recorded(tmp_path / "video.mp4", picture)
    assert furthest(shown) <= 6
