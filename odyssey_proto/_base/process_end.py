"""One registry, for the whole package, of what to do when the process ends or has forked.

A process ends in one of two ways: the interpreter calls `atexit`, but children of `multiprocessing` skip that and
call finalizers of their own. What the actions do is not known here.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["after_fork_in_child", "at_exit", "expect"]

log = logging.getLogger("odyssey_proto")

_actions: list[Callable[[], None]] = []
_expecting_pid = 0  # the process for which both ways are registered


def at_exit(action: Callable[[], None]) -> Callable[[], None]:
    """Call ``action`` when the interpreter exits, while daemon threads still run; last added, first called."""
    _actions.append(action)
    return action


def after_fork_in_child(action: Callable[[], None]) -> Callable[[], None]:
    """Call ``action`` in each child of a fork, before anything else runs there."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=action)
    return action


def expect() -> None:
    """Also call the actions at the end of a child of `multiprocessing`; to be called before starting a thread."""
    global _expecting_pid
    process = sys.modules.get("multiprocessing.process")
    if _expecting_pid != os.getpid() and process is not None and process.parent_process() is not None:
        from multiprocessing import util

        _expecting_pid = os.getpid()
        util.Finalize(None, _end, exitpriority=0)


def _end() -> None:
    for action in reversed(_actions):
        try:
            action()
        except Exception:  # the other actions must still run
            log.exception("something could not be ended")


# This runs after the user's own threads have ended. aiortc's decoder does not require it earlier: it is a daemon,
# because the thread that starts it is one.
atexit.register(_end)
