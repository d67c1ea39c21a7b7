"""Raises exceptions at any instruction of the main thread, as signal handlers do, and chooses the instructions."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.support.stress import SEED, tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["alarm", "instructions", "some"]

# Not `threading`: at the end of an `except`, Python never runs a signal handler, and an exception raised there
# leaves the thread with the exception that was being handled.
_TRACED: Final = ("odyssey_proto", "contextlib", "functools")


def some(population: int, few: int, about: str) -> Iterator[int]:
    """Yield some of the numbers below ``population``, chosen by `SEED`: ``few`` in a short run (see `tries`)."""
    chosen = random.Random(f"{SEED} {about}").sample(range(population), population)
    for _, number in zip(tries(few), chosen, strict=False):
        yield number


def instructions(call: Callable[[], Any], at: int | None = None, act: Callable[[], object] = lambda: None) -> int:
    """Call ``call`` and return how many instructions of the library the thread executes in it.

    Before instruction number ``at``, call ``act``, as if ``act`` were a signal handler. The finalizer of the
    result of ``call`` does not count: Python itself drops exceptions in finalizers.
    """
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_globals.get("__name__", "").startswith(_TRACED):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count - 1 == at:
                act()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        kept = call()
    finally:
        sys.settrace(before)
    del kept
    return count


@contextlib.contextmanager
def alarm(after_s: float, handler: Callable[[], object]) -> Iterator[None]:
    """Call ``handler`` on the main thread in ``after_s`` s, if the block has not ended by then.

    On a busy machine, this may happen before the block has begun, so catch the handler's exception outside the
    ``with``.
    """
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
