"""Whether gevent or eventlet has replaced the threads of this process by greenlets, on which no connection works.

Greenlets share one thread: an event loop on one of them blocks all others, and they take that loop for their own.
"""

from __future__ import annotations

import sys
from typing import Final

from .errors import OdysseyConnectionError

__all__ = ["refuse"]

# The module of each library that can tell, its question, and what it calls threads.
_LIBRARIES: Final = {
    "gevent": ("gevent.monkey", "is_module_patched", "threading"),
    "eventlet": ("eventlet.patcher", "is_monkey_patched", "thread"),
}


def refuse(what: str) -> None:
    """Raise if ``what`` would run on greenlets.

    Raises:
        OdysseyConnectionError: gevent or eventlet has replaced threads (code ``greenlets``).
    """
    for library, (module, question, threads) in _LIBRARIES.items():
        patcher = sys.modules.get(module)
        if patcher is not None and getattr(patcher, question)(threads):
            raise OdysseyConnectionError(
                f"{what} needs real threads, and {library} has replaced them by greenlets: use a process that is "
                "not monkey-patched, such as a worker of another class (gthread); calls to the REST API work here",
                code="greenlets",
            )
