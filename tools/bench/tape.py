"""Tapes: worlds painted and encoded in advance, and the logs that give the age of their pictures.

The time in the stamp of such a picture is meaningless, but its number is valid: the sender logs the time at which
it sends each picture, and other processes on the same machine read the log. `tools.bench.projector` sends
tapes.
"""

from __future__ import annotations

import fractions
import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from odyssey_proto._video import stamp

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Log", "Tape", "number_of"]

_BIT_RATE: Final = 1_000_000  # aiortc's initial rate for H.264; its VP8 uses 0.5 to 1.5 times as much
_LONGEST: Final = 1 << 18  # maximum number of pictures in a log

# aiortc's settings for its encoders.
_ENCODERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "h264": ("libx264", {"level": "31", "tune": "zerolatency", "profile": "baseline"}),
    "vp8": (
        "libvpx",
        {
            "cpu-used": "-6",
            "deadline": "realtime",
            "lag-in-frames": "0",
            "noise-sensitivity": "4",
            "partitions": "0",
            "static-thresh": "1",
            "qmin": "2",
            "qmax": "56",
        },
    ),
}


class Tape:
    """Encoded pictures, each stamped with its index. The first is a keyframe."""

    def __init__(self, pictures: list[bytes]) -> None:
        self.pictures = pictures

    @classmethod
    def record(
        cls,
        codec: str,
        length: int,
        fps: int = 20,
        *,
        bit_rate: int = _BIT_RATE,
        size: tuple[int, int] | None = None,
        grain: int = 0,
    ) -> Self:
        """Paint and encode ``length`` pictures.

        Args:
            codec: ``h264`` or ``vp8``.
            length: number of pictures.
            fps: pictures per second.
            bit_rate: in bits per s; smooth pictures may need less.
            size: width and height, in px; by default that of a world.
            grain: most levels of brightness that are added or taken away at random.
        """
        import av  # here, because the clients do not need it

        from odyssey_proto.emulator._worlds import LANDSCAPE, PaintedWorld

        name, options = _ENCODERS[codec]
        context: Any = av.CodecContext.create(name, "w")
        width, height = context.width, context.height = size or LANDSCAPE
        context.pix_fmt, context.bit_rate, context.gop_size = "yuv420p", bit_rate, length
        context.framerate, context.time_base = fractions.Fraction(fps), fractions.Fraction(1, fps)
        context.options, context.thread_count = options, 1  # threads of libvpx wait without sleeping
        world = PaintedWorld(seed=0, prompt="A cat on a hill at sunset", portrait=False)
        pictures = []
        for place in range(length):
            picture = world.picture(place / fps)
            if size is not None:
                picture = picture.reformat(width, height)
            _add_grain(picture, grain, place)
            stamp.draw(picture, place, 0)
            picture.pts, picture.time_base = place, context.time_base
            pictures.append(b"".join(bytes(packet) for packet in context.encode(picture)))
        return cls(pictures)

    def save(self, path: Path) -> None:
        """Write the tape to a file."""
        path.write_text(json.dumps([picture.hex() for picture in self.pictures]), encoding="ascii")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a tape from a file."""
        return cls([bytes.fromhex(picture) for picture in json.loads(path.read_text(encoding="ascii"))])


def _add_grain(picture: Any, grain: int, seed: int) -> None:
    if grain:
        plane = picture.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        added = np.random.default_rng(seed).integers(-grain, grain + 1, luma.shape, np.int16)
        plane.update(np.clip(luma + added, 16, 235).astype(np.uint8).tobytes())


class Log:
    """The times at which the pictures of a stream were sent, in s of CLOCK_MONOTONIC, shared by two processes."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._moments = np.memmap(path, np.float64, "w+" if new else "r", shape=(_LONGEST,))

    def note(self, number: int) -> None:
        """Log picture ``number`` as sent now."""
        self._moments[number] = time.monotonic()

    def moment(self, number: int) -> float:
        """Return the time at which picture ``number`` was sent."""
        return float(self._moments[number])


def number_of(picture: Any) -> int:
    """Return the stamp's number, read from the middle of each cell; `stamp.read` costs 100 times as much."""
    cells = picture[stamp.CELL // 2, stamp.CELL // 2 : stamp.COLUMNS * stamp.CELL : stamp.CELL]
    return int.from_bytes(np.packbits((cells if cells.ndim == 1 else cells[:, 1]) > 128).tobytes())
