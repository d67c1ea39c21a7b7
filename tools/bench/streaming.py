"""How soon the first picture is there, and how old pictures are: our client beside a plain one.

The emulator has a process of its own, and so has each run of a client; see `tools.bench.clients`.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tools.bench.figures import Figure, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connect", "emulator", "latency"]


def connect(*, short: bool) -> list[Figure]:
    """Measure from nothing, imports included, and from `connect` in a process that has connected before."""
    with emulator("both") as url:
        ours, plain = _runs(url, 0, 1 if short else 7)
    return [
        Figure(
            name=f"{what} to first frame",
            reference="a plain client",
            unit="ms",
            ours=statistics.median(run[key] for run in ours) * 1000,
            theirs=statistics.median(run[key] for run in plain) * 1000,
        )
        for what, key in (("start of Python", "cold_s"), ("second connect", "warm_s"))
    ]


def latency(*, short: bool) -> list[Figure]:
    """Measure from the emulator's encoder to an RGB array, with both codecs."""
    figures = []
    for codec in ("h264", "vp8"):
        with emulator(codec) as url:
            runs = _runs(url, 1 if short else 8, 1 if short else 3)
        ours, plain = ([value for run in of for value in run["latencies_ms"]] for of in runs)
        figures += [
            Figure(
                name=f"{codec} latency, {what}",
                reference="a plain client",
                unit="ms",
                ours=percentile(ours, percent),
                theirs=percentile(plain, percent),
            )
            for what, percent in (("median", 50), ("p95", 95))
        ]
    return figures


@contextlib.contextmanager
def emulator(codec: str) -> Iterator[str]:
    """Run an emulator in a process of its own, and yield its URL."""
    call = [sys.executable, "-m", "odyssey_proto", "emulator", "--codec", codec]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["api_url"]
        finally:
            process.terminate()


def _runs(url: str, seconds: float, rounds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    for _ in range(rounds):
        for which, found in runs.items():
            call = [sys.executable, "-m", "tools.bench.clients", which, url, str(seconds)]
            told = subprocess.run(call, stdout=subprocess.PIPE, check=True, timeout=120).stdout
            found.append(json.loads(told))
    return runs["ours"], runs["plain"]
