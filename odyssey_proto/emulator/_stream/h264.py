"""The H.264 encoders of a stream: aiortc's, but faster and with a callback for each packet.

Profile and packets are those of aiortc. `StreamEncoder` also has the bit rate of aiortc, and follows the
receiver's estimates (REMB); `RatedEncoder` keeps to the rate that it is given.
"""

from __future__ import annotations

import fractions
from typing import TYPE_CHECKING, Any, Final

import av
from aiortc.codecs.h264 import H264Encoder
from av.video.frame import PictureType

from .encoders import CLOCK_RATE_HZ, NO_LIMIT, KeepsRate, fits, has_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.frame import Frame

    from .rate_control import BitRate

__all__ = ["RatedEncoder", "StreamEncoder"]

_FRAME_RATE: Final = 30  # fps; as aiortc sets it in x264, which divides the bit rate by it
_TOLERANCE: Final = 0.1  # as in aiortc, smaller changes of the bit rate are not worth a new encoder
# aiortc uses x264's default preset, medium, which takes 10 ms per picture instead of 4 for the same bit rate.
_OPTIONS: Final = {"level": "31", "preset": "veryfast", "tune": "zerolatency", "threads": "1"}

# Pictures with grain take several times as long to encode, and only the number of bits matters, not the looks.
_RATED_OPTIONS: Final = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}


class StreamEncoder(H264Encoder):
    """Encodes the pictures of one peer connection, on a worker thread of the loop.

    A frame whose ``pict_type`` is I becomes a keyframe.
    """

    def __init__(self, on_packet: Callable[[av.Packet[Any]], None]) -> None:
        super().__init__()
        self._on_packet = on_packet
        self._context: Any = None

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Encode ``frame``, pass the packet to ``on_packet``, and return its RTP payloads and timestamp."""
        assert isinstance(frame, av.VideoFrame)
        whole = force_keyframe or frame.pict_type == PictureType.I
        if self._context is None or not self._fits(frame):
            self._context = self._open(frame)
        pts, time_base = frame.pts, frame.time_base
        frame.pict_type = PictureType.I if whole else PictureType.NONE
        made = self._context.encode(frame)
        packet: Any = av.Packet(b"".join(bytes(part) for part in made))
        packet.pts, packet.time_base = pts, time_base
        packet.is_keyframe = any(part.is_keyframe for part in made)
        if packet.size:
            self._on_packet(packet)
        return self.pack(packet)

    def _fits(self, frame: av.VideoFrame) -> bool:
        return fits(self._context, frame, self.target_bitrate, tolerance=_TOLERANCE)

    def _open(self, frame: av.VideoFrame) -> Any:
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
        context.bit_rate = self.target_bitrate
        context.framerate = fractions.Fraction(_FRAME_RATE)
        context.time_base = fractions.Fraction(1, _FRAME_RATE)
        context.options = dict(_OPTIONS)
        context.profile = "Baseline"
        return context


class RatedEncoder(KeepsRate, StreamEncoder):
    """Keeps to a rate, which may change between any two pictures without a keyframe.

    x264 can change the rate of an open encoder only if that encoder works at a constant rate, and only up to the
    rate that it was opened with. The reserve for a keyframe is also fixed when the encoder is opened.
    """

    def __init__(self, on_packet: Callable[[av.Packet[Any]], None], rate: BitRate, fps: int) -> None:
        super().__init__(on_packet)
        self._rate = rate
        self._fps = fps

    def _fits(self, frame: av.VideoFrame) -> bool:
        if not has_size(self._context, frame):
            return False
        self._context.bit_rate = self._rate.bits_per_s
        return True

    def _open(self, frame: av.VideoFrame) -> Any:
        most, period_s = self._rate.most, 1 / self._fps
        reserve = round(most * max(self._rate.reserve_s, period_s))
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
        context.bit_rate = most
        context.framerate = fractions.Fraction(self._fps)
        context.time_base = fractions.Fraction(1, CLOCK_RATE_HZ)
        context.gop_size = NO_LIMIT
        context.options = {**_RATED_OPTIONS, "maxrate": str(most), "bufsize": str(reserve)}
        context.profile = "Baseline"
        context.open()
        context.bit_rate = self._rate.bits_per_s
        return context
