"""Random stress with a seed: rounds until the time is over, and disturbances of the threads.

``make stress SECONDS=300 SEED=7`` sets both. The same seed makes the same choices; the threads of this machine,
and so the moments at which the choices meet, are never the same.
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

__all__ = ["LIMIT_S", "is_long", "rounds"]

SECONDS: Final = float(os.environ.get("STRESS_SECONDS", "0.4"))
SEED: Final = int(os.environ.get("STRESS_SEED", "1"))
LIMIT_S: Final = SECONDS + 240.0
"""The time limit of a test, in s."""

_LONG_S: Final = 20.0
_BUSY_THREADS: Final = 2
_SWITCHES_S: Final = (1e-5, 1e-3, 0.005, 0.02)  # Python's usual interval is 0.005


def is_long() -> bool:
    """Return whether this is a run by command, and not the short one of every test run."""
    return SECONDS >= _LONG_S


def rounds(about: str) -> Iterator[random.Random]:
    """Yield the choices of each round, until the time is over; at least one round.

    Python switches between threads more or less often in each round. In a long run, other threads are busy too.
    """
    until = time.monotonic() + SECONDS
    usual_s = sys.getswitchinterval()
    with _busy(_BUSY_THREADS if is_long() else 0):
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
