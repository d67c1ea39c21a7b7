"""Checks for threads, descriptors and tasks that are left over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MEASURE", "assert_gone", "nothing_left", "open_descriptors", "unfinished_tasks"]


def open_descriptors() -> int:
    """Return the number of open descriptors of this process."""
    return len(list(Path("/dev/fd").iterdir()))


def unfinished_tasks() -> list[asyncio.Task[Any]]:
    """Return the unfinished tasks of all loops."""
    # Up to Python 3.13, asyncio has a set of all tasks; later, native tasks are not in it. Searching all objects
    # instead takes far longer.
    name = "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks"
    known: Any = getattr(asyncio.tasks, name) if sys.version_info < (3, 14) else None
    while True:
        try:
            tasks = [*(gc.get_objects() if known is None else known)]
        except RuntimeError:  # another thread changed the set meanwhile
            continue
        return [task for task in tasks if type(task) is asyncio.Task and not task.done()]


def assert_gone(look: Callable[[], object]) -> None:
    """Wait until ``look`` finds nothing left; it returns what it finds."""
    left: object = None
    looks = itertools.count(1)

    def is_clean() -> bool:
        nonlocal left
        left = look()
        # Most leftovers end by themselves in a moment, and collecting garbage takes far longer than looking.
        if left and next(looks) % 20 == 0:
            gc.collect()
        return not left

    try:
        eventually(is_clean)
    except AssertionError:
        raise AssertionError(f"left behind: {left}") from None


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Assert that the block leaves no thread and no descriptor; threads may take a moment to end."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    started = set(threading.enumerate()) - threads
    for thread in started:
        thread.join(PATIENCE_S)
    alive = [thread.name for thread in started if thread.is_alive()]
    assert not alive, f"still alive: {alive}"
    if open_descriptors() > descriptors:
        gc.collect()  # costly, so only if something is still left
    assert open_descriptors() <= descriptors


MEASURE: Final = """
import asyncio, contextlib, gc, os, threading

def cycle(client):
    with client.connect() as session:
        session.start_stream("A cat", portrait=False)
        for frame in first_frames(session, 3):
            frame.data
            break
        session.end_stream()

def descriptors():
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            yield os.readlink(f"/proc/self/fd/{number}").partition(":")[0]

def left():
    gc.collect()
    kept = [thing for thing in gc.get_objects() if isinstance(thing, (asyncio.Task, VideoFrame, Session))]
    with open("/proc/self/statm") as statm:
        resident_mb = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "descriptors": sorted(descriptors()),
        "kept": sorted(type(thing).__name__ for thing in kept),
        "resident_mb": resident_mb,
    }
"""
"""Functions for a script: `cycle` runs one whole session, and `left` returns the leftovers of sessions."""
