"""A world that was painted and encoded beforehand, and what is needed to tell how old its pictures are.

The stamp's time cannot be right in such pictures, its number is: at each hand-over the moment goes into a log,
which whoever runs on the same machine can read. `tools.bench.projector` sends it.
"""

from __future__ import annotations

import fractions
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from odyssey_proto._video import stamp

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Log", "Tape", "number_of"]

_BIT_RATE: Final = (
    1_000_000  # what aiortc begins with in H.264; in VP8 it goes from half to one and a half of that
)
_LONGEST: Final = 1 << 18  # pictures in a log

# What aiortc tells its encoders.
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
    """Encoded pictures, each stamped with its place; the first needs no other."""

    def __init__(self, pictures: list[bytes]) -> None:
        self.pictures = pictures

    @classmethod
    def record(cls, codec: str, length: int, fps: int = 20) -> Self:
        """Paint and encode so many pictures."""
        import av  # here, as in others that a client does not need

        from odyssey_proto.emulator._worlds import LANDSCAPE, World

        name, options = _ENCODERS[codec]
        context: Any = av.CodecContext.create(name, "w")
        context.width, context.height = LANDSCAPE
        context.pix_fmt, context.bit_rate, context.gop_size = "yuv420p", _BIT_RATE, length
        context.framerate, context.time_base = fractions.Fraction(fps), fractions.Fraction(1, fps)
        context.options, context.thread_count = options, os.cpu_count() or 1
        world = World(seed=0, prompt="A cat on a hill at sunset", portrait=False)
        pictures = []
        for place in range(length):
            picture = world.picture(place / fps)
            stamp.draw(picture, place, 0)
            picture.pts, picture.time_base = place, context.time_base
            pictures.append(b"".join(bytes(packet) for packet in context.encode(picture)))
        return cls(pictures)

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps([picture.hex() for picture in self.pictures]), encoding="ascii")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it from a file."""
        return cls([bytes.fromhex(picture) for picture in json.loads(path.read_text(encoding="ascii"))])


class Log:
    """When each picture of a stream was handed over, in s of CLOCK_MONOTONIC, between two processes."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._moments = np.memmap(path, np.float64, "w+" if new else "r", shape=(_LONGEST,))

    def note(self, number: int) -> None:
        """Picture ``number`` is handed over now."""
        self._moments[number] = time.monotonic()

    def moment(self, number: int) -> float:
        """When it was picture ``number``'s turn."""
        return float(self._moments[number])


def number_of(picture: Any) -> int:
    """Read the stamp's number alone, from the middle of each cell: `stamp.read` costs 100 times as much."""
    cells = picture[stamp.CELL // 2, stamp.CELL // 2 : stamp.COLUMNS * stamp.CELL : stamp.CELL]
    return int.from_bytes(np.packbits((cells if cells.ndim == 1 else cells[:, 1]) > 128).tobytes())
