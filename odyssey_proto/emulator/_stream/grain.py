"""Film grain: noise that no encoder can predict, so that a stream needs as many bits as one from a real model.

The built-in worlds are smooth: their streams hardly need 2 Mbit/s.
"""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from numpy.random import default_rng

__all__ = ["Grain"]

_SPARE: Final = 64
"""By how many px the noise is wider and higher than a picture: each picture gets a different part of it."""


class Grain:
    """Grain for the pictures of one stream.

    Args:
        strength: the largest value of the noise, in levels of brightness out of 256.
        seed: the same seed gives the same grain at the same moment.
    """

    def __init__(self, strength: int, seed: int) -> None:
        self._strength = strength
        self._seed = seed
        self._noise = np.zeros((0, 0), np.uint8)

    def over(self, picture: av.VideoFrame, moment: float) -> av.VideoFrame:
        """Return a copy of a yuv420p picture, ``moment`` s after the stream's beginning, with grain."""
        pixels = picture.to_ndarray(format="yuv420p")
        width = pixels.shape[1]
        luma = pixels[: pixels.shape[0] * 2 // 3]
        height = luma.shape[0]
        if self._noise.shape != (height + _SPARE, width + _SPARE):
            self._noise = self._make_noise(height + _SPARE, width + _SPARE)
        down, right = default_rng((self._seed, round(moment * 1e6))).integers(_SPARE, size=2)
        np.clip(luma, self._strength, 255 - self._strength, out=luma)
        luma += self._noise[down : down + height, right : right + width]
        return av.VideoFrame.from_ndarray(pixels, "yuv420p")

    def _make_noise(self, height: int, width: int) -> np.typing.NDArray[np.uint8]:
        rng = default_rng(self._seed)
        noise = rng.integers(-self._strength, self._strength, (height, width), np.int8, endpoint=True)
        return noise.view(np.uint8)  # adding it wraps around, which subtracts negative values
