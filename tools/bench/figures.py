"""The results of benchmarks: pairs of figures, as a table, or as JSON with a description of the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Figure", "Target", "in_turns", "machine", "middle_pair", "percentile", "table"]

_PACKAGES: Final = ("odyssey-proto", "aiortc", "av", "attrs", "cattrs", "numpy", "requests", "websocket-client")


@attrs.frozen
class Target:
    """A limit for a figure, by default a maximum of its ratio."""

    limit: float
    absolute: bool = False
    """Whether the limit applies to our value instead of the ratio."""
    least: bool = False
    """Whether the limit is a minimum, because more is better."""

    def met_by(self, figure: Figure) -> bool:
        """Return whether ``figure`` meets the target."""
        value = figure.ours if self.absolute else figure.ratio
        return value >= self.limit if self.least else value <= self.limit

    def described(self, figure: Figure) -> str:
        """Return a text with the target and whether ``figure`` meets it."""
        limit = f"{'≥' if self.least else '≤'} {self.limit:g}{f' {figure.unit}' if self.absolute else ''}"
        return f"{limit}, {'met' if self.met_by(figure) else 'missed'}"


@attrs.frozen(kw_only=True)
class Figure:
    """One measurement of ours and of a reference. Less is better, unless its target says otherwise."""

    name: str
    """Name of our measurement."""
    reference: str
    """Name of the reference."""
    unit: str
    """Unit of both values."""
    ours: float
    """Our value."""
    theirs: float
    """The reference's value."""
    target: Target | None = None
    """The target, if there is one."""

    @property
    def ratio(self) -> float:
        """Our value divided by the reference's; 1 if both are 0, infinite if only the reference's is."""
        if not self.theirs:
            return float("inf") if self.ours else 1.0
        return self.ours / self.theirs

    def as_json(self) -> dict[str, Any]:
        """Return the figure with its ratio, and whether it meets its target."""
        content = {**attrs.asdict(self), "ratio": self.ratio}
        if self.target is not None:
            content["met"] = self.target.met_by(self)
        return content


def in_turns(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Measure both ``rounds`` times in turns, so that a slow moment hits both, and return their medians."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def middle_pair(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Measure both one after the other, ``rounds`` times, and return the pair whose ratio is the median.

    For calls that take a few ms: a machine that is slow for longer slows both calls of a pair. Each goes first
    in half of the rounds.
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
    """Return the percentile ``percent`` of ``values``."""
    return sorted(values)[int(percent / 100 * (len(values) - 1))]


def machine() -> dict[str, Any]:
    """Return a description of this machine and its packages."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table."""
    rows = [("", "ours", "", "reference", "ratio", "target", "reference is")]
    rows += [
        (
            each.name,
            f"{each.ours:.1f}",
            each.unit,
            f"{each.theirs:.1f}",
            f"{each.ratio:.2f}",
            "" if each.target is None else each.target.described(each),
            each.reference,
        )
        for each in figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
