"""Turns what a world returns into a picture of the stream: any array, image or frame, scaled to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frame", "copy_of", "rgb_of"]

_LARGEST_EDGE: Final = 8192
"""Maximum width and height of a picture before it is scaled, in px."""
_CHANNELS: Final = (1, 3, 4)
_BLACK: Final = (16, 128, 128)
"""Y, U and V of black."""


class Frame:
    """A frame of ``size``, width and height in px, into which pictures are fitted. For one thread at a time."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._scaler = VideoReformatter()

    def black(self) -> av.VideoFrame:
        """Return a black picture, yuv420p."""
        frame = av.VideoFrame(*self._size, "yuv420p")
        for plane, level in zip(frame.planes, _BLACK, strict=True):
            _pixels(plane)[:] = level
        return frame

    def hold(self, picture: Any) -> av.VideoFrame:
        """Return ``picture`` as a new yuv420p frame, with its proportions kept and black around it.

        Raises:
            TypeError, ValueError: it is not a picture.
        """
        frame = picture if isinstance(picture, av.VideoFrame) else av.VideoFrame.from_ndarray(rgb_of(picture))
        inner = _inner(frame.width, frame.height, self._size)
        scaled = self._scaler.reformat(
            frame,
            *inner,
            "yuv420p",
            interpolation=Interpolation.BICUBIC,
            dst_colorspace=Colorspace.ITU601,  # which receivers assume
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        if inner == self._size:
            return copy_of(scaled) if scaled is picture else scaled
        whole = self.black()
        for number, (source, target) in enumerate(zip(scaled.planes, whole.planes, strict=True)):
            share = 2 if number else 1
            left, top = ((edge - part) // 4 * 2 // share for edge, part in zip(self._size, inner, strict=True))
            _pixels(target)[top : top + source.height, left : left + source.width] = _pixels(source)
        return whole


def copy_of(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a copy of ``frame``, yuv420p, without its time."""
    return av.VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")


def rgb_of(picture: Any) -> NDArray[np.uint8]:
    """Return ``picture``, anything that NumPy can read, as RGB from 0 to 255, shape (H, W, 3).

    Raises:
        TypeError, ValueError: it is not a picture.

    >>> rgb_of([[0.0, 0.5], [1.0, 2.0]])[..., 0].tolist()
    [[0, 128], [255, 255]]
    """
    array = np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture)
    levels = _levels(array)
    if levels.ndim == 3 and levels.shape[2] not in _CHANNELS and levels.shape[0] in _CHANNELS:
        levels = np.moveaxis(levels, 0, 2)
    if levels.ndim == 2:
        levels = levels[..., None]
    if (
        levels.ndim != 3
        or levels.shape[2] not in _CHANNELS
        or not all(0 < edge <= _LARGEST_EDGE for edge in levels.shape[:2])
    ):
        raise ValueError(
            f"a picture is an RGB array of shape (H, W, 3), up to {_LARGEST_EDGE} px high and wide,"
            f" not one of shape {array.shape}"
        )
    if levels.shape[2] == 1:
        levels = np.repeat(levels, 3, axis=2)
    return np.ascontiguousarray(levels[..., :3])


def _levels(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return np.asarray(array * 255, np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        return np.asarray(np.clip(array, 0, 255), np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        shares = np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        return (np.clip(shares, 0, 1) * 255 + 0.5).astype(np.uint8)
    raise TypeError(f"a picture is an RGB array of numbers, not {array.dtype}")


def _inner(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest even width and height with the proportions of a picture that fit into ``size``."""
    scale = min(size[0] / width, size[1] / height)
    wide, tall = (
        min(most, max(2, round(edge * scale / 2) * 2)) for edge, most in zip((width, height), size, strict=True)
    )
    return wide, tall


def _pixels(plane: Any) -> NDArray[np.uint8]:
    """Return the pixels of a plane, without the padding of its rows, to read and to write."""
    rows: NDArray[np.uint8] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    visible: NDArray[np.uint8] = rows[: plane.height, : plane.width]
    return visible
