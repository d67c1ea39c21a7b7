"""Frames that a reader gets when they are due: waiting, dropping, and the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from odyssey_proto import OdysseyConfigError, OdysseyStreamError, OdysseyStreamTimeoutError, VideoFrame
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.limits import FRAMES_MOST_AHEAD
from odyssey_proto._video.frame_hub import FrameHub
from odyssey_proto._video.smooth_queue import SmoothQueue
from tests.support.clocks import Time
from tests.support.pictures import decoded

if TYPE_CHECKING:
    from odyssey_proto._video.frame_queue import FramePolicy, FrameQueue

CLOCK = MonotonicClock()
PICTURE = np.zeros((16, 16, 3), np.uint8)


def within(seconds: float = 30.0) -> Deadline:
    return Deadline(seconds, CLOCK)


def frame(index: int, due_at: float) -> VideoFrame:
    """Return a frame as a hub passes it on."""
    made = VideoFrame.from_ndarray(PICTURE, index=index)
    made._picture.due_at = due_at
    return made


def filled(policy: FramePolicy, size: int, dues: list[float], time: Time) -> SmoothQueue:
    """Return a queue of frames with these due times, all of which are put in now."""
    queue = SmoothQueue(policy, size, time)
    for index, due_at in enumerate(dues):
        queue.put(frame(index, due_at))
    return queue


def taken(queue: FrameQueue) -> list[int]:
    """Return the indices of all frames that are still delivered."""
    queue.close()
    found = []
    while (each := queue.get(within())) is not None:
        found.append(each.index)
    return found


def test_a_frame_is_not_handed_out_before_it_is_due() -> None:
    queue = SmoothQueue("drop_oldest", 4, CLOCK)
    due_at = CLOCK.now() + 0.15
    queue.put(frame(0, due_at))
    got = queue.get(within())
    assert CLOCK.now() >= due_at
    assert got is not None
    assert got.index == 0


def test_a_reader_that_waits_no_longer_finds_the_frame_the_next_time() -> None:
    time = Time(100.0)
    queue = filled("drop_oldest", 4, [107.0, 107.05], time)
    for _ in range(2):
        with pytest.raises(OdysseyStreamTimeoutError) as caught:
            queue.get(within(0.0))
        assert caught.value.code == "frame_timeout"
    time.at = 200.0
    assert taken(queue) == [0, 1]
    assert queue.counts.dropped == 0


@pytest.mark.parametrize("policy", ["latest", "drop_oldest", "error"])
def test_frames_that_are_not_due_yet_do_not_count(policy: FramePolicy) -> None:
    time = Time(100.0)
    queue = filled(policy, 1, [100.1, 100.15, 100.2, 100.25], time)
    time.at = 200.0
    assert taken(queue) == [0, 1, 2, 3]
    assert queue.counts.dropped == 0


@pytest.mark.parametrize(("policy", "size", "kept"), [("latest", 4, [4]), ("drop_oldest", 2, [3, 4])])
def test_of_those_that_are_due_the_newest_are_kept(policy: FramePolicy, size: int, kept: list[int]) -> None:
    time = Time(100.0)
    queue = filled(policy, size, [90.0, 91.0, 92.0, 93.0, 94.0], time)
    assert (taken(queue), queue.counts.dropped) == (kept, 5 - len(kept))


def test_the_newest_that_is_due_is_kept_although_others_wait_behind_it() -> None:
    time = Time(100.0)
    queue = filled("latest", 1, [100.1, 100.2, 100.3], time)
    time.at = 100.25  # frames 0 and 1 are due, and their reader is slow
    queue.put(frame(3, 100.4))
    time.at = 200.0
    assert taken(queue) == [1, 2, 3]


def test_a_frame_that_is_due_and_has_no_room_ends_a_queue_that_may_lose_none() -> None:
    time = Time(100.0)
    queue = filled("error", 2, [99.0, 99.1, 100.5], time)
    time.at = 101.0
    queue.put(frame(3, 101.0))
    assert [queue.get(within()) is not None for _ in range(3)] == [True] * 3
    with pytest.raises(OdysseyStreamError) as caught:
        queue.get(within())
    assert caught.value.code == "frame_overflow"


def test_not_too_many_frames_wait_for_their_time() -> None:
    time = Time(100.0)
    queue = filled("drop_oldest", 4, [200.0] * (FRAMES_MOST_AHEAD + 20), time)
    assert len(queue) == FRAMES_MOST_AHEAD + 4
    assert queue.counts.dropped == 16


def test_the_end_comes_after_the_frames_that_wait() -> None:
    queue = SmoothQueue("drop_oldest", 4, CLOCK)
    queue.put(frame(0, CLOCK.now() + 0.1))
    queue.close(OdysseyConfigError("over"))
    queue.put(frame(1, 0.0))
    assert queue.get(within()) is not None
    with pytest.raises(OdysseyConfigError, match="over"):
        queue.get(within())


def test_two_threads_may_read_and_each_frame_comes_once() -> None:
    queue = SmoothQueue("drop_oldest", 50, CLOCK)
    found: list[int] = []

    def read() -> None:
        while (each := queue.get(within())) is not None:
            found.append(each.index)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    now = CLOCK.now()
    for index in range(6):
        queue.put(frame(index, now + 0.02 * index))
    queue.close()
    for reader in readers:
        reader.join(30.0)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]


# --- in the hub


def publish(hub: FrameHub, time: Time, sent_ms: list[int], delays_s: list[float]) -> None:
    for sent, delay_s in zip(sent_ms, delays_s, strict=True):
        time.at = max(time.at, 100.0 + sent / 1000 + delay_s)
        hub.publish(decoded(pts=sent * 90), time.at)


def test_the_hub_has_a_target_only_while_somebody_wants_frames_smoothed() -> None:
    time = Time(100.0)
    hub = FrameHub(clock=time)
    hub.begin(100.0)
    live = hub.subscribe("error", 100)
    assert hub.target_delay_s is None
    smooth = hub.subscribe("error", 100, "smooth")
    delays = [0.0] * 40
    delays[10] = delays[20] = 0.1
    publish(hub, time, list(range(0, 2000, 50)), delays)
    assert hub.target_delay_s == pytest.approx(0.1, abs=0.03)
    time.at = 200.0
    assert taken(smooth) == taken(live) == list(range(40))
    del smooth
    assert hub.target_delay_s is None


def test_an_unknown_pace_is_refused() -> None:
    with pytest.raises(OdysseyConfigError, match="unknown pace 'slow'; known are live, smooth"):
        FrameHub().subscribe(pace="slow")  # type: ignore[arg-type]  # what is tested


def test_a_queue_that_has_ended_remembers_nothing_of_later_frames() -> None:
    queue = filled("error", 1, [99.0, 99.05], Time(100.0))
    assert queue.closed
    for index in range(1000):
        queue.put(frame(index, 99.0))
    assert len(queue._due) <= 2
