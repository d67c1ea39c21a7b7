"""The stamps in the emulator's pictures: drawn before a picture is encoded, and read by its receiver.

The format of a stamp is defined in `odyssey_proto._video.stamp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._base.late_module import LateModule
from .._base.public_path import publish
from .._video import stamp
from .._video.stamp import Stamp

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt
else:
    np, npt = LateModule("numpy"), LateModule("numpy.typing")

__all__ = ["Stamp", "draw_stamp", "read_stamp", "stamp_latency_ms"]


def draw_stamp(picture: av.VideoFrame, frame_number: int, time_ms: int) -> None:
    """Draw a stamp into ``picture``, which is in yuv420p, if there is room for it."""
    if picture.width >= stamp.COLUMNS * stamp.CELL and picture.height >= stamp.ROWS * stamp.CELL:
        stamp.draw(picture, frame_number, time_ms)


def read_stamp(picture: npt.NDArray[np.uint8]) -> Stamp | None:
    """Return the stamp of ``picture``, or None if it has none.

    Args:
        picture: shape (H, W) or (H, W, 3), with the colours in any order. For example `VideoFrame.data`, or
            ``frame.to_ndarray("gray")``, which costs less.
    """
    return stamp.read(picture)


def stamp_latency_ms(found: Stamp, now: float) -> float:
    """Return how many ms before ``now`` (`time.monotonic`, in s) the stamped picture was handed to the encoder.

    Emulator and receiver must run on the same machine, so that they share the monotonic clock.

    >>> stamp_latency_ms(Stamp(frame_number=7, time_ms=1000), now=1.025)
    25.0
    """
    return stamp.latency_ms(found, now)


publish("odyssey_proto.emulator", read_stamp, stamp_latency_ms)
