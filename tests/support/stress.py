"""Random stress with a seed: tries until the time is over, and disturbances of the threads.

``make stress SECONDS=300 SEED=7`` sets time and seed; without it, the run is short. The same seed makes the same
choices, but the timing of the threads, and so the moments at which the choices meet, differs from run to run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LIMIT_S", "SEED", "rounds", "tries"]

SECONDS: Final = float(os.environ.get("STRESS_SECONDS") or 0)
"""How long each test runs, in s; 0 for the short run."""
SEED: Final = int(os.environ.get("STRESS_SEED") or 1)
"""The seed of all random choices."""
LIMIT_S: Final = SECONDS + 240.0
"""The time limit of a test, in s."""

_SHORT_S: Final = 0.4  # how long `rounds` go on in the short run
_BUSY_THREADS: Final = 2
_SWITCHES_S: Final = (1e-5, 1e-3, 0.005, 0.02)  # Python's usual interval is 0.005


def tries(few: int) -> Iterator[int]:
    """Yield 0, 1, … until the time is over, but at least ``few`` numbers; in the short run, exactly ``few``."""
    until = time.monotonic() + SECONDS
    for number in itertools.count():
        if number >= few and time.monotonic() >= until:
            return
        yield number


def rounds(about: str) -> Iterator[random.Random]:
    """Yield the random choices of each round until the time is over, for at least one round.

    Python switches between threads more or less often in each round. In a long run, other threads are busy too.
    """
    until = time.monotonic() + (SECONDS or _SHORT_S)
    usual_s = sys.getswitchinterval()
    with _busy(_BUSY_THREADS if SECONDS else 0):
        try:
            for number in itertools.count():
                choices = random.Random(f"{SEED} {about} {number}")
                sys.setswitchinterval(choices.choice(_SWITCHES_S))
                print(f"{about}, seed {SEED}, round {number}")  # pytest shows it with a failure
                yield choices
                if time.monotonic() >= until:
                    return
        finally:
            sys.setswitchinterval(usual_s)


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(2000))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
