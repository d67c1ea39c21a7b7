"""What is kept of a stream: its video, a still picture, a short preview and the log of its events.

It writes what it is given, on the caller's thread, into one folder. Who calls, and when, is decided by
`archive` for live streams, and by the worker of a job (`odyssey_proto.emulator.jobs.worker`) for scripts.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import attrs
import av
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EVENTS", "PREVIEW", "THUMBNAIL", "VIDEO", "ArtifactSummary", "ArtifactWriter"]

VIDEO: Final = "video.mp4"
EVENTS: Final = "events.jsonl"
THUMBNAIL: Final = "thumbnail.jpg"
PREVIEW: Final = "preview.mp4"

_TICK: Final = Fraction(1, 1000)
_PREVIEW_MS: Final = 5000
_PREVIEW_SCALE: Final = 4
_THUMBNAIL_SCALE: Final = 2
_THUMBNAIL_MS: Final = 1000
"""The still is the first picture after so many ms, when the world has settled; or the first of all."""


@attrs.frozen
class ArtifactSummary:
    """What came of a stream."""

    frames: int
    """Pictures in the video."""
    duration_s: float
    """Length of the stream, in s."""


class ArtifactWriter:
    """Writes the artifacts of one stream into ``folder``, until `close` or `discard`."""

    def __init__(self, folder: Path, *, size: tuple[int, int], fps: int) -> None:
        self._folder = folder
        self._size = size
        self._fps = fps
        self._video: _Film | None = None
        self._preview: _Film | None = None
        self._still: Any = None
        self._still_ms = -1
        self._events: list[dict[str, Any]] = []
        self._frames = 0

    def picture(self, frame: av.VideoFrame, at_ms: int) -> None:
        """Append ``frame``, yuv420p, shown ``at_ms`` ms after the beginning of the stream; its time is changed."""
        if self._video is None:
            self._video = _Film(self._folder / VIDEO, self._size, fps=self._fps)
            small = (self._size[0] // _PREVIEW_SCALE, self._size[1] // _PREVIEW_SCALE)
            self._preview = _Film(self._folder / PREVIEW, small, fps=max(1, self._fps // 2))
        if self._still is None or self._still_ms < _THUMBNAIL_MS <= at_ms:
            scaled = (self._size[0] // _THUMBNAIL_SCALE, self._size[1] // _THUMBNAIL_SCALE)
            self._still, self._still_ms = VideoReformatter().reformat(frame, *scaled, "rgb24"), at_ms
        if self._preview is not None and at_ms < _PREVIEW_MS and self._frames % 2 == 0:
            self._preview.append(frame, at_ms)
        self._video.append(frame, at_ms)
        self._frames += 1

    def event(self, kind: str, at_ms: int, **fields: Any) -> None:
        """Log what happened ``at_ms`` ms after the beginning."""
        self._events.append({"timestamp_ms": at_ms, "type": kind, **fields})

    def close(self, ended_ms: int) -> ArtifactSummary:
        """Finish the files of a stream that ended ``ended_ms`` ms after its beginning."""
        self._close_films()
        if self._still is not None:
            self._still.to_image().save(self._folder / THUMBNAIL, "JPEG", quality=88)
        lines = [json.dumps(event, separators=(",", ":")) + "\n" for event in self._events]
        (self._folder / EVENTS).write_text("".join(lines), encoding="utf-8")
        return ArtifactSummary(frames=self._frames, duration_s=round(ended_ms / 1000, 3))

    def discard(self) -> None:
        """Let go of the files as they are, after a failure."""
        for film in (self._video, self._preview):
            if film is not None:
                film.abandon()
        self._video = self._preview = None

    def _close_films(self) -> None:
        for film in (self._video, self._preview):
            if film is not None:
                film.close()
        self._video = self._preview = None


class _Film:
    """One H.264 MP4, its index at the beginning so that it plays while it loads."""

    def __init__(self, path: Path, size: tuple[int, int], *, fps: int) -> None:
        self._scaler = VideoReformatter()
        self._size = size
        self._last_ms = -1
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        # ultrafast on one thread: it shares the machine with live streams, and holds no picture back at the end.
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "23", "g": str(2 * fps)}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.time_base = self._stream.codec_context.time_base = _TICK

    def append(self, frame: av.VideoFrame, at_ms: int) -> None:
        if (frame.width, frame.height) != self._size:
            frame = self._scaler.reformat(frame, *self._size, "yuv420p", threads=1)
        self._last_ms = max(self._last_ms + 1, at_ms)
        frame.pts, frame.time_base = self._last_ms, _TICK
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def abandon(self) -> None:
        try:
            self._container.close()
        except (OSError, FFmpegError):
            return
