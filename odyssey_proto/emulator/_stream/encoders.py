"""The common parts of the encoders of streams: whether an open one still fits, and keeping to a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import av

    from .rate_control import BitRate

__all__ = ["CLOCK_RATE_HZ", "NO_LIMIT", "KeepsRate", "fits", "has_size"]

CLOCK_RATE_HZ: Final = 90_000
"""Clock rate of the RTP timestamps of video, in Hz."""
NO_LIMIT: Final = 1 << 20
"""Keyframe interval, in pictures, so long that in effect only requests bring a keyframe."""


def has_size(context: Any, frame: av.VideoFrame) -> bool:
    """Return whether an open encoder is for pictures of the size of ``frame``."""
    return (frame.width, frame.height) == (context.width, context.height)


def fits(context: Any, frame: av.VideoFrame, bit_rate: int, *, tolerance: float) -> bool:
    """Return whether an open encoder can be kept: the size is the same, and the rate nearly so."""
    return has_size(context, frame) and abs(bit_rate - context.bit_rate) <= tolerance * context.bit_rate


class KeepsRate:
    """Makes an encoder of aiortc take its bit rate from a `BitRate`, which also receives the rate that aiortc
    sets."""

    _rate: BitRate

    @property
    def target_bitrate(self) -> int:
        """The rate now, in bits per s. A receiver's estimate is set here."""
        return self._rate.bits_per_s

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._rate.take_estimate(bitrate)
