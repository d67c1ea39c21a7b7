"""The parts that the core's machines are made of: typed rows, the step through them, and the shared agenda.

A *row* means: in one of these states, on this input, if this guard holds, go to that state and do this. The first
row whose guard holds wins. Guards and actions are functions of the machine and the input, so mypy checks that they
fit. A machine is a class of actions, with its states above it, and its conditions and rows below it. The
machines themselves are in modules of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, overload

import attrs

from .._model.events import ConnectionStatus, StatusChanged
from .effects import Fail, Ignored, Output, Succeed
from .inputs import Due

__all__ = ["Agenda", "Key", "Machine", "Row", "Rows", "StatusMachine", "by_state", "nothing", "row"]

M = TypeVar("M")
I = TypeVar("I")  # noqa: E741  # the usual name for the input of a state machine
Key = type[Any] | Due
"""The trigger of a row: the class of an input or of a message, or a scheduled time."""


@attrs.frozen
class Row(Generic[M]):
    """One step of a machine. If ``target`` is None, the state stays."""

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
    """Create a row whose action and guard take an object of the kind ``on``: an input, a message or a `Due`."""
    return Row(states, on, target, action, guard)


Rows = dict[tuple[Enum, Key], tuple[Row[M], ...]]
"""Rows by state and input, in the order of the table."""


def by_state(rows: Iterable[Row[M]]) -> Rows[M]:
    """Return ``rows`` in the form in which a machine looks them up."""
    found: Rows[M] = {}
    for each in rows:
        for state in each.states:
            found[state, each.on] = (*found.get((state, each.on), ()), each)
    return found


def nothing(_machine: object, _item: object) -> None:
    """Do nothing: the action of a row that only changes the state."""


class Agenda:
    """The data that the machines of one core share: the current time, the schedule, and the outputs."""

    def __init__(self) -> None:
        self.now: float = 0.0
        """The time of the current input, in s."""
        self.overslept: float = 0.0
        """How late the current `Due` is handled, in s."""
        self._due: dict[Due, float] = {}
        self._out: deque[Output] = deque()
        self._next: deque[object] = deque()

    def put(self, output: Output) -> None:
        """Output an effect or an event."""
        self._out.append(output)

    def ignore(self, what: str) -> None:
        """Output that an input has no meaning in the current state."""
        self.put(Ignored(what))

    def drain(self) -> list[Output]:
        """Return, once and in order, everything that was put; answers to calls come last.

        So code that continues after an answer finds all its effects and events done.
        """
        out = sorted(self._out, key=lambda output: isinstance(output, Succeed | Fail))  # which keeps the order
        self._out.clear()
        return out

    def follow_with(self, item: object) -> None:
        """Queue an input to be handled after the current one, before any from outside."""
        self._next.append(item)

    def take_next(self) -> object | None:
        """Return the next input that `follow_with` queued, oldest first; None if there are no more."""
        return self._next.popleft() if self._next else None

    def wake_at(self, due: Due, at: float) -> None:
        """Schedule ``due`` for ``at`` (s), in place of an earlier schedule for it."""
        self._due[due] = at

    def wake_by(self, due: Due, at: float) -> None:
        """Schedule ``due`` for ``at`` (s), unless it is scheduled for an earlier time."""
        self._due[due] = min(at, self._due.get(due, at))

    def put_off(self, due: Due, until: float) -> None:
        """Schedule ``due`` for ``until`` (s) instead, if it is scheduled."""
        if due in self._due:
            self._due[due] = until

    def cancel(self, *dues: Due) -> None:
        """Cancel these scheduled times, or all of them if none is named."""
        for due in dues or tuple(self._due):
            self._due.pop(due, None)

    @property
    def next_due(self) -> float | None:
        """The earliest scheduled time, in s; None if nothing is scheduled."""
        return min(self._due.values(), default=None)

    def take_due(self) -> Due | None:
        """Return the earliest `Due` whose time has come, and forget it; None if there is none."""
        due = min(self._due, key=self._due.__getitem__, default=None)
        if due is None or self._due[due] > self.now:
            return None
        self.overslept = self.now - self._due.pop(due)
        return due


class Machine:
    """A state, and the step to the next one; a subclass provides the rows."""

    state: Any
    """The current state; an enumeration of the subclass."""

    def step(self, rows: Mapping[tuple[Enum, Key], tuple[Row[Any], ...]], item: object, key: Key) -> bool:
        """Take the first row that fits; return whether there was one. If not, nothing changes."""
        for each in rows.get((self.state, key), ()):
            if each.guard is None or each.guard(self, item):
                self.enter(each.target)
                each.action(self, item)
                return True
        return False

    def enter(self, target: Enum | None) -> None:
        """Go to a state; None keeps the current one."""
        if target is not None:
            self.state = target


class StatusMachine(Machine):
    """A machine with an end, whose states users see as a `ConnectionStatus`; a subclass has the mapping."""

    _statuses: ClassVar[Mapping[Any, ConnectionStatus]]
    """The status for each state."""
    _over: ClassVar[tuple[Enum, ...]]
    """The states in which it has ended."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    @property
    def status(self) -> ConnectionStatus:
        """The status, as the documentation names it."""
        return self._statuses[self.state]

    @property
    def is_over(self) -> bool:
        """Whether it has ended, for any reason."""
        return self.state in self._over

    def enter(self, target: Enum | None) -> None:
        """Go to a state, and report the status if it changes; the end is reported later, once all is done."""
        before = self.status
        super().enter(target)
        if self.is_over:
            if target is not None:  # else a goodbye may be scheduled, which late inputs do not affect
                self._agenda.cancel()
        elif self.status is not before:
            self._agenda.put(StatusChanged(status=self.status, at=self._agenda.now))

    def _report_status(self, message: str) -> None:
        """Report the status with a message, even if the status has not changed."""
        self._agenda.put(StatusChanged(status=self.status, message=message, at=self._agenda.now))
