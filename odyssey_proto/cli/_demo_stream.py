"""The demo stream, which needs no account: an emulator, a blocking client, one stream, two interactions.

It also serves as an example, so it uses only public names of the client. It reads the stamps that the emulator
draws into its pictures, so its figures cover the whole path from the emulator's encoder to this process.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

import attrs

from ..client import Odyssey
from ..emulator import Emulator, read_stamp, stamp_latency_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL.Image import Image

    from .._video.frame import VideoFrame
    from ..emulator._config import Codecs
    from ..session import Session

__all__ = ["PROMPTS", "ContactSheet", "Interaction", "Summary", "run"]

PROMPTS: Final = (
    "A cat on a hill at sunset, warm light",
    "Night falls, the moon rises over a deep blue sky",
    "It snows; everything turns white",
)
"""The prompt that starts the stream, and the two that steer it."""

_QUEUE_SIZE: Final = 100  # frames; the recording's queue has the same size, so both see the same frames
_THUMBNAILS: Final = 12
_COLUMNS: Final = 4
_THUMBNAIL_SIZE: Final = (320, 176)


@attrs.frozen(kw_only=True)
class Interaction:
    """One prompt sent while the stream ran."""

    prompt: str
    """The prompt as sent."""
    applied_prompt: str
    """The prompt as the service applied it."""
    at_s: float
    """Time of sending, in s from the first frame."""
    first_frame: int
    """Index of the first frame after its acknowledgement."""


@attrs.frozen(kw_only=True)
class Summary:
    """The results of one demo."""

    video: str
    """Path of the MP4 with every frame that arrived."""
    contact_sheet: str
    """Path of a PNG with thumbnails of the stream."""
    width: int
    """Width of the frames, in px."""
    height: int
    """Height of the frames, in px."""
    frames: int
    """Frames that arrived and were written."""
    seconds: float
    """Time from the first to the last frame, in s."""
    fps: float
    """Frames per second in that time."""
    lost: int
    """Frames that were sent but not written, by the numbers in the stamps."""
    dropped: int
    """The part of ``lost`` that arrived but was dropped because writing was too slow."""
    unstamped: int
    """Frames whose stamp could not be read."""
    latency_ms_median: float
    """Median time from the emulator's encoder to this process, in ms."""
    latency_ms_p95: float
    """95th percentile of the same, in ms."""
    latency_ms_max: float
    """Maximum of the same, in ms."""
    connect_s: float
    """Duration of `Odyssey.connect`, in s."""
    first_frame_s: float
    """Time from the call of `Session.start_stream` to the first frame, in s."""
    interactions: tuple[Interaction, ...]
    """The prompts that steered the stream."""


def run(
    directory: Path,
    *,
    seconds: float = 10.0,
    codec: Codecs = "both",
    seed: int = 0,
    on_progress: Callable[[str, float], None] | None = None,
) -> Summary:
    """Stream for ``seconds`` s from a private emulator and write ``demo.mp4`` and ``contact-sheet.png``.

    Args:
        directory: where to write; created if missing.
        seconds: length of the stream, in s.
        codec: video codecs that the emulator offers: ``h264``, ``vp8`` or ``both``.
        seed: seed of the emulator's world.
        on_progress: called with the current step and the share of it that is done, 0 to 1.

    Raises:
        OSError: the directory cannot be written to.
        OdysseyError: the stream failed.
    """
    on_progress = on_progress or (lambda _step, _share: None)
    directory.mkdir(parents=True, exist_ok=True)
    on_progress("starting the emulator", 0.0)
    with (
        Emulator(codec=codec, seed=seed, record=False) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
    ):
        on_progress("connecting", 0.0)
        asked_at = time.monotonic()
        with client.connect() as session:
            return _Screening(session, directory, seconds, on_progress, time.monotonic() - asked_at).run()


class _Screening:
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
        self._sheet_path = directory / "contact-sheet.png"
        self._seconds = seconds
        self._on_progress = on_progress
        self._connect_s = connect_s
        self._sheet = ContactSheet(seconds)
        self._latencies_ms: list[float] = []
        self._numbers: list[int] = []
        self._unstamped = 0
        self._interactions: list[Interaction] = []

    def run(self) -> Summary:
        session = self._session
        arrived_at: list[float] = []
        missed = width = height = 0
        with session.record(self._video) as recording:
            frames = session.frames(queue_size=_QUEUE_SIZE, timeout=10)
            started_at = time.monotonic()
            session.start_stream(PROMPTS[0], portrait=False)
            for frame in frames:
                seen_at = time.monotonic()
                arrived_at.append(frame.received_at)
                missed += frame.dropped_before
                width, height = frame.width, frame.height
                self._measure(frame, seen_at if recording.is_recording else None)
                self._sheet.offer(frame, frame.received_at - arrived_at[0])
                elapsed_s = seen_at - arrived_at[0]
                self._on_progress("streaming", min(1.0, elapsed_s / self._seconds))
                if elapsed_s < self._seconds:
                    self._steer(elapsed_s, frame)
                    continue
                recording.close()
                if len(arrived_at) + missed >= recording.frames + recording.dropped:
                    break  # every frame in the recording has been measured
        session.end_stream()
        self._on_progress("writing the contact sheet", 1.0)
        self._sheet.draw().save(self._sheet_path)
        spent_s = arrived_at[-1] - arrived_at[0]
        latencies_ms = sorted(self._latencies_ms) or [float("nan")]
        sent = self._numbers[-1] - self._numbers[0] + 1 if self._numbers else recording.frames
        return Summary(
            video=str(self._video),
            contact_sheet=str(self._sheet_path),
            width=width,
            height=height,
            frames=recording.frames,
            seconds=round(spent_s, 3),
            fps=round((recording.frames - 1) / spent_s, 2),
            lost=sent - recording.frames,
            dropped=recording.dropped,
            unstamped=self._unstamped,
            latency_ms_median=round(statistics.median(latencies_ms), 1),
            latency_ms_p95=round(latencies_ms[int(0.95 * (len(latencies_ms) - 1))], 1),
            latency_ms_max=round(latencies_ms[-1], 1),
            connect_s=round(self._connect_s, 3),
            first_frame_s=round(arrived_at[0] - started_at, 3),
            interactions=tuple(self._interactions),
        )

    def _measure(self, frame: VideoFrame, seen_at: float | None) -> None:
        """Note the frame's number, and its latency if ``seen_at`` says when it was received."""
        stamp = read_stamp(frame.to_ndarray("gray"))
        if stamp is None:
            self._unstamped += 1
            return
        self._numbers.append(stamp.frame_number)
        if seen_at is not None:
            self._latencies_ms.append(stamp_latency_ms(stamp, seen_at))

    def _steer(self, elapsed_s: float, frame: VideoFrame) -> None:
        done = len(self._interactions)
        if done + 1 < len(PROMPTS) and elapsed_s >= self._seconds * (done + 1) / len(PROMPTS):
            applied = self._session.interact(PROMPTS[done + 1])
            self._interactions.append(
                Interaction(
                    prompt=PROMPTS[done + 1],
                    applied_prompt=applied,
                    at_s=round(elapsed_s, 3),
                    first_frame=(self._session.latest_frame or frame).index + 1,
                )
            )


class ContactSheet:
    """Twelve small pictures of a stream of ``seconds`` s, as evenly spread as its frames allow."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next_s = 0.0
        self._thumbnails: list[tuple[str, Image]] = []

    def offer(self, frame: VideoFrame, elapsed_s: float) -> None:
        """Keep a small picture of ``frame``, which came after ``elapsed_s`` s, if the next one is due."""
        missing = _THUMBNAILS - len(self._thumbnails)
        if missing and elapsed_s >= self._next_s:
            self._thumbnails.append((f"{elapsed_s:.1f} s", frame.to_image().resize(_THUMBNAIL_SIZE)))
            # After a gap, the others share the rest of the stream: the next frames look like this one.
            self._next_s = elapsed_s + (self._seconds - elapsed_s) / missing

    def draw(self) -> Image:
        """Return the sheet, with the time below each picture."""
        from PIL import Image, ImageDraw

        width, height = _THUMBNAIL_SIZE
        rows = -(-len(self._thumbnails) // _COLUMNS)
        sheet = Image.new("RGB", (_COLUMNS * (width + 8) + 8, rows * (height + 28) + 8), "#16181d")
        pen = ImageDraw.Draw(sheet)
        for number, (caption, thumbnail) in enumerate(self._thumbnails):
            left, top = 8 + number % _COLUMNS * (width + 8), 8 + number // _COLUMNS * (height + 28)
            sheet.paste(thumbnail, (left, top))
            pen.text((left + 2, top + height + 2), caption, fill="#d8dbe2", font_size=14)
        return sheet
