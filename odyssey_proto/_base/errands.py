"""The work of public calls, done where no signal handler runs.

Python runs signal handlers on the main thread, between any two instructions. So a handler may call `close` while
the main thread holds a lock that closing needs, and what it raises (`KeyboardInterrupt`, or the `TimeoutError` of
an alarm) may leave half of something behind, or be taken for a failure of the network. Therefore a call from the
main thread does its work on a thread of its own, and the main thread only waits: it holds nothing, and nothing
there catches what a handler raises. The work is then abandoned. Calls from other threads work where they are.

It does not know what the work is. In a process with gevent or eventlet, all calls work where they are.
"""

from __future__ import annotations

import _thread
import contextlib
import contextvars
import functools
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast, overload

from . import greenlets, process_end
from .abort import Abort
from .clock import TURN_S
from .errors import OdysseyConnectionError, OdysseyError, no_resources
from .shortage import is_shortage, out_of_descriptors
from .tracebacks import Work, is_from_loading, without_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .clock import Deadline

__all__ = [
    "AbandonedError",
    "call_back",
    "check",
    "current_abort",
    "if_abandoned",
    "is_too_late",
    "settle",
    "to_the_end",
    "turns",
    "undisturb",
    "undisturbed",
    "woken_by",
]

P = ParamSpec("P")
T = TypeVar("T")

_GIVING_UP_S: Final = 0.2  # for abandoned work to end, before its caller goes on
_STARTING_S: Final = 1.0  # for a thread to start, on a busy machine
_NO_THREAD: Final = object()
is_too_late: Final = sys.is_finalizing
"""Return whether the interpreter is shutting down: only this thread still runs, and no wait for another ends."""


class AbandonedError(BaseException):
    """Ends work whose caller has left. It is no `Exception`, so that nothing takes it for a failure."""


@overload
def undisturbed(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def undisturbed(*, at_most_s: float) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def undisturbed(function: Any = None, /, *, at_most_s: float | None = None) -> Any:
    """Decorate a public function: it works where no signal handler runs, and its errors hold no local variables.

    Args:
        function: the function.
        at_most_s: how long the main thread waits, in s, for work that is never abandoned: that of closing.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **known: P.kwargs) -> T:
            work = Work(function, args, known)
            del args, known  # a traceback would show them
            if is_too_late():
                return cast("T", _too_late(is_closing=at_most_s is not None))
            if _handlers_run_here():
                errand = _Errand(work, at_most_s)
                try:
                    value: T = errand.perform()
                    if value is not _NO_THREAD:
                        return value
                except BaseException:
                    errand.abandon()
                    raise
            return cast("T", _here(work))

        return call

    return decorate if function is None else decorate(function)


def undisturb(cls: type[Any], *names: str) -> None:
    """Decorate these methods of a class, such as an ``__init__`` that attrs has written."""
    for name in names:
        found = vars(cls)[name]
        is_of_class = isinstance(found, classmethod)
        decorated = undisturbed(found.__func__ if is_of_class else found)
        setattr(cls, name, classmethod(decorated) if is_of_class else decorated)


def _here(work: Work) -> Any:
    before = sys.exception()
    try:
        return _done(work)
    except BaseException as exc:
        without_locals(exc, before)
        raise


def _done(work: Callable[[], Any]) -> Any:
    """Do the work; if there is no descriptor for a module that it needs, the error says so."""
    try:
        return work()
    except OSError as exc:
        if is_shortage(exc) and is_from_loading(exc):
            raise no_resources(exc) from exc
        raise
    except ImportError as exc:
        if not isinstance(exc, OdysseyError) and is_from_loading(exc) and out_of_descriptors():
            raise no_resources(exc) from exc
        raise


def _too_late(*, is_closing: bool) -> Any:
    """Answer a call that a finalizer makes at the end: what had to be given back has been (`process_end`)."""
    if is_closing:
        return None
    raise OdysseyConnectionError("Python is shutting down: it is too late for calls", code="shutting_down")


def _handlers_run_here() -> bool:
    return _thread.get_ident() == threading.main_thread().ident and not greenlets.have_replaced_something()


# --- for the work


def call_back(function: Callable[P, T], /, *args: P.args, **known: P.kwargs) -> T:
    """Call a function of the user, on the thread that made the call; what it raises, this raises."""
    errand = _current()
    work = Work(function, args, known)
    return cast("T", work() if errand is None else errand.ask(work))


def check() -> None:
    """Raise `AbandonedError` if nobody waits for the work any longer."""
    errand = _current()
    if errand is not None and errand.abort.aborted:
        raise AbandonedError


def current_abort() -> Abort | None:
    """Return what ends the work of this thread when it is abandoned; None if it cannot be."""
    errand = _current()
    return None if errand is None else errand.abort


def turns(deadline: Deadline) -> Iterator[float]:
    """Yield the turns of a wait (`Deadline.waits`); raise `AbandonedError` once nobody waits for the work."""
    for seconds in deadline.waits():
        check()
        yield seconds


@contextlib.contextmanager
def woken_by(wake: Callable[[], object]) -> Iterator[None]:
    """Call ``wake``, from the main thread, if the work is abandoned within the ``with``; it must not block."""
    abort = current_abort()
    if abort is None:
        yield
        return
    sleeper = _Sleeper(wake)
    abort._add(sleeper)
    try:
        yield
    finally:
        abort._remove(sleeper)


def if_abandoned(undo: Callable[[], object]) -> None:
    """Call ``undo`` if the result of the work never reaches its caller."""
    errand = _current()
    if errand is not None:
        errand.undo = undo


@contextlib.contextmanager
def to_the_end() -> Iterator[None]:
    """Do what is within the ``with`` even if nobody waits for it."""
    errand = _current()
    _own.errand = None
    try:
        yield
    finally:
        _own.errand = errand


# Not a context variable: what the work starts, such as tasks of a loop, is not part of it.
_own: Final = threading.local()


def _current() -> _Errand | None:
    return getattr(_own, "errand", None)


class _Sleeper:
    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake

    def wake(self) -> None:
        self._wake()


# --- what was abandoned

_abandoned: Final[set[threading.Thread]] = set()


def settle(deadline: Deadline) -> None:
    """Wait until ``deadline`` for the end of all work that was abandoned in this process."""
    for thread in tuple(_abandoned):
        if thread is threading.current_thread():
            continue
        if thread.ident is not None:
            thread.join(deadline.remaining())
        if not thread.is_alive():
            _abandoned.discard(thread)


@process_end.after_fork_in_child
def _forget() -> None:
    _abandoned.clear()


# --- one errand


class _Errand:
    """Work on a thread of its own, and the waiting of the main thread.

    An exception may hit the main thread at any instruction, so each change is one that the other side understands
    at any time. The waiting is that of a plain lock, in C: nothing to be left half done. The thread is started by
    another one, because `threading.Thread.start` cannot be interrupted without leaving something behind.
    """

    def __init__(self, work: Callable[[], Any], at_most_s: float | None) -> None:
        self.abort: Final = Abort()
        self.undo: Callable[[], object] | None = None
        self._work: Callable[[], Any] | None = work
        self._at_most_s = at_most_s
        self._before = sys.exception()  # the user's
        self._context: contextvars.Context | None = contextvars.copy_context()
        self._thread = threading.Thread(target=self._go, name="odyssey-call", daemon=True)
        self._fate: dict[str, str] = {}
        """Its one entry, ``how``, is "done" or "abandoned", whatever came first."""
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._question: Callable[[], Any] | None = None
        self._reply: tuple[Any, BaseException | None] | None = None
        self._is_launched = False  # whether the thread runs, or is about to
        self._begun, self._bell, self._replied, self._over = (_closed_gate() for _ in range(4))

    # --- on the main thread

    def perform(self) -> Any:
        """Do the work, and return its result or raise what it raised; `_NO_THREAD` if there is no thread for it.

        If it is left by any other exception, `abandon` has to follow.
        """
        if not self._begins():
            return _NO_THREAD
        left = self._at_most_s
        while self._outcome is None and (left is None or left > 0):
            if not self._bell.acquire(timeout=TURN_S):
                left = None if left is None else left - TURN_S
            elif self._question is not None:
                self._answer()
        if self._outcome is None:
            return None
        if self._thread.ident is not None:
            self._thread.join(TURN_S)
        value, error = self._outcome
        if error is None:
            return value
        # This frame is in the traceback: nothing else must refer to the error.
        self._outcome = self.undo = None
        try:
            raise error
        finally:
            del error

    def _begins(self) -> bool:
        self._is_launched = True
        try:
            _thread.start_new_thread(self._launch, ())
        except RuntimeError as exc:
            if exc.__traceback__ is not None and exc.__traceback__.tb_next is not None:
                raise  # by a signal handler: the thread has started
            return False
        return True

    def _answer(self) -> None:
        question, self._question = self._question, None
        assert question is not None
        try:
            self._reply = question(), None
        except BaseException as exc:  # noqa: BLE001 - the work raises it
            self._reply = None, exc
        self._replied.release()

    def abandon(self) -> None:
        """Have the work end, and what it has made undone, unless it is that of closing."""
        if self._at_most_s is not None:
            _abandoned.add(self._thread)  # it goes on: the next call of this kind waits for it
            self._wait_for_start()
            return
        if self._fate.setdefault("how", "abandoned") == "abandoned":
            _abandoned.add(self._thread)
            self.abort.abort()
            with contextlib.suppress(RuntimeError):  # nobody waits for a reply
                self._replied.release()
            if self._wait_for_start():
                self._over.acquire(timeout=_GIVING_UP_S)
        elif self.undo is not None:
            late = threading.Thread(target=self._undo, name="odyssey-call", daemon=True)
            _abandoned.add(late)
            started = _closed_gate()

            def launch() -> None:
                late.start()
                started.release()

            _thread.start_new_thread(launch, ())
            started.acquire(timeout=_STARTING_S)

    def _wait_for_start(self) -> bool:
        """Wait for the start of the thread, as `settle` does not; return whether it runs, or is over."""
        return self._is_launched and self._begun.acquire(timeout=_STARTING_S)

    # --- on its own thread

    def _launch(self) -> None:
        try:
            self._thread.start()
        except BaseException:  # noqa: BLE001 - the system has no more threads
            # Not done on this one, of which `threading` would keep a dummy for ever.
            self._fate.setdefault("how", "done")
            self._outcome = _NO_THREAD, None
            self._begun.release()
            self._bell.release()
            self._over.release()

    def _go(self) -> None:
        self._begun.release()
        _own.errand = self
        work, context = self._work, self._context
        self._work = self._context = None
        assert work is not None
        assert context is not None
        outcome: tuple[Any, BaseException | None]
        try:
            check()
            outcome = context.run(_done, work), None
        except BaseException as exc:  # noqa: BLE001 - the main thread raises it
            outcome = None, without_locals(exc, self._before)
        _own.errand = None
        del work, context
        self._outcome = outcome
        del outcome
        is_abandoned = self._fate.setdefault("how", "done") == "abandoned"
        self._bell.release()
        self._over.release()
        if is_abandoned:
            self._undo()

    def ask(self, question: Callable[[], Any]) -> Any:
        """Have the main thread answer ``question``."""
        check()
        self._question = question
        self._bell.release()
        self._replied.acquire()
        if self._reply is None:
            raise AbandonedError
        (value, error), self._reply = self._reply, None
        if error is not None:
            raise error
        return value

    def _undo(self) -> None:
        undo, self.undo = self.undo, None
        self._outcome = None
        if undo is not None:
            undo()


def _closed_gate() -> Any:
    gate = _thread.allocate_lock()
    gate.acquire()
    return gate
