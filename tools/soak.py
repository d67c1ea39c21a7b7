"""The command `python -m tools.soak`: hundreds of sessions, then half an hour of video over a link that breaks.

The memory, the threads and the descriptors of this process must not grow. The emulator has a process of its own,
so that its resources do not count. The result goes to a file, with the date, the version and the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import requests

from odyssey_proto import GapEvent, Odyssey
from odyssey_proto._version import __version__
from tools.bench.figures import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Growth", "Sample", "growth", "main"]

_RESULTS: Final = Path(__file__).with_name("bench") / "results"
_PATIENCE_S: Final = 60.0
_LOSS_EVERY_S: Final = 20.0
_SESSIONS_PER_CLIENT: Final = 10
_SAMPLES: Final = 60
"""The approximate number of samples taken during each part."""
_SETTLED: Final = 0.2
"""The fraction of the samples, at the beginning, during which caches and pools fill."""
_MOST_GROWTH_MB: Final = 12.0
"""The memory may grow by less than this between the beginning and the end. Single samples vary by some MB."""
_MOST_GROWTH: Final = 2.0
"""The most by which threads and descriptors may grow: idle connections come and go; a leak adds up to more."""
_LOSSES: Final[tuple[dict[str, Any], ...]] = (
    {"step": "media", "action": "drop"},
    {"step": "media", "action": "kill_peer"},
    {"step": "media", "action": "close", "code": 1011},
    {"step": "media", "action": "silence", "times": 20},  # for a second: no loss yet
)
_EMULATOR: Final = """
import json, sys
from odyssey_proto.emulator import Emulator
with Emulator(record=False, size=(640, 352), simulation_workers=0) as emulator:
    print(json.dumps([emulator.api_url, emulator.api_key]), flush=True)
    sys.stdin.read()
"""


@attrs.frozen
class Sample:
    """The resources of the process at one moment."""

    at_s: float
    """Time since the beginning, in s."""
    resident_mb: float
    threads: int
    descriptors: int

    @classmethod
    def now(cls, began: float) -> Sample:
        """Return the resources of this process, after collecting garbage; ``began`` is in s, monotonic."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            at_s=round(time.monotonic() - began, 1),
            resident_mb=round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
            threads=threading.active_count(),
            descriptors=len(os.listdir("/proc/self/fd")) - 1,  # noqa: PTH208  # without that of the listing
        )


@attrs.frozen
class Growth:
    """By how much each figure grew from the beginning to the end of one part, once it had settled."""

    resident_mb: float
    threads: float
    descriptors: float

    @property
    def is_flat(self) -> bool:
        """Whether nothing grew by more than is allowed."""
        return self.resident_mb < _MOST_GROWTH_MB and max(self.threads, self.descriptors) <= _MOST_GROWTH


def growth(samples: Sequence[Sample]) -> Growth:
    """Return how much the settled samples grew: the difference of the medians of their first and last thirds."""
    settled = samples[int(len(samples) * _SETTLED) :]
    part = max(1, len(settled) // 3)

    def grew(name: str) -> float:
        first, last = ([getattr(each, name) for each in some] for some in (settled[:part], settled[-part:]))
        grown: float = statistics.median(last) - statistics.median(first)
        return round(grown, 1)

    return Growth(resident_mb=grew("resident_mb"), threads=grew("threads"), descriptors=grew("descriptors"))


@contextlib.contextmanager
def _emulator() -> Iterator[tuple[str, str]]:
    with subprocess.Popen([sys.executable, "-c", _EMULATOR], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        try:
            api_url, api_key = json.loads(process.stdout.readline())
            yield api_url, api_key
        finally:
            process.terminate()


def _connects(url: str, key: str, count: int, began: float) -> list[Sample]:
    """Connect, look at some frames and leave, ``count`` times, ten times per client; return the samples."""
    samples: list[Sample] = []
    every = max(1, count // _SAMPLES)
    for first in range(0, count, _SESSIONS_PER_CLIENT):
        with Odyssey(key, api_url=url) as client:
            for number in range(first, min(count, first + _SESSIONS_PER_CLIENT)):
                with client.connect(timeout=_PATIENCE_S) as session:
                    session.start_stream("A cat", portrait=False, timeout=_PATIENCE_S)
                    for frame in itertools.islice(session.frames(timeout=_PATIENCE_S), 3):
                        assert frame.data.any()
                    session.end_stream(timeout=_PATIENCE_S)
                if number % every == 0:
                    samples.append(Sample.now(began))
    return samples


def _stream(url: str, key: str, seconds: float, began: float) -> tuple[list[Sample], dict[str, Any]]:
    """Read one stream for ``seconds`` s, while its link breaks repeatedly; return samples and figures."""
    samples: list[Sample] = []
    every, losses = seconds / _SAMPLES, itertools.cycle(_LOSSES)
    begins_at = time.monotonic()
    sample_at, lose_at, caused, frames, last_ms = begins_at, begins_at + _LOSS_EVERY_S, 0, 0, -1
    with Odyssey(key, api_url=url) as client, client.connect(timeout=_PATIENCE_S) as session:
        events = session.events()
        session.start_stream("A cat that walks", portrait=False, timeout=_PATIENCE_S)
        for frame in session.frames(timeout=_PATIENCE_S):
            assert frame.data.any()
            assert frame.timestamp_ms > last_ms
            frames, last_ms, now = frames + 1, frame.timestamp_ms, time.monotonic()
            if now >= sample_at:
                samples.append(Sample.now(began))
                sample_at += every
            if now >= lose_at and begins_at + seconds - now > _LOSS_EVERY_S:  # the end must be clean
                fault = next(losses)
                requests.post(f"{url}/_emulator/faults", json=fault, timeout=_PATIENCE_S).raise_for_status()
                caused += fault["action"] != "silence"
                lose_at += _LOSS_EVERY_S
            if now - begins_at >= seconds:
                break
        session.end_stream(timeout=_PATIENCE_S)
        stats = session.stats()
    gaps = [event.seconds for event in events if isinstance(event, GapEvent)]
    return samples, {
        "frames": frames,
        "losses": caused,
        "gaps": len(gaps),
        "longest_gap_s": round(max(gaps, default=0.0), 2),
        "gaps_in_stats": stats.gaps,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 if nothing grew by more than is allowed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connects", type=int, default=500, help="sessions of the first part (%(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the stream (%(default)s)")
    parser.add_argument("--out", type=Path, help=f"the file of the result ({_RESULTS.name}/soak-VERSION.json)")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with _emulator() as (url, key):
        connected = _connects(url, key, options.connects, began)
        print(f"{options.connects} connects: {growth(connected)}", flush=True)
        streamed, about = _stream(url, key, options.minutes * 60, began)
        print(f"{options.minutes:g} min of video: {growth(streamed)}, {about}", flush=True)
    parts = {"connects": connected, "stream": streamed}
    is_flat = all(growth(samples).is_flat for samples in parts.values())
    result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "machine": machine(),
        "connects": options.connects,
        "minutes": options.minutes,
        "took_s": round(time.monotonic() - began),
        "is_flat": is_flat,
        "growth": {name: attrs.asdict(growth(samples)) for name, samples in parts.items()},
        "stream": about,
        "samples": {name: [attrs.asdict(each) for each in samples] for name, samples in parts.items()},
    }
    path = options.out or _RESULTS / f"soak-{__version__}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{'flat' if is_flat else 'NOT flat'}; written to {path}")
    return 0 if is_flat else 1


if __name__ == "__main__":
    raise SystemExit(main())
