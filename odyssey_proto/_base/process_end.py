"""One registry, for the whole package, of what to do when the process ends or has forked.

A process ends in one of several ways: the interpreter calls `atexit`, but children of `multiprocessing`, and of
libraries modelled on it, skip that and call finalizers of their own. This module does not know what the actions
do; signals are the job of `sigterm`.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["after_fork_in_child", "at_exit", "end", "expect", "is_ending"]

log = logging.getLogger("odyssey_proto")

# pathos uses multiprocess, and Celery uses billiard, whose processes and finalizers are those of multiprocessing.
_FAMILY: Final = ("multiprocessing", "multiprocess")

_actions: list[Callable[[], None]] = []
_expecting_pid = 0  # the process whose finalizers call `end`
_ending_pid = 0  # the process in which `end` has begun


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
    """Also call the actions at the end of a child of `multiprocessing` or a library modelled on it.

    To be called before starting a thread.
    """
    global _expecting_pid
    if _expecting_pid == os.getpid():
        return
    for library in _FAMILY:
        module = sys.modules.get(f"{library}.process")
        current = None if module is None else module.current_process()
        # Not `parent_process()`: billiard does not set it. None in a process that the library did not start.
        if getattr(current, "_parent_pid", None) is not None:
            _expecting_pid = os.getpid()
            if type(current).__module__.startswith("billiard"):  # it waits for no thread
                importlib.import_module("billiard.util").Finalize(None, end, exitpriority=0)
                _expect_worker(getattr(current, "_target", None))
            elif importlib.import_module(f"{library}.util").is_exiting():  # its finalizers have been called
                _wait_for_others()
            else:
                importlib.import_module(f"{library}.util").Finalize(None, _end_last, exitpriority=0)
            return


def _end_last() -> None:
    """Call `end` once all threads of the user have ended, which a child waits for after its finalizers."""
    if _users_threads():
        _wait_for_others()
    else:
        end()


def _wait_for_others() -> None:
    # Not a daemon: the child waits for it, too.
    threading.Thread(target=_end_after_others, name="odyssey-end", daemon=False).start()


def _end_after_others() -> None:
    while others := _users_threads():
        others[0].join()
    end()


def _users_threads() -> list[threading.Thread]:
    none = (threading.main_thread(), threading.current_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in none]


def _expect_worker(worker: Any) -> None:
    """Call `end` at the end of a worker of a pool of billiard, which calls no finalizer, only its ``on_exit``."""
    if not hasattr(worker, "on_exit"):
        return
    others = worker.on_exit  # Celery's, which sends `worker_process_shutdown`; None without Celery

    def on_exit(pid: int, status: int) -> None:
        if others is not None:
            others(pid, status)
        end()

    worker.on_exit = on_exit


def is_ending() -> bool:
    """Return whether `end` has begun in this process."""
    return _ending_pid == os.getpid()


def end() -> None:
    """Call the actions: the process is about to end."""
    global _ending_pid
    _ending_pid = os.getpid()
    for action in reversed(_actions):
        try:
            action()
        except Exception:  # the other actions must still run
            log.exception("an action at the end of the process failed")


# This runs after the user's own threads have ended. aiortc's decoder thread does not keep it waiting: it is a
# daemon, because the thread that starts it is one.
atexit.register(end)
