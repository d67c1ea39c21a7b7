"""The quality of a link: what makes it poor or bad, when a change is reported, and that it does not flap."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._model.events import LinkProblem, LinkQuality, LinkQualityChanged
from odyssey_proto.core.inputs import LinkFigures
from odyssey_proto.core.link_quality import BETTER_FOR_S, WINDOW_S, QualityJudge

if TYPE_CHECKING:
    from collections.abc import Callable

PER_S = 200  # packets
GOOD, POOR, BAD = LinkQuality.GOOD, LinkQuality.POOR, LinkQuality.BAD
LOSS, ROUND_TRIP, FREEZES = LinkProblem.LOSS, LinkProblem.ROUND_TRIP, LinkProblem.FREEZES


class Link:
    """A link that is looked at once a second."""

    def __init__(self) -> None:
        self.judge = QualityJudge()
        self.now, self.expected, self.lost, self.held_up_s = 100.0, 0, 0, 0.0
        self.look()

    def look(self, *, round_trip_s: float | None = 0.05, silent_s: float = 0.0) -> LinkQualityChanged | None:
        figures = LinkFigures(
            expected=self.expected, lost=self.lost, held_up_s=self.held_up_s, round_trip_s=round_trip_s
        )
        return self.judge.take(figures, self.now, silent_s)

    def later(self, *, loss: float = 0.0, held_up_s: float = 0.0, **figures: Any) -> LinkQualityChanged | None:
        """Look again after a second with this share of lost packets, and with frames held up for so long."""
        self.now += 1
        self.expected += PER_S
        self.lost += round(PER_S * loss)
        self.held_up_s += held_up_s
        return self.look(**figures)

    def changes(self, seconds: int, **figures: Any) -> list[tuple[LinkQuality, tuple[LinkProblem, ...]]]:
        found = [self.later(**figures) for _ in range(seconds)]
        return [(each.quality, each.problems) for each in found if each is not None]


@pytest.fixture
def link() -> Link:
    return Link()


def test_a_link_counts_as_good_and_nothing_is_reported_while_it_is(link: Link) -> None:
    assert link.changes(60, loss=0.02, held_up_s=0.05, round_trip_s=0.35) == []


@pytest.mark.parametrize(
    ("figures", "quality", "problems"),
    [
        ({"loss": 0.03}, POOR, (LOSS,)),
        ({"loss": 0.1}, BAD, (LOSS,)),
        ({"round_trip_s": 0.4}, POOR, (ROUND_TRIP,)),
        ({"round_trip_s": 1.0}, BAD, (ROUND_TRIP,)),
        ({"held_up_s": 0.5}, POOR, (FREEZES,)),
        ({"held_up_s": 2.0}, BAD, (FREEZES,)),
        ({"silent_s": 0.5}, POOR, (FREEZES,)),
        ({"silent_s": 2.0}, BAD, (FREEZES,)),
        ({"loss": 0.05, "round_trip_s": 0.5, "held_up_s": 3.0}, BAD, (ROUND_TRIP, FREEZES)),
    ],
)
def test_the_worst_figure_decides_and_what_is_wrong_is_named(
    figures: dict[str, float], quality: LinkQuality, problems: tuple[LinkProblem, ...], link: Link
) -> None:
    changes = [each for each in (link.later(**figures), link.later(**figures)) if each is not None]
    assert (changes[0].quality, changes[0].problems) == (quality, problems)


def test_a_change_says_what_was_measured(link: Link) -> None:
    link.later(loss=0.05, round_trip_s=0.08)
    assert link.later(loss=0.05, held_up_s=0.25, round_trip_s=0.08) == LinkQualityChanged(
        quality=POOR, problems=(LOSS,), loss=0.05, round_trip_ms=80.0, frozen_s=0.25, at=102.0
    )


def test_a_round_trip_that_is_not_known_is_no_problem(link: Link) -> None:
    change = link.later(held_up_s=0.5, round_trip_s=None)
    assert change is not None
    assert (change.problems, change.round_trip_ms) == ((FREEZES,), None)


def test_freezes_that_are_longer_than_the_window_count_as_the_whole_of_it(link: Link) -> None:
    change = link.later(silent_s=9.0)
    assert change is not None
    assert change.frozen_s == WINDOW_S


def test_few_packets_or_a_short_time_do_not_show_what_is_lost(link: Link) -> None:
    assert link.later(loss=0.5) is None, "a burst within the first second"
    idle = Link()
    for _ in range(10):
        idle.now += 1
        idle.expected, idle.lost = idle.expected + 7, idle.lost + 2
        assert idle.look() is None


def test_packets_that_were_only_late_are_not_lost(link: Link) -> None:
    link.lost = 40  # still on their way
    assert link.look() is None
    link.lost = 0
    assert link.changes(3) == []


def test_more_cannot_be_lost_than_was_sent(link: Link) -> None:
    link.later()
    link.lost += 1000
    change = link.later()
    assert change is not None
    assert change.loss == 1.0


def test_it_becomes_worse_at_once_and_better_after_a_while(link: Link) -> None:
    assert link.changes(2, loss=0.2) == [(BAD, (LOSS,))]
    seconds = 0
    while (change := link.later()) is None:
        seconds += 1
    # The window holds the losses for a while; only after that is the link better.
    assert (change.quality, change.problems) == (POOR, (LOSS,))
    assert 0.02 < change.loss < 0.1, "as it was at the worst since then"
    assert change.at == link.now
    assert BETTER_FOR_S <= seconds <= BETTER_FOR_S + WINDOW_S
    assert link.changes(20) == [(GOOD, ())]


def test_while_it_is_better_the_worst_of_the_time_counts(link: Link) -> None:
    assert link.changes(1, held_up_s=3.0) == [(BAD, (FREEZES,))]
    assert link.changes(int(WINDOW_S)) == []
    assert link.changes(1, held_up_s=0.6) == []
    assert link.changes(int(BETTER_FOR_S)) == [(POOR, (FREEZES,))], (
        "it was poor meanwhile, although it is good now"
    )
    assert link.changes(20) == [(GOOD, ())]


def test_a_relapse_restarts_the_time_until_the_link_is_good(link: Link) -> None:
    assert link.changes(1, round_trip_s=0.5) == [(POOR, (ROUND_TRIP,))]
    for _ in range(5):
        assert link.changes(4, round_trip_s=0.1) == []
        assert link.changes(1, round_trip_s=0.5) == [], "it is poor already"
    assert link.changes(int(BETTER_FOR_S) + 1, round_trip_s=0.1) == [(GOOD, ())]


def test_a_limit_is_left_at_a_lower_value_than_it_is_reached_at(link: Link) -> None:
    assert link.changes(1, round_trip_s=0.4) == [(POOR, (ROUND_TRIP,))]
    assert link.changes(60, round_trip_s=0.3) == []
    assert link.changes(int(BETTER_FOR_S) + 1, round_trip_s=0.27) == [(GOOD, ())]
    assert link.changes(60, round_trip_s=0.3) == []


@pytest.mark.parametrize("around", [0.03, 0.1])
def test_at_a_limit_it_does_not_change_again_and_again(around: float) -> None:
    for seed in range(50):
        chance, link = random.Random(seed), Link()
        changes = [link.later(loss=max(0, chance.gauss(around, 0.015))) for _ in range(300)]
        assert len([change for change in changes if change is not None]) <= 10, (
            seed
        )  # changes in 300 looks; without hysteresis, there would be 76


def test_after_a_restart_what_was_before_does_not_count(link: Link) -> None:
    link.later(held_up_s=0.4)
    link.judge.restart()
    link.held_up_s += 30  # between two streams
    assert link.changes(10, held_up_s=0.05) == []


@pytest.mark.parametrize("of", [lambda link: link.judge.restart(), lambda link: None])
def test_the_judgement_remains_over_a_restart(of: Callable[[Link], None], link: Link) -> None:
    assert link.changes(1, round_trip_s=2.0) == [(BAD, (ROUND_TRIP,))]
    of(link)
    assert link.changes(int(BETTER_FOR_S)) == []
    assert link.changes(1) == [(GOOD, ())]
