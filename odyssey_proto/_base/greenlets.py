"""Whether gevent or eventlet has replaced parts of Python that connections need. No connection works then.

Greenlets share one thread: an event loop on one of them blocks all others, and they mistake that loop for their
own.
"""

from __future__ import annotations

import sys
from typing import Final

from .errors import OdysseyConnectionError

__all__ = ["have_replaced_something", "refuse"]

# For each library: the module to ask, the function, and the parts that must not have been replaced.
_LIBRARIES: Final = {
    "gevent": (
        "gevent.monkey",
        "is_module_patched",
        ("threading", "_thread", "socket", "select", "queue", "subprocess"),
    ),
    "eventlet": ("eventlet.patcher", "is_monkey_patched", ("thread", "socket", "select", "os")),
}


def have_replaced_something() -> bool:
    """Return whether gevent or eventlet has replaced such parts: a waiting thread may then block greenlets."""
    return any(_replaced(library, *needed) for library, (_, _, needed) in _LIBRARIES.items())


def _replaced(library: str, *needed: str) -> list[str]:
    module, question, _ = _LIBRARIES[library]
    patcher = sys.modules.get(module)
    return [] if patcher is None else [name for name in needed if getattr(patcher, question)(name)]


def refuse(what: str) -> None:
    """Raise if ``what``, which needs threads and sockets of the system, would get those of gevent or eventlet.

    Raises:
        OdysseyConnectionError: it would get those (code ``greenlets``).
    """
    for library, (_, _, needed) in _LIBRARIES.items():
        if replaced := _replaced(library, *needed):
            raise OdysseyConnectionError(
                f"{what} needs real threads and sockets, and {library} has replaced them ({', '.join(replaced)}): "
                "use a process that is not monkey-patched, such as a worker of gunicorn's class gthread; calls to "
                "the REST API work here",
                code="greenlets",
            )
