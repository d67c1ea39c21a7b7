"""Shows the traffic of a connection to its recorders: calls, messages, and encoded frames.

A tap that nobody watches costs nothing. A tap changes nothing, and keeps nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._base.forks import RLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._model.traffic import Seen

__all__ = ["Tap", "TapWatcher"]


class TapWatcher(Protocol):
    """Sees encoded frames, and ends, on the threads of the network. No method may block or raise."""

    def saw_frame(self, codec: str, data: bytes, timestamp: int, *, is_keyframe: bool) -> None:
        """See a complete frame, before it is decoded.

        Args:
            codec: its MIME type, such as ``video/H264``.
            data: the frame; of H.264, in the form of annex B.
            timestamp: its time by the sender's clock, in 1/90,000 s.
            is_keyframe: whether it can be decoded without others.
        """

    def saw_close(self, code: int | None) -> None:
        """See the end of the WebSocket that this side did not close; ``code`` is None if the server gave none."""

    def saw_end(self) -> None:
        """See the end of the connection."""


class Tap:
    """The tap of one client's calls, or of one connection. Any thread may call."""

    def __init__(self) -> None:
        self._of_text: tuple[Callable[[Seen], None], ...] = ()
        self._of_media: tuple[TapWatcher, ...] = ()
        self._changing = RLock()  # if several threads change them at once, no change must be lost

    def add(self, watcher: Callable[[Seen], None]) -> None:
        """Call ``watcher`` with each call and message from now on; it must not block or raise."""
        with self._changing:
            self._of_text = (*self._of_text, watcher)

    def remove(self, watcher: Callable[[Seen], None]) -> None:
        """Stop calling ``watcher``."""
        with self._changing:
            self._of_text = tuple(each for each in self._of_text if each != watcher)

    def add_for_media(self, watcher: TapWatcher) -> None:
        """Let ``watcher`` see frames and ends from now on."""
        with self._changing:
            self._of_media = (*self._of_media, watcher)

    def remove_for_media(self, watcher: TapWatcher) -> None:
        """Stop showing ``watcher`` anything."""
        with self._changing:
            self._of_media = tuple(each for each in self._of_media if each is not watcher)

    @property
    def shows_text(self) -> bool:
        """Whether anybody sees calls and messages."""
        return bool(self._of_text)

    @property
    def shows_media(self) -> bool:
        """Whether anybody sees frames."""
        return bool(self._of_media)

    def show(self, seen: Seen) -> None:
        """Show a call or a message."""
        for watcher in self._of_text:
            watcher(seen)

    def show_frame(self, codec: str, data: bytes, timestamp: int, *, is_keyframe: bool) -> None:
        """Show a frame; see `TapWatcher.saw_frame`."""
        for watcher in self._of_media:
            watcher.saw_frame(codec, data, timestamp, is_keyframe=is_keyframe)

    def show_close(self, code: int | None) -> None:
        """Show the end of the WebSocket."""
        for watcher in self._of_media:
            watcher.saw_close(code)

    def show_end(self) -> None:
        """Show the end of the connection."""
        for watcher in self._of_media:
            watcher.saw_end()
