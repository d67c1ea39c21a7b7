"""Whether a failure means that the system has no more threads or descriptors. This module makes no error."""

from __future__ import annotations

import errno
import os
from typing import Final

__all__ = ["is_shortage", "out_of_descriptors"]

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def is_shortage(exc: BaseException | None) -> bool:
    """Return whether ``exc`` says that the system is out of descriptors, of threads, or of memory for either.

    >>> is_shortage(OSError(errno.EMFILE, "Too many open files")), is_shortage(RuntimeError("another"))
    (True, False)
    """
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
