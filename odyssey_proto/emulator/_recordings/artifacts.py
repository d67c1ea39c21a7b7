"""The artifacts of a stream: its video, a still picture, a short preview and the log of its events.

The writer works on the caller's thread and writes to one folder. Its callers are `archive` for live streams and
`odyssey_proto.emulator._jobs.worker` for scripts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
from av.video.reformatter import VideoReformatter

from .films import EncodedFilm, SentFilm
from .private_files import private_file

if TYPE_CHECKING:
    from pathlib import Path

    import av

__all__ = ["EVENTS", "FILES", "PREVIEW", "SAMPLED_MS", "THUMBNAIL", "VIDEO", "ArtifactSummary", "ArtifactWriter"]

VIDEO: Final = "video.mp4"
EVENTS: Final = "events.jsonl"
THUMBNAIL: Final = "thumbnail.jpg"
PREVIEW: Final = "preview.mp4"
FILES: Final = {"video": VIDEO, "events": EVENTS, "thumbnail": THUMBNAIL, "preview": PREVIEW}
"""The names of the files, by artifact."""

SAMPLED_MS: Final = 5000
"""Length of the beginning of a stream, in ms, from which the preview and the still are taken."""
_PREVIEW_SCALE: Final = 4
_THUMBNAIL_SCALE: Final = 2
_THUMBNAIL_MS: Final = 1000
"""The still is the first picture after this time, in ms, or else the first picture of all."""


@attrs.frozen
class ArtifactSummary:
    """Figures of a finished video."""

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
        self._video: EncodedFilm | SentFilm | None = None
        self._preview: EncodedFilm | None = None
        self._still: Any = None
        self._still_ms = -1
        self._events: list[dict[str, Any]] = []
        self._frames = self._sampled = 0

    def picture(self, frame: av.VideoFrame, at_ms: int) -> None:
        """Append ``frame``, yuv420p, shown ``at_ms`` ms after the start of the stream. Its ``pts`` is overwritten.

        After that, packets are ignored.
        """
        if self._video is None:
            self._video = EncodedFilm(self._folder / VIDEO, self._size, fps=self._fps)
        if isinstance(self._video, EncodedFilm):
            self.sample(frame, at_ms)
            self._video.append(frame, at_ms)
            self._frames += 1

    def packet(self, data: bytes, at_ms: int, *, is_keyframe: bool) -> None:
        """Append an encoded picture, H.264 in Annex B form, shown ``at_ms`` ms after the start of the stream.

        Packets before the first keyframe are ignored. After that, `picture` does nothing.
        """
        if self._video is None and is_keyframe:
            self._video = SentFilm(self._folder / VIDEO, data, fps=self._fps)
        if isinstance(self._video, SentFilm):
            self._video.append(data, at_ms, is_keyframe=is_keyframe)
            self._frames += 1

    def sample(self, frame: av.VideoFrame, at_ms: int) -> None:
        """Use ``frame`` for the still and the preview, but not the video. Its ``pts`` is overwritten."""
        if self._still is None or self._still_ms < _THUMBNAIL_MS <= at_ms:
            scaled = (self._size[0] // _THUMBNAIL_SCALE, self._size[1] // _THUMBNAIL_SCALE)
            self._still, self._still_ms = VideoReformatter().reformat(frame, *scaled, "rgb24"), at_ms
        if at_ms < SAMPLED_MS and self._sampled % 2 == 0:
            if self._preview is None:
                # Even, because the colours have half the resolution.
                small = (self._size[0] // _PREVIEW_SCALE // 2 * 2, self._size[1] // _PREVIEW_SCALE // 2 * 2)
                self._preview = EncodedFilm(self._folder / PREVIEW, small, fps=max(1, self._fps // 2))
            self._preview.append(frame, at_ms)
        self._sampled += 1

    def event(self, kind: str, at_ms: int, **fields: Any) -> None:
        """Add an event to the log, ``at_ms`` ms after the start of the stream."""
        self._events.append({"timestamp_ms": at_ms, "type": kind, **fields})

    def close(self, ended_ms: int) -> ArtifactSummary:
        """Finish the files of a stream that ended ``ended_ms`` ms after its start, and return its figures."""
        self._close_films()
        if self._still is not None:
            self._still.to_image().save(private_file(self._folder / THUMBNAIL), "JPEG", quality=88)
        lines = [json.dumps(event, separators=(",", ":")) + "\n" for event in self._events]
        private_file(self._folder / EVENTS).write_text("".join(lines), encoding="utf-8")
        return ArtifactSummary(frames=self._frames, duration_s=round(ended_ms / 1000, 3))

    def discard(self) -> None:
        """Close the files unfinished, after a failure."""
        for film in (self._video, self._preview):
            if film is not None:
                film.abandon()
        self._video = self._preview = None

    def _close_films(self) -> None:
        for film in (self._video, self._preview):
            if film is not None:
                film.close()
        self._video = self._preview = None
