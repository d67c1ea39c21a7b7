"""What the machines of the core are made of: typed rows, the way through them, and the agenda that machines share.

A *row* says: in one of these states, on this input, if this guard holds, go to that state and do this. The first
row whose guard holds wins. Guards and actions are functions of the machine and the input, so mypy checks that they
fit. A machine is a class of actions, with its states above it and its rows below it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from .effects import Ignored
from .inputs import Due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .effects import Output

__all__ = ["Agenda", "Key", "Machine", "Row", "Rows", "by_state", "nothing", "row"]

M = TypeVar("M")
I = TypeVar("I")  # noqa: E741  # the input, as in the theory of such machines
Key = type[Any] | Due
"""What a row reacts to: the class of an input or of a message, or a moment that has come."""


@attrs.frozen
class Row(Generic[M]):
    """One step. ``target`` None keeps the state."""

    states: tuple[Enum, ...]
    on: Key
    target: Enum | None
    action: Callable[[M, Any], None]
    guard: Callable[[M, Any], bool] | None = None


@overload
def row(
    states: tuple[Enum, ...],
    on: type[I],
    target: Enum | None,
    action: Callable[[M, I], None],
    guard: Callable[[M, I], bool] | None = ...,
) -> Row[M]: ...
@overload
def row(
    states: tuple[Enum, ...],
    on: Due,
    target: Enum | None,
    action: Callable[[M, Due], None],
    guard: Callable[[M, Due], bool] | None = ...,
) -> Row[M]: ...
def row(
    states: tuple[Enum, ...],
    on: Key,
    target: Enum | None,
    action: Callable[[M, Any], None],
    guard: Callable[[M, Any], bool] | None = None,
) -> Row[M]:
    """Make a row whose action and guard take what ``on`` says: an input, a message itself, or a `Due`."""
    return Row(states, on, target, action, guard)


Rows = dict[tuple[Enum, Key], tuple[Row[M], ...]]
"""Rows by state and input, in their order."""


def by_state(rows: Iterable[Row[M]]) -> Rows[M]:
    """Return rows as a machine looks them up."""
    found: Rows[M] = {}
    for each in rows:
        for state in each.states:
            found[state, each.on] = (*found.get((state, each.on), ()), each)
    return found


def nothing(_machine: object, _item: object) -> None:
    """Act as a row does that says it all by itself."""


class Agenda:
    """What the machines of one core share: the time of the input at hand, what is due, and what has come up."""

    def __init__(self) -> None:
        self.now: float = 0.0
        """The time of the input at hand, in s."""
        self.overslept: float = 0.0
        """How many s late the moment at hand is taken."""
        self._due: dict[Due, float] = {}
        self._out: deque[Output] = deque()
        self._next: deque[object] = deque()

    def put(self, output: Output) -> None:
        """Hand out an effect or an event."""
        self._out.append(output)

    def ignore(self, what: str) -> None:
        """Note that something came at a moment when it means nothing."""
        self.put(Ignored(what))

    def drain(self) -> list[Output]:
        """Return, once and in order, all that has been put."""
        out = list(self._out)
        self._out.clear()
        return out

    def follow_with(self, item: object) -> None:
        """Have this input come once the one at hand is done with, before any from outside."""
        self._next.append(item)

    def take_next(self) -> object | None:
        """Return what `follow_with` was given, one at a time and in order; None when there is no more."""
        return self._next.popleft() if self._next else None

    def wake_at(self, due: Due, at: float) -> None:
        """Have ``due`` come at ``at`` (s), in place of an earlier plan for it."""
        self._due[due] = at

    def cancel(self, *dues: Due) -> None:
        """Have these moments not come; all of them if none is named."""
        for due in dues or tuple(self._due):
            self._due.pop(due, None)

    @property
    def next_due(self) -> float | None:
        """When the next moment comes, in s; None if nothing is waited for."""
        return min(self._due.values(), default=None)

    def take_due(self) -> Due | None:
        """Return a moment that has come by now, the earliest first, and forget it."""
        due = min(self._due, key=self._due.__getitem__, default=None)
        if due is None or self._due[due] > self.now:
            return None
        self.overslept = self.now - self._due.pop(due)
        return due


class Machine:
    """A state and the way through its rows; a subclass brings the rows."""

    state: Any
    """Where it stands; an enumeration of the subclass."""

    def step(self, rows: Mapping[tuple[Enum, Key], tuple[Row[Any], ...]], item: object, key: Key) -> bool:
        """Take the first row that fits; return whether there was one. Without one nothing changes."""
        for each in rows.get((self.state, key), ()):
            if each.guard is None or each.guard(self, item):
                self.enter(each.target)
                each.action(self, item)
                return True
        return False

    def enter(self, target: Enum | None) -> None:
        """Go to a state; None stays."""
        if target is not None:
            self.state = target
