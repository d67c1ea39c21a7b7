"""Clocks that jump: the wall clock at any time, and the monotonic clock after a machine was suspended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import ConnectionStatus, GapEvent, OdysseyStreamTimeoutError
from odyssey_proto.emulator._server import Emulator
from tests.support.live import number_of, take
from tests.support.processes import PATIENCE_S, eventually, script

if TYPE_CHECKING:
    from odyssey_proto import Odyssey
    from tests.conftest import Background

HOUR: Final = 3600.0


class JumpingClock:
    """The monotonic clock with an error that the test sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(client: Odyssey) -> JumpingClock:
    """A clock for `client` that the test controls."""
    client._clock = clock = JumpingClock()
    return clock


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["an hour ahead", "an hour back"])
def test_a_session_goes_on_when_its_clock_jumps(client: Odyssey, clock: JumpingClock, jump: float) -> None:
    session = client.connect(timeout=PATIENCE_S)
    stream_id = session.start_stream("A cat", portrait=False)
    frames = session.frames()
    before = take(frames, 3)[-1]
    clock.ahead += jump
    numbers = [number_of(frame) for frame in take(frames, 70)]  # longer than the core waits for video
    assert numbers == sorted(set(numbers))
    assert numbers[0] > number_of(before)
    assert session.interact("Night", timeout=PATIENCE_S)
    assert session.status is ConnectionStatus.CONNECTED
    assert session.stream_id == stream_id
    session.end_stream(timeout=PATIENCE_S)


def test_what_is_measured_stays_true_when_the_clock_jumps_back(client: Odyssey, clock: JumpingClock) -> None:
    session = client.connect(timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False)
    frames = session.frames()
    take(frames, 3)
    clock.ahead -= HOUR
    take(frames, 10)
    stats = session.stats()
    assert stats.decode_ms is not None
    assert stats.decode_ms > 0
    assert (stats.fps > 0, stats.bitrate_bps > 0) == (True, True)
    assert stats.gap_s < HOUR
    session.end_stream(timeout=PATIENCE_S)
    assert 0 <= session.stats().gap_s < HOUR


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["an hour ahead", "an hour back"])
def test_a_client_whose_clock_has_jumped_connects(client: Odyssey, clock: JumpingClock, jump: float) -> None:
    with client.connect(timeout=PATIENCE_S):
        clock.ahead += jump
    with client.connect(timeout=PATIENCE_S) as session:
        session.start_stream("A cat", portrait=False)
        assert take(session.frames(), 3)


def test_a_call_that_waits_while_the_clock_jumps_ahead_may_time_out_and_harms_nothing(
    client: Odyssey, clock: JumpingClock, in_background: Background
) -> None:
    session = client.connect(timeout=PATIENCE_S)
    waiting = in_background(lambda: session.wait_for(GapEvent, timeout=HOUR / 2))

    def jumped() -> bool:
        clock.ahead += HOUR  # again, until the call has begun to wait
        return waiting.done()

    eventually(jumped)
    assert isinstance(waiting.exception(), OdysseyStreamTimeoutError)
    assert session.start_stream("A cat", portrait=False)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_is_no_matter_to_a_session(hours: int) -> None:
    code = f"""
session = client.connect()
session.start_stream("A cat", portrait=False)
frames = first_frames(session)
real = time.time
time.time = lambda: real() + {hours * 3600}
session.interact("Night", timeout=10)
before = next(frames).index
while next(frames).index < before + 30:
    pass
session.end_stream(timeout=10)
say(session.status, len(client.list_stream_recordings().recordings))
client.close()
"""
    with Emulator(size=(512, 64)) as emulator, script(code, emulator.api_url) as process:
        assert process.said() == ["connected", 1]
        assert process.ended() == 0
        assert process.stderr == ""
