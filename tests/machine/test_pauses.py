"""A streamer that pauses: its model is busy, its GPU is shared. The network is alive, and the link goes on."""

from __future__ import annotations

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
    pause_s: int, reconnect: bool, emulator: Emulator, make_client: MakeClient
) -> None:
    client: Odyssey = make_client(emulator, reconnect=reconnect)
    with client.connect() as session:
        emulator.faults.add(Fault(step="media", action="silence", after=20, times=pause_s * FPS))
        happened = session.events(timeout=PATIENCE_S)
        session.start_stream("A cat")
        seen = list(islice(session.frames(queue_size=100, timeout=PATIENCE_S), 40))
        stats = session.stats()
        told = list(takewhile(lambda event: not isinstance(event, GapEvent), happened))
    (paused,) = [event for event in told if isinstance(event, VideoPaused)]
    assert 1 <= paused.seconds < pause_s
    assert stats.keyframes_requested >= 1
    assert stats.freezes >= 1
    assert stats.freeze_s >= stats.longest_freeze_s > pause_s - 0.5
    waits = [after.received_at - before.received_at for before, after in pairwise(seen)]
    assert max(waits) > pause_s - 0.5
    assert (stats.reconnects, stats.gaps) == (0, 1)
    for frame in seen:
        arrived_ms = (frame.received_at - seen[0].received_at) * 1000
        assert frame.timestamp_ms - seen[0].timestamp_ms == pytest.approx(arrived_ms, abs=SLACK_MS)


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
        happened = spectator.events(timeout=PATIENCE_S)
        frames = spectator.frames(queue_size=100, pace="smooth", timeout=PATIENCE_S)
        next(frames)
        emulator.faults.add(Fault(step="media", action="silence", times=2 * FPS))
        kinds = [type(event) for event in takewhile(lambda event: not isinstance(event, GapEvent), happened)]
        next(frames)
        stats = spectator.stats()
    assert kinds.count(VideoPaused) == 1
    assert (stats.reconnects, stats.gaps) == (0, 1)
    assert stats.longest_freeze_s > 1.5
    assert stats.target_delay_ms is not None
