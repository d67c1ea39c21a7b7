"""What a benchmark gives: pairs of figures, as a table or as JSON with the machine they belong to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Figure", "in_turns", "machine", "middle_pair", "percentile", "table"]

_PACKAGES: Final = ("odyssey-proto", "aiortc", "av", "attrs", "cattrs", "numpy", "requests", "websocket-client")


@attrs.frozen(kw_only=True)
class Figure:
    """One thing, measured of us and of a reference; less is better."""

    name: str
    """What was measured of us."""
    reference: str
    """What it is compared with."""
    unit: str
    """Of both values."""
    ours: float
    """Our value."""
    theirs: float
    """The reference's value."""

    @property
    def ratio(self) -> float:
        """Ours in units of the reference's."""
        return self.ours / self.theirs


def in_turns(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Measure both ``rounds`` times in turns, so that a slow moment hits both, and return their medians."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def middle_pair(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Measure both one after the other, ``rounds`` times, and return the pair whose ratio is the median.

    For what takes a few ms: a machine that is slow for longer than that slows both of a pair. Each goes first in
    half of the rounds.
    """
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = theirs()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), theirs()))
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[(rounds - 1) // 2]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that ``percent`` of 100 values do not exceed."""
    return sorted(values)[int(percent / 100 * (len(values) - 1))]


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def table(figures: Sequence[Figure]) -> str:
    """Lay figures out for reading."""
    rows = [("", "ours", "", "reference", "ratio", "reference is")]
    rows += [
        (each.name, f"{each.ours:.1f}", each.unit, f"{each.theirs:.1f}", f"{each.ratio:.2f}", each.reference)
        for each in figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
