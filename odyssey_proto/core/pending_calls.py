"""The calls that wait for their answers.

The driver numbers the calls, and each is answered once, unless it is abandoned. Acknowledgements carry no id, so
only one ``update`` is on the wire at a time, and the others queue (spec/behaviour.md#order-of-answers). The
machines decide the answers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inputs import End, Interact, Start

__all__ = ["PendingCalls"]


class PendingCalls:
    """The calls in progress, by what they wait for. A ``take_…`` method forgets the calls that it returns."""

    def __init__(self) -> None:
        self.connect: int | None = None
        self.start: int | None = None
        self.has_update_sent: bool = False
        """Whether an update is on the wire; it keeps its place even after its call was abandoned."""
        self._sent: int | None = None  # the call whose update is on the wire
        self._updates: deque[Interact] = deque()
        self._ends: list[int] = []
        self._held: deque[Start | Interact | End] = deque()

    # --- connecting, starting and ending

    def take_connect(self) -> int | None:
        """Return the call that waits for the session; None if there is none."""
        call, self.connect = self.connect, None
        return call

    def take_start(self) -> int | None:
        """Return the call that waits for the start of the stream; None if there is none."""
        call, self.start = self.start, None
        return call

    def add_end(self, call: int) -> None:
        """Add a call that waits for the end of the stream."""
        self._ends.append(call)

    @property
    def has_ends(self) -> bool:
        """Whether any call waits for the end of the stream."""
        return bool(self._ends)

    def take_ends(self) -> list[int]:
        """Return the calls that wait for the end of the stream."""
        ends, self._ends = self._ends, []
        return ends

    # --- updates

    def queue_update(self, item: Interact) -> None:
        """Queue an update behind those that wait."""
        self._updates.append(item)

    def next_update(self) -> Interact | None:
        """Return the update to send now; None if another is on the wire, or the queue is empty."""
        if self.has_update_sent or not self._updates:
            return None
        update = self._updates.popleft()
        self.has_update_sent, self._sent = True, update.call
        return update

    @property
    def waits_for_nobody(self) -> bool:
        """Whether updates wait for the answer to one whose call was abandoned."""
        return self.has_update_sent and self._sent is None and bool(self._updates)

    def take_sent(self) -> int | None:
        """Return the call whose update was on the wire; None if it was abandoned."""
        call, self._sent = self._sent, None
        self.has_update_sent = False
        return call

    # --- commands held until they can be carried out

    def hold(self, command: Start | Interact | End) -> None:
        """Keep a command until it can be carried out."""
        self._held.append(command)

    def take_held(self) -> list[Start | Interact | End]:
        """Return the held commands, oldest first."""
        held = list(self._held)
        self._held.clear()
        return held

    # --- the end of waiting

    def take_queued(self) -> list[int]:
        """Return the calls whose updates have not been sent."""
        queued = [update.call for update in self._updates]
        self._updates.clear()
        return queued

    def take_unanswered(self) -> list[int]:
        """Return the calls that the streamer answers next: the start and the update on the wire."""
        return [call for call in (self.take_start(), self.take_sent()) if call is not None]

    def take_unsent(self) -> list[int]:
        """Return the calls that ending the stream cancels: its start, and updates that have not been sent."""
        start = self.take_start()
        return [*([] if start is None else [start]), *self.take_queued()]

    def take_all(self) -> list[int]:
        """Return all calls that wait for the stream."""
        return [
            *self.take_unanswered(),
            *self.take_queued(),
            *self.take_ends(),
            *(command.call for command in self.take_held()),
        ]

    def abandon(self, call: int) -> None:
        """Forget an abandoned call. If its update has not been sent, it never will be."""
        self.connect = None if call == self.connect else self.connect
        self.start = None if call == self.start else self.start
        self._sent = None if call == self._sent else self._sent
        self._updates = deque(update for update in self._updates if update.call != call)
        self._held = deque(command for command in self._held if command.call != call)
        self._ends = [waiting for waiting in self._ends if waiting != call]
