"""The VP8 encoder of a stream with a bit rate: aiortc's goes no higher than 1.5 Mbit/s.

A stream without a bit rate uses aiortc's encoder.
"""

from __future__ import annotations

import fractions
from typing import TYPE_CHECKING, Any, Final

import av
from aiortc.codecs.vpx import Vp8Encoder
from av.video.frame import PictureType

from .encoders import NO_LIMIT, KeepsRate, fits

if TYPE_CHECKING:
    from av.frame import Frame

    from .rate_control import BitRate

__all__ = ["RatedVp8Encoder"]

_RESERVE_S: Final = 0.2
_TOLERANCE: Final = 0.15
_OPTIONS: Final = {
    "cpu-used": "-12",
    "deadline": "realtime",
    "lag-in-frames": "0",
    "max-intra-rate": "300",
    "overshoot-pct": "15",
    "static-thresh": "1",
    "undershoot-pct": "100",
}


class RatedVp8Encoder(KeepsRate, Vp8Encoder):
    """Keeps to a rate. A change of more than 15 % needs a new encoder, and so begins with a keyframe.

    A frame whose ``pict_type`` is I becomes a keyframe.
    """

    def __init__(self, rate: BitRate, fps: int) -> None:
        super().__init__()
        self._rate = rate
        self._fps = fps
        self._context: Any = None
        self._number = 0

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Encode ``frame``, and return its RTP payloads and timestamp."""
        assert isinstance(frame, av.VideoFrame)
        whole = force_keyframe or frame.pict_type == PictureType.I
        if self._context is None or not self._fits(frame):
            self._context = self._open(frame)
        frame.pict_type = PictureType.I if whole else PictureType.NONE
        pts, time_base = frame.pts, frame.time_base
        # Even steps despite pauses: libvpx would double the rate for a second if it saw that a picture was late.
        frame.pts, frame.time_base = self._number, self._context.time_base
        self._number += 1
        packet: Any = av.Packet(b"".join(bytes(part) for part in self._context.encode(frame)))
        packet.pts, packet.time_base = pts, time_base
        return self.pack(packet)

    def _fits(self, frame: av.VideoFrame) -> bool:
        return fits(self._context, frame, self._rate.bits_per_s, tolerance=_TOLERANCE)

    def _open(self, frame: av.VideoFrame) -> Any:
        rate = self._rate.bits_per_s
        context: Any = av.CodecContext.create("libvpx", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
        context.bit_rate = rate
        context.framerate = fractions.Fraction(self._fps)
        context.time_base = fractions.Fraction(1, self._fps)
        context.gop_size, context.qmin, context.qmax = NO_LIMIT, 2, 56
        context.thread_count = 1  # two threads of libvpx wait for each other without sleeping
        context.options = {
            **_OPTIONS,
            "minrate": str(rate),
            "maxrate": str(rate),
            "bufsize": str(round(rate * _RESERVE_S)),
        }
        return context
