"""An executor of daemon threads, which also works after the main thread has ended.

The standard library's executor refuses work once the main thread has ended, cannot even be loaded then, and its
threads delay the exit of the interpreter. This module does not know what the calls do.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DaemonExecutor"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST: Final = min(32, (os.cpu_count() or 1) + 4)  # the default of `ThreadPoolExecutor`


class DaemonExecutor(concurrent.futures.Executor):
    """Runs calls on a few daemon threads, started as they are needed and named ``name``, until `shutdown`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[tuple[concurrent.futures.Future[Any], Callable[[], Any]] | None]
        self._calls = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Call ``fn`` on one of the threads, and return its future.

        Raises:
            RuntimeError: the executor has been shut down, or it has no thread and the system cannot start one.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor has been shut down")
            if not self._idle.acquire(blocking=False) and len(self._threads) < _MOST:
                self._start_thread()
            self._calls.put((future, functools.partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls; cancel those not begun if ``cancel_futures``; wait for the others if ``wait``."""
        with self._lock:
            self._closed = True
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while (call := self._calls.get_nowait()) is not None:
                    call[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            self.join(None)

    def join(self, timeout: float | None) -> None:
        """Wait for the threads to end after `shutdown`, for at most ``timeout`` s; None waits without a limit."""
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:  # otherwise one of these takes the call
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        # The thread is started for a call that comes at once. It must not count as idle before that call: another
        # call would take it for free.
        call = self._calls.get()
        while call is not None:
            future, function = call
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as exc:  # noqa: BLE001 - it is raised to whoever waits
                    future.set_exception(exc)
                else:
                    future.set_result(result)
                    del result
            del call, future, function  # nothing is kept alive while it waits
            call = self._next()

    def _next(self) -> tuple[concurrent.futures.Future[Any], Callable[[], Any]] | None:
        with contextlib.suppress(queue.Empty):
            return self._calls.get_nowait()
        self._idle.release()
        return self._calls.get()
