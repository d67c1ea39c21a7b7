"""The statistics of a session: counts that continue, rates, and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from odyssey_proto import ConnectionStatus, SessionStats
from odyssey_proto.emulator._faults.script import Fault
from tests.support.live import DEAF, lose, take
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Odyssey, Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeClient, MakeEmulator

SOON_S: Final = 10.0
GROWING: Final = (
    "age_s",
    "reconnects",
    "frames_received",
    "frames_delivered",
    "frames_held",
    "frames_lost",
    "packets_received",
    "bytes_received",
)


def counts(stats: SessionStats) -> tuple[Any, ...]:
    return tuple(getattr(stats, name) for name in GROWING)


def test_before_a_stream_there_is_nothing_to_report(session: Session) -> None:
    stats = session.stats()
    assert stats.age_s > 0
    assert (stats.frames_received, stats.packets_received, stats.bitrate_bps, stats.reconnects) == (0, 0, 0, 0)
    assert (stats.codec, stats.width, stats.latency_ms, stats.decode_ms, stats.gaps) == (None, None, None, None, 0)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_a_stream_is_counted_and_measured(
    codec: str, make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    session = make_client(make_emulator(codec=codec, size=(512, 256))).connect()
    session.start_stream("A cat", portrait=False)
    frames = session.frames("error", 64, timeout=SOON_S)
    for frame in take(frames, 30):
        assert frame.data.shape
    stats = session.stats()
    assert stats.frames_received >= 30
    assert stats.frames_delivered == 30
    assert (stats.frames_dropped, stats.reconnects) == (0, 0)
    assert (stats.codec, stats.width, stats.height) == (codec.upper(), 512, 256)
    assert stats.packets_received >= stats.frames_received
    assert stats.bytes_received > 100 * stats.packets_received
    assert stats.bitrate_bps > 1000
    assert stats.fps > 1
    for measured in ("jitter_ms", "round_trip_ms", "decode_ms", "convert_ms", "latency_ms"):
        assert 0 < getattr(stats, measured) < 5000, measured


def test_what_a_slow_iterator_misses_is_dropped(session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames("latest", timeout=SOON_S)
    next(frames)
    eventually(lambda: session.stats().frames_dropped >= 5)
    frame = next(frames)
    assert frame.dropped_before <= session.stats().frames_dropped
    session.end_stream()
    stats = session.stats()
    assert stats.frames_delivered == 2
    assert stats.frames_received >= stats.frames_delivered + stats.frames_dropped


def test_handlers_may_ask(client: Odyssey) -> None:
    told: list[SessionStats] = []
    session = client.connect(on_video_frame=lambda _: told.append(session.stats()))
    session.start_stream("A cat")
    eventually(lambda: len(told) > 2)
    assert told[-1].frames_received > 0


def test_counts_go_on_when_the_session_has_rejoined(emulator: Emulator, session: Session) -> None:
    session.start_stream("A cat")
    frames = session.frames(timeout=SOON_S)
    take(frames, 20)
    before = session.stats()
    lose(emulator, session)
    seen = [before, session.stats()]
    for frame in frames:
        seen.append(session.stats())
        if frame.index > before.frames_received + 10:
            break
    after = session.stats()
    assert after.reconnects == 1
    assert after.gaps >= 1  # a busy machine may make others
    assert after.gap_s > 0
    assert after.packets_received > before.packets_received + 10
    for earlier, later in zip(seen, [*seen[1:], after], strict=True):
        assert all(a <= b for a, b in zip(counts(earlier), counts(later), strict=True))


def test_a_connection_that_is_being_rejoined_can_be_asked_and_has_a_gap_that_grows(
    emulator: Emulator, session: Session
) -> None:
    session.start_stream("A cat")
    take(session.frames(timeout=SOON_S), 3)
    emulator.faults.add(DEAF)
    lose(emulator, session)
    eventually(lambda: session.status is ConnectionStatus.RECONNECTING)
    first = session.stats()
    eventually(lambda: session.stats().gap_s > first.gap_s)
    assert session.stats().gaps >= 1  # a busy machine may have made another before
    emulator.faults.clear()


def test_a_pause_of_the_streamer_is_a_gap(emulator: Emulator, session: Session) -> None:
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat")
    take(frames, 10)
    emulator.faults.add(Fault(step="media", action="silence", times=None))
    eventually(lambda: session.stats().gap_s > 1)
    emulator.faults.clear()
    take(frames, 10)
    stats = session.stats()
    assert stats.gaps >= 1  # a busy machine may make others
    assert 1 < stats.gap_s < PATIENCE_S
    assert (stats.frames_lost, stats.reconnects) == (0, 0)


def test_after_the_end_the_last_numbers_stay(session: Session) -> None:
    session.start_stream("A cat")
    take(session.frames(timeout=SOON_S), 5)
    session.disconnect()
    session.wait(timeout=PATIENCE_S)
    first = session.stats()
    assert first.frames_received >= 5
    assert first.codec == "H264"
    assert first.latency_ms is None
    assert counts(session.stats()) == counts(first)


def test_a_session_that_failed_can_be_asked(emulator: Emulator, make_client: MakeClient) -> None:
    session = make_client(emulator, reconnect=False).connect()
    session.start_stream("A cat")
    take(session.frames(timeout=SOON_S), 5)
    lose(emulator, session)
    eventually(lambda: session.has_ended)
    assert session.stats().frames_received >= 5


def test_pictures_without_a_stamp_have_no_latency(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    session = make_client(make_emulator(stamp=False)).connect()
    session.start_stream("Night, dark, black")
    take(session.frames(timeout=SOON_S), 5)
    stats = session.stats()
    assert stats.latency_ms is None
    assert stats.frames_received >= 5


def test_stats_are_frozen(session: Session) -> None:
    stats = session.stats()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        stats.fps = 1.0  # type: ignore[misc]  # that is what is tested
