"""The time of frames, by their sender's clock and by their arrival."""

from __future__ import annotations

import pytest

from odyssey_proto._video.media_clock import MediaClock

FRAME_MS = 50


def placed(frames: list[tuple[int | None, float]], clock: MediaClock | None = None) -> list[int]:
    """Return the times of frames, each given by its sender's time in ms and its arrival in s."""
    clock = clock or MediaClock()
    return [clock.place(sent_ms, now) for sent_ms, now in frames]


def steadily(count: int, *, sent_ms: int = 0, at: float = 100.0) -> list[tuple[int | None, float]]:
    return [(sent_ms + FRAME_MS * number, at + number * FRAME_MS / 1000) for number in range(count)]


def test_a_steady_clock_is_kept_whatever_the_jitter_of_the_arrival() -> None:
    late_s = (0.0, 0.03, 0.2, 0.16, 0.11, 0.02)
    frames = [(sent, at + late) for (sent, at), late in zip(steadily(6), late_s, strict=True)]
    assert placed(frames) == [0, 50, 100, 150, 200, 250]


@pytest.mark.parametrize(
    "by_ms", [-10_000, -500, -60, 600, 10_000, 3_600_000, 2**32 // 90, -(2**32) // 90], ids="{:+d} ms".format
)
def test_a_clock_that_is_set_back_or_ahead_goes_on_with_the_arrival(by_ms: int) -> None:
    frames = [*steadily(20), *steadily(20, sent_ms=1000 + by_ms, at=101.0)]
    assert placed(frames) == [FRAME_MS * number for number in range(40)]


def test_one_that_is_set_again_and_again_adds_no_error() -> None:
    clock, times = MediaClock(), []
    for part in range(50):
        times += placed(steadily(4, sent_ms=(part * 7_919_000) % 4_000_000, at=100 + part * 0.2), clock)
    assert times == [FRAME_MS * number for number in range(200)]


def test_frames_that_a_network_held_back_keep_their_times() -> None:
    sent_late = enumerate(steadily(60, sent_ms=1000, at=101.0))
    held = [(sent, max(at, 103.0 + number / 500)) for number, (sent, at) in sent_late]
    frames = [*steadily(20), *held, *steadily(20, sent_ms=4000, at=104.0)]
    assert placed(frames) == [FRAME_MS * number for number in range(100)]


def test_frames_that_a_network_held_back_and_lost_in_part_keep_their_times() -> None:
    frames = [*steadily(20), (1000, 103.0), *steadily(20, sent_ms=3000, at=103.0)]
    assert placed(frames) == [*range(0, 1050, FRAME_MS), *range(3000, 4000, FRAME_MS)]


def test_a_slow_catching_up_is_waited_for() -> None:
    caught_up = [(1000 + FRAME_MS * number, 103.0 + number * 0.025) for number in range(100)]
    assert placed([*steadily(20), *caught_up]) == [FRAME_MS * number for number in range(120)]


@pytest.mark.parametrize("pause_s", [1.0, 3.0, 60.0])
def test_a_clock_that_stood_still_in_a_pause_catches_up_with_the_arrival(pause_s: float) -> None:
    times = placed([*steadily(20), *steadily(40, sent_ms=1000, at=101.0 + pause_s)])
    assert times == sorted(times)
    assert times[20] == 1000  # the network may have paused: the frames after it decide
    assert times[-1] == pytest.approx(2950 + pause_s * 1000, abs=20)


@pytest.mark.parametrize("pause_s", [1.0, 60.0])
def test_a_clock_that_runs_on_in_a_pause_is_kept(pause_s: float) -> None:
    sent_ms = 1000 + round(pause_s * 1000)
    times = placed([*steadily(20), *steadily(20, sent_ms=sent_ms, at=101.0 + pause_s)])
    assert times[20:] == [sent_ms + FRAME_MS * number for number in range(20)]


def test_the_drift_of_two_clocks_is_no_jump() -> None:
    frames = [(round(sent * 1.0005), at) for sent, at in steadily(100_000)]
    assert placed([(sent, at) for sent, at in frames if sent is not None]) == [sent for sent, _ in frames]


def test_another_clock_goes_on_at_the_time_of_its_first_frame() -> None:
    clock = MediaClock()
    assert placed(steadily(3, sent_ms=100), clock) == [100, 150, 200]
    clock.renew()
    assert placed(steadily(3, sent_ms=7, at=105.1), clock) == [5200, 5250, 5300]


def test_the_first_frame_has_its_own_time_also_after_a_renewal() -> None:
    clock = MediaClock()
    clock.renew()
    assert placed(steadily(2, sent_ms=700), clock) == [700, 750]


def test_frames_without_a_time_have_that_of_their_arrival() -> None:
    assert placed([(None, 7.0), (None, 7.05), (None, 7.05), (3000, 7.1)]) == [0, 50, 51, 101]


def test_an_arrival_that_goes_back_does_not_set_the_time_back() -> None:
    assert placed([(0, 7.0), (-40, 6.0), (10, 6.05)]) == [0, 1, 51]
