"""Calls that end by their deadline or by an abort."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net.call import Call
from tests.support.leaks import nothing_left
from tests.support.processes import PATIENCE_S, eventually, is_waited_for

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60.0


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_left():
        yield


def until(seconds: float | None) -> Deadline:
    return Deadline(seconds, MonotonicClock())


def in_thread(work: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Run ``work`` on a thread; return the thread, and the list that collects its errors."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except OSError as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


def test_an_aborted_call_has_no_time_left() -> None:
    abort = Abort()
    with Call(until(LONG), abort) as call:
        assert call.remaining() == pytest.approx(LONG, abs=5)
        abort.abort()
        assert call.aborted
        with pytest.raises(ConnectionAbortedError):
            call.remaining()


def test_a_call_made_after_the_abort_is_aborted_from_the_start() -> None:
    abort = Abort()
    abort.abort()
    abort.abort()
    assert abort.aborted
    with Call(until(LONG), abort) as call, pytest.raises(ConnectionAbortedError):
        call.remaining()


def test_each_of_several_aborts_ends_a_call() -> None:
    first, second = Abort(), Abort()
    with Call(until(LONG), first, None, second) as call:
        second.abort()
        assert call.aborted


def test_an_abort_wakes_calls_only_while_they_last() -> None:
    abort, woken = Abort(), []
    with Call(until(LONG), abort, on_wake=lambda: woken.append("inside")):
        abort.abort()
    abort.abort()
    assert woken == ["inside"]


def test_a_call_whose_time_is_over_says_so() -> None:
    with Call(until(0), Abort()) as call, pytest.raises(TimeoutError):
        call.remaining()


@pytest.mark.parametrize("seconds", [None, 1e12])
def test_a_call_without_a_limit_or_with_an_endless_one_waits_without_timeout(seconds: float | None) -> None:
    with Call(until(seconds)) as call:
        assert call.remaining() is None


def test_a_pause_is_not_begun_when_the_call_ends_before_it() -> None:
    with Call(until(LONG / 2)) as call:
        assert not call.pause(LONG)
        assert call.pause(0.001)
    with Call(until(None)) as call:
        assert call.pause(0.001)


def test_an_abort_ends_a_pause() -> None:
    abort = Abort()
    with Call(until(None), abort) as call:
        results: list[bool] = []
        thread, _ = in_thread(lambda: results.append(call.pause(LONG)))
        eventually(lambda: is_waited_for(call._woken))
        abort.abort()
        thread.join(PATIENCE_S)
        assert results == [False]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux wakes every thread that waits at a shut socket")
def test_an_abort_ends_a_receive_at_once() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        received: list[bytes] = []
        thread, _ = in_thread(lambda: received.append(ours.recv(2, socket.MSG_WAITALL)))
        theirs.sendall(b"x")
        eventually(lambda: not select.select([ours], [], [], 0)[0])  # then the thread waits for the other byte
        abort.abort()
        thread.join(PATIENCE_S)
        assert received == [b"x"]


def test_a_socket_guarded_after_the_abort_is_shut() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    abort.abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        assert ours.recv(1) == b""


def test_only_the_socket_guarded_last_is_shut() -> None:
    first, second = socket.socketpair()
    third, fourth = socket.socketpair()
    with contextlib.ExitStack() as stack:
        for sock in (first, second, third, fourth):
            stack.enter_context(contextlib.closing(sock))
        call = stack.enter_context(Call(until(LONG)))
        call.guard(first)
        call.guard(third)
        call.shut()
        second.sendall(b"x")
        assert first.recv(1) == b"x"
        assert third.recv(1) == b""


def test_a_forked_child_leaves_the_parents_socket_alone() -> None:
    ours, theirs = socket.socketpair()
    abort = Abort()
    with contextlib.closing(ours), contextlib.closing(theirs), Call(until(LONG), abort) as call:
        call.guard(ours)
        call._process = os.getpid() + 1  # as in a forked child, without forking a process that has threads
        abort.abort()
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
