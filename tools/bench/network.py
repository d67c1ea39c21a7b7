"""Video over bad networks: our client compared with a plain one, beyond a wire that impairs both directions alike.

Each client has a session of its own on the same emulator, and each cell its own weather, one client after the
other. What the sender was asked for is counted at the sender.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import attrs

from tools.bench.figures import Figure, Target
from tools.bench.studio import Counters
from tools.bench.wire import CLIENT, SERVICE, Weather, Wire, missing

__all__ = ["CELLS", "Cell", "measure", "network"]

_PLAIN: Final = "a plain client"
_BITS_PER_S: Final = 4_000_000
_LONGEST_S: Final = 120


@attrs.frozen(kw_only=True)
class Cell:
    """One weather, and how long it lasts."""

    name: str
    weather: Weather
    seconds: float = 20.0
    targets: dict[str, Target] = attrs.field(factory=dict)
    """By the name of the figure."""


_WHOLE: Final = Target(99.5, absolute=True, least=True)
_RARELY: Final = Target(1, absolute=True)


def _lossy(name: str, *, again: float, **weather: float) -> Cell:
    targets = {"delivered": _WHOLE, "keyframes": _RARELY, "again per lost": Target(again, absolute=True)}
    return Cell(name=name, weather=Weather(**weather), targets=targets)


def _outage(seconds: float, freeze_s: float) -> Cell:
    return Cell(
        name=f"outage of {seconds:g} s",
        weather=Weather(delay_ms=20, outage_from_s=2, outage_s=seconds),
        seconds=seconds + 8,
        targets={"longest freeze": Target(seconds + freeze_s, absolute=True)},
    )


CELLS: Final = (
    _lossy("2 % loss, RTT 100", loss=0.02, delay_ms=50, again=1.3),
    _lossy("5 % loss, RTT 100", loss=0.05, delay_ms=50, again=2.0),
    _lossy("bursts, 3 %, RTT 40", bursts=0.03, delay_ms=20, again=2.0),
    Cell(
        name="jitter ±20, RTT 60",
        weather=Weather(delay_ms=30, jitter_ms=20),
        targets={"delivered": _WHOLE, "keyframes": _RARELY, "sent again": Target(3, absolute=True)},
    ),
    _outage(0.5, 0.19),
    _outage(2, 0.19),
    _outage(5, 0.3),
)


def network(*, short: bool) -> list[Figure]:
    """Measure what is delivered over bad networks, how long pictures freeze, and what the sender is asked for."""
    if lacking := missing():
        print(f"network: {lacking}", file=sys.stderr)
        return []
    cells = [attrs.evolve(cell, seconds=3.0) for cell in CELLS[:1]] if short else CELLS
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, Wire() as wire:
        call = [sys.executable, "-m", "tools.bench.studio", folder, SERVICE, str(_BITS_PER_S)]
        studio = wire.start(SERVICE, call)
        try:
            assert studio.stdout is not None
            url = json.loads(studio.stdout.readline())["api_url"]
            for cell in cells:
                ours, plain = (measure(wire, cell, client, url, Path(folder)) for client in ("ours", "plain"))
                figures += _figures(cell, ours, plain)
        finally:
            studio.terminate()
            studio.communicate()
    return figures


def measure(wire: Wire, cell: Cell, client: str, url: str, folder: Path, **options: Any) -> dict[str, float]:
    """Run one client in the weather of a cell; return what it saw and what the sender did."""
    wire.set(attrs.evolve(cell.weather, loss=0, bursts=0, jitter_ms=0, outage_s=0))
    call = [sys.executable, "-m", "tools.bench.network_clients", client, url, str(folder), str(cell.seconds)]
    process = wire.start(CLIENT, call, **options)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        counters = Counters(folder / "counters")
        before = counters.read()
        wire.set(cell.weather)
        out, _ = process.communicate(timeout=cell.seconds + _LONGEST_S)
        lost, _ = wire.lost()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {}
    found: dict[str, float] = json.loads(out)
    after = counters.read()
    return {**found, "lost": lost, **{name: after[name] - before[name] for name in after}}


def _figures(cell: Cell, ours: dict[str, float], plain: dict[str, float]) -> list[Figure]:
    def of(found: dict[str, float], name: str) -> float:
        match name:
            case "again per lost":
                return found.get("again", 0) / max(1, found.get("lost", 0))
            case "sent again":
                return 100 * found.get("again", 0) / max(1, found.get("packets", 0))
        return found.get(_KEYS[name], float("nan"))

    wanted = ["delivered", "longest freeze", "frozen", "latency, p95", "keyframes", "sent again", "corrupt"]
    if cell.weather.loss or cell.weather.bursts:
        wanted.insert(-1, "again per lost")
    return [
        Figure(
            name=f"{cell.name}: {name}",
            reference=_PLAIN,
            unit=_UNITS.get(name, ""),
            ours=of(ours, name),
            theirs=of(plain, name),
            target=Target(0, absolute=True) if name == "corrupt" else cell.targets.get(name),
        )
        for name in wanted
    ]


_KEYS: Final = {
    "delivered": "delivered_percent",
    "longest freeze": "longest_freeze_s",
    "frozen": "frozen_s",
    "latency, p95": "p95_ms",
    "keyframes": "keyframes",
    "corrupt": "corrupt",
}
_UNITS: Final = {
    "delivered": "%",
    "longest freeze": "s",
    "frozen": "s",
    "latency, p95": "ms",
    "sent again": "%",
}
