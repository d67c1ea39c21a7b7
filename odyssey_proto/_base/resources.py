"""Starting threads on a system that may have none left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import no_resources

if TYPE_CHECKING:
    import threading

__all__ = ["start"]


def start(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        OdysseyConnectionError: the system is out of threads (``no_resources``).
    """
    try:
        thread.start()
    except RuntimeError as exc:
        raise no_resources(exc) from exc
