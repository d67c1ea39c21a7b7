"""Two ready-made worlds: a recorded clip, and a folder of pictures. Prompts change nothing in them.

Both are read while they are shown, and repeat.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image, ImageOps

from ..._base.errors import OdysseyConfigError
from ..._model.cassette import MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Clip", "Slides", "recording_at"]

log = logging.getLogger("odyssey_proto.emulator.worlds")

_USUAL_FPS: Final = 25.0
"""Pictures per second of a clip that does not state its rate."""
_SHORTEST_S: Final = 1 / 240
"""Minimum time for which a picture is shown, in s."""
_IN_TIME_S: Final = 1e-6
_PICTURES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""Names of pictures end with one of these."""


class Clip:
    """The pictures of a video file, at its own pace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._round: Iterator[tuple[float, av.VideoFrame]] = iter(())
        self._following: tuple[float, av.VideoFrame] | None = None

    def start(self, *_: object) -> None:
        """Begin at the beginning."""
        self._round = self._frames()
        self._following = None
        self._began = 0.0  # when the present round began, in s from the start
        self._shown_at = self._lasts = 0.0
        self._number = 0

    def interact(self, *_: object) -> None:
        """Go on."""

    def picture(self, t: float, /) -> NDArray[np.uint8] | av.VideoFrame | None:
        """Return the frame for ``t`` s after the start; None if it is still the last one returned."""
        found = None
        while True:
            if self._following is None:
                self._following = next(self._round, None)
            if self._following is None:
                if self._number < 2:  # a single picture, which stays
                    break
                length = self._shown_at + self._lasts
                if t - self._began < length - _IN_TIME_S:
                    break
                self._began += length * max(1, int((t - self._began) / length))
                self._round, self._number = self._frames(), 0
                continue
            at, frame = self._following
            if self._number and t - self._began < at - _IN_TIME_S:
                break
            self._lasts = max(_SHORTEST_S, at - self._shown_at) if self._number else 1 / _USUAL_FPS
            self._shown_at, self._number = at, self._number + 1
            found, self._following = frame, None
        return None if found is None else _upright(found)

    def close(self) -> None:
        """Close the file."""
        self._round, self._following = iter(()), None

    def _frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Decode the file once, and yield each frame with its time, in s from the first."""
        with av.open(str(self._path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # it shares the machine with the encoders
            rate = float(stream.average_rate or _USUAL_FPS)
            count, first = 0, 0.0
            try:
                for frame in container.decode(stream):
                    at = count / rate if frame.time is None else frame.time
                    first = first if count else at
                    count += 1
                    yield at - first, frame
            except FFmpegError as exc:
                if not count:
                    raise
                log.warning("%s cannot be read to its end, and begins again: %s", self._path.name, exc)


class Slides:
    """The pictures in a folder, in the order of their names, ``rate`` of them per second."""

    def __init__(self, folder: Path, rate: float) -> None:
        self._folder = folder
        self._rate = rate
        self._paths: list[Path] = []
        self._shown = -1

    def start(self, *_: object) -> None:
        """Begin with the first of the pictures that are now in the folder."""
        self._paths = _pictures_in(self._folder)
        self._shown = -1

    def interact(self, *_: object) -> None:
        """Go on."""

    def picture(self, t: float, /) -> NDArray[np.uint8] | None:
        """Return the picture for ``t`` s after the start; None if it is still the last one returned."""
        number = int(t * self._rate + _IN_TIME_S) % len(self._paths)
        if number == self._shown:
            return None
        self._shown = number
        with Image.open(self._paths[number]) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def recording_at(path: Path, rate: float) -> Clip | Slides:
    """Return the clip or the folder at ``path``; a folder shows ``rate`` pictures per second.

    Raises:
        OdysseyConfigError: there is neither, or nothing in it can be shown.
    """
    if path.is_dir():
        if not _pictures_in(path):
            raise OdysseyConfigError(
                f"world {str(path)!r} is a folder without pictures: their names end with"
                f" {', '.join(sorted(_PICTURES))}"
            )
        return Slides(path, rate)
    if not path.exists():
        raise OdysseyConfigError(
            f'world {str(path)!r} is not there: give a video, a folder of pictures, or a class as "module:Name"'
        )
    if _is_cassette(path):  # FFmpeg finds H.264 in it, which is not all of it
        raise OdysseyConfigError(f"world {str(path)!r} is a live cassette: give it as replay")
    try:
        with av.open(str(path)) as container:
            readable = bool(container.streams.video)
    except (FFmpegError, OSError) as exc:
        raise OdysseyConfigError(f"world {str(path)!r} cannot be read as a video: {exc.strerror or exc}") from exc
    if not readable:
        raise OdysseyConfigError(f"world {str(path)!r} has no video in it")
    return Clip(path)


def _is_cassette(path: Path) -> bool:
    """Return whether the file at ``path`` begins as cassettes do; False also if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _pictures_in(folder: Path) -> list[Path]:
    """Return the paths of the pictures in ``folder``, in order of their names: 10 comes after 9."""
    paths = (path for path in folder.iterdir() if path.suffix.lower() in _PICTURES and path.name[0] != ".")
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part.lower())
        for part in re.split(r"([0-9]+)", path.name)
        if part
    ]


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8] | av.VideoFrame:
    """Return ``frame`` turned upright, by the rotation that its file states."""
    turns = round(frame.rotation / 90) % 4
    return np.rot90(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), turns) if turns else frame
