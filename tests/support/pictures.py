"""Pictures as a decoder returns them, and functions that publish, compare and encode pictures."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from odyssey_proto._video import stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odyssey_proto._video.frame_hub import FrameHub

__all__ = ["coarse", "decoded", "grainy", "picture", "publish", "video_file"]


def picture(number: int, at_ms: int, width: int = 640, height: int = 64) -> av.VideoFrame:
    """Make a picture as a decoder would return it; from 512 px wide, its stamp has ``number``."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([128]) * (plane.line_size * plane.height))
    if width >= 512:
        stamp.draw(frame, number, 0)
    frame.pts, frame.time_base = at_ms * 90, Fraction(1, 90_000)
    return frame


def publish(hub: FrameHub, numbers: range, *, first_ms: int = 0, at: float = 100.0) -> None:
    """Publish stamped frames, one every 50 ms."""
    for place, number in enumerate(numbers):
        hub.publish(picture(number, first_ms + 50 * place), at + place * 0.05, hub.source)


def decoded(width: int = 64, height: int = 48, *, seed: int = 0, pts: int | None = None) -> av.VideoFrame:
    """Return a picture as a decoder makes it: YUV, padded rows, a 90 kHz timestamp."""
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    frame.pts = pts
    if pts is not None:
        frame.time_base = Fraction(1, 90_000)
    return frame


def grainy(count: int, width: int = 512, height: int = 288) -> list[av.VideoFrame]:
    """Return noisy pictures, of which an encoder can predict little, at 20 fps."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        pixels = random.integers(100, 121, (height * 3 // 2, width), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, "yuv420p")
        frame.pts, frame.time_base = 4500 * number, Fraction(1, 90_000)
        found.append(frame)
    return found


def coarse(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of each square of 32 by 32 px below the stamp, for comparing pictures."""
    rows, columns = gray.shape[0] // 32, gray.shape[1] // 32
    squares = gray[: rows * 32, : columns * 32].reshape(rows, 32, columns, 32)
    return squares.mean(axis=(1, 3), dtype=np.float32)[1:]


def video_file(container_format: str, frames: int, **options: str) -> bytes:
    """Return a file of black frames in H.264 at 20 fps; ``options`` are those of the muxer."""
    file = io.BytesIO()
    with av.open(file, "w", format=container_format, options=options) as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        black = np.zeros((32, 64, 3), np.uint8)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(black, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
