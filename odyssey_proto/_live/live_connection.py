"""What sessions and spectators have in common, as users hold them: frames, events, recordings, the end."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self, TypeVar, cast, get_args

from .._base import arguments
from .._base.clock import Deadline
from .._base.errors import OdysseyConnectionTimeoutError
from .._model.events import ConnectionStatus, Event
from .._model.stats import SessionStats
from .._video.frame import VideoFrame
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
    """A connection that brings video. Use it in a ``with``, or call `disconnect`.

    All methods may be called from any thread. Every ``timeout`` is in s, and ``None`` waits until it happens or
    the connection ends. A call that times out raises and leaves the connection usable. A connection that is let go
    of is left, unless it has handlers.
    """

    _INSTEAD: ClassVar[str]
    """What to hand over to another process in place of this object."""

    def __init__(self, driver: Driver, *, has_handlers: bool) -> None:
        self._driver = driver
        if not has_handlers:  # else somebody listens, though nobody holds it
            # Weakly: the error that ended it holds frames that hold this object, which would then never go.
            finalizer = weakref.finalize(self, _leave, weakref.ref(driver))
            finalizer.atexit = False  # the driver's own end of the process does it, and waits

    # --- the state

    @property
    def status(self) -> ConnectionStatus:
        """Where the connection stands."""
        return self._driver.snapshot.status

    @property
    def is_connected(self) -> bool:
        """Whether it is up now; False also while it is rejoined."""
        return self.status is ConnectionStatus.CONNECTED

    @property
    def has_ended(self) -> bool:
        """Whether it is over, as wished or by an error; it never comes back then."""
        return self._driver.leaving or self._driver.snapshot.is_over

    @property
    def latest_frame(self) -> VideoFrame | None:
        """The newest frame of the stream that is running, taken from no iterator; None if there is none."""
        return self._driver.hub.latest

    # --- frames and events

    def frames(
        self, policy: FramePolicy = "drop_oldest", queue_size: int = 4, *, timeout: float | None = None
    ) -> Iterator[VideoFrame]:
        """Iterate over the frames that arrive from now on, until the stream ends.

        If there is no stream yet it waits for one. Several iterators may run side by side, each with its own
        queue; one that is not read holds ``queue_size`` frames and nothing else.

        Args:
            policy: what happens when you are slower than the video: ``"latest"`` keeps the newest frame only,
                ``"drop_oldest"`` the ``queue_size`` newest, ``"error"`` raises.
            queue_size: frames that may wait, at least 1.
            timeout: s to wait for each frame.

        Raises:
            OdysseyStreamError: the session is not connected; with ``"error"``, the queue ran over.
            OdysseyStreamTimeoutError: no frame came in time; the iterator can go on.
            OdysseyError: what broke the stream or the connection, after the frames that came before.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        subscription = self._driver.hub.subscribe(policy, queue_size)
        self._require_connection("iterate over frames")
        return Reader(self, self._driver, subscription, timeout)

    def events(self, *, timeout: float | None = None) -> Iterator[Event]:
        """Iterate over everything that happens from now on, until the connection has ended.

        Several readers may run side by side; each gets every event, in order. What a reader has not read yet waits
        without bound, so let go of an iterator that you no longer read.

        Args:
            timeout: s to wait for each event.

        Raises:
            OdysseyStreamTimeoutError: nothing happened in time; the iterator can go on.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        return Reader(self, self._driver, self._driver.events.subscribe(), timeout)

    def wait_for(self, kind: type[E], *, timeout: float | None = None) -> E:
        """Wait for the next event of a kind, such as `StreamEnded`, and return it.

        One that has happened before does not count; if it may come quickly, call `events` first.

        Raises:
            TypeError: there is no such kind of event.
            OdysseyStreamTimeoutError: it did not happen within ``timeout`` s.
            OdysseyStreamError: the connection ended first.
        """
        arguments.timeout("timeout", timeout)
        if kind not in get_args(Event):
            raise TypeError(f"{kind!r} is no kind of event; there are {', '.join(_EVENT_NAMES)}")
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

    # --- what is kept, what was measured

    def record(self, path: str | os.PathLike[str]) -> LiveRecording:
        """Write all video from now on into an MP4, each frame at its real time, on a thread of its own.

        It holds up nobody, and goes on while frames are consumed elsewhere, or nowhere. It begins with the first
        frame that comes, and takes one stream after the other: the time between them, and gaps, are as long in the
        file as they were. It ends with the ``with``, with `LiveRecording.close`, or with the connection.

        Example:
            >>> with live.record("cat.mp4") as recording:                             # doctest: +SKIP
            ...     live.interact("The cat wakes up")
            ...     time.sleep(10)
            >>> print(recording.path, recording.frames)                               # doctest: +SKIP

        Args:
            path: the file; an old one is replaced when the first frame comes. Without a frame there is no file.

        Raises:
            OSError: it cannot be written there. What goes wrong later is raised by the end of the ``with``, or by
                `LiveRecording.close`; streams of different sizes do not fit into one file.
            OdysseyConfigError: another recording is writing this file.
            OdysseyStreamError: the connection is over.
        """
        driver = self._driver
        driver.refuse_fork()
        if self.has_ended:
            raise driver.snapshot.not_connected("record")
        recording = LiveRecording(path, driver.hub)
        driver.recordings.add(recording)
        return recording

    def stats(self) -> SessionStats:
        """Return what has been measured so far; it waits for nothing, and keeps the last figures after the end.

        Example:
            >>> stats = live.stats()                                              # doctest: +SKIP
            >>> print(f"{stats.fps:.0f} fps, {stats.bitrate_bps / 1e6:.1f} Mbit/s")  # doctest: +SKIP
        """
        return self._driver.stats()

    def _require_connection(self, what: str) -> None:
        """Raise if ``what`` is refused after the end; iterators that begin then end as those before did."""

    # --- the end

    def wait(self, *, timeout: float | None = None) -> None:
        """Wait until it has ended.

        Raises:
            OdysseyConnectionTimeoutError: it has not ended within ``timeout`` s (code ``timeout``); it goes on.
            OdysseyError: it has ended, by this error.
        """
        arguments.timeout("timeout", timeout)
        if not self._driver.wait(timeout):
            raise OdysseyConnectionTimeoutError(
                f"Not ended within {timeout:g} s", code="timeout", operation="wait", recoverable=True
            )

    def disconnect(self) -> None:
        """Leave, and give back what the service holds; takes at most 2 s. Calls in flight raise."""
        self._driver.start_leaving()
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
    if (found := driver()) is not None:  # its thread keeps it while there is something to leave
        found.post(inputs.Disconnect())
