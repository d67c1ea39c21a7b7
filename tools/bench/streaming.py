"""Time to the first picture, latency and cost of pictures: our client compared with a plain one, and with only
decoding and converting.

The emulator and each run of a client are separate processes; see `tools.bench.clients`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import operator
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from tools.bench.figures import Figure, Target, percentile
from tools.bench.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["FLOOR", "ceiling", "connect", "emulator", "latency", "projector", "sessions", "slow", "time_to_watch"]

_PLAIN: Final = "a plain client"
FLOOR: Final = "decode and convert"
"""The name of the client that does only that."""
_CODECS: Final = ("h264", "vp8")
_CPU_TARGETS: Final = {"h264": Target(1.6), "vp8": Target(1.35)}
_LENGTHS: Final = {True: 20, False: 200}  # of a tape, by `short`
_ALLOCATOR: Final = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""Makes glibc keep the memory of a picture for the next one. By default, that depends on the layout of the heap,
and the page faults of a picture cost as much as its decoding; such luck would hide the differences."""
_LOST: Final = 0.98  # share of the frames in a second; a client below it does not sustain the rate


def connect(*, short: bool) -> list[Figure]:
    """Measure the time to the first frame, from the start of Python and in a process that has connected before."""
    with projector("h264", short=short) as show:
        runs = show.in_turns(("ours", "plain"), 1 if short else 7, connects=2)
    figures = [
        Figure(
            name=name,
            reference=_PLAIN,
            unit="ms",
            ours=_median([run[place]["first_s"] for run in runs["ours"]]) * 1000,
            theirs=_median([run[place]["first_s"] for run in runs["plain"]]) * 1000,
            target=target,
        )
        for name, place, target in (
            ("start of Python to first frame", 0, None),
            ("second connect to first frame", 1, Target(0.6)),
        )
    ]
    if short:  # the plain client takes 5 s each time
        return figures
    with projector("h264", short=short, dead_stun=True) as show:
        runs = show.in_turns(("ours", "plain"), 3, connects=2)
    return [
        *figures,
        Figure(
            name="second connect, STUN server dead",
            reference=_PLAIN,
            unit="ms",
            ours=_median([run[1]["first_s"] for run in runs["ours"]]) * 1000,
            theirs=_median([run[1]["first_s"] for run in runs["plain"]]) * 1000,
            target=Target(0.15),
        ),
    ]


def latency(*, short: bool) -> list[Figure]:
    """Measure the latency from an encoded picture to its RGB array, and the CPU time per picture, at 20 fps."""
    figures = []
    for codec in _CODECS:
        with projector(codec, short=short) as show:
            runs = show.in_turns(("ours", "plain", "floor"), 1 if short else 3, **time_to_watch(8, short))
        found = {name: [watch for run in of for watch in run] for name, of in runs.items()}
        ages = {name: [age for watch in of for age in watch["latencies_ms"]] for name, of in found.items()}
        figures += [
            Figure(
                name=f"{codec} latency, {what}",
                reference=_PLAIN,
                unit="ms",
                ours=percentile(ages["ours"], percent),
                theirs=percentile(ages["plain"], percent),
                target=target,
            )
            for what, percent, target in (
                ("median", 50, Target(0.45)),
                ("p95", 95, Target(0.5)),
                ("most", 100, None),
            )
        ]
        figures += [
            Figure(
                name=f"{codec} latency, median",
                reference=FLOOR,
                unit="ms",
                ours=percentile(ages["ours"], 50),
                theirs=percentile(ages["floor"], 50),
            ),
            Figure(
                name=f"{codec} CPU a frame",
                reference=FLOOR,
                unit="ms",
                ours=_median([watch["cpu_ms"] / watch["frames"] for watch in found["ours"]]),
                theirs=_median([watch["cpu_ms"] / watch["frames"] for watch in found["floor"]]),
                target=_CPU_TARGETS[codec],
            ),
            *(
                Figure(
                    name=f"{codec} CPU a frame, {thread}",
                    reference="all of ours",
                    unit="ms",
                    ours=_median(
                        [watch["cpu_ms_by_thread"].get(thread, 0) / watch["frames"] for watch in found["ours"]]
                    ),
                    theirs=_median([watch["cpu_ms"] / watch["frames"] for watch in found["ours"]]),
                )
                for thread in ("odyssey-loop", "video-decoder", "MainThread")
            ),
            *(
                Figure(
                    name=f"{codec} {what}",
                    reference=_PLAIN,
                    unit=unit,
                    ours=sum(watch[key] for watch in found["ours"]) / len(found["ours"]),
                    theirs=sum(watch[key] for watch in found["plain"]) / len(found["plain"]),
                )
                for what, key, unit in (
                    ("memory", "rss_mb", "MB"),
                    ("frames missed", "missed", ""),
                    ("packets lost", "dropped_packets", ""),
                )
            ),
        ]
    return figures


def ceiling(*, short: bool) -> list[Figure]:
    """Find the highest frame rate at which no frame is missed."""
    paces = (20,) if short else (100, 200, 300, 400, 500)
    figures = []
    for codec in _CODECS:
        best = {"ours": 0, "plain": 0}
        going = set(best)
        for fps in paces:
            with projector(codec, short=short, fps=fps) as show:
                # A second chance, because other processes may disturb the first.
                going = {name for name in going if any(show.sustains(name, short=short) for _ in range(2))}
            best.update(dict.fromkeys(going, fps))
        figures.append(
            Figure(
                name=f"{codec} pace without a miss",
                reference=_PLAIN,
                unit="fps",
                ours=best["ours"],
                theirs=best["plain"],
                target=Target(200, absolute=True, least=True),
            )
        )
    return figures


def slow(*, short: bool) -> list[Figure]:
    """Measure a consumer that takes 100 ms per frame at 20 fps, for a minute, with all three clients at once."""
    orders: dict[str, dict[str, Any]] = {
        "latest": {"client": "ours", "policy": "latest"},
        "default": {"client": "ours"},
        "plain": {"client": "plain"},
    }
    with projector("h264", short=short) as show, ThreadPoolExecutor() as side_by_side:
        futures = {
            name: side_by_side.submit(show.run, **order, pause=0.1, **time_to_watch(60, short))
            for name, order in orders.items()
        }
        found = {name: future.result()[0] for name, future in futures.items()}
    figures = []
    for policy, most in (("latest", 250), ("default", 500)):
        values: dict[str, tuple[str, Callable[[dict[str, Any]], float], float]] = {
            "latency at the end": ("ms", lambda watch: _median(watch["latencies_ms"][-20:]), most),
            "memory grown": ("MB", operator.itemgetter("grown_mb"), 10),
            "packets lost": ("", operator.itemgetter("dropped_packets"), 0),
        }
        figures += [
            Figure(
                name=f"slow consumer, {policy}: {what}",
                reference=_PLAIN,
                unit=unit,
                ours=value(found[policy]),
                theirs=value(found["plain"]),
                target=Target(limit, absolute=True),
            )
            for what, (unit, value, limit) in values.items()
        ]
    return [*figures, _stopping(short=short)]


def _stopping(*, short: bool) -> Figure:
    """Measure 8 Mbit/s while an extension holds the GIL for 0.4 s of each second."""
    with projector("h264", short=short, fps=160) as show:
        runs = show.in_turns(("ours", "plain"), 1, stop=0.4, policy="latest", **time_to_watch(8, short))
    ours, theirs = (sum(watch["dropped_packets"] for watch in runs[name][0]) for name in ("ours", "plain"))
    return Figure(name="Python stops for 0.4 s: packets lost", reference=_PLAIN, unit="", ours=ours, theirs=theirs)


def sessions(*, short: bool) -> list[Figure]:
    """Measure 1, 2, 4, 8 and 16 concurrent sessions of 20 fps in one process, each with its own client."""
    counts = (1, 2) if short else (1, 2, 4, 8, 16)
    figures: list[Figure] = []
    first: list[float] = []
    with projector("h264", short=short) as show:
        for count in counts:
            watches = show.run(client="ours", sessions=count, **time_to_watch(10, short))
            ages = [age for watch in watches for age in watch["latencies_ms"]]
            cpu = _median([watch["cpu_ms"] / watch["frames"] for watch in watches]) / count
            late = percentile(ages, 95)
            first = first or [late, cpu]
            figures += [
                Figure(
                    name=f"{count} sessions, latency, p95",
                    reference="one session",
                    unit="ms",
                    ours=late,
                    theirs=first[0],
                    target=Target(2) if count == 8 else None,
                ),
                Figure(
                    name=f"{count} sessions, CPU a frame",
                    reference="one session",
                    unit="ms",
                    ours=cpu,
                    theirs=first[1],
                ),
            ]
    return figures


@attrs.frozen(kw_only=True)
class _Show:
    """A running projector, with the data that its clients need."""

    url: str
    tape: str
    logs: str
    length: int
    fps: int

    def run(self, **order: Any) -> list[dict[str, Any]]:
        """Run one client; return its measurements."""
        full = {**attrs.asdict(self), **order}
        call = [sys.executable, "-m", "tools.bench.clients", json.dumps(full)]
        found: list[dict[str, Any]] = json.loads(
            subprocess.run(
                call, stdout=subprocess.PIPE, check=True, timeout=300, env={**os.environ, **_ALLOCATOR}
            ).stdout
        )
        return found

    def in_turns(self, names: Sequence[str], rounds: int, **order: Any) -> dict[str, list[list[dict[str, Any]]]]:
        """Run the clients in turns; return their measurements by name."""
        found: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, of in found.items():
                of.append(self.run(client=name, **order))
        return found

    def sustains(self, name: str, *, short: bool) -> bool:
        """Return whether this client keeps up with the frame rate."""
        (watch,) = self.run(client=name, **time_to_watch(5, short))
        return not watch["missed"] and watch["frames"] >= _LOST * self.fps * watch["seconds"]


@contextlib.contextmanager
def emulator(codec: str) -> Iterator[str]:
    """Run an emulator in a separate process, and yield its URL."""
    with _serving("odyssey_proto", "emulator", "--codec", codec) as url:
        yield url


@contextlib.contextmanager
def projector(
    codec: str,
    *,
    short: bool,
    fps: int = 20,
    film: Tape | None = None,
    loss: float = 0.0,
    dead_stun: bool = False,
) -> Iterator[_Show]:
    """Run an emulator that sends a tape, in a separate process.

    Args:
        codec: the codec of the tape.
        short: whether the tape is short.
        fps: pictures per second.
        film: the tape; by default a world at 1 Mbit/s.
        loss: share of the packets of video that are lost.
        dead_stun: whether the STUN server does not answer.
    """
    film = film or _tape(codec, _LENGTHS[short])
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
    ):
        tape = Path(folder) / "tape"
        film.save(tape)
        deaf.bind(("127.0.0.1", 0))
        more = [str(deaf.getsockname()[1])] if dead_stun else []
        call = ("tools.bench.projector", str(tape), folder, codec, str(fps), str(loss), *more)
        with _serving(*call) as url:
            yield _Show(url=url, tape=str(tape), logs=folder, length=len(film.pictures), fps=fps)


@functools.cache
def _tape(codec: str, length: int) -> Tape:
    return Tape.record(codec, length)


@contextlib.contextmanager
def _serving(*call: str) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", *call], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["api_url"]
        finally:
            process.terminate()


def time_to_watch(seconds: float, short: bool) -> dict[str, float]:
    """Return the time to watch, in s, as part of an order; ``short`` replaces ``seconds``."""
    return {"seconds": 0.5, "settling": 0.2} if short else {"seconds": seconds}


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)
