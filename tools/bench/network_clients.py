"""The clients that `network` compares, as a script behind a `Wire`.

    python -m tools.bench.network_clients CLIENT URL FOLDER SECONDS

``CLIENT`` is ``ours`` or ``plain``, as in `tools.bench.clients`, or ``chromium``. It prints a line when it has
seen two seconds of the stream, then watches, and finally prints its figures as JSON.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from odyssey_proto._video import stamp
from tools.bench.chromium import Browser
from tools.bench.clients import Order, _plain_once
from tools.bench.studio import coarse, looks, number_of
from tools.bench.tape import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEY: Final = "ody_bench"
_BEFORE_S: Final = 2.0
_AFTER_S: Final = 2.5  # so that packets sent at the end can arrive
_FREEZE_S: Final = 0.15
_CORRUPT: Final = 12.0  # levels of grey by which a block may differ


class Watching:
    """Notes the pictures of one stream."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._seconds = seconds
        self._log: Log | None = None
        self._begin: float | None = None
        self._first = 0.0
        self._seen: list[tuple[float, int]] = []
        self._smooth: list[float] = []
        self._corrupt = 0

    def saw(self, picture: Any) -> bool:
        """Note a picture, RGB or grey; return whether to continue."""
        now, number = time.monotonic(), number_of(picture)
        means = coarse(picture) if picture.ndim == 2 else _luma(*(coarse(picture[..., part]) for part in range(3)))
        self._corrupt += bool(np.abs(means - looks(self._folder, number)).max() > _CORRUPT)
        self.note(now, number)
        return self.lasts(now)

    def note(self, now: float, number: int) -> None:
        """Note that picture ``number`` was shown at ``now`` (`time.monotonic`, in s)."""
        self._first = self._first or now
        self._seen.append((now, number))
        if self._begin is None and now - self._first >= _BEFORE_S:
            self._log = Log(self._folder / self.name)
            self._begin = now
            print(json.dumps({"watching": True}), flush=True)

    def note_smooth(self) -> None:
        """Note that a reader with smooth pace has just got a picture."""
        self._smooth.append(time.monotonic())

    def lasts(self, now: float) -> bool:
        """Return whether to continue."""
        return self._begin is None or now < self._begin + self._seconds + _AFTER_S

    def found(self) -> dict[str, float]:
        """Return the figures of the pictures that were sent in bad weather."""
        assert self._log is not None
        assert self._begin is not None
        end = self._begin + self._seconds
        moments = np.array(self._log._moments)
        sent = np.flatnonzero((moments >= self._begin) & (moments < end))
        at = {number: seen for seen, number in self._seen}
        ages = [(at[number] - moments[number]) * 1000 for number in sent.tolist() if number in at]
        gaps = _gaps([seen for seen, _ in self._seen], self._begin, end)
        smooth = _gaps(self._smooth, self._begin, end)
        return {
            "sent": len(sent),
            "delivered_percent": 100 * len(ages) / max(1, len(sent)),
            "longest_freeze_s": float(gaps.max()),
            "frozen_s": float(gaps[gaps > _FREEZE_S].sum()),
            "smooth_longest_freeze_s": float(smooth.max()),
            "smooth_frozen_s": float(smooth[smooth > _FREEZE_S].sum()),
            "p95_ms": float(np.percentile(ages, 95)) if ages else float("inf"),
            "median_ms": float(np.percentile(ages, 50)) if ages else float("inf"),
            "corrupt": self._corrupt,
            "fps": len(sent) / self._seconds,
        }


def _gaps(moments: list[float], begin: float, end: float) -> Any:
    """Return the times between pictures, in s; the last one lasts to the end."""
    shown = [begin, *(moment for moment in moments if begin <= moment <= end + 1)]
    return np.diff([*shown, max(end, shown[-1])])


def _luma(red: Any, green: Any, blue: Any) -> Any:
    """Return the luma of the video (ITU-R BT.601, limited range)."""
    return 16 + red * 0.2568 + green * 0.5041 + blue * 0.0979


def ours(url: str, watching: Watching) -> dict[str, float]:
    """Watch with this library: pictures as they come and, at the same time, at a smooth pace."""
    from odyssey_proto import Odyssey, OdysseyConnectionError, OdysseyStreamTimeoutError

    def smoothly(frames: Iterator[object]) -> None:
        with contextlib.suppress(OdysseyConnectionError):
            for _ in frames:
                watching.note_smooth()

    with Odyssey(_KEY, api_url=url) as client, client.connect() as session:
        session.start_stream(watching.name, portrait=False, bypass_prompt_expansion=True)
        frames = session.frames(policy="drop_oldest", queue_size=64, timeout=1.0)
        threading.Thread(target=smoothly, args=[session.frames(pace="smooth")], daemon=True).start()
        with contextlib.suppress(OdysseyConnectionError):  # it gave up; the rest was not delivered
            while watching.lasts(time.monotonic()):
                with contextlib.suppress(OdysseyStreamTimeoutError):
                    watching.saw(next(frames).to_ndarray("gray"))
        stats = session.stats()
        return {**watching.found(), "reconnects": stats.reconnects}


def plain(url: str, watching: Watching) -> dict[str, float]:
    """Watch with stock aiortc."""
    import asyncio

    asyncio.run(_plain_once(Order(client="plain", url=url), watching))  # type: ignore[arg-type]  # has all it uses
    return watching.found()


def chromium(url: str, watching: Watching) -> dict[str, float]:
    """Watch in Chromium. Whether its pictures are corrupt is not known."""
    options = {"api": url, "key": _KEY, "prompt": watching.name, "cell": stamp.CELL, "columns": stamp.COLUMNS}
    with Browser("viewer.html", options) as page:
        while watching.lasts(time.monotonic()):
            for at, number in page.hear()["frames"]:
                watching.note(at, number)
        page.send({"end": True})
        while not page.hear().get("ended"):
            pass
    return {**watching.found(), "corrupt": float("nan")}


_CLIENTS: Final[dict[str, Callable[[str, Watching], dict[str, float]]]] = {
    "ours": ours,
    "plain": plain,
    "chromium": chromium,
}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that a browser ends too
    name, address, place, duration = sys.argv[1:]
    print(json.dumps(_CLIENTS[name](address, Watching(Path(place), float(duration)))), flush=True)
