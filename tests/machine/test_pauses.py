"""A streamer that pauses, because its model is busy or its GPU is shared: the network is alive, the link stays."""

from __future__ import annotations

import threading
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import AdvancedConfig, GapEvent, VideoPaused
from odyssey_proto.emulator._faults.script import Fault
from tests.support.broadcasts import broadcasting
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from odyssey_proto import Odyssey
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient

FPS: Final = 20
SLACK_MS: Final = 1000  # a busy machine paints pictures late


@pytest.mark.parametrize("reconnect", [True, False])
@pytest.mark.parametrize("pause_s", [2, 3, 6])
def test_a_streamer_that_pauses_goes_on_over_the_same_link(
    pause_s: int, reconnect: bool, emulator: Emulator, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, the link itself may be silent for some seconds; 4 s is still less than the longest pause.
    monkeypatch.setattr("odyssey_proto.core.silence._ALIVE_S", 4.0)
    client: Odyssey = make_client(emulator, reconnect=reconnect)
    with client.connect() as session:
        session.start_stream("A cat")
        frames = session.frames(queue_size=100, timeout=PATIENCE_S)
        seen = list(islice(frames, 20))
        happened = session.events(timeout=PATIENCE_S)
        emulator.faults.add(Fault(step="media", action="silence", times=None))
        paused = next(event for event in happened if isinstance(event, VideoPaused))
        threading.Event().wait(pause_s - 1)  # it has lasted for a second already
        emulator.faults.clear()
        seen += islice(frames, 20)
        stats = session.stats()
        told = [*takewhile(lambda event: not isinstance(event, GapEvent), happened)]
    assert not [event for event in told if isinstance(event, VideoPaused)], "it is told once"
    assert stats.keyframes_requested >= 1
    assert stats.freezes >= 1
    assert stats.freeze_s >= stats.longest_freeze_s > pause_s - 0.5
    waits = [after.received_at - before.received_at for before, after in pairwise(seen)]
    longest = max(waits)
    assert longest > pause_s - 0.5
    assert 1 <= paused.seconds < longest
    assert stats.reconnects == 0
    assert stats.gaps >= 1  # a machine that stands still for a second makes another gap
    # Compare the frames that were least late before the pause and after it.
    late_ms = [frame.received_at * 1000 - frame.timestamp_ms for frame in seen]
    after = waits.index(longest) + 1
    assert min(late_ms[after:]) == pytest.approx(min(late_ms[:after]), abs=SLACK_MS)


@pytest.mark.parametrize("reconnect", [True, False])
def test_how_long_a_pause_may_last_can_be_set_and_without_rejoining_it_never_ends_the_session(
    reconnect: bool, emulator: Emulator, make_client: MakeClient
) -> None:
    advanced = AdvancedConfig(video_timeout_s=1.5)
    client: Odyssey = make_client(emulator, reconnect=reconnect, advanced=advanced)
    with client.connect() as session:
        emulator.faults.add(Fault(step="media", action="silence", after=20, times=4 * FPS))
        session.start_stream("A cat")
        seen = list(islice(session.frames(queue_size=100, timeout=PATIENCE_S), 40))
        stats = session.stats()
    assert len(seen) == 40
    assert bool(stats.reconnects) is reconnect


def test_the_spectators_of_a_streamer_that_pauses_know_it_too(emulator: Emulator, make_client: MakeClient) -> None:
    with broadcasting(emulator.api_url) as broadcast, make_client(emulator).watch(broadcast.info) as spectator:
        frames = spectator.frames(queue_size=100, pace="smooth", timeout=PATIENCE_S)
        next(frames)
        happened = spectator.events(timeout=PATIENCE_S)
        emulator.faults.add(Fault(step="media", action="silence", times=None))
        next(event for event in happened if isinstance(event, VideoPaused))
        threading.Event().wait(1)
        emulator.faults.clear()
        kinds = [type(event) for event in takewhile(lambda event: not isinstance(event, GapEvent), happened)]
        next(frames)
        stats = spectator.stats()
    assert VideoPaused not in kinds, "it is told once"
    assert stats.reconnects == 0
    assert stats.gaps >= 1
    assert stats.longest_freeze_s > 1.5
    assert stats.target_delay_ms is not None
