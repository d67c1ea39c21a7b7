"""Handling of SIGTERM for programs that ask for it: the process releases what it holds before the signal ends it.

A handler of the program's own is left alone, and so is a signal that is ignored. What is released, and
how, is not known here: `process_end` has the actions.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from types import FrameType
from typing import Final, NoReturn

from . import process_end
from .errors import OdysseyConfigError

__all__ = ["close_at_sigterm"]

_END_WITHIN_S: Final = 8.0  # longer than `process_end.end` should take, shorter than the 10 s of `docker stop`
_STATUS: Final = 128 + signal.SIGTERM  # what a shell reports for a process that SIGTERM ended


def close_at_sigterm() -> None:
    """Have SIGTERM close everything before it ends this process; children that are forked later do the same.

    Raises:
        OdysseyConfigError: this is not the main thread, the only one that may set a handler.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    try:
        signal.signal(signal.SIGTERM, _on_sigterm)
    except ValueError as exc:
        raise OdysseyConfigError(
            "close_on_sigterm=True needs the main thread: create the first such client there"
        ) from exc


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
    if process_end.is_ending():
        return
    # Not on this thread: it may have been interrupted while it holds a lock that ending needs. Nor by
    # `Thread.start`: it waits, perhaps for ever, for a lock of `threading` that this thread may hold.
    try:
        _thread.start_new_thread(_end, ())
    except RuntimeError:  # the system has none left, or Python 3.12.0 or 3.12.1 waits for other threads to end
        _end()
    # Meanwhile the program does not continue, and sees none of its connections end.
    threading.Event().wait(_END_WITHIN_S)
    _die()


def _end() -> None:
    try:
        process_end.end()
    finally:
        _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(_STATUS)  # the first process of a container is not ended by a signal without a handler
