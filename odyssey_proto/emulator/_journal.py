"""The traffic of one emulator, kept for later requests, or for clients that follow it. `_showing` makes it
readable."""

from __future__ import annotations

import asyncio
import collections
import threading
import time
from typing import TYPE_CHECKING, Final

import attrs

from .._model.traffic import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Seen

__all__ = ["Entry", "Journal"]

_KEPT_BYTES: Final = 8 * 2**20  # of bodies and messages; the oldest are dropped
_ENTRY_BYTES: Final = 1024  # the rest of an entry, roughly: headers and objects
_OWN: Final = "/_emulator/"


@attrs.frozen
class Entry:
    """One call or message in the journal."""

    number: int
    """Its number, from 1 on."""
    time: float
    """When it was complete, in s since 1970."""
    seen: Seen


class Journal:
    """The latest traffic of one emulator. Runs on the loop's thread, from `begin` on.

    Watchers see the traffic of all emulators of the process. A journal keeps that of its own emulator, which it
    recognises by the thread. ``on_entry`` is called with each call or message and its time, in s since 1970.
    """

    def __init__(self, on_entry: Callable[[Seen, float], None] = lambda _seen, _at: None) -> None:
        self._on_entry = on_entry
        self._thread: int | None = None
        self._entries: collections.deque[Entry] = collections.deque()
        self._bytes = 0
        self._number = 0
        self._news = asyncio.Event()
        self.is_over = False
        """Whether nothing more will come."""

    def begin(self) -> None:
        """Keep the traffic of this thread from now on."""
        self._thread = threading.get_ident()

    def __call__(self, seen: Seen) -> None:
        if threading.get_ident() != self._thread or (not isinstance(seen, Message) and seen.path.startswith(_OWN)):
            return
        self._number += 1
        now = time.time()
        self._on_entry(seen, now)
        self._entries.append(Entry(self._number, now, seen))
        self._bytes += _size(seen)
        while self._bytes > _KEPT_BYTES and len(self._entries) > 1:
            self._bytes -= _size(self._entries.popleft().seen)
        self._news.set()

    def since(self, number: int) -> list[Entry]:
        """Return the entries after ``number``; 0 for all that are kept."""
        return [entry for entry in self._entries if entry.number > number]

    async def wait_for_news(self, number: int) -> None:
        """Wait until there is an entry after ``number``, or there will be none."""
        while self._number <= number and not self.is_over:
            self._news.clear()
            await self._news.wait()

    def end(self) -> None:
        """Release all waiting readers."""
        self.is_over = True
        self._news.set()

    def clear(self) -> None:
        """Forget everything. Numbers continue."""
        self._entries.clear()
        self._bytes = 0


def _size(seen: Seen) -> int:
    content = (seen.text,) if isinstance(seen, Message) else (seen.request_body or b"", seen.body or b"")
    return _ENTRY_BYTES + sum(map(len, content))
