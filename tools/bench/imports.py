"""What importing costs, each time in a fresh interpreter, beside importing what it is made of."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from tools.bench.figures import Figure, Target, in_turns

__all__ = ["run"]

_PAIRS = (
    ("odyssey_proto", "requests, attrs, cattrs", Target(1.3)),
    ("odyssey_models", "attrs", Target(2)),
)


def run(*, short: bool) -> list[Figure]:
    """Measure the two packages."""
    figures = []
    for ours, theirs, target in _PAIRS:
        values = in_turns(partial(_seconds, ours), partial(_seconds, theirs), 2 if short else 25)
        figures.append(
            Figure(
                name=f"import {ours}",
                reference=f"import {theirs}",
                unit="ms",
                ours=values[0] * 1000,
                theirs=values[1] * 1000,
                target=target,
            )
        )
    return figures


def _seconds(modules: str) -> float:
    code = f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
