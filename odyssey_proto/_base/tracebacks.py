"""Tracebacks without secrets: the local variables of frames that an exception has left are dropped.

pytest's ``--showlocals``, Sentry and others print the local variables of all frames of a traceback and of its
causes. Those of this library, and of the libraries beneath it, hold keys, tokens and signed addresses. File, line
and function of each frame stay. What the user's own frames hold is not touched.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

__all__ = [
    "Work",
    "alone",
    "is_from",
    "is_from_here",
    "is_from_loading",
    "sealed",
    "without_frames",
    "without_locals",
]

E = TypeVar("E", bound=BaseException)
P = ParamSpec("P")
T = TypeVar("T")

# What runs beneath this library. A frame of anything else belongs to the user: that of a callback, for example.
_BENEATH: Final = frozenset(
    {
        "aioice", "aiortc", "asyncio", "attr", "attrs", "av", "base64", "cattr", "cattrs", "certifi", "codecs",
        "concurrent", "contextlib", "email", "functools", "genericpath", "http", "idna", "importlib", "io",
        "ipaddress", "json", "numpy", "odyssey_models", "odyssey_proto", "os", "pathlib", "PIL", "posixpath",
        "pylibsrtp", "queue", "requests", "selectors", "shutil", "socket", "socks", "ssl", "threading",
        "urllib", "urllib3", "websocket",
    }
)  # fmt: skip
_WRITTEN: Final = "<attrs generated"
"""How the names of files begin whose code attrs has written; such frames know no module."""


def without_locals(error: E, until: BaseException | None = None) -> E:
    """Drop the local variables of the frames that ``error`` and its causes have left, and return it.

    Args:
        error: the exception.
        until: the exception that was being handled before, which belongs to the user; it stays as it is.
    """
    for link in _chain(error, until):
        if link.__suppress_context__:  # nobody shows it, but it may quote what could not be read
            link.__context__ = link.__cause__
        _clear(link.__traceback__)
    return error


def alone(error: E) -> E:
    """Drop the traceback of ``error`` and everything that led to it, and return it."""
    error.__cause__ = error.__context__ = None
    return without_frames(error)


def without_frames(error: E) -> E:
    """Drop the tracebacks of ``error`` and its causes, and return it: to be raised elsewhere."""
    for link in _chain(error, None):
        if link.__suppress_context__:
            link.__context__ = link.__cause__
        link.__traceback__ = None
    return error


def is_from_here(error: BaseException) -> bool:
    """Return whether ``error`` comes from what the frame that caught it called itself: a function in C.

    What a signal handler raises in that frame comes from a frame of its own.
    """
    return error.__traceback__ is None or error.__traceback__.tb_next is None


def is_from(error: BaseException, *modules: str) -> bool:
    """Return whether ``error`` was raised in one of these modules, or in C that they called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in modules


def is_from_loading(error: BaseException) -> bool:
    """Return whether ``error`` was raised while this library, or one beneath it, loaded a module."""
    trace, loader, is_loading = error.__traceback__, "", False
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
        is_loading = name == "importlib"
        loader = loader if is_loading else name
        trace = trace.tb_next
    return is_loading and loader in _BENEATH


class Work:
    """A function and its arguments. Its ``repr`` shows none of them: there may be secrets among them."""

    __slots__ = ("_arguments", "_function", "_known")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], known: dict[str, Any]) -> None:
        self._function = function
        self._arguments = arguments
        self._known = known

    def __call__(self) -> Any:
        """Call the function."""
        return self._function(*self._arguments, **self._known)


def sealed(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function: the traceback of what it raises has no local variables."""

    @functools.wraps(function)
    def call(*args: P.args, **known: P.kwargs) -> T:
        work = Work(function, args, known)
        del args, known  # a traceback would show them
        before = sys.exception()
        try:
            return cast("T", work())
        except BaseException as exc:
            without_locals(exc, before)
            raise

    return call


def _chain(error: BaseException, until: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop()
        if link is until or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [origin for origin in (link.__cause__, link.__context__) if origin is not None]


def _clear(trace: TracebackType | None) -> None:
    is_inside = False
    while trace is not None:
        frame = trace.tb_frame
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] in _BENEATH or frame.f_code.co_filename.startswith(_WRITTEN):
            is_inside = True
            with contextlib.suppress(RuntimeError):  # it still runs
                frame.clear()
        elif is_inside:
            return
        trace = trace.tb_next
