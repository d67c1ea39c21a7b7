"""The main job with nothing installed or configured: emulator, blocking client, one stream, two interactions.

It is an example of the client as well: everything from `Odyssey` on is what a user would write. It measures with
the stamps that the emulator draws into its pictures, so it tells of the whole way from its encoder to here.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

import attrs

from .._video import stamp
from .._video.mp4 import Mp4Writer
from ..client import Odyssey
from ..emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL.Image import Image

    from .._video.frame import VideoFrame
    from ..session import Session

__all__ = ["PROMPTS", "Interaction", "Summary", "run"]

PROMPTS: Final = (
    "A cat on a hill at sunset, warm light",
    "Night falls, the moon rises over a deep blue sky",
    "It snows; everything turns white",
)
"""The prompt that starts the stream, and the two that steer it."""

_COLUMNS: Final = 4
_THUMBNAIL: Final = (320, 176)


@attrs.frozen(kw_only=True)
class Interaction:
    """One prompt that was sent while the stream ran."""

    prompt: str
    """As it was sent."""
    applied_prompt: str
    """As the service applied it."""
    at_s: float
    """When, in s from the start of the stream."""
    first_frame: int
    """Index of the first frame after its acknowledgement."""


@attrs.frozen(kw_only=True)
class Summary:
    """What the demo measured."""

    video: str
    """The MP4 that holds every frame that arrived."""
    contact_sheet: str
    """A PNG with a picture for each second."""
    width: int
    """Width of the frames, in px."""
    height: int
    """Height of the frames, in px."""
    frames: int
    """Frames that arrived and were written."""
    seconds: float
    """From the first to the last frame."""
    fps: float
    """Frames per second in between."""
    lost: int
    """Frames that were sent and never seen, by the numbers in the stamps."""
    dropped: int
    """Of these, frames that arrived and were dropped by our own queue."""
    unstamped: int
    """Frames whose stamp could not be read."""
    latency_ms_median: float
    """From the emulator's encoder to our hands, in ms, in the middle."""
    latency_ms_p95: float
    """The same, for 95 of 100 frames at most."""
    latency_ms_max: float
    """The same, for the slowest."""
    connect_s: float
    """From `Odyssey.connect` to the session, in s."""
    first_frame_s: float
    """From `Session.start_stream` to the first frame, in s."""
    interactions: tuple[Interaction, ...]
    """The prompts that steered the stream."""


def run(
    directory: Path,
    *,
    seconds: float = 10.0,
    codec: str = "both",
    seed: int = 0,
    on_progress: Callable[[str, float], None] | None = None,
) -> Summary:
    """Stream for ``seconds`` s from an emulator of its own and write ``demo.mp4`` and ``contact-sheet.png``.

    Args:
        directory: where to write; made if need be.
        seconds: length of the stream.
        codec: what the emulator offers: ``h264``, ``vp8`` or ``both``.
        seed: of the emulator's world.
        on_progress: called with what is being done and the share of it that is done, 0 to 1.

    Raises:
        OSError: the directory cannot be written.
        OdysseyError: the stream failed.
    """
    on_progress = on_progress or (lambda _step, _share: None)
    directory.mkdir(parents=True, exist_ok=True)
    on_progress("starting the emulator", 0.0)
    with (
        Emulator(codec=codec, seed=seed) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
    ):
        on_progress("connecting", 0.0)
        asked_at = time.monotonic()
        with client.connect() as session:
            return _Show(session, directory, seconds, on_progress, time.monotonic() - asked_at).run()


class _Show:
    """One stream, watched to its end."""

    def __init__(
        self,
        session: Session,
        directory: Path,
        seconds: float,
        on_progress: Callable[[str, float], None],
        connect_s: float,
    ) -> None:
        self._session = session
        self._video = directory / "demo.mp4"
        self._sheet = directory / "contact-sheet.png"
        self._seconds = seconds
        self._on_progress = on_progress
        self._connect_s = connect_s
        self._thumbnails: list[tuple[str, Image]] = []
        self._latencies: list[float] = []
        self._numbers: list[int] = []
        self._interactions: list[Interaction] = []
        self._dropped = self._unstamped = 0

    def run(self) -> Summary:
        started_at = time.monotonic()
        self._session.start_stream(PROMPTS[0], portrait=False)
        shown_at: list[float] = []
        width = height = 0
        with Mp4Writer(self._video) as recorder:
            for frame in self._session.frames(timeout=10):
                seen_at = time.monotonic()
                shown_at.append(seen_at)
                width, height = frame.width, frame.height
                elapsed = seen_at - shown_at[0]
                self._measure(frame, seen_at)
                recorder.write(frame)
                self._keep_thumbnail(frame, elapsed)
                self._on_progress("streaming", min(1.0, elapsed / self._seconds))
                if elapsed >= self._seconds:
                    break
                self._steer(elapsed, frame)
        self._session.end_stream()
        self._on_progress("writing the contact sheet", 1.0)
        _contact_sheet(self._thumbnails).save(self._sheet)
        spent = shown_at[-1] - shown_at[0]
        latencies = sorted(self._latencies) or [float("nan")]
        return Summary(
            video=str(self._video),
            contact_sheet=str(self._sheet),
            width=width,
            height=height,
            frames=len(shown_at),
            seconds=round(spent, 3),
            fps=round((len(shown_at) - 1) / spent, 2),
            lost=self._numbers[-1] - self._numbers[0] + 1 - len(self._numbers) - self._unstamped
            if self._numbers
            else 0,
            dropped=self._dropped,
            unstamped=self._unstamped,
            latency_ms_median=round(statistics.median(latencies), 1),
            latency_ms_p95=round(latencies[int(0.95 * (len(latencies) - 1))], 1),
            latency_ms_max=round(latencies[-1], 1),
            connect_s=round(self._connect_s, 3),
            first_frame_s=round(shown_at[0] - started_at, 3),
            interactions=tuple(self._interactions),
        )

    def _measure(self, frame: VideoFrame, seen_at: float) -> None:
        self._dropped += frame.dropped_before
        found = stamp.read(frame.to_ndarray("gray"))
        if found is None:
            self._unstamped += 1
        else:
            self._numbers.append(found.frame_number)
            self._latencies.append(stamp.latency_ms(found, seen_at))

    def _steer(self, elapsed: float, frame: VideoFrame) -> None:
        done = len(self._interactions)
        if done + 1 < len(PROMPTS) and elapsed >= self._seconds * (done + 1) / len(PROMPTS):
            applied = self._session.interact(PROMPTS[done + 1])
            self._interactions.append(
                Interaction(
                    prompt=PROMPTS[done + 1],
                    applied_prompt=applied,
                    at_s=round(elapsed, 3),
                    first_frame=frame.index + 1,
                )
            )

    def _keep_thumbnail(self, frame: VideoFrame, elapsed: float) -> None:
        if elapsed >= len(self._thumbnails) * self._seconds / 12 and len(self._thumbnails) < 12:
            self._thumbnails.append((f"{elapsed:.1f} s", frame.to_image().resize(_THUMBNAIL)))


def _contact_sheet(thumbnails: list[tuple[str, Image]]) -> Image:
    from PIL import Image, ImageDraw

    width, height = _THUMBNAIL
    rows = -(-len(thumbnails) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (width + 8) + 8, rows * (height + 28) + 8), "#16181d")
    pen = ImageDraw.Draw(sheet)
    for number, (caption, thumbnail) in enumerate(thumbnails):
        left, top = 8 + number % _COLUMNS * (width + 8), 8 + number // _COLUMNS * (height + 28)
        sheet.paste(thumbnail, (left, top))
        pen.text((left + 2, top + height + 2), caption, fill="#d8dbe2", font_size=14)
    return sheet
