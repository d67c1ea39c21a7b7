"""Checking that the streamer is still alive while a call awaits its answer and no video need come.

While a stream runs, its video shows that the link works (`odyssey_proto.core.silence`). Between streams, and while
one starts or ends, nothing need come for a long time. So the other side is repeatedly asked for a sign of life,
which any ICE agent answers at once. The times are in spec/behaviour.md#order-of-answers.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ASK_EVERY_S", "MISSING_AFTER_S", "SignsOfLife"]

ASK_EVERY_S: Final = 0.5
"""The time from one request for a sign of life to the next, in s."""
MISSING_AFTER_S: Final = 2.5
"""How long the other side may show no sign of life, in s: less than video may be silent, because a caller
waits."""
_STOOD_STILL_S: Final = 1.0  # a look that is this late shows that this process was not running


class SignsOfLife:
    """When the other side last showed that it is alive. All times are in s of the caller's clock.

    >>> signs = SignsOfLife()
    >>> signs.note(now=100.0)
    >>> signs.are_missing(now=102.4), signs.are_missing(now=102.5)
    (False, True)
    """

    def __init__(self) -> None:
        self._newest = 0.0

    def note(self, now: float) -> None:
        """Note a sign of life, or the beginning of the wait for one."""
        self._newest = max(now, self._newest)

    def look_late(self, now: float, overslept_s: float) -> None:
        """Allow for a look that comes ``overslept_s`` late.

        This process was not running then, and could not receive a sign of life.
        """
        if overslept_s > _STOOD_STILL_S:
            self.note(now)

    def are_missing(self, now: float) -> bool:
        """Return whether there has been no sign of life for `MISSING_AFTER_S`."""
        return now - self._newest >= MISSING_AFTER_S
