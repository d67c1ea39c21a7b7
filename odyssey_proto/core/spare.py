"""The link that is prepared beside a suspected one: when to prepare it, and how long to keep it.

A silent link may recover at any time, and then stays in use. If it is lost, the next one is ready sooner if the
steps that the other side does not notice were taken meanwhile (spec/behaviour.md#suspicion). A machine calls
`Spare.suspect` and `Spare.trust`, takes the plan of its next link from `Spare.take`, and drops what it does not
need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .effects import DiscardLink, OpenBroadcast, OpenLink, PrepareLink
from .inputs import Due

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Agenda

__all__ = ["SPARE_KEPT_S", "Spare"]

SPARE_KEPT_S: Final = 10.0
"""How long a prepared link is kept once something has arrived over the other, in s: it may fall silent again."""

P = TypeVar("P", OpenLink, OpenBroadcast)


class Spare(Generic[P]):
    """The prepared link of one connection, if there is one."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._plan: P | None = None
        self.suspected_since: float | None = None
        """When the link in use came under suspicion, in s; None if it is not suspected."""

    def suspect(self, plan: Callable[[], P] | None) -> None:
        """Prepare the link of ``plan``, unless one is already prepared; None prepares none."""
        if self.suspected_since is None:
            self.suspected_since = self._agenda.now
        self._agenda.cancel(Due.SPARE)
        if self._plan is None and plan is not None:
            self._plan = plan()
            self._agenda.put(PrepareLink(self._plan))

    def trust(self) -> None:
        """Keep the prepared link only for a while: the link in use is no longer suspected."""
        self.suspected_since = None
        if self._plan is not None:
            self._agenda.wake_at(Due.SPARE, self._agenda.now + SPARE_KEPT_S)

    def take(self) -> P | None:
        """Return the plan of the prepared link, to be opened now; None if there is none."""
        plan, self._plan, self.suspected_since = self._plan, None, None
        self._agenda.cancel(Due.SPARE)
        return plan

    def drop(self) -> None:
        """Discard the prepared link, if any."""
        if (plan := self.take()) is not None:
            self._agenda.put(DiscardLink(plan.link))
