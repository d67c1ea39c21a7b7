"""Threads and descriptors that the system does not give: noticing it, and the error that says so."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from .errors import no_resources

if TYPE_CHECKING:
    import threading

__all__ = ["is_shortage", "out_of_descriptors", "start"]

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def start(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        OdysseyConnectionError: the system is out of threads (``no_resources``).
    """
    try:
        thread.start()
    except RuntimeError as exc:
        raise no_resources(exc) from exc


def is_shortage(exc: BaseException | None) -> bool:
    """Return whether ``exc`` says that the system is out of descriptors, of threads, or of memory for either."""
    if isinstance(exc, RuntimeError):
        return "new thread" in str(exc)
    return isinstance(exc, OSError) and exc.errno in _SHORTAGES


def out_of_descriptors() -> bool:
    """Return whether the process cannot open a file now: some failures are a result of that, and do not say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return is_shortage(exc)
    return False
