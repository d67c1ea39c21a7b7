"""Judging how well video arrives over a link: good, poor or bad, and with which problems.

The limits are in spec/behaviour.md#quality-of-the-link. Figures and times go in, changes of the judgement come
out; nothing here knows sessions, spectators or the network. `odyssey_proto.core.link_watch` decides when to look,
and which looks count.

A decline is reported at once, an improvement after a while (`BETTER_FOR_S`). Besides, each limit has hysteresis:
it is left at a lower value than it is reached at. So a link at a limit is not reported repeatedly.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from .._model.events import LinkProblem, LinkQuality, LinkQualityChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from .inputs import LinkFigures

__all__ = [
    "BETTER_FOR_S",
    "FROZEN_AT_S",
    "LEAST_PACKETS",
    "LEFT_AT",
    "LOSS_AT",
    "ROUND_TRIP_AT_S",
    "WINDOW_S",
    "QualityJudge",
]

WINDOW_S: Final = 5.0
"""The time over which losses and freezes are counted, in s."""
BETTER_FOR_S: Final = 10.0
"""How long a link has to be better before that is reported, in s."""
LEAST_PACKETS: Final = 50
"""How many packets the share of lost ones needs to be meaningful."""
_LEAST_S: Final = 1.5  # likewise how long it needs: one burst may be all that was lost for minutes

_QUALITIES: Final = (LinkQuality.GOOD, LinkQuality.POOR, LinkQuality.BAD)


@attrs.frozen
class _Look:
    """The figures of one look."""

    at: float
    expected: int
    lost: int
    held_up_s: float


@attrs.frozen
class _Measured:
    """The sum of the looks in the window."""

    loss: float
    round_trip_s: float
    frozen_s: float


LOSS_AT: Final = (0.03, 0.1)
"""The shares of lost packets at which a link is poor, and bad."""
ROUND_TRIP_AT_S: Final = (0.4, 1.0)
"""The round trips at which a link is poor, and bad, in s."""
FROZEN_AT_S: Final = (0.5, 2.0)
"""For how much of `WINDOW_S` the network holds frames up on a link that is poor, and bad, in s."""
LEFT_AT: Final = 0.7
"""The part of a limit below which a link is better again."""


@attrs.frozen
class _Limit:
    """The values at which a figure makes a link poor, and bad."""

    problem: LinkProblem
    of: Callable[[_Measured], float]
    at: tuple[float, float]

    def level(self, measured: _Measured, before: int) -> int:
        """Return 0, 1 or 2 for good, poor or bad; ``before`` is the level of this figure so far."""
        value = self.of(measured)
        return max(
            (n for n, at in enumerate(self.at, 1) if value >= at * (LEFT_AT if before >= n else 1)), default=0
        )


_LIMITS: Final = (
    _Limit(LinkProblem.LOSS, lambda measured: measured.loss, LOSS_AT),
    _Limit(LinkProblem.ROUND_TRIP, lambda measured: measured.round_trip_s, ROUND_TRIP_AT_S),
    _Limit(LinkProblem.FREEZES, lambda measured: measured.frozen_s, FROZEN_AT_S),
)


class QualityJudge:
    """The quality of the links of one session or spectator. All times are in s of the caller's clock.

    >>> from odyssey_proto.core import LinkFigures
    >>> judge = QualityJudge()
    >>> judge.take(LinkFigures(expected=0, lost=0, held_up_s=0.0), now=100.0)
    >>> judge.take(LinkFigures(expected=220, lost=2, held_up_s=0.0), now=102.0)
    >>> judge.take(LinkFigures(expected=330, lost=2, held_up_s=0.9), now=103.0)
    LinkQualityChanged(quality=<LinkQuality.POOR: 'poor'>, problems=(<LinkProblem.FREEZES: 'freezes'>,), \
loss=0.006060606060606061, round_trip_ms=None, frozen_s=0.9, at=103.0)
    """

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque()
        self._levels = [0] * len(_LIMITS)
        self._level = 0  # as it was reported last
        self._better_since: float | None = None
        self._worst: tuple[int, list[int]] = 0, self._levels  # the whole and the figures, since then
        self._better: LinkQualityChanged | None = None  # the change that they amount to

    def restart(self) -> None:
        """Start measuring again; the judgement so far remains.

        This is for a link that has changed, or over which nothing need come for a while.
        """
        self._looks.clear()
        self._better = self._better_since = None

    def take(self, figures: LinkFigures, now: float, silent_s: float = 0.0) -> LinkQualityChanged | None:
        """Return the change that the figures of a look at ``now`` show, if any.

        Args:
            figures: the counts so far.
            now: the time, in s.
            silent_s: how long the network has brought no frame, in s, if that is an ongoing freeze; else 0.
        """
        self._looks.append(_Look(now, figures.expected, figures.lost, figures.held_up_s))
        while now - self._looks[0].at > WINDOW_S:
            self._looks.popleft()
        measured = self._measure(figures, silent_s)
        self._levels = [limit.level(measured, before) for limit, before in zip(_LIMITS, self._levels, strict=True)]
        return self._reported(
            LinkQualityChanged(
                quality=_QUALITIES[max(self._levels)],
                problems=tuple(limit.problem for limit, level in zip(_LIMITS, self._levels, strict=True) if level),
                loss=measured.loss,
                round_trip_ms=None if figures.round_trip_s is None else figures.round_trip_s * 1000,
                frozen_s=measured.frozen_s,
                at=now,
            )
        )

    def _measure(self, figures: LinkFigures, silent_s: float) -> _Measured:
        first, last = self._looks[0], self._looks[-1]
        expected = last.expected - first.expected
        # Late packets are taken back from the lost ones, so the difference may be below 0.
        lost = max(0, last.lost - first.lost)
        is_measurable = expected >= LEAST_PACKETS and last.at - first.at >= _LEAST_S
        held_up_s = min(WINDOW_S, last.held_up_s - first.held_up_s + silent_s)
        return _Measured(
            min(1.0, lost / expected) if is_measurable else 0.0, figures.round_trip_s or 0.0, held_up_s
        )

    def _reported(self, change: LinkQualityChanged) -> LinkQualityChanged | None:
        """Return what to report after a look that amounts to ``change``; None for nothing."""
        level = max(self._levels)
        if level >= self._level:
            self._better = self._better_since = None
            is_worse, self._level = level > self._level, level
            return change if is_worse else None
        if self._better is None or (level, self._levels) > self._worst:
            self._worst, self._better = (level, self._levels), change
        if self._better_since is None:
            self._better_since = change.at
        if change.at - self._better_since < BETTER_FOR_S:
            return None
        better, (self._level, _) = self._better, self._worst
        self._better = self._better_since = None
        return attrs.evolve(better, at=change.at)
