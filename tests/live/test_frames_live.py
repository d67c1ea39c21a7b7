"""Frames of a live session: waiting for them, dropping some, sharing them, and their end."""

from __future__ import annotations

import functools
import gc
import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from odyssey_proto import OdysseyConfigError, OdysseyConnectionError, OdysseyStreamError, OdysseyStreamTimeoutError
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._stream import h264
from tests.support.live import frame_has_come, number_of, take
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Odyssey, Session, VideoFrame
    from odyssey_proto._video.frame_queue import FramePolicy
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

SOON_S: Final = 10.0
"""Far longer than a frame takes."""


# --- when they arrive


def test_frames_wait_for_a_stream(session: Session, in_background: Background) -> None:
    waiting = in_background(next, session.frames("error", 64, timeout=PATIENCE_S))
    session.start_stream("A cat", portrait=False)
    assert waiting.result(PATIENCE_S).index == 0


def test_frames_are_collected_from_the_call_on(session: Session) -> None:
    frames = session.frames("error", 64, timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    eventually(lambda: frame_has_come(session, 5))
    taken = take(frames, 5)
    assert [frame.index for frame in taken] == [0, 1, 2, 3, 4]
    assert [number_of(frame) for frame in taken] == [0, 1, 2, 3, 4]


def test_frames_at_a_smooth_pace_are_the_same_frames(session: Session) -> None:
    live, smooth = session.frames("error", 64, timeout=SOON_S), session.frames("error", 64, pace="smooth")
    assert session.stats().target_delay_ms == 0
    session.start_stream("A cat", portrait=False)
    assert [frame.index for frame in take(smooth, 20)] == list(range(20))
    assert [number_of(frame) for frame in take(live, 20)] == list(range(20))
    session.end_stream()
    rest = [frame.index for frame in smooth]
    assert rest == list(range(20, 20 + len(rest)))
    del smooth
    gc.collect()
    assert session.stats().target_delay_ms is None


def test_frames_that_are_asked_for_later_start_later(session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    eventually(lambda: frame_has_come(session, 5))
    assert next(session.frames(timeout=SOON_S)).index > 5


@pytest.mark.full_size
def test_a_frame_has_its_time_of_arrival_and_its_picture(session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    first, second = take(session.frames(timeout=SOON_S), 2)
    assert (first.width, first.height) == (1280, 704)
    assert second.received_at > first.received_at
    assert second.timestamp_ms > first.timestamp_ms >= 0
    assert first.data.shape == (704, 1280, 3)
    assert first.data.dtype == np.uint8
    assert first.data is first.data
    assert (first.to_ndarray("bgr24")[..., ::-1] == first.data).all()
    assert first.to_image().size == (1280, 704)


def test_the_latest_frame_is_there_while_the_stream_is(session: Session) -> None:
    assert session.latest_frame is None
    session.start_stream("A cat", portrait=False)
    eventually(lambda: frame_has_come(session, 3))
    session.end_stream()
    assert session.latest_frame is None


# --- a consumer that is slower than the stream


def test_drop_oldest_keeps_the_newest_ones_and_counts_the_others(session: Session) -> None:
    frames = session.frames("drop_oldest", 4, timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    eventually(lambda: frame_has_come(session, 12))
    taken = take(frames, 10)
    assert taken[0].index >= 9
    assert taken[0].dropped_before == taken[0].index
    for before, after in itertools.pairwise(taken):
        assert after.index == before.index + 1 + after.dropped_before


def test_latest_gives_the_newest_only(session: Session) -> None:
    frames = session.frames("latest", timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    least = 5
    for _ in range(2):
        eventually(functools.partial(frame_has_come, session, least))
        frame = next(frames)
        assert frame.index >= least
        assert frame.dropped_before > 0
        least = frame.index + 5


def test_error_hands_out_what_waited_and_then_raises(session: Session) -> None:
    frames = session.frames("error", 3, timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    eventually(lambda: frame_has_come(session, 5))
    assert [frame.index for frame in take(frames, 3)] == [0, 1, 2]
    with pytest.raises(OdysseyStreamError, match=r"A video frame was lost: 3 were already waiting") as caught:
        next(frames)
    assert caught.value.code == "frame_overflow"
    assert next(session.frames(timeout=SOON_S)), "another iterator is not concerned"


def test_a_slow_iterator_does_not_hold_up_a_fast_one(session: Session) -> None:
    slow = session.frames("drop_oldest", 1, timeout=SOON_S)
    fast = session.frames("error", 64, timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    assert [frame.index for frame in take(fast, 10)] == list(range(10))
    assert next(slow).index >= 9


def test_several_iterators_share_the_same_pictures(session: Session, in_background: Background) -> None:
    policies: tuple[FramePolicy, ...] = ("error", "error", "drop_oldest", "drop_oldest")
    iterators = [session.frames(policy, 64, timeout=PATIENCE_S) for policy in policies]
    begin = threading.Barrier(len(iterators))

    def watch(number: int) -> list[tuple[int, VideoFrame]]:
        begin.wait(SOON_S)
        return [(number_of(frame), frame) for frame in take(iterators[number], 8)]

    watching = [in_background(watch, number) for number in range(len(iterators))]
    session.start_stream("A cat", portrait=False)
    first, *others = [watched.result(PATIENCE_S) for watched in watching]
    for other in others:
        assert [number for number, _ in other] == [number for number, _ in first] == list(range(8))
        assert all(theirs.data is ours.data for (_, theirs), (_, ours) in zip(other, first, strict=True))


# --- timeouts


def test_an_iterator_goes_on_after_a_timeout(emulator: Emulator, session: Session) -> None:
    frames = session.frames(timeout=0.1)
    with pytest.raises(OdysseyStreamTimeoutError) as caught:
        next(frames)
    assert str(caught.value) == "No video frame arrived within 0.1 s"
    assert isinstance(caught.value, TimeoutError)
    emulator.faults.add(Fault(step="media", action="silence", after=3, times=20))
    session.start_stream("A cat", portrait=False)
    indices: list[int] = []
    timeouts = 0
    while len(indices) < 8:
        try:
            indices.append(next(frames).index)
        except OdysseyStreamTimeoutError:
            timeouts += 1
        assert timeouts < 100
    assert timeouts
    assert indices == sorted(set(indices))


# --- the end


def test_iteration_ends_with_the_stream(session: Session, in_background: Background) -> None:
    frames = session.frames(timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False)
    next(frames)
    watching = in_background(lambda: sum(1 for _ in frames))
    eventually(lambda: frame_has_come(session, 5))
    session.end_stream()
    assert watching.result(SOON_S) >= 1
    assert list(frames) == [], "it stays at its end"


def test_iteration_ends_when_the_session_is_left(session: Session, in_background: Background) -> None:
    frames = session.frames(timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False)
    next(frames)
    watching = in_background(lambda: sum(1 for _ in frames))
    session.disconnect()
    watching.result(SOON_S)
    assert list(frames) == []


def test_waiting_for_a_stream_ends_when_the_session_is_left(session: Session, in_background: Background) -> None:
    watching = in_background(list, session.frames())
    session.disconnect()
    assert watching.result(SOON_S) == []


def test_iteration_ends_when_the_service_closes_cleanly(emulator: Emulator, session: Session) -> None:
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    next(frames)
    emulator.faults.add(Fault(step="media", action="close", code=1000))
    for _ in frames:
        pass
    assert session.has_ended
    session.wait(timeout=SOON_S)


@pytest.mark.usefixtures("signaling_comes_first")
def test_iteration_raises_what_broke_the_session(emulator: Emulator, session: Session) -> None:
    emulator.faults.add(Fault(step="media", action="error", reason="streamer_disconnected", after=5))
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat", portrait=False)
    with pytest.raises(OdysseyConnectionError, match=r"^Streamer disconnected$") as caught:
        for _ in frames:
            pass
    assert caught.value.code == "streamer_disconnected"
    with pytest.raises(OdysseyConnectionError, match=r"^Streamer disconnected$"):
        next(frames)


def test_iteration_raises_what_broke_the_connection_where_it_is_not_rejoined(
    emulator: Emulator, make_client: MakeClient
) -> None:
    emulator.faults.add(Fault(step="media", action="drop", after=5))
    with make_client(emulator, reconnect=False).connect() as session:
        frames = session.frames(timeout=SOON_S)
        session.start_stream("A cat", portrait=False)
        with pytest.raises(OdysseyConnectionError) as caught:
            for _ in frames:
                pass
        assert caught.value.code == "connection_lost"


def test_there_are_no_frames_before_connecting(client: Odyssey) -> None:
    with pytest.raises(OdysseyStreamError, match=r"^Cannot iterate over frames: client is disconnected"):
        client.frames()


def test_there_are_no_frames_after_leaving(session: Session) -> None:
    session.disconnect()
    with pytest.raises(OdysseyStreamError, match=r"^Cannot iterate over frames: client is disconnected") as caught:
        session.frames()
    assert caught.value.code == "not_connected"


def test_leaving_the_loop_lets_go_of_the_queue(session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=SOON_S)
    queue = weakref.ref(frames._queue)  # type: ignore[attr-defined]  # where the frames wait
    for frame in frames:
        assert frame.index >= 0
        break
    del frames
    eventually(lambda: gc.collect() >= 0 and queue() is None)  # the decoder may be handing out a frame


@pytest.mark.full_size
def test_a_frame_outlives_its_session(session: Session) -> None:
    session.start_stream("A cat")
    frame = next(session.frames(timeout=SOON_S))
    session.disconnect()
    assert frame.data.shape == (1280, 704, 3)


# --- one stream after another


def test_an_iterator_belongs_to_one_stream(session: Session) -> None:
    session.start_stream("A cat", portrait=False)
    frames = session.frames(timeout=SOON_S)
    next(frames)
    session.end_stream()
    session.start_stream("A dog", portrait=False)
    eventually(lambda: frame_has_come(session, 1))
    assert len(list(frames)) <= 4


@pytest.mark.parametrize("pause_s", [0.0, 0.6], ids=["at once", "after a while"])
def test_a_stream_begins_with_its_own_first_frame(pause_s: float, session: Session) -> None:
    first = []
    for _ in range(4):
        frames = session.frames(queue_size=64, timeout=PATIENCE_S)
        session.start_stream("A cat", portrait=False)
        first.append(number_of(next(frames)))
        while number_of(next(frames)) < 20:
            pass
        session.end_stream()
        threading.Event().wait(pause_s)
    # A frame of the previous stream would have a number above 20; a busy machine may lose the first frames.
    assert all(number < 10 for number in first), first


def test_a_picture_in_a_slow_encoder_does_not_come_in_the_next_stream(
    make_emulator: MakeEmulator, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_encode = h264.StreamEncoder.encode

    def encode(encoder: h264.StreamEncoder, *arguments: Any) -> Any:
        threading.Event().wait(0.2)
        return really_encode(encoder, *arguments)

    monkeypatch.setattr(h264.StreamEncoder, "encode", encode)
    with make_client(make_emulator(codec="h264")).connect() as session:
        for _ in range(4):
            frames = session.frames("error", 64, timeout=PATIENCE_S)
            session.start_stream("A cat", portrait=False)
            assert number_of(next(frames)) == 0
            assert number_of(next(frames)) == 1
            session.end_stream()


def test_frames_are_counted_from_0_in_each_stream(session: Session) -> None:
    for _ in range(2):
        frames = session.frames("error", 64, timeout=SOON_S)
        session.start_stream("A cat", portrait=False)
        assert [frame.index for frame in take(frames, 3)] == [0, 1, 2]
        session.end_stream()


@pytest.mark.parametrize(
    ("policy", "size", "error"),
    [("newest", 4, OdysseyConfigError), ("latest", 0, OdysseyConfigError), ("latest", "4", TypeError)],
)
def test_a_queue_that_cannot_be_is_refused(
    policy: FramePolicy, size: int, error: type[Exception], session: Session
) -> None:
    with pytest.raises(error):
        session.frames(policy, size)
