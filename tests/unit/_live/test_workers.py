"""Threads for blocking steps, and the failure if no thread can start."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import OdysseyConnectionError, OdysseyError
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._live.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 20.0


@pytest.fixture
def done() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def workers(done: threading.Semaphore) -> Workers:
    return Workers(done.release)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


def test_a_task_runs_on_another_thread_and_its_end_is_reported(
    workers: Workers, done: threading.Semaphore
) -> None:
    ran: list[threading.Thread] = []
    workers.run(lambda: ran.append(threading.current_thread()))
    assert done.acquire(timeout=PATIENCE_S)
    assert ran != [threading.current_thread()]
    assert not workers.busy


def test_it_is_busy_until_all_tasks_are_done_and_joining_waits_for_them(workers: Workers) -> None:
    go_on = threading.Event()
    workers.run(lambda: bool(go_on.wait(PATIENCE_S)) and None)
    assert workers.busy
    workers.join(Deadline(0.01, MonotonicClock()))
    assert workers.busy
    go_on.set()
    workers.join(Deadline(PATIENCE_S, MonotonicClock()))
    assert not workers.busy


@pytest.mark.parametrize("raised", [OdysseyConnectionError("lost", code="lost"), ZeroDivisionError()])
def test_what_a_task_raises_reaches_who_waits(
    workers: Workers, done: threading.Semaphore, raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def task() -> None:
        raise raised

    failures: list[OdysseyError] = []
    workers.run(task, failures.append)
    assert done.acquire(timeout=PATIENCE_S)
    assert [error.code for error in failures] == [getattr(raised, "code", "internal")]
    assert ("a worker failed" in caplog.text) == (not isinstance(raised, OdysseyError))


def test_without_threads_the_caller_gets_an_error(workers: Workers, no_threads: None) -> None:
    failures: list[OdysseyError] = []
    workers.run(lambda: pytest.fail("it ran"), failures.append)
    assert [error.code for error in failures] == ["no_resources"]
    assert not workers.busy


def test_without_threads_a_task_that_nobody_waits_for_runs_at_once(workers: Workers, no_threads: None) -> None:
    ran: list[threading.Thread] = []
    workers.run(lambda: ran.append(threading.current_thread()))
    assert ran == [threading.current_thread()]
    assert not workers.busy
