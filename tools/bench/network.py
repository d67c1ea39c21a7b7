"""Video over bad networks: our client compared with a plain one and Chromium, across a wire that impairs packets.

Both directions are impaired alike. Each client has a session of its own on the same emulator. Each cell has its
own weather, in which the clients run one after the other. Requests to the sender are counted at the sender.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from odyssey_proto.emulator._config import EmulatorConfig
from tools.bench import chromium
from tools.bench.figures import Figure, Target
from tools.bench.studio import FPS, Counters
from tools.bench.wire import CLIENT, SERVICE, Weather, Wire, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CELLS", "Cell", "measure", "network"]

_PLAIN: Final = "a plain client"
_CHROMIUM: Final = "Chromium"
_LONGEST_S: Final = 120


@attrs.frozen(kw_only=True)
class Cell:
    """One weather, and how long it lasts."""

    name: str
    weather: Weather
    seconds: float = 20.0
    bits_per_s: int = 4_000_000
    """The sender's bit rate, or its maximum if it follows."""
    follows: bool = False
    """Whether the sender follows the client's reports, from 0.3 Mbit/s up; it begins with half of the maximum."""
    targets: dict[str, Target] = attrs.field(factory=dict)
    """Targets by the name of the figure."""


_WHOLE: Final = Target(99.5, absolute=True, least=True)
_RARELY: Final = Target(1, absolute=True)


_NEARLY: Final = Target(99, absolute=True, least=True)
_SAME: Final = Target(0, absolute=True)
_AS_CHROMIUM: Final = Target(0.995, least=True)
_LATER_MS: Final = 15
"""By how much our 95th percentile of latency may exceed that of the better reference, in ms."""


def _lossy(
    name: str,
    *,
    again: float,
    bits_per_s: int = 4_000_000,
    delivered: Target = _WHOLE,
    within_ms: float = 0.0,
    **weather: float,
) -> Cell:
    targets = {"delivered": delivered, "keyframes": _RARELY, "again per lost": Target(again, absolute=True)}
    if within_ms:
        targets["latency, p95"] = Target(within_ms, absolute=True)
    return Cell(name=name, weather=Weather(**weather), bits_per_s=bits_per_s, targets=targets)


def _outage(seconds: float, freeze_s: float) -> Cell:
    return Cell(
        name=f"outage of {seconds:g} s",
        weather=Weather(delay_ms=20, outage_from_s=2, outage_s=seconds),
        seconds=seconds + 8,
        targets={"longest freeze": Target(seconds + freeze_s, absolute=True)},
    )


CELLS: Final = (
    _lossy("2 % loss, RTT 100", loss=0.02, delay_ms=50, again=1.3),
    _lossy("5 % loss, RTT 40", loss=0.05, delay_ms=20, again=2.0, within_ms=120),
    _lossy("5 % loss, RTT 100", loss=0.05, delay_ms=50, again=2.0, within_ms=250),
    _lossy("10 % loss, RTT 100", loss=0.1, delay_ms=50, again=2.0, delivered=_NEARLY),
    _lossy("2 % loss, RTT 200", loss=0.02, delay_ms=100, again=1.3, delivered=_NEARLY),
    _lossy("bursts, 3 %, RTT 40", bursts=0.03, delay_ms=20, again=2.0),
    Cell(
        name="jitter ±20, RTT 60",
        weather=Weather(delay_ms=30, jitter_ms=20),
        targets={"delivered": _WHOLE, "keyframes": _RARELY, "sent again": Target(3, absolute=True)},
    ),
    _outage(0.5, 0.19),
    _outage(1, 0.19),
    _outage(2, 0.19),
    _outage(3, 0.3),
    _outage(5, 0.3),
    attrs.evolve(
        _lossy("5 min of 2 % loss, RTT 40", loss=0.02, delay_ms=20, again=1.3),
        seconds=300.0,
        targets={
            "delivered": Target(99.9, absolute=True, least=True),
            "keyframes": Target(2, absolute=True),
            "frozen": Target(8, absolute=True),
            "again per lost": Target(1.3, absolute=True),
        },
    ),
    _lossy("2 % loss, RTT 100, 1 Mbit/s", loss=0.02, delay_ms=50, again=1.3, bits_per_s=1_000_000),
    _lossy("5 % loss, RTT 100, 1 Mbit/s", loss=0.05, delay_ms=50, again=2.0, within_ms=250, bits_per_s=1_000_000),
    Cell(
        name="link of 1 Mbit/s under 3",
        weather=Weather(delay_ms=20, rate=1e6),
        bits_per_s=3_000_000,
        targets={"new connections": _SAME},
    ),
    Cell(
        name="link of 1 Mbit/s, followed from 3",
        weather=Weather(delay_ms=20, rate=1e6),
        bits_per_s=6_000_000,
        follows=True,
        targets={
            "delivered": Target(95, absolute=True, least=True),
            "longest freeze": Target(1.5, absolute=True),
            "latency, p95": Target(1000, absolute=True),
            "new connections": _SAME,
        },
    ),
)


def network(*, short: bool) -> list[Figure]:
    """Measure delivery over bad networks, how long pictures freeze, and the requests to the sender."""
    if lacking := missing():
        print(f"network: {lacking}", file=sys.stderr)
        return []
    cells = [attrs.evolve(cell, seconds=1.5) for cell in CELLS[:1]] if short else CELLS
    clients = ["ours", "plain", "chromium"]
    if lacking := chromium.missing():
        print(f"network: the comparison with Chromium {lacking}", file=sys.stderr)
        clients.remove("chromium")
    figures: list[Figure] = []
    with Wire() as wire:
        for (bits_per_s, follows), group in itertools.groupby(cells, lambda cell: (cell.bits_per_s, cell.follows)):
            if follows and "congestion_control" not in attrs.fields_dict(EmulatorConfig):
                print("network: a sender that follows needs congestion control in the emulator", file=sys.stderr)
                continue
            with _studio(wire, bits_per_s, follows=follows) as (url, folder):
                for cell in group:
                    found = {client: measure(wire, cell, client, url, folder) for client in clients}
                    figures += _figures(cell, found)
                    if "chromium" in found:
                        figures += _beside_chromium(cell, found["ours"], found["chromium"])
    return figures


@contextlib.contextmanager
def _studio(wire: Wire, bits_per_s: int, *, follows: bool) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-m", "tools.bench.studio", folder, SERVICE, str(bits_per_s)]
        wire.set(Weather())
        studio = wire.start(SERVICE, [*call, *(["follows"] * follows)])
        try:
            assert studio.stdout is not None
            yield json.loads(studio.stdout.readline())["api_url"], Path(folder)
        finally:
            studio.terminate()
            studio.communicate()


def measure(wire: Wire, cell: Cell, client: str, url: str, folder: Path, **options: Any) -> dict[str, float]:
    """Run one client in the weather of a cell; return the figures of both ends, or none if it failed."""
    fair = attrs.evolve(cell.weather, loss=0, bursts=0, jitter_ms=0, outage_s=0)
    # A sender that follows begins on the slow link.
    wire.set(fair if cell.follows else attrs.evolve(fair, rate=0))
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
        process.terminate()
        process.communicate()
        return {}
    if not out:
        return {}  # the client failed, and said why
    found: dict[str, float] = json.loads(out)
    after = counters.read()
    return {**found, "lost": lost, **{name: after[name] - before[name] for name in after}}


def _of(found: dict[str, float], name: str) -> float:
    match name:
        case "again per lost":
            return found.get("again", 0) / max(1, found.get("lost", 0))
        case "sent again":
            return 100 * found.get("again", 0) / max(1, found.get("packets", 0))
    return found.get(_KEYS[name], float("nan"))


_COMPARED: Final = ("delivered", "longest freeze", "frozen", "latency, p95", "keyframes", "sent again")


def _beside_chromium(cell: Cell, ours: dict[str, float], theirs: dict[str, float]) -> list[Figure]:
    return [
        Figure(
            name=f"{cell.name}: {name}",
            reference=_CHROMIUM,
            unit=_UNITS.get(name, ""),
            ours=_of(ours, name),
            theirs=_of(theirs, name),
            target=_AS_CHROMIUM if name == "delivered" and name in cell.targets else None,
        )
        for name in _COMPARED
    ] + [
        Figure(
            name=f"{cell.name}: {name}, smooth",
            reference=_CHROMIUM,
            unit="s",
            ours=ours.get(f"smooth_{_KEYS[name]}", float("nan")),
            theirs=_of(theirs, name),
            target=Target(_of(theirs, name) + 1 / FPS, absolute=True) if name == "frozen" else None,
        )
        for name in ("longest freeze", "frozen")
    ]


def _figures(cell: Cell, found: dict[str, dict[str, float]]) -> list[Figure]:
    ours, plain = found["ours"], found["plain"]
    wanted = [*_COMPARED, "corrupt"]
    targets = dict(cell.targets)
    if cell.weather.loss or cell.weather.bursts or cell.weather.jitter_ms:
        soonest = min(_of(each, "latency, p95") for client, each in found.items() if client != "ours")
        known = targets.get("latency, p95")
        limit_ms = min(round(soonest + _LATER_MS), known.limit if known else math.inf)
        targets["latency, p95"] = Target(limit_ms, absolute=True)
    if cell.weather.loss or cell.weather.bursts:
        wanted.insert(-1, "again per lost")
    if "new connections" in cell.targets:
        wanted.append("new connections")
    return [
        Figure(
            name=f"{cell.name}: {name}",
            reference=_PLAIN,
            unit=_UNITS.get(name, ""),
            ours=_of(ours, name),
            theirs=_of(plain, name),
            target=Target(0, absolute=True) if name == "corrupt" else targets.get(name),
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
    "new connections": "reconnects",
}
_UNITS: Final = {
    "delivered": "%",
    "longest freeze": "s",
    "frozen": "s",
    "latency, p95": "ms",
    "sent again": "%",
}
