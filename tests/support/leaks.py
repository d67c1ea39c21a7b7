"""Whether something is left running or open."""

from __future__ import annotations

import contextlib
import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["nothing_left", "open_descriptors"]


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Assert that the block leaves no thread and no descriptor; threads that are just ending may do so."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    started = set(threading.enumerate()) - threads
    for thread in started:
        thread.join(10)
    assert [thread.name for thread in started if thread.is_alive()] == []
    if open_descriptors() > descriptors:
        gc.collect()  # costly, so only where something waits for it
    assert open_descriptors() <= descriptors
