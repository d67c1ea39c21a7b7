"""Writing frames into an MP4 file, each at its own time.

It writes the frames that it is given, on the caller's thread; it does not know sessions and fetches nothing.
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

    from .frame import VideoFrame

__all__ = ["Mp4Writer"]

_MILLISECONDS: Final = Fraction(1, 1000)
# Fragments of 1 s (in µs), each written as soon as it is complete; closing turns them into a plain MP4.
_FRAGMENTS: Final = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"}
# superfast: the machine also runs a decoder that must not wait. No B-frames: with them a fragmented file does not
# begin at 0.
_ENCODING: Final = {"preset": "superfast", "crf": "20", "bf": "0"}


class Mp4Writer:
    """Writes frames to an H.264 MP4, one at a time; use it in a ``with``, or call `close`.

    The first frame sets the size. The times are those of the frames, so a gap in the stream is a gap in the file.
    Until it is closed, the file consists of fragments of 1 s, so that it can be played if the process is killed.

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
        self._first_ms = 0
        self._last_ms = -1
        self._closed = False

    def write(self, frame: VideoFrame, at_ms: int | None = None) -> None:
        """Append ``frame``; if it is not later than the previous one, it is placed 1 ms after it.

        Args:
            frame: the frame.
            at_ms: the time to use in place of the frame's own, in ms; only differences count.

        Raises:
            OdysseyConfigError: the size is odd or differs from that of the first frame, or the file is closed.
            OSError: the file cannot be written.
        """
        import av

        if self._closed:
            raise OdysseyConfigError("this recorder is closed; create another one for another file")
        picture = av.VideoFrame.from_ndarray(frame.to_ndarray("yuv420p"), format="yuv420p")
        at_ms = frame.timestamp_ms if at_ms is None else at_ms
        container = self._container or self._open(frame, at_ms)
        if (frame.width, frame.height) != (self._stream.width, self._stream.height):
            raise OdysseyConfigError(
                f"a file has one size: it began with {self._stream.width}x{self._stream.height}, "
                f"and this frame is {frame.width}x{frame.height}"
            )
        self._last_ms = max(self._last_ms + 1, at_ms - self._first_ms)
        picture.pts, picture.time_base = self._last_ms, _MILLISECONDS
        container.mux(self._stream.encode(picture))
        self.frames += 1

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
                    container.mux(self._stream.encode(None))
                except BaseException:
                    with contextlib.suppress(Exception):  # the same failure, in other words
                        container.close()
                    raise
                container.close()

    def _open(self, frame: VideoFrame, at_ms: int) -> Any:
        import av

        # Opened here, because PyAV would never close it if not even the beginning can be written.
        self._file = io.FileIO(self._path, "w")
        try:
            container = av.open(self._file, "w", format="mp4", options=_FRAGMENTS)
            stream = container.add_stream("libx264", options=_ENCODING)
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            stream.time_base = stream.codec_context.time_base = _MILLISECONDS
            container.start_encoding()
        except BaseException:
            self._file.close()
            raise
        self._container, self._stream, self._first_ms = container, stream, at_ms
        return container

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
