"""An executor of daemon threads: how it runs calls, and that it leaves no thread and no reference behind."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._base.daemon_executor import DaemonExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

GENEROUS = 30.0  # s; a hang fails, a slow machine does not


@pytest.fixture
def executor() -> Iterator[DaemonExecutor]:
    made = DaemonExecutor("odyssey-test")
    yield made
    made.shutdown()
    assert own_threads() == []


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "odyssey-test"]


def test_a_call_runs_on_a_daemon_thread_of_its_name(executor: DaemonExecutor) -> None:
    thread = executor.submit(threading.current_thread).result(GENEROUS)
    assert (thread.name, thread.daemon) == ("odyssey-test", True)


def test_arguments_and_results_pass_through(executor: DaemonExecutor) -> None:
    assert executor.submit(int, "ff", base=16).result(GENEROUS) == 255


def test_a_failure_is_raised_to_whoever_waits_and_the_thread_goes_on(executor: DaemonExecutor) -> None:
    assert isinstance(executor.submit(lambda: [][0]).exception(GENEROUS), IndexError)
    assert executor.submit(len, "abc").result(GENEROUS) == 3


def test_an_idle_thread_is_used_again(executor: DaemonExecutor) -> None:
    for _ in range(20):
        executor.submit(len, "").result(GENEROUS)
        # The result comes a moment before the thread is idle again.
        assert executor._idle.acquire(timeout=GENEROUS)
        executor._idle.release()
    assert len(own_threads()) == 1


def test_calls_run_side_by_side_after_an_idle_time(executor: DaemonExecutor) -> None:
    executor.submit(len, "").result(GENEROUS)
    assert executor._idle.acquire(timeout=GENEROUS)
    executor._idle.release()
    meeting = threading.Barrier(2)
    calls = [executor.submit(meeting.wait, GENEROUS) for _ in range(2)]
    assert sorted(call.result(GENEROUS) for call in calls) == [0, 1]


def test_calls_run_side_by_side_and_those_beyond_the_most_threads_wait(executor: DaemonExecutor) -> None:
    most = min(32, (os.cpu_count() or 1) + 4)
    goes_on = threading.Event()
    begun = threading.Semaphore(0)

    def work() -> bool:
        begun.release()
        return goes_on.wait(GENEROUS)

    calls = [executor.submit(work) for _ in range(most + 3)]
    assert all(begun.acquire(timeout=GENEROUS) for _ in range(most))
    assert len(own_threads()) == most
    assert not begun.acquire(blocking=False)
    goes_on.set()
    assert all(call.result(GENEROUS) for call in calls)


def test_a_call_that_is_cancelled_in_time_does_not_run(executor: DaemonExecutor) -> None:
    goes_on = threading.Event()
    busy = [executor.submit(goes_on.wait, GENEROUS) for _ in range(min(32, (os.cpu_count() or 1) + 4))]
    cancelled = executor.submit(pytest.fail)
    assert cancelled.cancel()
    goes_on.set()
    assert concurrent.futures.wait(busy, GENEROUS).not_done == set()
    assert executor.submit(len, "").result(GENEROUS) == 0


def test_after_the_shutdown_nothing_is_taken() -> None:
    executor = DaemonExecutor("odyssey-test")
    executor.shutdown()
    with pytest.raises(RuntimeError, match="has been shut down"):
        executor.submit(len, "")


def test_a_shutdown_finishes_what_waits_unless_it_is_cancelled() -> None:
    for cancel in (False, True):
        executor = DaemonExecutor("odyssey-test")
        goes_on = threading.Event()
        for _ in range(min(32, (os.cpu_count() or 1) + 4)):
            executor.submit(goes_on.wait, GENEROUS)
        last = executor.submit(len, "abc")
        executor.shutdown(wait=False, cancel_futures=cancel)
        goes_on.set()
        executor.join(GENEROUS)
        assert own_threads() == []
        assert last.cancelled() == cancel
        assert cancel or last.result(0) == 3


def test_the_wait_for_its_threads_ends_in_time() -> None:
    executor = DaemonExecutor("odyssey-test")
    goes_on = threading.Event()
    executor.submit(goes_on.wait, GENEROUS)
    executor.shutdown(wait=False)
    executor.join(0.01)
    assert len(own_threads()) == 1
    goes_on.set()
    executor.join(GENEROUS)
    assert own_threads() == []


def test_no_thread_is_an_error_only_if_there_is_none_at_all(
    executor: DaemonExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            executor.submit(len, "")
    goes_on = threading.Event()
    first = executor.submit(goes_on.wait, GENEROUS)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        second = executor.submit(len, "abc")
    goes_on.set()
    assert first.result(GENEROUS)
    assert second.result(GENEROUS) == 3


def test_it_keeps_nothing_alive_while_it_waits(executor: DaemonExecutor) -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    executor.submit(lambda given: given, thing).result(GENEROUS)
    del thing
    assert executor._idle.acquire(timeout=GENEROUS)
    executor._idle.release()
    gc.collect()
    assert gone() is None
