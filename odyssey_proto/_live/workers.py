"""Threads for blocking tasks: one for each task, which posts its outcome to the driver.

This module does not know what the tasks do.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from .._base import errors
from .._base.tracebacks import without_frames, without_locals

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Deadline

__all__ = ["Workers"]

log = logging.getLogger("odyssey_proto.live")


class Workers:
    """Runs each task on its own daemon thread.

    Args:
        on_done: called after each task, on its thread.
    """

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._threads: set[threading.Thread] = set()

    @property
    def busy(self) -> bool:
        """Whether a task is still running."""
        return bool(self._threads)

    def run(self, task: Callable[[], None], failed: Callable[[errors.OdysseyError], None] | None = None) -> None:
        """Run ``task``; ``failed`` gets the error that it raises.

        If no thread can be started, a task without ``failed`` runs here and now: such a task ends something, which
        must also work while the interpreter exits and starts no more threads.
        """

        def work() -> None:
            try:
                self._carry_out(task, failed)
            finally:
                self._threads.discard(worker)
                self._on_done()

        worker = threading.Thread(target=work, name="odyssey-worker", daemon=True)
        self._threads.add(worker)
        try:
            worker.start()
        except RuntimeError as exc:
            self._threads.discard(worker)
            if failed is None:
                self._carry_out(task, None)
            else:
                failed(errors.no_resources(exc))

    def join(self, deadline: Deadline) -> None:
        """Wait for all tasks to end, at most until ``deadline``."""
        for thread in tuple(self._threads):
            thread.join(deadline.remaining())

    @staticmethod
    def _carry_out(task: Callable[[], None], failed: Callable[[errors.OdysseyError], None] | None) -> None:
        try:
            task()
        except Exception as exc:  # any error has to be reported: a call may wait for the outcome
            error = exc if isinstance(exc, errors.OdysseyError) else errors.internal(exc)
            if error is not exc:
                log.exception("a worker failed", exc_info=without_locals(exc))
            if failed is not None:
                failed(without_frames(error))
