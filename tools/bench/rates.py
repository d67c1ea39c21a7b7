"""The cost of a frame at 1, 8 and 16 Mbit/s, up to 1080p and 60 fps, compared with decoding and converting it.

The packets of a frame come all at once, as from a sender without a pacer.
"""

from __future__ import annotations

import functools
import statistics
from typing import TYPE_CHECKING, Any, Final

import attrs

from tools.bench.figures import Figure, Target
from tools.bench.streaming import FLOOR, projector, time_to_watch
from tools.bench.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["rates"]

_SECONDS: Final = 6.0
_ROUNDS: Final = 3
_TAPE_S: Final = 2
_LOSS: Final = 0.02


@attrs.frozen
class _Video:
    """A kind of video, and the most that our CPU time may be, as a multiple of the floor's."""

    codec: str
    mbit_per_s: int
    size: tuple[int, int]
    fps: int
    target: float | None = None

    def __str__(self) -> str:
        return f"{self.codec} {self.mbit_per_s} Mbit/s, {self.size[0]}×{self.size[1]}, {self.fps} fps"

    @functools.cached_property
    def tape(self) -> Tape:
        """A tape of this kind of video; grain makes its pictures need so many bits."""
        return Tape.record(
            self.codec,
            _TAPE_S * self.fps,
            self.fps,
            bit_rate=self.mbit_per_s * 1_000_000,
            size=self.size,
            grain=self.mbit_per_s if self.mbit_per_s > 1 else 0,
        )


_WORLD: Final = (1280, 704)
_FULL: Final = (1920, 1080)
_VIDEOS: Final = (
    _Video("h264", 1, _WORLD, 20, 1.35),
    _Video("vp8", 1, _WORLD, 20, 1.3),
    _Video("h264", 8, _WORLD, 20, 2.0),
    _Video("h264", 8, _FULL, 60),
    _Video("h264", 16, _WORLD, 20),
    _Video("h264", 16, _FULL, 60),
)


def rates(*, short: bool) -> list[Figure]:
    """Measure the CPU time of a frame, and the packets lost, at several rates; at 8 Mbit/s also with loss."""
    figures = []
    for video in _VIDEOS[2:3] if short else _VIDEOS:
        with projector(video.codec, short=short, fps=video.fps, film=video.tape) as show:
            runs = show.in_turns(("ours", "floor"), 1 if short else _ROUNDS, **time_to_watch(_SECONDS, short))
        ours, floor = (_cpu_ms(runs[name]) for name in ("ours", "floor"))
        figures += [
            Figure(
                name=f"{video}: CPU a frame",
                reference=FLOOR,
                unit="ms",
                ours=ours,
                theirs=floor,
                target=None if video.target is None else Target(video.target),
            ),
            *(
                Figure(
                    name=f"{video}: {what}",
                    reference="none",
                    unit="",
                    ours=sum(watch[key] for run in runs["ours"] for watch in run),
                    theirs=0,
                    target=target,
                )
                for what, key, target in (
                    ("packets lost", "dropped_packets", Target(0, absolute=True)),
                    ("frames missed", "missed", None),
                )
            ),
        ]
        if video is _VIDEOS[2]:
            figures.append(_lossy(video, ours, short=short))
    return figures


def _lossy(video: _Video, clean_ms: float, *, short: bool) -> Figure:
    with projector(video.codec, short=short, fps=video.fps, film=video.tape, loss=_LOSS) as show:
        runs = show.in_turns(("ours",), 1 if short else _ROUNDS, **time_to_watch(_SECONDS, short))
    return Figure(
        name=f"{video}: CPU a frame, {_LOSS:.0%} lost",
        reference="ours without loss",
        unit="ms",
        ours=_cpu_ms(runs["ours"]),
        theirs=clean_ms,
        target=Target(1.08),
    )


def _cpu_ms(runs: Sequence[Sequence[dict[str, Any]]]) -> float:
    return float(statistics.median(watch["cpu_ms"] / max(1, watch["frames"]) for run in runs for watch in run))
