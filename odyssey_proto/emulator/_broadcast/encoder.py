"""Video for spectators: a stream is encoded once per codec, and all spectators of that codec share the packets.

An encoder works only while it has an audience, on copies of the pictures. A spectator that falls behind loses
pictures until the next keyframe; the others do not. Sending the packets is the job of `whep` and `hls`.
"""

from __future__ import annotations

import asyncio
import fractions
import logging
from typing import TYPE_CHECKING, Any, Final

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from .._stream.encoders import CLOCK_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    Taker = Callable[[av.Packet[Any]], None]

__all__ = ["BroadcastVideo", "Encoder"]

log = logging.getLogger("odyssey_proto.emulator.broadcast")

_BIT_RATE_BPS: Final = 2_500_000
_KEYFRAME_EVERY_S: Final = 10
_CODECS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "h264": ("libx264", {"level": "31", "preset": "veryfast", "tune": "zerolatency", "threads": "1"}),
    "vp8": (
        "libvpx",
        {"cpu-used": "-6", "deadline": "realtime", "lag-in-frames": "0", "static-thresh": "1", "threads": "1"},
    ),
}
"""The encoder of each codec, and its options. One thread each: two threads of libvpx wait for each other without
sleeping, which costs 20 times the CPU if the machine is busy."""

_RATED_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"},
    "libvpx": {**_CODECS["vp8"][1], "cpu-used": "-12", "max-intra-rate": "300"},
}
"""The options for a given bit rate: the pictures then have grain, and only their number of bits matters."""


class Encoder:
    """One codec of one broadcast. Runs on the loop's thread, and encodes on a worker of the loop."""

    def __init__(self, codec: str, fps: int, bitrate: int | None = None) -> None:
        self._name, self._options = _CODECS[codec]
        self._fps = fps
        self._bitrate = bitrate
        self._takers: list[Taker] = []
        self._picture: av.VideoFrame | None = None
        self._arrived = asyncio.Event()
        self._keyframe_wanted = False
        self._work: asyncio.Task[None] | None = None

    @property
    def is_watched(self) -> bool:
        """Whether anyone receives packets."""
        return bool(self._takers)

    def attach(self, taker: Taker) -> None:
        """Call ``taker`` with every packet from now on. The next picture becomes a keyframe."""
        self._takers.append(taker)
        self.want_keyframe()
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._encode_all())

    def detach(self, taker: Taker) -> None:
        """Remove ``taker``, if it is attached."""
        if taker in self._takers:
            self._takers.remove(taker)
        if not self._takers:
            self._stop()

    def want_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._keyframe_wanted = True

    def show(self, picture: av.VideoFrame) -> None:
        """Take over ``picture`` and encode it. An earlier picture that still waits is skipped."""
        self._picture = picture
        self._arrived.set()

    def close(self) -> None:
        """Stop for good: no more packets are sent."""
        self._takers.clear()
        self._stop()

    def _stop(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        self._picture = None

    async def _encode_all(self) -> None:
        loop = asyncio.get_running_loop()
        codec: Any = None
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            picture, self._picture = self._picture, None
            if picture is None:
                continue
            if codec is None:
                codec = self._open(picture)
            wanted, self._keyframe_wanted = self._keyframe_wanted, False
            # Set for every picture: the encoder obeys whatever type the frame has.
            picture.pict_type = PictureType.I if wanted else PictureType.NONE
            try:
                packets = await loop.run_in_executor(None, codec.encode, picture)
            except FFmpegError:
                log.exception("a picture of a broadcast could not be encoded")
                continue
            for packet in packets:
                for taker in tuple(self._takers):
                    taker(packet)

    def _open(self, picture: av.VideoFrame) -> Any:
        codec: Any = av.CodecContext.create(self._name, "w")
        codec.width, codec.height, codec.pix_fmt = picture.width, picture.height, "yuv420p"
        codec.time_base = fractions.Fraction(1, CLOCK_RATE_HZ)
        codec.framerate = fractions.Fraction(self._fps, 1)
        codec.bit_rate = self._bitrate or _BIT_RATE_BPS
        codec.gop_size = _KEYFRAME_EVERY_S * self._fps
        codec.options = dict(self._options)
        if self._bitrate is not None:
            codec.options = {
                **_RATED_OPTIONS[self._name],
                "minrate": str(self._bitrate),
                "maxrate": str(self._bitrate),
                "bufsize": str(self._bitrate // 2),
            }
        if self._name == "libx264":
            codec.profile = "Baseline"  # every receiver decodes it
        return codec


class BroadcastVideo:
    """One stream that spectators may watch, from its start to `end`. Runs on the loop's thread.

    It costs next to nothing while nobody watches.
    """

    def __init__(
        self, stream_id: str, *, token: str, size: tuple[int, int], fps: int, bitrate: int | None = None
    ) -> None:
        self.stream_id = stream_id
        self.token = token
        """Token that a spectator must present."""
        self.size = size
        """Width and height in px."""
        self.fps = fps
        """Pictures per second."""
        self.bitrate = bitrate
        """Bit rate, in bits per s; None for one that suits the built-in worlds, sent without pacing."""
        self.ended = False
        """Whether the stream has ended."""
        self._encoders: dict[str, Encoder] = {}
        self._epoch: float | None = None

    @property
    def is_watched(self) -> bool:
        """Whether there are spectators to send pictures to."""
        return any(encoder.is_watched for encoder in self._encoders.values())

    def encoder(self, codec: str) -> Encoder:
        """Return the encoder for ``h264`` or ``vp8``, shared by all spectators of that codec."""
        if codec not in self._encoders:
            self._encoders[codec] = Encoder(codec, self.fps, self.bitrate)
        return self._encoders[codec]

    def show(self, picture: av.VideoFrame, at: float) -> None:
        """Send a copy of ``picture``, whose time is ``at`` (`time.monotonic`, in s), to all spectators."""
        if self._epoch is None:
            self._epoch = at
        for encoder in self._encoders.values():
            if encoder.is_watched:
                # One copy per encoder: the picture type is stored in the frame, and differs between encoders.
                copy = av.VideoFrame.from_ndarray(picture.to_ndarray(), "yuv420p")
                copy.pts = round((at - self._epoch) * CLOCK_RATE_HZ)
                copy.time_base = fractions.Fraction(1, CLOCK_RATE_HZ)
                encoder.show(copy)

    def end(self) -> None:
        """End the broadcast: no more pictures are sent."""
        self.ended = True
        for encoder in self._encoders.values():
            encoder.close()
