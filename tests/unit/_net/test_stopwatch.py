"""Round trips without the time that an answer waits to be read, over real sockets."""

from __future__ import annotations

import select
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from odyssey_proto._net import stopwatch as module
from odyssey_proto._net.stopwatch import Stopwatch
from tests.support.clocks import Time
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when data arrived")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
    ):
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs


def stamped(pair: tuple[socket.socket, socket.socket]) -> None:
    """Send data until the kernel stamps its arrival, which it begins to do only a moment after it is asked to."""

    def is_stamped() -> bool:
        answered(pair)
        if module._waiting_s(pair[0]) is not None:
            return True
        pair[0].recv(99)
        return False

    eventually(is_stamped)


def answered(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"pong")
    assert select.select([ours], [], [], PATIENCE_S)[0]


@on_linux
def test_the_time_for_which_an_answer_has_been_waiting_does_not_count(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Time()
    stopwatch = Stopwatch(clock)
    stopwatch.begin(pair[0])
    stamped(pair)
    clock.at += 0.5
    monkeypatch.setattr(module, "seconds_since", lambda _: 0.4)
    stopwatch.arrived(pair[0])
    assert stopwatch.ms in (99, 100)  # 0.5 s less 0.4 s, which binary fractions do not give exactly


@on_linux
def test_the_kernel_says_how_long_an_answer_has_been_waiting(pair: tuple[socket.socket, socket.socket]) -> None:
    Stopwatch(Time()).begin(pair[0])
    stamped(pair)
    waiting = module._waiting_s(pair[0])
    assert waiting is not None
    assert 0 <= waiting < 10
    assert pair[0].recv(9) == b"pong"  # asking the kernel has not consumed it


@pytest.mark.parametrize("waiting", [-1.0, 0.6])
def test_a_system_clock_that_is_set_meanwhile_is_not_believed(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, waiting: float
) -> None:
    clock = Time()
    stopwatch = Stopwatch(clock)
    stopwatch.begin(pair[0])
    if sys.platform == "linux":
        stamped(pair)
    clock.at += 0.5
    monkeypatch.setattr(module, "seconds_since", lambda _: waiting)
    stopwatch.arrived(pair[0])
    assert stopwatch.ms == 500


def test_on_other_systems_the_time_of_reading_counts(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys, "platform", "darwin")
    clock = Time()
    stopwatch = Stopwatch(clock)
    stopwatch.begin(pair[0])
    answered(pair)
    clock.at += 0.5
    stopwatch.arrived(pair[0])
    assert stopwatch.ms == 500


def test_a_socket_that_does_not_say_is_timed_by_reading(pair: tuple[socket.socket, socket.socket]) -> None:
    clock = Time()
    stopwatch = Stopwatch(clock)
    with socket.socket() as closed:
        stopwatch.begin(closed)
    stopwatch.begin(closed)
    clock.at += 0.25
    assert stopwatch.is_running
    stopwatch.arrived(closed)
    assert stopwatch.ms == 250
    assert not stopwatch.is_running


@pytest.mark.parametrize(("seconds", "ms"), [(0.0, 0), (0.0009, 0), (0.0209, 20), (0.9999, 999)])
def test_ms_are_cut_not_rounded(seconds: float, ms: int) -> None:
    clock = Time()
    clock.at = 0.0
    stopwatch = Stopwatch(clock)
    assert stopwatch.ms == 0
    with socket.socket() as sock:
        stopwatch.begin(sock)
        clock.at = seconds
        stopwatch.begin(sock)  # a second request does not restart the time
        stopwatch.arrived(sock)
    assert stopwatch.ms == ms
