"""Calls the handlers of a connection in order, on one dedicated thread.

Events wait in a queue, the newest video frame in a single place behind it: a slow handler gets the newest frame
and delays only other handlers. `_CALLS` maps events to calls; `odyssey_proto.core` decides which events there are.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .._base.clock import MonotonicClock
from .._base.limits import EVENTS_MOST_WAITING, EVENTS_MOST_WAITING_BYTES
from .._base.seldom import Seldom
from .._model import events
from .._model.events import ConnectionStatus
from .._model.text_size import text_size
from .._video.frame import VideoFrame
from .._video.frame_queue import FrameCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock
    from .._model.events import Event
    from .handlers import OdysseyEventHandlers

__all__ = ["Dispatcher"]

log = logging.getLogger("odyssey_proto.live")

_CALLS: Final[dict[type, tuple[str, Callable[[Any], tuple[object, ...]]]]] = {
    events.StatusChanged: ("on_status_change", lambda event: (event.status, event.message)),
    events.StreamStarted: ("on_stream_started", lambda event: (event.stream_id,)),
    events.StreamEnded: ("on_stream_ended", lambda _: ()),
    events.StreamFailed: ("on_stream_error", lambda event: (event.reason, event.message)),
    events.InteractAcknowledged: ("on_interact_acknowledged", lambda event: (event.prompt,)),
    events.BroadcastReady: ("on_broadcast_ready", lambda event: (event.info,)),
    events.ErrorOccurred: ("on_error", lambda event: (event.error, event.fatal)),
}


class Dispatcher:
    """Calls the handlers of one connection, from `start` until everything before `finish` has been handled.

    `publish`, `put`, `close` and `finish` never block and may be called from any thread.

    Args:
        handlers: the handlers.
        clock: limits how often failures are logged; None takes the machine's.
        awaits_start: whether a frame waits until the start of its stream is queued: the decoder may be faster.
    """

    def __init__(
        self, handlers: OdysseyEventHandlers, clock: Clock | None = None, *, awaits_start: bool = False
    ) -> None:
        self.counts = FrameCounts()
        """The frames that were received, passed to ``on_video_frame``, and skipped because it was busy."""
        self._handlers = handlers
        self._failures = _Failures(clock or MonotonicClock())
        self._changed = threading.Condition()
        self._waiting: deque[Event | VideoFrame] = deque()
        self._waiting_bytes = 0
        self._frame: VideoFrame | None = None
        self._skipped = 0
        self._awaits_start = awaits_start
        self._has_begun = not awaits_start  # whether frames may be passed on
        self._finished = False
        self._is_behind = False
        self._was_connected = False
        self._thread = threading.Thread(target=self._run, name="odyssey-callbacks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def publish(self, event: Event) -> None:
        """Queue an event for its handler; if too many wait, the oldest are left out."""
        with self._changed:
            self._add(event)
            self._has_begun |= isinstance(event, events.StreamStarted)
            self._changed.notify()

    def put(self, frame: VideoFrame) -> None:
        """`FrameReceiver`: pass this frame on next, in place of one that still waits."""
        if self._handlers.on_video_frame is None:
            return
        with self._changed:
            self.counts.received += 1
            if self._frame is not None:
                self.counts.dropped += 1
                self._skipped += 1
            self._frame = frame
            self._changed.notify()

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002 - an event reports it
        """`FrameReceiver`: the stream is over; its last frame is passed on before the end is reported.

        A frame of a stream whose start was never reported, because it failed, is not passed on.
        """
        with self._changed:
            if self._frame is not None and self._has_begun:
                self._add(self._take_frame())
            elif self._frame is not None:
                self._frame, self._skipped = None, 0
                self.counts.dropped += 1
            self._has_begun = not self._awaits_start

    def finish(self) -> None:
        """Let the thread end once everything queued so far is handled."""
        with self._changed:
            self._finished = True
            self._changed.notify()

    def join(self, timeout: float | None) -> None:
        """Wait for the end of the thread, for at most ``timeout`` s, unless a handler itself calls this."""
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.warning("a handler is still running: its thread is no longer waited for")

    def _add(self, item: Event | VideoFrame) -> None:
        """Queue an item that must be passed on in its place; if too much waits, leave out the oldest."""
        self._waiting.append(item)
        self._waiting_bytes += _size(item)
        while len(self._waiting) > EVENTS_MOST_WAITING or (
            len(self._waiting) > 1 and self._waiting_bytes > EVENTS_MOST_WAITING_BYTES
        ):
            if not self._is_behind:
                self._is_behind = True
                log.warning("the handlers are %d events behind: the oldest are left out", len(self._waiting) - 1)
            if isinstance(self._take(), VideoFrame):
                self.counts.dropped += 1

    def _take(self) -> Event | VideoFrame:
        item = self._waiting.popleft()
        self._waiting_bytes -= _size(item)
        return item

    def _take_frame(self) -> VideoFrame:
        assert self._frame is not None
        frame, self._frame = self._frame._after_dropped(self._skipped), None
        self._skipped = 0
        return frame

    def _next(self) -> Event | VideoFrame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._has_frame or self._finished)
            if self._waiting:
                return self._take()
            return self._take_frame() if self._has_frame else None

    @property
    def _has_frame(self) -> bool:
        return self._frame is not None and self._has_begun

    def _run(self) -> None:
        while (item := self._next()) is not None:
            if isinstance(item, VideoFrame):
                self.counts.delivered += 1
                self._call("on_video_frame", item)
            elif type(item) in _CALLS:
                name, arguments = _CALLS[type(item)]
                self._call(name, *arguments(item))
                if isinstance(item, events.StatusChanged):
                    self._call_connection_handler(item.status)
            del item  # so that no frame is kept alive while waiting for the next item
        self._failures.report_rest()

    def _call_connection_handler(self, status: ConnectionStatus) -> None:
        if status is ConnectionStatus.CONNECTED and not self._was_connected:
            self._was_connected = True
            self._call("on_connected")
        elif status in (ConnectionStatus.DISCONNECTED, ConnectionStatus.FAILED) and self._was_connected:
            self._call("on_disconnected")

    def _call(self, name: str, *arguments: object) -> None:
        handler = getattr(self._handlers, name)
        if handler is None:
            return
        try:
            handler(*arguments)
        except BaseException as exc:  # noqa: BLE001 - even `sys.exit()`: the handlers after this are still called
            is_reported = self._failures.report(name, exc)
            if name != "on_error" and self._handlers.on_error is not None:
                self._call("on_error", exc, False)
            elif is_reported:  # no other handler can report it: treat it like any uncaught exception of a thread
                with contextlib.suppress(Exception):  # a hook that fails itself, and a stderr that was closed
                    threading.excepthook(
                        threading.ExceptHookArgs((type(exc), exc, exc.__traceback__, self._thread))
                    )


def _size(item: Event | VideoFrame) -> int:
    return item._picture.nbytes if isinstance(item, VideoFrame) else text_size(item)


class _Failures:
    """Logs what handlers raise: the same kind of exception of the same handler at most once a second."""

    def __init__(self, clock: Clock) -> None:
        self._reports: Seldom[tuple[str, str]] = Seldom(clock)

    def report(self, name: str, error: BaseException) -> bool:
        """Log that ``name`` raised ``error``, at most once a second, and return whether it was logged."""
        kind = type(error).__name__
        others = self._reports.passed((name, kind))
        if others:
            log.warning("%s raised %s again, after %d times that were not logged", name, kind, others)
        elif others is not None:
            log.warning("%s raised %s", name, kind)
        return others is not None

    def report_rest(self) -> None:
        """Log how many failures were not logged since the last of their kind."""
        for (name, kind), times in self._reports.held_back().items():
            log.warning("%s raised %s %d more times", name, kind, times)
