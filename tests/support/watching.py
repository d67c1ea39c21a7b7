"""A script that watches a stream of the emulator and reports each frame, each event and the end.

It runs in a separate process, behind a `Network`; `Watched` collects its reports for the test. The stamp of
every frame is read, and some are compared with the picture that the emulator painted: a decoder that lost what a
frame refers to shows a different picture, mostly with a stamp that can still be read.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final

import attrs

from tests.support.processes import eventually

if TYPE_CHECKING:
    from tests.support.network import Network
    from tests.support.processes import Process

__all__ = ["SIZE", "SMALL", "Seen", "Watched", "watch"]

SIZE: Final = (640, 352)
"""Half of the usual width and height: both sides paint every picture, and cost a quarter of the CPU."""
SMALL: Final = (512, 128)
"""The same for a link that is only up or down: few packets are enough, and pictures still differ."""

WATCH: Final = """
import os
import numpy as np
from odyssey_proto._video import stamp
from odyssey_proto.emulator._worlds import PaintedWorld

say_lock = threading.Lock()
def tell(*what):
    with say_lock:
        say(time.monotonic(), *what)

class Witness:
    "Compares pictures with what was painted for about that moment."
    def __init__(self):
        self.world = PaintedWorld(seed=0, prompt="A car race", portrait=False, size=SIZE)
        self.begin_ms, self.last_ms, self.look = None, 0, 0
    def far_off(self, found, gray):
        if self.begin_ms is None:  # more pictures may have been due than were painted
            slots = range(found.frame_number, found.frame_number + 20)
            self.begin_ms = found.time_ms - 50 * min(slots, key=lambda slot: self.distance(gray, slot))
        self.look = 8 if found.time_ms - self.last_ms > 100 else max(0, self.look - 1)
        self.last_ms = found.time_ms
        if not self.look and found.frame_number % 10:
            return None
        expected = round((found.time_ms - self.begin_ms) / 50)
        nearest = 255.0
        # A busy emulator hands pictures over late: this one, or the first, from which the others are counted.
        for slot in sorted(range(max(0, expected - 20), expected + 21), key=lambda slot: abs(slot - expected)):
            nearest = min(nearest, self.distance(gray, slot))
            if nearest <= 0.5:
                self.begin_ms = min(self.begin_ms, found.time_ms - 50 * slot)
                break
        return nearest
    def distance(self, gray, slot):
        painted = self.world.picture(slot * 0.05)
        plane = painted.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, :painted.width]
        return float(np.abs(coarse(gray) - coarse(luma)).mean())

def coarse(gray):
    "Means of 32 by 32 px, below the stamp."
    rows, columns = gray.shape[0] // 32, gray.shape[1] // 32
    return gray[:rows * 32, :columns * 32].astype(float).reshape(rows, 32, columns, 32).mean(axis=(1, 3))[1:]

session = client.connect(
    on_status_change=lambda status, message: tell("handler", status.value),
    timeout=30,
    recovery=recovery,
)
happening = session.events()
def tell_events():
    for event in happening:
        names = ("seconds", "frames_missed", "fatal")
        told = {name: getattr(event, name) for name in names if hasattr(event, name)}
        tell("event", type(event).__name__, told)
threading.Thread(target=tell_events, daemon=True).start()
session.start_stream("A car race", portrait=False)
told_to_close = threading.Event()
def close():
    began = time.monotonic()
    client.close()
    tell("closed", time.monotonic() - began)
def close_when_told():
    os.read(0, 1)  # not through `sys.stdin`, whose lock the end of the process would wait for
    told_to_close.set()
    close()
closer = threading.Thread(target=close_when_told, daemon=True)
closer.start()
witness = Witness()
try:
    for frame in session.frames():
        gray = frame.to_ndarray("gray")
        found = stamp.read(gray)
        if found is None:
            tell("frame", None, frame.index, frame.dropped_before, None)
        else:
            tell("frame", found.frame_number, frame.index, frame.dropped_before, witness.far_off(found, gray))
except OdysseyError as error:
    tell("error", type(error).__name__, str(error), error.code)
if told_to_close.is_set():
    closer.join()
else:
    close()
"""

FAR_OFF: Final = 1.0
"""Levels of grey. An encoded picture is within 0.3 of the painted one. A picture that was decoded
without its reference is not: two pictures that are a second apart differ by 10."""


def watch(
    network: Network, codec: str = "both", recovery: str = "latest", size: tuple[int, int] = SIZE
) -> Watched:
    """Start an emulator and the script across the network, and wait for the first second of the stream."""
    code = f"SIZE = {size}\nrecovery = {recovery!r}\n{WATCH}"
    watched = Watched(network.run(code, codec=codec, size=size))
    watched.watch_for(20)
    return watched


@attrs.frozen
class Seen:
    """One frame as the script received it."""

    at: float
    """Time of arrival, in s of the machine's monotonic clock."""
    number: int | None
    """The number in its stamp; None if the stamp cannot be read."""
    index: int
    far_off: float | None
    """Mean difference from the painted picture, in levels of grey; None if not compared."""


class Watched:
    """The reports of the script so far, which a thread reads."""

    def __init__(self, process: Process) -> None:
        self.frames: list[Seen] = []
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self.statuses: list[tuple[float, str]] = []
        """The arguments of ``on_status_change``."""
        self.error: tuple[float, str, str, str] | None = None
        """Time, class, text and code of the error that ended the iteration."""
        self.closing_took: float | None = None
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def watch_for(self, count: int) -> None:
        """Wait for ``count`` more frames."""
        wanted = len(self.frames) + count
        eventually(lambda: len(self.frames) >= wanted or not self._reader.is_alive(), within=60)
        assert len(self.frames) >= wanted, f"it ended before: {self.error} {self._process.stderr}"

    def close(self) -> None:
        """Make the script close its client, on another thread than the one that watches."""
        self._process.tell()

    def wait_for_its_end(self, within: float) -> None:
        """Wait until the script has ended."""
        self._reader.join(within)
        assert not self._reader.is_alive(), f"it goes on; the last: {self.events[-1:]} {self.frames[-1:]}"

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of all events of a kind so far."""
        return [told for _, name, told in self.events if name == kind]

    def event_after(self, known: int, kind: str) -> dict[str, Any]:
        """Wait for more than ``known`` events of a kind, and return the data of the newest."""
        eventually(lambda: len(self.events_of(kind)) > known or not self._reader.is_alive(), within=60)
        return self.events_of(kind)[known:][-1]

    def garbage(self) -> list[Seen]:
        """Return the frames that were never painted: unreadable, repeated, out of order, or different."""
        found = []
        newest = -1
        for seen in self.frames:
            if seen.number is None or seen.number <= newest or (seen.far_off or 0.0) > FAR_OFF:
                found.append(seen)
            newest = max(newest, -1 if seen.number is None else seen.number)
        return found

    def compared(self) -> int:
        """Return the number of frames that were compared with the painted pictures."""
        return sum(seen.far_off is not None for seen in self.frames)

    def _read(self) -> None:
        for line in iter(self._process.next_line, None):
            match json.loads(line):
                case [at, "frame", number, index, _, far_off]:
                    self.frames.append(Seen(at, number, index, far_off))
                case [at, "event", name, told]:
                    self.events.append((at, name, told))
                case [at, "handler", status]:
                    self.statuses.append((at, status))
                case [at, "error", kind, text, code]:
                    self.error = (at, kind, text, code)
                case [_, "closed", seconds]:
                    self.closing_took = seconds
