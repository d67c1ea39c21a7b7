"""The stamp in every picture of the emulator: its number, and the time at which it was sent.

At the top left there are two rows of 32 cells of 16×16 px, white for 1 and black for 0, most significant bit
first. Row 1 is the number of the frame in its stream, row 2 the time at which the picture was passed to the
encoder, as CLOCK_MONOTONIC in ms modulo 2³². So any receiver on the same machine can measure loss, order and
latency from the pixels alone. The stamp is large and plain, to survive an encoder short of bits; it has no
checksum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

from .._base.public_path import publish

__all__ = ["CELL", "COLUMNS", "ROWS", "Stamp", "draw", "latency_ms", "read"]

CELL: Final = 16
"""The edge of a cell, in px."""
COLUMNS: Final = 32
"""The number of cells in a row: one for each bit of a number."""
ROWS: Final = 2
"""The number of rows: frame number and time."""

_MODULUS: Final = 2**COLUMNS
_BLACK, _WHITE, _NO_COLOUR = 16, 235, 128
_WEIGHTS: Final = 2 ** np.arange(COLUMNS - 1, -1, -1, dtype=np.uint64)


@attrs.frozen
class Stamp:
    """The content of a stamp."""

    frame_number: int
    """The number of the picture in its stream, from 0."""
    time_ms: int
    """When the picture was passed to the encoder: CLOCK_MONOTONIC in ms, modulo 2³²."""


def draw(picture: av.VideoFrame, frame_number: int, time_ms: int) -> None:
    """Draw a stamp into ``picture``, a yuv420p frame of at least 512×32 px; both numbers are taken modulo 2³²."""
    bits = [
        [(number >> (COLUMNS - 1 - column)) & 1 for column in range(COLUMNS)] for number in (frame_number, time_ms)
    ]
    cells = np.where(np.array(bits, dtype=bool), _WHITE, _BLACK).astype(np.uint8)
    luma, *chroma = picture.planes
    _pixels(luma)[: ROWS * CELL, : COLUMNS * CELL] = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    for plane in chroma:
        _pixels(plane)[: ROWS * CELL // 2, : COLUMNS * CELL // 2] = _NO_COLOUR


def read(picture: NDArray[np.uint8]) -> Stamp | None:
    """Return the stamp of ``picture``, shape (H, W) or (H, W, 3), in any order of colours.

    Return None if there is no stamp: the middle of some cell is neither dark nor bright.
    """
    if picture.shape[0] < ROWS * CELL or picture.shape[1] < COLUMNS * CELL:
        return None
    corner = picture[: ROWS * CELL, : COLUMNS * CELL].astype(np.float32)
    if corner.ndim == 3:
        corner = corner.mean(axis=2)
    margin = CELL // 4
    cells = corner.reshape(ROWS, CELL, COLUMNS, CELL)[:, margin:-margin, :, margin:-margin].mean(axis=(1, 3))
    if ((cells > 85) & (cells < 170)).any():
        return None
    frame_number, time_ms = ((cells > 128) * _WEIGHTS).sum(axis=1).tolist()
    return Stamp(int(frame_number), int(time_ms))


def latency_ms(stamp: Stamp, now: float) -> float:
    """Return how many ms before ``now`` (`time.monotonic`, in s) the stamped picture was passed to the encoder.

    >>> latency_ms(Stamp(frame_number=7, time_ms=2**32 - 10), now=(2**32 + 15) / 1000)
    25.0
    """
    elapsed = math.fmod(round(now * 1000, 3) - stamp.time_ms, _MODULUS)
    return round(elapsed + _MODULUS if elapsed < 0 else elapsed, 3)


def _pixels(plane: Any) -> NDArray[np.uint8]:
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)


publish("odyssey_proto.emulator", Stamp)
