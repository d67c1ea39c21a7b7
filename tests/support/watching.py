"""A script that watches a stream of the emulator and reports each frame, each event and the end.

It runs in a separate process, behind a `Network`; `Watched` collects its reports for the test, which compares the
frames with the pictures that the emulator painted: a decoder that lost the reference of a frame shows a different
picture, usually with a stamp that can still be read.
"""

from __future__ import annotations

import functools
import json
import threading
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

from odyssey_proto.emulator._worlds import PaintedWorld
from tests.support.pictures import coarse
from tests.support.processes import eventually

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.support.network import Network
    from tests.support.processes import Process

__all__ = ["SIZE", "SMALL", "Seen", "Watched", "watch"]

SIZE: Final = (640, 352)
"""Half of the usual width and height, which cost a quarter of the CPU."""
SMALL: Final = (512, 128)
"""A size for tests of a link that is only up or down: few packets are enough, and pictures still differ."""

PROMPT: Final = "A car race"
"""A prompt for a picture in which much moves."""

WATCH: Final = """
import os
from odyssey_proto._video import stamp
from tests.support.pictures import coarse

say_lock = threading.Lock()
def tell(*what):
    with say_lock:
        say(time.monotonic(), *what)

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
session.start_stream(prompt, portrait=False)
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
try:
    for frame in session.frames():
        gray = frame.to_ndarray("gray")
        found = stamp.read(gray)
        number, time_ms = (found.frame_number, found.time_ms) if found else (None, 0)
        tell("frame", frame.index, number, time_ms, coarse(gray).round(2).tolist())
except OdysseyError as error:
    tell("error", type(error).__name__, str(error), error.code)
if told_to_close.is_set():
    closer.join()
else:
    close()
"""

FAR_OFF: Final = 1.0
"""A difference in levels of grey. An encoded picture is within 0.5 of the painted one. A picture that was decoded
without its reference is further off: two pictures that are a second apart differ by 10."""
PERIOD_MS: Final = 50
LATE: Final = (20, 80)
"""The number of pictures that may have become due before a busy emulator hands one over: usually, and at most."""


def watch(
    network: Network, codec: str = "both", recovery: str = "latest", size: tuple[int, int] = SIZE
) -> Watched:
    """Start an emulator and the script across the network, and wait for the first second of the stream."""
    code = f"prompt, recovery = {PROMPT!r}, {recovery!r}\n{WATCH}"
    watched = Watched(network.run(code, codec=codec, size=size), size)
    watched.watch_for(20)
    return watched


@attrs.frozen
class Seen:
    """One frame as the script received it."""

    at: float
    """Time of arrival, in s of the machine's monotonic clock."""
    index: int
    number: int | None
    """The number in its stamp; None if the stamp cannot be read."""
    time_ms: int
    """The time in its stamp; 0 if the stamp cannot be read."""
    means: NDArray[np.float32] = attrs.field(converter=np.float32, eq=False, repr=False)
    """See `coarse`."""


class Watched:
    """The reports of the script so far, which a thread reads."""

    def __init__(self, process: Process, size: tuple[int, int]) -> None:
        self.frames: list[Seen] = []
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self.statuses: list[tuple[float, str]] = []
        """The arguments of ``on_status_change``."""
        self.error: tuple[float, str, str, str] | None = None
        """Time, class, text and code of the error that ended the iteration."""
        self.closing_took: float | None = None
        self._process = process
        self._size = size
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

    def garbage(self) -> list[tuple[Seen, float]]:
        """Return the wrong frames: unreadable, repeated, out of order, or unlike every picture painted then.

        Each comes with its mean difference from the painted picture, in levels of grey; 255 if it is unreadable.
        """
        painted = _Painted(self._size)
        found = []
        newest = -1
        for seen in self.frames:
            if seen.number is None:
                found.append((seen, 255.0))
                continue
            far_off = painted.distance(seen.means, seen.number, seen.time_ms)
            if seen.number <= newest or far_off > FAR_OFF:
                found.append((seen, far_off))
            newest = max(newest, seen.number)
        return found

    def _read(self) -> None:
        for line in iter(self._process.next_line, None):
            match json.loads(line):
                case [at, "frame", index, number, time_ms, means]:
                    self.frames.append(Seen(at, index, number, time_ms, means))
                case [at, "event", name, told]:
                    self.events.append((at, name, told))
                case [at, "handler", status]:
                    self.statuses.append((at, status))
                case [at, "error", kind, text, code]:
                    self.error = (at, kind, text, code)
                case [_, "closed", seconds]:
                    self.closing_took = seconds


class _Painted:
    """The pictures that the emulator painted, one for each `PERIOD_MS` of the stream."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._world = PaintedWorld(seed=0, prompt=PROMPT, portrait=False, size=size)
        self._means = functools.cache(self._paint)
        self._begin_ms: int | None = None

    def distance(self, means: NDArray[np.float32], number: int, time_ms: int) -> float:
        """Compare a frame with the pictures painted around its time; return the smallest mean difference."""
        # A busy emulator may paint fewer pictures than were due, and it hands them over late: the first one, too,
        # from which the others are counted.
        if self._begin_ms is None:
            self._begin_ms = time_ms - PERIOD_MS * number
        expected = round((time_ms - self._begin_ms) / PERIOD_MS)
        distances: dict[int, float] = {}
        for late in LATE:
            around = range(max(0, expected - late), expected + late + 1)
            distances |= {slot: float(np.abs(means - self._means(slot)).mean()) for slot in around}
            slot = min(distances, key=distances.__getitem__)
            if distances[slot] <= FAR_OFF:
                self._begin_ms = min(self._begin_ms, time_ms - PERIOD_MS * slot)
                break
        return min(distances.values())

    def _paint(self, slot: int) -> NDArray[np.float32]:
        painted = self._world.picture(slot * PERIOD_MS / 1000)
        return coarse(painted.to_ndarray()[: painted.height, : painted.width])
