"""The work of public calls: it runs on a thread of its own while the main thread waits."""

from __future__ import annotations

import contextlib
import contextvars
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._base import errands
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errands import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Have SIGUSR1 raise a TimeoutError on the main thread."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("needs signals to threads")

    def handle(*_: object) -> None:
        raise TimeoutError("of the user")

    before = signal.signal(signal.SIGUSR1, handle)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGUSR1)


def elsewhere(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_a_call_from_the_main_thread_works_on_another_thread_which_then_ends() -> None:
    @undisturbed
    def call(number: int, *, more: int) -> tuple[int, threading.Thread]:
        return number + more, threading.current_thread()

    total, thread = call(1, more=2)
    thread.join(30)
    assert (total, thread.name, thread.is_alive()) == (3, "odyssey-call", False)


def test_a_call_from_another_thread_works_there() -> None:
    seen = []

    @undisturbed
    def call() -> None:
        seen.append(threading.current_thread())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert seen == [thread]


def test_the_work_has_the_context_of_the_caller() -> None:
    token = VARIABLE.set("of the caller")
    assert undisturbed(VARIABLE.get)() == "of the caller"
    VARIABLE.reset(token)


def test_what_the_work_raises_is_raised_with_its_lines_but_without_its_variables() -> None:
    @undisturbed
    def call(secret: str) -> None:
        copy = secret
        raise LookupError(len(copy))

    with pytest.raises(LookupError) as caught:
        call("marked")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = [
        frame for frame in frames if frame.filename.endswith("_base/errands.py") and "tests" not in frame.filename
    ]
    assert ours
    assert not [frame for frame in ours if "marked" in str(frame.locals)]


def test_the_user_s_exception_that_is_being_handled_keeps_its_variables() -> None:
    @undisturbed
    def call() -> None:
        raise LookupError

    def failing() -> None:
        mine = "kept"
        raise ValueError(mine)

    def both() -> None:
        try:
            failing()
        except ValueError as before:
            with contextlib.suppress(LookupError):
                call()
            frames = traceback.TracebackException.from_exception(before, capture_locals=True).stack
            seen.append(frames[-1].locals)

    seen: list[dict[str, str] | None] = []
    both()
    elsewhere(both)
    assert [found and found["mine"] for found in seen] == ["'kept'", "'kept'"]


def test_work_for_which_there_is_no_thread_is_done_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = contextvars.copy_context()
    # Entering a context twice raises a RuntimeError in C, as starting a thread does if the system has no more.
    monkeypatch.setattr("_thread.start_new_thread", entered.run)
    assert entered.run(undisturbed(threading.current_thread)) is threading.main_thread()


def test_work_is_done_by_the_thread_that_should_only_start_another_if_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    assert undisturbed(lambda: 7)() == 7


@pytest.mark.usefixtures("interrupts")
def test_what_a_handler_raises_ends_the_wait_and_the_work() -> None:
    ended: list[BaseException | None] = []
    woken = threading.Event()

    @undisturbed
    def call() -> None:
        with errands.woken_by(woken.set):
            interrupt()
            woken.wait()
        try:
            errands.check()
        finally:
            ended.append(sys.exception())

    with pytest.raises(TimeoutError, match="of the user"):
        call()
    errands.settle(Deadline(None, MonotonicClock()))
    assert [type(exc) for exc in ended] == [errands.AbandonedError]


@pytest.mark.usefixtures("interrupts")
def test_what_abandoned_work_has_made_is_undone() -> None:
    undone = threading.Event()

    @undisturbed
    def call() -> None:
        errands.if_abandoned(undone.set)
        interrupt()

    with pytest.raises(TimeoutError, match="of the user"):
        call()
    errands.settle(Deadline(None, MonotonicClock()))
    assert undone.wait(30)  # `settle` does not wait for a thread that starts late, on a busy machine


@pytest.mark.usefixtures("interrupts")
def test_what_must_not_be_left_half_done_goes_on() -> None:
    seen = []
    gone = threading.Event()

    @undisturbed
    def call() -> None:
        with errands.to_the_end():
            interrupt()
            gone.wait()
            seen.append(errands.current_abort())
            errands.check()
        errands.check()
        seen.append("not reached")

    with pytest.raises(TimeoutError, match="of the user"):
        call()
    gone.set()
    errands.settle(Deadline(None, MonotonicClock()))
    assert seen == [None]


@pytest.mark.usefixtures("interrupts")
def test_closing_is_never_abandoned() -> None:
    gone, closed = threading.Event(), threading.Event()

    @undisturbed(at_most_s=30.0)
    def close() -> None:
        interrupt()
        gone.wait()
        errands.check()
        closed.set()

    with pytest.raises(TimeoutError, match="of the user"):
        close()
    gone.set()
    assert closed.wait(30)


@pytest.mark.usefixtures("interrupts")
def test_closing_that_is_interrupted_before_its_thread_has_started_is_waited_for_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed, waited_for = threading.Event(), threading.Event()
    start = threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        interrupt()
        waited_for.wait(0.2)
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_late)
        patch.setattr(errands, "_STARTING_S", 30.0)  # a busy machine may start a thread late, too
        with pytest.raises(TimeoutError, match="of the user"):
            undisturbed(at_most_s=30.0)(closed.set)()
        errands.settle(Deadline(30.0, MonotonicClock()))
        was_closed = closed.is_set()
        waited_for.set()
    assert was_closed


def test_the_wait_for_closing_has_an_end() -> None:
    gone, closed = threading.Event(), threading.Event()
    threads = []

    @undisturbed(at_most_s=0.1)
    def close() -> None:
        threads.append(threading.current_thread())
        gone.wait(30)
        closed.set()

    close()
    was_closed = closed.is_set()
    gone.set()
    assert closed.wait(30)
    threads[0].join(30)
    assert not was_closed


def test_a_callback_is_called_on_the_thread_of_the_caller() -> None:
    @undisturbed
    def call(callback: Callable[[int], object]) -> list[object]:
        return [errands.call_back(callback, number) for number in (1, 2)]

    assert call(lambda number: (number, threading.current_thread())) == [
        (1, threading.main_thread()),
        (2, threading.main_thread()),
    ]


def test_what_a_callback_raises_goes_through_the_work() -> None:
    seen = []

    @undisturbed
    def call(callback: Callable[[], object]) -> None:
        try:
            errands.call_back(callback)
        finally:
            seen.append("cleaned up")

    error = OSError("of the callback")

    def fail() -> None:
        raise error

    with pytest.raises(OSError, match="of the callback") as caught:
        call(fail)
    assert caught.value is error
    assert seen == ["cleaned up"]


def test_an_interrupted_callback_interrupts_the_call() -> None:
    @undisturbed
    def call(callback: Callable[[], object]) -> None:
        errands.call_back(callback)

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(fail)


def test_a_method_that_attrs_has_written_can_be_decorated() -> None:
    class Thing:
        def __init__(self, name: str) -> None:
            self.name = f"{name} {threading.current_thread().name}"

        @classmethod
        def of(cls, name: str) -> Thing:
            return cls(name)

    errands.undisturb(Thing, "__init__", "of")
    assert (Thing("a").name, Thing.of("b").name) == ("a odyssey-call", "b odyssey-call")
