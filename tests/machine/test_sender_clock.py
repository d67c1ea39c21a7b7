"""A streamer's clock is unreliable: encoders restart, the clocks of cameras are set, and counters start over."""

from __future__ import annotations

import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import av
import pytest
from aiortc import rtcrtpsender

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto import Session, VideoFrame

CLOCK_HZ = 90_000
SLACK_MS = 3000
"""How late a busy machine may paint pictures: far less than the clock is moved by."""


@pytest.mark.parametrize("by_s", [-10.0, -0.5, 10.0, 3600.0], ids="{:+g} s".format)
def test_a_clock_that_is_set_back_or_ahead_moves_neither_frames_nor_recordings(
    by_s: float, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, shift = rtcrtpsender.uint32_add, 0  # aiortc computes the sender's timestamps with it

    def add_shifted(first: int, second: int) -> int:
        return (add(first, second) + shift) % 2**32

    monkeypatch.setattr(rtcrtpsender, "uint32_add", add_shifted)
    session.start_stream("A cat")
    frames = session.frames(queue_size=100)
    with session.record(tmp_path / "cat.mp4") as recording:
        seen: list[VideoFrame] = list(islice(frames, 20))
        shift = round(by_s * CLOCK_HZ)
        seen += islice(frames, 40)
    lasted_ms = (time.monotonic() - seen[0].received_at) * 1000
    steps = [after.timestamp_ms - before.timestamp_ms for before, after in pairwise(seen)]
    assert min(steps) >= 0
    # Compare the frames that were least late before the change and after it.
    late_ms = [frame.received_at * 1000 - frame.timestamp_ms for frame in seen]
    assert min(late_ms[20:]) == pytest.approx(min(late_ms[:20]), abs=SLACK_MS)
    with av.open(str(recording.path)) as file:
        assert file.duration is not None
        shown_ms = seen[-1].timestamp_ms - seen[0].timestamp_ms
        assert shown_ms - SLACK_MS < file.duration / 1000 < lasted_ms + SLACK_MS
