"""The meaning of a picture's samples, and conversions that preserve it.

Decoders mark pictures with the matrix and the range that the stream names. A stream that names none is BT.601 in
limited range, as WebRTC senders mean it and WebRTC receivers show it. This module holds no picture and knows no
file format.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

__all__ = ["BT601", "Colours", "converted", "shown"]

# Numbers of H.273, which H.264, MP4 and FFmpeg share.
_BT709: Final = 1
_UNSPECIFIED: Final = 2
_BT601: Final = 6
# Those that swscale converts, by the number that it gives them. It treats all kinds of BT.601 alike, and would
# refuse any other; a picture in slightly wrong colours is better than none.
_SCALERS_NUMBER: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_LIMITED, _FULL = 1, 2  # FFmpeg's numbers

_own = threading.local()


@attrs.frozen
class Colours:
    """The colours of a YUV picture, in the numbers of H.273."""

    matrix: int = _BT601
    """The matrix from RGB to YUV."""
    is_full: bool = False
    """Whether samples use all values from 0 to 255, not just 16 to 235."""
    primaries: int = _UNSPECIFIED
    """The primaries; 2 if the stream does not say."""
    transfer: int = _UNSPECIFIED
    """The transfer characteristics; 2 if the stream does not say."""

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Self:
        """Return the colours of a decoded picture; for an RGB picture, those that it gets as YUV."""
        if frame.format.is_rgb:
            return cls()
        matrix = int(frame.colorspace)
        return cls(
            matrix=matrix if matrix in _SCALERS_NUMBER else _BT601,
            is_full=int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj"),
            primaries=int(frame.color_primaries) or _UNSPECIFIED,
            transfer=int(frame.color_trc) or _UNSPECIFIED,
        )

    @property
    def range(self) -> int:
        """FFmpeg's number for the range."""
        return _FULL if self.is_full else _LIMITED

    @property
    def black(self) -> int:
        """The luma of black."""
        return 0 if self.is_full else 16


BT601: Final = Colours()
"""The colours of a stream that names none: BT.601, limited range."""


def _reformatter() -> VideoReformatter:
    """Return this thread's converter: sharing one crashes, and creating one per picture is slow."""
    try:
        reformatter: VideoReformatter = _own.reformatter
    except AttributeError:
        from av.video.reformatter import VideoReformatter

        reformatter = _own.reformatter = VideoReformatter()
    return reformatter


def shown(frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """Return a picture in an RGB or gray format, in the colours that the stream meant.

    The result is ``frame`` itself if nothing had to be done. PyAV writes to ``frame``: no other thread may use it
    meanwhile.
    """
    return _reformat(frame, pixel_format, Colours.of(frame))


def converted(
    frame: av.VideoFrame, pixel_format: str, colours: Colours, width: int | None = None, height: int | None = None
) -> av.VideoFrame:
    """Return a picture in a YUV format, in ``colours``; see `shown`.

    Args:
        frame: the picture.
        pixel_format: such as ``yuv420p``.
        colours: the matrix and the range of the result. Primaries and transfer are not converted.
        width: the width of the result in px; None keeps that of ``frame``.
        height: the height of the result in px; None keeps that of ``frame``.
    """
    return _reformat(frame, pixel_format, Colours.of(frame), colours, width=width, height=height)


def _reformat(
    frame: av.VideoFrame, pixel_format: str, ours: Colours, theirs: Colours | None = None, **size: Any
) -> av.VideoFrame:
    meant: dict[str, int] = {}
    if not frame.format.is_rgb:
        meant |= {"src_colorspace": _SCALERS_NUMBER[ours.matrix], "src_color_range": ours.range}
    if theirs is not None:
        meant |= {"dst_colorspace": _SCALERS_NUMBER[theirs.matrix], "dst_color_range": theirs.range}
    # threads=1: at this size, waiting for several threads costs more than they gain.
    return _reformatter().reformat(frame, format=pixel_format, threads=1, **meant, **size)
