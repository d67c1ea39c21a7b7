"""Calls in the child of a fork, which must not hang there."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["held_by_another_thread", "in_child"]

_PATIENCE_S = 30


def in_child(call: Callable[[], object]) -> str:
    """Return the ``repr`` of what ``call`` returns or raises in a forked child, or "it hangs"."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_PATIENCE_S)
        try:
            outcome = repr(call())
        except BaseException as exc:  # noqa: BLE001 - the parent shows it
            outcome = repr(exc)
        os.write(write, outcome.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        outcome = pipe.read().decode()
    return outcome if os.waitpid(child, 0)[1] == 0 else "it hangs"


@contextlib.contextmanager
def held_by_another_thread(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Have another thread hold ``lock`` within the ``with``."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        yield
    finally:
        over.set()
        holder.join()
