"""`LiveConnection`, the public base class of sessions and spectators: frames, events, recordings, the end.

It does no I/O itself: its `Driver` does.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self, TypeVar, cast, get_args

from .._base import arguments, errands
from .._base.clock import Deadline
from .._base.errors import OdysseyConnectionTimeoutError
from .._model.events import ConnectionStatus, Event
from .._model.stats import SessionStats
from .._video.frame import VideoFrame
from .._video.frame_hub import FramePace
from .._video.frame_queue import FramePolicy
from ..core import inputs
from .driver import LEAVE_S, Driver
from .live_recording import LiveRecording
from .reader import Reader

if TYPE_CHECKING:
    from .event_hub import EventQueue

__all__ = ["LiveConnection"]

E = TypeVar("E", bound=Event)
_EVENT_NAMES: Final = tuple(kind.__name__ for kind in get_args(Event))


class LiveConnection:
    """A connection that receives video. Use it in a ``with``, or call `disconnect`.

    All methods may be called from any thread. Every ``timeout`` is in s; ``None`` waits until the event occurs or
    the connection ends. A call that times out raises and leaves the connection usable. A connection without
    handlers disconnects when it is garbage-collected.
    """

    _INSTEAD: ClassVar[str]
    """The end of the error message for pickling: what to pass to another process instead of this object."""

    def __init__(self, driver: Driver, *, has_handlers: bool) -> None:
        self._driver = driver
        if not has_handlers:  # with handlers it must continue without references to it
            # Weakly: the driver's error holds stack frames that hold this object, so it would never be collected.
            finalizer = weakref.finalize(self, _leave, weakref.ref(driver))
            finalizer.atexit = False  # at exit the driver leaves by itself, and waits

    # --- the state

    @property
    def status(self) -> ConnectionStatus:
        """The status of the connection."""
        return self._driver.snapshot.status

    @property
    def is_connected(self) -> bool:
        """Whether the connection is up; False while it is being rejoined."""
        return self.status is ConnectionStatus.CONNECTED

    @property
    def has_ended(self) -> bool:
        """Whether the connection has ended for good, on request or by an error."""
        return self._driver.leaving or self._driver.snapshot.is_over

    @property
    def latest_frame(self) -> VideoFrame | None:
        """The newest frame of the running stream, or None. Reading it does not affect iterators."""
        return self._driver.hub.latest

    # --- frames and events

    @errands.undisturbed
    def frames(
        self,
        policy: FramePolicy = "drop_oldest",
        queue_size: int = 4,
        *,
        pace: FramePace = "live",
        timeout: float | None = None,
    ) -> Iterator[VideoFrame]:
        """Iterate over the frames that arrive from now on, until the stream ends.

        If no stream is running yet, the iterator waits for one. Several iterators may run side by side, each with
        its own queue; an unread iterator holds at most ``queue_size`` frames.

        Args:
            policy: what happens if the reader is slower than the video: ``"latest"`` keeps only the newest frame,
                ``"drop_oldest"`` the ``queue_size`` newest, ``"error"`` raises.
            queue_size: largest number of waiting frames, at least 1.
            pace: ``"live"`` yields each frame as soon as it is decoded. ``"smooth"`` keeps the streamer's pace on
                a bad network: each frame is held for a target delay of 0 to 250 ms, which covers nearly all
                retransmissions, so that a late frame is still in time. Frames that are not due yet
                do not count as waiting. `SessionStats.target_delay_ms` is the delay. Recordings and
                ``on_video_frame`` are always live.
            timeout: time to wait for each frame, in s.

        Raises:
            OdysseyStreamError: the session is not connected, or the queue overflowed (policy ``"error"``).
            OdysseyStreamTimeoutError: no frame arrived in time; the iterator can continue.
            OdysseyError: the error that ended the stream or the connection, after all earlier frames.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        subscription = self._driver.hub.subscribe(policy, queue_size, pace)
        self._require_connection("iterate over frames")
        return Reader(self, self._driver, subscription, timeout)

    @errands.undisturbed
    def events(self, *, timeout: float | None = None) -> Iterator[Event]:
        """Iterate over all events from now on, until the connection has ended.

        Several iterators may run side by side; each gets every event, in order. An iterator holds the newest
        10,000 unread events.

        Args:
            timeout: time to wait for each event, in s.

        Raises:
            OdysseyStreamTimeoutError: no event occurred in time; the iterator can continue.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        return Reader(self, self._driver, self._driver.events.subscribe(), timeout)

    @errands.undisturbed
    def wait_for(self, kind: type[E], *, timeout: float | None = None) -> E:
        """Wait for the next event of class ``kind``, such as `StreamEnded`, and return it.

        Earlier events do not count: to miss none, call `events` before the action that causes the event.

        Raises:
            TypeError: ``kind`` is not an event class.
            OdysseyStreamTimeoutError: the event did not occur within ``timeout`` s.
            OdysseyStreamError: the connection ended first.
        """
        arguments.timeout("timeout", timeout)
        if kind not in get_args(Event):
            raise TypeError(f"kind is {kind!r}, which is not an event class; known are {', '.join(_EVENT_NAMES)}")
        self._driver.refuse_fork()
        found = self._first(self._driver.events.subscribe(), kind, Deadline(timeout, self._driver.clock))
        return cast("E", found)

    def _first(self, happening: EventQueue, kinds: type | tuple[type, ...], deadline: Deadline) -> Event:
        while True:
            event = happening.get(deadline)
            if event is None:
                raise self._driver.snapshot.not_connected("wait")
            if isinstance(event, kinds):
                return event

    # --- recordings and statistics

    @errands.undisturbed
    def record(self, path: str | os.PathLike[str]) -> LiveRecording:
        """Record all video from now on to an MP4, each frame at its real time, on a separate thread.

        It does not delay other readers, and needs none. It begins with the next frame and covers all following
        streams; gaps, and pauses between streams, last as long in the file as they did. It ends with the ``with``,
        with `LiveRecording.close`, or with the connection. The first frame sets the size and the colours of the
        file; later frames of another size are scaled.

        Example:
            >>> with live.record("cat.mp4") as recording:                             # doctest: +SKIP
            ...     live.interact("The cat wakes up")
            ...     time.sleep(10)
            >>> print(recording.path, recording.frames)                               # doctest: +SKIP

        Args:
            path: the file, whose name ends in ``.mp4``; an existing file is replaced when the first frame arrives.
                Without frames, no file is written.

        Raises:
            OSError: the file cannot be written. Later errors are raised at the end of the ``with`` or by
                `LiveRecording.close`.
            OdysseyConfigError: another recording is writing this file, or its name has the ending of another
                format, such as ``.gif`` or ``.mkv``.
            OdysseyStreamError: the connection has ended.
        """
        driver = self._driver
        driver.refuse_fork()
        if self.has_ended:
            raise driver.snapshot.not_connected("record")
        recording = LiveRecording(path, driver.hub)
        driver.recordings.add(recording)
        errands.if_abandoned(recording.close)
        return recording

    @errands.undisturbed
    def stats(self) -> SessionStats:
        """Return the current statistics without waiting; after the end, the last ones.

        Example:
            >>> stats = live.stats()                                              # doctest: +SKIP
            >>> print(f"{stats.fps:.0f} fps, {stats.bitrate_bps / 1e6:.1f} Mbit/s")  # doctest: +SKIP
        """
        return self._driver.stats()

    def _require_connection(self, what: str) -> None:
        """Raise if the connection has ended and ``what`` needs it. Here, do nothing: new iterators just end."""

    # --- the end

    @errands.undisturbed
    def wait(self, *, timeout: float | None = None) -> None:
        """Wait until the connection has ended.

        Raises:
            OdysseyConnectionTimeoutError: not ended within ``timeout`` s (code ``timeout``); the connection
                continues.
            OdysseyError: the error that ended the connection.
        """
        arguments.timeout("timeout", timeout)
        if not self._driver.wait(timeout):
            raise OdysseyConnectionTimeoutError(
                f"Not ended within {timeout:g} s", code="timeout", operation="wait", recoverable=True
            )

    @errands.undisturbed(at_most_s=2 * LEAVE_S)
    def disconnect(self) -> None:
        """Disconnect, and release what the service holds; takes at most 2 s. Calls in flight raise."""
        if hasattr(self, "_driver"):  # else it was never made
            self._disconnect(may_linger=True)

    def _disconnect(self, *, may_linger: bool) -> None:
        self._driver.start_leaving(may_linger=may_linger)
        self._driver.join(LEAVE_S)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be pickled or copied: {self._INSTEAD}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()


def _leave(driver: weakref.ref[Driver]) -> None:
    if (found := driver()) is not None:  # its thread keeps it alive until it has disconnected
        found.leaving = True
        found.post(inputs.Disconnect())
