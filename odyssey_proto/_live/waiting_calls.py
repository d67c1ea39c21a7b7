"""The calls of users that wait for the driver: each is numbered, posted as a command, and answered at most once.

Users' threads ask and wait; the driver answers. What the answers are is the core's decision.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
from typing import TYPE_CHECKING, Any, Final

from .._base import errands, errors
from .._base.clock import Deadline
from ..core import inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock

__all__ = ["WaitingCalls"]

_ABANDONED_WITHIN_S: Final = 1.0  # the driver takes its inbox at once, unless the machine is very busy


class WaitingCalls:
    """The calls that wait for one driver. Any thread may use it.

    Args:
        post: puts an input into the driver's inbox.
        has_ended: returns whether the driver has ended, so that nothing reads its inbox any longer. It returns
            True before the driver calls `fail_all`: a call that comes later notices the end itself.
        clock: for time limits.
    """

    def __init__(self, post: Callable[[inputs.Input], None], has_ended: Callable[[], bool], clock: Clock) -> None:
        self._post = post
        self._has_ended = has_ended
        self._clock = clock
        self._numbers = itertools.count(1)
        self._calls: dict[int, concurrent.futures.Future[Any]] = {}
        self._abandoned: dict[int, threading.Event] = {}  # each set when the core has forgotten the call

    # --- on users' threads

    def ask(
        self,
        command: Callable[[int], inputs.Command],
        timeout: float | None,
        *,
        expired: Callable[[], errors.OdysseyError],
        refusal: Callable[[], errors.OdysseyError],
    ) -> object:
        """Post a command, and wait for its answer.

        Args:
            command: makes the command with the number of the call.
            timeout: how long to wait, in s; None waits without limit.
            expired: makes the error to raise if the answer does not come in time.
            refusal: makes the error to raise if the driver has ended and will not read the command.
        """
        number, future = next(self._numbers), concurrent.futures.Future[Any]()
        posted = command(number)
        self._calls[number] = future
        self._post(posted)
        if self._has_ended() and self._calls.pop(number, None) is not None:
            raise refusal()
        try:
            turns = Deadline(timeout, self._clock).waits()
            with errands.woken_by(lambda: self._drop(number)):
                answered = any(concurrent.futures.wait((future,), seconds).done for seconds in turns)
        except BaseException:  # Ctrl-C, in a process in which the main thread itself waits here
            self._calls.pop(number, None)
            self._post(inputs.Abandon(number))
            raise
        if not answered and self._calls.pop(number, None) is not None:
            self._abandon(number)
            raise expired()
        return future.result()  # ready, or about to be: the driver has taken the call from the table

    def _abandon(self, number: int) -> None:
        """Give up a call, and wait until that takes effect: a stream that it started may end, with its frames."""
        done = self._abandoned[number] = threading.Event()
        self._post(inputs.Abandon(number))
        if not self._has_ended():
            done.wait(_ABANDONED_WITHIN_S)

    def _drop(self, number: int) -> None:
        """End a call: nobody waits for it any longer."""
        if (future := self._calls.pop(number, None)) is not None:
            self._post(inputs.Abandon(number))
            future.set_exception(errands.AbandonedError())

    # --- on the driver's thread

    def answer(self, number: int, *, value: object = None, error: errors.OdysseyError | None = None) -> None:
        """Return ``value`` from a call, or raise ``error`` there; do nothing if the call no longer waits."""
        future = self._calls.pop(number, None)
        if future is None:
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def note_abandoned(self, number: int) -> None:
        """Note that giving up this call has taken full effect."""
        if (done := self._abandoned.pop(number, None)) is not None:
            done.set()

    def fail_all(self, error: errors.OdysseyError) -> None:
        """Raise ``error`` in all calls: nothing answers them any more."""
        for number in tuple(self._calls):
            self.answer(number, error=errors.again(error))
        for done in tuple(self._abandoned.values()):
            done.set()
