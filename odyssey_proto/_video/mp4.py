"""Writing frames into an MP4 file, each at its own time.

This module writes the frames that it is given, on the caller's thread; it does not know sessions and fetches
nothing.
"""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Self

from .._base.errors import OdysseyConfigError

if TYPE_CHECKING:
    import os
    from types import TracebackType

    import av

    from .colours import Colours
    from .frame import VideoFrame

__all__ = ["Mp4Writer"]

_MILLISECONDS: Final = Fraction(1, 1000)
# Fragments of 1 s (in µs), each written as soon as it is complete; closing turns them into a plain MP4.
_FRAGMENTS: Final = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"}
# superfast: the machine also runs a decoder that must not wait. No B-frames: with them a fragmented file does not
# begin at 0.
_ENCODING: Final = {"preset": "superfast", "crf": "20", "bf": "0"}
_GREY: Final = 128  # of U and V, in every range
# Sizes of one shape may differ by this share once they are rounded to even numbers.
_SAME_SHAPE: Final = 0.02


class Mp4Writer:
    """Writes frames to an H.264 MP4, one at a time; use it in a ``with``, or call `close`.

    The first frame sets the size and the colours: BT.601 or BT.709, limited or full range, primaries, transfer. A
    later frame of another size is scaled, with black borders if its shape differs. An odd size becomes even. The
    times are those of the frames, so a gap in the stream is a gap in the file. Until it is closed, the file
    consists of fragments of 1 s, so that it can be played even if the process is killed.

    Args:
        path: the file to write; an existing file is replaced when the first frame comes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.frames = 0
        """How many frames have been written."""
        self._path = path
        self._file: io.FileIO | None = None
        self._container: Any = None
        self._stream: Any = None
        self._size = (0, 0)
        self._colours: Colours | None = None
        self._first_ms = 0
        self._last_ms = -1
        self._closed = False

    def write(self, frame: VideoFrame, at_ms: int | None = None) -> None:
        """Append ``frame``; if it is not later than the previous one, it is placed 1 ms after that.

        Args:
            frame: the frame.
            at_ms: the time to use in place of the frame's own, in ms; only differences count.

        Raises:
            OdysseyConfigError: the file is closed.
            OSError: the file cannot be written.
        """
        if self._closed:
            raise OdysseyConfigError("this recorder is closed; create another one for another file")
        at_ms = frame.timestamp_ms if at_ms is None else at_ms
        container = self._container or self._open(frame, at_ms)
        picture = self._fitted(frame)
        self._last_ms = max(self._last_ms + 1, at_ms - self._first_ms)
        picture.pts, picture.time_base = self._last_ms, _MILLISECONDS
        self._mux(container, self._stream.encode(picture))
        self.frames += 1

    def _fitted(self, frame: VideoFrame) -> av.VideoFrame:
        """Return a copy of the picture in the size and the colours of the file."""
        assert self._colours is not None
        width, height = inner = _inside(frame.width, frame.height, *self._size)
        drawn = frame._picture.drawn(width, height, self._colours)
        return drawn if inner == self._size else _bordered(drawn, *self._size, self._colours.black)

    def close(self) -> None:
        """Finish the file; a second call does nothing. Without a frame, no file is created.

        Raises:
            OSError: the end of the file cannot be written.
        """
        self._closed = True
        container, self._container = self._container, None
        if container is not None:
            assert self._file is not None
            with self._file:
                try:
                    self._mux(container, self._stream.encode(None))
                except BaseException:
                    with contextlib.suppress(Exception):  # the same failure, in other words
                        container.close()
                    raise
                container.close()

    def _mux(self, container: Any, packets: list[Any]) -> None:
        """Write packets. The first ones also begin the file: FFmpeg crashes when it ends a file without any."""
        if packets:
            try:
                container.start_encoding()  # does nothing if it has begun
            except BaseException:  # nothing that `close` could finish; not even an interrupt leaves the file open
                self._container = None
                assert self._file is not None
                self._file.close()
                raise
        container.mux(packets)

    def _open(self, frame: VideoFrame, at_ms: int) -> Any:
        import av

        # Opened here, because PyAV would never close it if not even the beginning can be written.
        self._file = io.FileIO(self._path, "w")
        try:
            container = av.open(self._file, "w", format="mp4", options=_FRAGMENTS)
            stream = container.add_stream("libx264", options=_ENCODING)
            size = stream.width, stream.height = _even(frame.width), _even(frame.height)
            stream.pix_fmt = "yuv420p"
            colours = frame._picture.colours
            encoder = stream.codec_context
            encoder.thread_count = 1  # a fork takes threads away, and one is ten times as fast as frames come
            # Without a mark, players choose by the size, and do not agree on it.
            encoder.colorspace, encoder.color_range = colours.matrix, colours.range
            encoder.color_primaries, encoder.color_trc = colours.primaries, colours.transfer
            stream.time_base = stream.codec_context.time_base = _MILLISECONDS
        except BaseException:
            self._file.close()
            raise
        self._container, self._stream, self._first_ms = container, stream, at_ms
        self._size, self._colours = size, colours
        return container

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _even(length: int) -> int:
    return max(2, length - length % 2)


def _inside(width: int, height: int, most_wide: int, most_high: int) -> tuple[int, int]:
    """Return the largest even size of this shape that fits; the whole size if that is nearly the same."""
    scale = min(most_wide / width, most_high / height)
    wide = min(most_wide, _even(round(width * scale)))
    high = min(most_high, _even(round(height * scale)))
    if wide >= most_wide * (1 - _SAME_SHAPE) and high >= most_high * (1 - _SAME_SHAPE):
        return most_wide, most_high
    return wide, high


def _bordered(picture: av.VideoFrame, width: int, height: int, black: int) -> av.VideoFrame:
    """Return the picture in the middle of a black one."""
    import av
    import numpy as np

    result = av.VideoFrame(width, height, "yuv420p")
    planes: Any = zip(picture.planes, result.planes, (1, 2, 2), strict=True)
    for inner, outer, halving in planes:
        samples = np.frombuffer(inner, np.uint8).reshape(inner.height, inner.line_size)[:, : inner.width]
        left = (width - picture.width) // 4 * 2 // halving
        top = (height - picture.height) // 4 * 2 // halving
        canvas = np.full((outer.height, outer.line_size), black if halving == 1 else _GREY, np.uint8)
        canvas[top : top + inner.height, left : left + inner.width] = samples
        outer.update(canvas)
    return result
