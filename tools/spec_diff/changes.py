"""A change of the spec, and whom it breaks.

A *reader* or a *writer* here is a program made for the older spec. A change breaks readers if more is valid now
than they can read, and writers if their output may no longer be valid. A client is both: it writes requests,
and reads answers.
"""

from __future__ import annotations

from enum import Flag, auto

import attrs

__all__ = ["BOTH", "NOBODY", "READERS", "WRITERS", "Breaks", "Change"]


class Breaks(Flag):
    """Whom a change breaks."""

    NOBODY = 0
    READERS = auto()
    WRITERS = auto()


NOBODY, READERS, WRITERS = Breaks.NOBODY, Breaks.READERS, Breaks.WRITERS
BOTH: Breaks = READERS | WRITERS


@attrs.frozen(order=True)
class Change:
    """One difference between two versions of the spec."""

    place: str
    """What changed, such as `Update.prompt`, `POST /sessions/token 404`, `clientToStreamer send`."""
    what: str
    why: str
    """Why it breaks somebody, or why not."""
    breaks: Breaks = attrs.field(default=NOBODY, order=False)

    def __str__(self) -> str:
        return f"{_SHOWN[self.breaks]:<26} {self.place}: {self.what}: {self.why}"


_SHOWN = {
    NOBODY: "compatible",
    READERS: "breaks readers",
    WRITERS: "breaks writers",
    BOTH: "breaks readers and writers",
}
