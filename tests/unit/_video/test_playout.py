"""When frames are due: delays are smoothed, and nothing waits longer than it has to."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import attrs
import pytest

from odyssey_proto._video.meters import Freezes
from odyssey_proto._video.playout import MOST_DELAY_S, Playout
from tests.support.lossy import FRAME_S, Link, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@attrs.frozen
class Played:
    """Frames in order: when each was ready, when it was due, and the target delay then; all in s."""

    ready_at: list[float] = attrs.field(factory=list)
    due_at: list[float] = attrs.field(factory=list)
    target_s: list[float] = attrs.field(factory=list)
    sent_at: list[float] = attrs.field(factory=list)

    def freezes(self, times: Sequence[float]) -> int:
        """Return how many freezes a user sees if the frames are shown at ``times``."""
        counted = Freezes()
        for at, sent_at in zip(times, self.sent_at, strict=True):
            counted.take(at, round(sent_at * 1000))
        return counted.so_far(times[-1])[0]


def play(frames: Iterable[tuple[float, float]], playout: Playout | None = None) -> Played:
    """Play ``frames``: for each, the time at which it was sent and how much later it was ready, in s."""
    playout, played = playout or Playout(), Played()
    for sent_at, delay_s in frames:
        played.ready_at.append(sent_at + delay_s)
        played.due_at.append(playout.take(sent_at + delay_s, sent_at))
        played.target_s.append(playout.target_s)
        played.sent_at.append(sent_at)
    return played


def steady(count: int, *, since: int = 0, delay_s: float = 0.05) -> list[tuple[float, float]]:
    return [(number * FRAME_S, delay_s) for number in range(since, since + count)]


def held_up(at: int, by_s: float, frames: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Hold frame ``at`` up; those behind it wait for it, because frames are shown in order."""
    free_at = frames[at][0] + frames[at][1] + by_s
    late = [(sent, max(delay, free_at - sent)) for sent, delay in frames[at:]]
    return [*frames[:at], *late]


def test_on_a_clean_link_no_frame_waits() -> None:
    played = play(steady(200))
    assert played.due_at == pytest.approx(played.ready_at)
    assert set(played.target_s) == {0.0}


def test_a_little_jitter_costs_nothing() -> None:
    chance = random.Random(1)
    played = play([(sent, 0.05 + chance.uniform(0, 0.015)) for sent, _ in steady(400)])
    assert played.due_at == pytest.approx(played.ready_at)


def test_one_delay_alone_changes_nothing() -> None:
    played = play(held_up(50, 0.1, steady(200)))
    assert set(played.target_s) == {0.0}


def test_the_second_delay_sets_the_target_and_the_third_is_not_seen() -> None:
    frames = steady(300)
    for at in (50, 100, 200):
        frames = held_up(at, 0.1, frames)
    played = play(frames)
    assert set(played.target_s[:100]) == {0.0}
    assert played.target_s[100] == pytest.approx(0.1)
    steps = [after - before for before, after in itertools.pairwise(played.due_at[101:])]
    assert steps == pytest.approx([FRAME_S] * len(steps))


def test_no_frame_is_due_before_it_is_ready_or_before_the_frame_before_it() -> None:
    for seed in range(30):
        chance = random.Random(seed)
        frames = steady(400)
        for at in sorted(chance.sample(range(400), 25)):
            frames = held_up(at, chance.uniform(0.02, 0.6), frames)
        played = play(frames)
        assert all(due >= ready for due, ready in zip(played.due_at, played.ready_at, strict=True)), seed
        assert played.due_at == sorted(played.due_at), seed
        assert max(played.target_s) <= MOST_DELAY_S, seed


def test_a_frame_waits_no_longer_than_the_target() -> None:
    for seed in range(30):
        chance = random.Random(seed)
        frames = steady(400)
        for at in sorted(chance.sample(range(400), 40)):
            frames = held_up(at, chance.choice((0.1, 0.1, 0.1, 0.2)), frames)
        played = play(frames)
        waits = [due - ready for due, ready in zip(played.due_at, played.ready_at, strict=True)]
        assert max(waits) <= max(played.target_s) + 1e-9, seed


def test_the_target_is_what_nearly_all_delays_need() -> None:
    frames = steady(1000)
    for number in range(40):
        frames = held_up(10 + number * 12, 0.2 if number == 20 else 0.1, frames)
    assert play(frames).target_s[-520] == pytest.approx(0.1, abs=0.02)


def test_an_outage_does_not_set_the_target_which_cannot_help() -> None:
    frames = steady(600)
    for at in (50, 150, 250):
        frames = held_up(at, 0.8, frames)
    assert set(play(frames).target_s) == {0.0}


def test_when_delays_stop_the_target_falls_slowly_to_nothing() -> None:
    frames = steady(1200)
    for at in (50, 100, 150):
        frames = held_up(at, 0.1, frames)
    played = play(frames)
    falls = [before - after for before, after in itertools.pairwise(played.target_s)]
    assert max(falls) == pytest.approx(0.001), "1 ms with each frame, which nobody sees"
    assert played.target_s[700] == pytest.approx(0.1), "a delay counts for 30 s"
    assert played.target_s[-1] == 0.0
    assert played.due_at[-1] == pytest.approx(played.ready_at[-1])


@pytest.mark.parametrize("longer_s", [0.08, 0.5])
def test_a_way_that_becomes_longer_is_no_delay(longer_s: float) -> None:
    played = play([*steady(100), *steady(200, since=100, delay_s=0.05 + longer_s)])
    assert played.target_s[-1] == 0.0
    assert played.due_at == pytest.approx(played.ready_at)


def test_a_way_that_becomes_shorter_is_followed_at_once() -> None:
    frames = [*steady(100, delay_s=0.2), *steady(100, since=100, delay_s=0.05)]
    played = play(frames)
    assert played.due_at[-1] == pytest.approx(played.ready_at[-1])


def test_clocks_that_drift_apart_do_not_add_up() -> None:
    drift = 0.001  # ten times that of real clocks
    played = play([(sent, 0.05 + drift * sent) for sent, _ in steady(20_000)])
    waits = [due - ready for due, ready in zip(played.due_at, played.ready_at, strict=True)]
    assert max(waits) < 0.02
    played = play([(sent, 20.05 - drift * sent) for sent, _ in steady(20_000)])
    assert played.due_at == pytest.approx(played.ready_at)


def test_another_link_has_another_way_and_the_same_target() -> None:
    playout = Playout()
    frames = steady(200)
    for at in (50, 100):
        frames = held_up(at, 0.1, frames)
    before = play(frames, playout)
    playout.renew()
    after = play(steady(20, since=300, delay_s=2.0), playout)
    assert before.target_s[-1] == pytest.approx(0.1)
    waits = [due - ready for due, ready in zip(after.due_at, after.ready_at, strict=True)]
    assert waits == pytest.approx([0.1] * 20, abs=0.02)


CELLS = {
    "2 % lost, 100 ms": (Link(round_trip_s=0.1, loss=0.02), 12),
    "5 % lost, 100 ms": (Link(round_trip_s=0.1, loss=0.05), 6),
    "bursts, 100 ms": (Link(round_trip_s=0.1, bursts=0.03), 6),
    "2 % lost, 200 ms": (Link(round_trip_s=0.2, loss=0.02), 6),
}


@pytest.mark.parametrize("cell", CELLS)
def test_repaired_losses_are_hardly_seen_any_more(cell: str) -> None:
    link, size = CELLS[cell]
    live = smooth = 0
    for seed in range(6):
        shown = show(link, [size] * 700, seed).shown
        played = play((number * FRAME_S, age_s) for number, age_s in shown)
        live += played.freezes(played.ready_at)
        smooth += played.freezes(played.due_at)
        waits = [due - ready for due, ready in zip(played.due_at, played.ready_at, strict=True)]
        assert max(waits) <= max(played.target_s) + 1e-9 <= MOST_DELAY_S + 1e-9
    assert live >= 10
    assert smooth <= live / 4


def test_on_a_link_without_loss_nothing_is_added() -> None:
    for seed in range(5):
        shown = show(Link(round_trip_s=0.1), [6] * 200, seed).shown
        played = play((number * FRAME_S, age_s) for number, age_s in shown)
        assert played.due_at == pytest.approx(played.ready_at)
