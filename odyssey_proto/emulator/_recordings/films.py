"""Writers of H.264 in MP4: one encodes pictures, and one takes the packets that were sent.

Both put the index at the start of the file, so that it can play while it loads.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from .private_files import private_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EncodedFilm", "SentFilm"]

_TICK: Final = Fraction(1, 1000)


class EncodedFilm:
    """Writes pictures, scaled to ``size`` and encoded."""

    def __init__(self, path: Path, size: tuple[int, int], *, fps: int) -> None:
        self._scaler = VideoReformatter()
        self._size = size
        self._last_ms = -1
        self._container = _open(path)
        # ultrafast on one thread: it shares the machine with live streams, and must not hold pictures back.
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "23", "g": str(2 * fps)}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.time_base = self._stream.codec_context.time_base = _TICK

    def append(self, frame: av.VideoFrame, at_ms: int) -> None:
        """Append ``frame``, yuv420p, shown ``at_ms`` ms after the start. Its ``pts`` is overwritten."""
        if (frame.width, frame.height) != self._size:
            frame = self._scaler.reformat(frame, *self._size, "yuv420p", threads=1)
        self._last_ms = max(self._last_ms + 1, at_ms)
        frame.pts, frame.time_base = self._last_ms, _TICK
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def abandon(self) -> None:
        """Close the file unfinished."""
        _abandon(self._container)


class SentFilm:
    """Writes packets in Annex B form. The first one must be a keyframe with its parameter sets."""

    def __init__(self, path: Path, first: bytes, *, fps: int) -> None:
        self._last_ms = -1
        self._duration_ms = 1000 // fps
        # ffmpeg's parser extracts the size and the parameter sets for the header of the file.
        with av.open(io.BytesIO(first), format="h264") as parsed:
            self._container = _open(path)
            self._stream = self._container.add_stream_from_template(parsed.streams.video[0])
        self._stream.time_base = _TICK

    def append(self, data: bytes, at_ms: int, *, is_keyframe: bool) -> None:
        """Append the packet ``data``, shown ``at_ms`` ms after the start."""
        self._last_ms = max(self._last_ms + 1, at_ms)
        packet: Any = av.Packet(data)
        packet.pts = packet.dts = self._last_ms
        packet.duration, packet.time_base = self._duration_ms, _TICK
        packet.is_keyframe = is_keyframe
        packet.stream = self._stream
        self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        self._container.close()

    def abandon(self) -> None:
        """Close the file unfinished."""
        _abandon(self._container)


def _open(path: Path) -> Any:
    return av.open(str(private_file(path)), "w", format="mp4", options={"movflags": "+faststart"})


def _abandon(container: Any) -> None:
    try:
        container.close()
    except (OSError, FFmpegError):
        return
