"""A live session, as users hold it: any thread may call it, and every call that waits has a timeout.

A call posts a command to the session's driver and waits on a future, holding no lock. Arguments are checked here;
whether a call is possible at all is decided in `odyssey_proto.core.protocol`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast, get_args

import odyssey_models as wire

from ._base import arguments, errors
from ._base.clock import Deadline
from ._live.driver import LEAVE, Driver
from ._live.live_recording import LiveRecording
from ._live.reader import Reader
from ._live.session_stats import session_stats
from ._model import codec
from ._model.events import BroadcastInfo, BroadcastReady, ConnectionStatus, Event, StreamEnded, StreamFailed
from ._video import images
from .core import inputs

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from ._base.clock import Clock
    from ._base.event_loop import BackgroundLoop
    from ._live.event_hub import EventQueue
    from ._live.handlers import OdysseyEventHandlers
    from ._model.config import ClientConfig
    from ._model.script import ImageInput
    from ._model.stats import SessionStats
    from ._net.service_api import ServiceApi
    from ._video.frame import VideoFrame
    from ._video.frame_queue import FramePolicy

__all__ = ["Session", "connect", "settle"]

E = TypeVar("E", bound=Event)
_EVENT_NAMES: Final = tuple(kind.__name__ for kind in get_args(Event))


def connect(live: Session, deadline: Deadline, how: Callable[[int], inputs.Command] | None = None) -> None:
    """Connect a fresh session; see `Odyssey.connect`, which is for users."""
    live._driver.connect(deadline, how or inputs.Connect)


def settle(past: Session, deadline: Deadline) -> None:
    """Wait until a session that is over has been given back to the service, or until ``deadline``."""
    past._driver.ended.wait(deadline.remaining())


class Session:
    """A connection to one streamer, made by `Odyssey.connect`. Use it in a ``with``, or call `disconnect`.

    All methods may be called from any thread. Every ``timeout`` is in s, and ``None`` waits until it happens or
    the connection ends. A call that times out raises and leaves the session usable. One that is let go of is left,
    unless it has handlers.
    """

    def __init__(
        self,
        config: ClientConfig,
        api: ServiceApi,
        loop: BackgroundLoop,
        clock: Clock,
        handlers: OdysseyEventHandlers | None = None,
    ) -> None:
        self._driver = driver = Driver(config, api, loop, clock, handlers)
        if handlers is None:  # else somebody listens, though nobody holds it
            # Weakly: the error that ended a session holds frames that hold the session, which would then never go.
            finalizer = weakref.finalize(self, _leave, weakref.ref(driver))
            finalizer.atexit = False  # `_leave_all` does it, and waits

    # --- the state, as the client page documents it

    @property
    def session_id(self) -> str | None:
        """The service's id of this session; None before there is one."""
        return self._driver.protocol.session_id

    @property
    def status(self) -> ConnectionStatus:
        """Where the connection stands."""
        return self._driver.protocol.status

    @property
    def is_connected(self) -> bool:
        """Whether video and control channel are up."""
        return self.status is ConnectionStatus.CONNECTED

    @property
    def has_ended(self) -> bool:
        """Whether it is over, as wished or by an error; it never comes back then."""
        return self._driver.leaving or self._driver.protocol.is_over

    @property
    def stream_id(self) -> str | None:
        """The id of the stream that is running; None while there is none."""
        return self._driver.protocol.stream_id

    @property
    def last_applied_prompt(self) -> str | None:
        """The prompt in effect, as the service rewrote it; None where there is no stream or it did not tell."""
        return self._driver.protocol.applied_prompt

    @property
    def capabilities(self) -> wire.StreamerCapabilities | None:
        """What the streamer can do; None before there is one."""
        return self._driver.protocol.capabilities

    @property
    def latest_frame(self) -> VideoFrame | None:
        """The newest frame of the stream that is running, taken from no iterator; None where there is none."""
        return self._driver.hub.latest

    @property
    def broadcast(self) -> BroadcastInfo | None:
        """Where spectators can watch the stream; None before the service told, and where nobody can."""
        return self._driver.protocol.broadcast

    # --- the stream

    def start_stream(
        self,
        prompt: str = "",
        portrait: bool = True,
        image: ImageInput | None = None,
        image_path: str | os.PathLike[str] | None = None,
        bypass_prompt_expansion: bool | None = None,
        broadcast: bool = False,
        *,
        timeout: float | None = 60.0,
    ) -> str:
        """Start a stream and return its id once it is ready (client page, "start_stream()").

        Args:
            prompt: what the world is, in words.
            portrait: 704×1280 when true, 1280×704 when false (width × height in px; models may differ).
            image: what the world looks like at first: a path, the bytes of a file (JPEG, PNG, WebP, GIF, BMP,
                HEIC, HEIF or AVIF, at most 25 MB), a data URL, a PIL image or an RGB array, uint8, (H, W, 3).
                It is scaled and cut to the stream's size in this thread.
            image_path: the old name of ``image``, deprecated.
            bypass_prompt_expansion: take the prompt as it is, without rewriting it; needs the privilege.
            broadcast: let spectators watch; where they can is told by `wait_for_broadcast`.
            timeout: s to wait; the stream may still start after that, and `end_stream` ends it.

        Raises:
            OdysseyConfigError: the image cannot be used; nothing was sent.
            MissingExtraError: the packages that images need are not installed.
            OdysseyStreamError: not connected, a stream is there already, or it failed; `code` is the reason, such
                as ``image_not_supported`` where the streamer cannot start from an image.
            OdysseyUsageError: a limit of the account (its subclasses say which).
            OdysseyStreamTimeoutError: no answer in time.
        """
        image = images.only_one(image, image_path)
        message = wire.InteractiveStreamStart(
            prompt=arguments.text("prompt", prompt),
            portrait=arguments.flag("portrait", portrait),
            input_image_base64=None if image is None else self._sendable(image, portrait),
            broadcast=arguments.flag("broadcast", broadcast),
            bypass_vlm_expansion=None
            if bypass_prompt_expansion is None
            else arguments.flag("bypass_prompt_expansion", bypass_prompt_expansion),
        )
        size = _size(message)
        return cast("str", self._call("start_stream", lambda call: inputs.Start(call, message, size), timeout))

    def interact(self, prompt: str, *, timeout: float | None = 30.0) -> str:
        """Steer the stream and return the prompt as it was applied (client page, "interact()").

        One is on the wire at a time; calls from several threads queue.

        Raises:
            OdysseyStreamError: not connected, no stream, or it was refused; `code` is the reason.
            OdysseyStreamTimeoutError: no acknowledgement in time; it may still come.
        """
        message = wire.Update(prompt=arguments.text("prompt", prompt))
        size = _size(message)
        return cast("str", self._call("interact", lambda call: inputs.Interact(call, message, size), timeout))

    def end_stream(self, *, timeout: float | None = 30.0) -> None:
        """End the stream and wait until the service says so (client page, "end_stream()").

        Once after an error that ended the stream, nothing happens: who handles errors need not know which do.

        Raises:
            OdysseyStreamError: not connected, or there is no stream.
            OdysseyStreamTimeoutError: no answer in time.
        """
        self._call("end_stream", inputs.End, timeout)

    def frames(
        self, policy: FramePolicy = "drop_oldest", queue_size: int = 4, timeout: float | None = None
    ) -> Iterator[VideoFrame]:
        """Iterate over the frames that arrive from now on, until the stream ends.

        Where there is no stream yet it waits for one. Several iterators may run side by side, each with its own
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
        if self._driver.protocol.is_over:
            raise self._driver.protocol.not_connected("iterate over frames")
        return Reader(self, self._driver, subscription, timeout)

    # --- events

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Iterate over everything that happens from now on, until the session has ended.

        Several readers may run side by side; each gets every event, in order. What a reader has not read yet waits
        without bound, so let go of the iterator when it is not read any more.

        Args:
            timeout: s to wait for each event.

        Raises:
            OdysseyStreamTimeoutError: nothing happened in time; the iterator can go on.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        return Reader(self, self._driver, self._driver.events.subscribe(), timeout)

    def wait_for(self, kind: type[E], timeout: float | None = None) -> E:
        """Wait for the next event of a kind, such as `StreamEnded`, and return it.

        One that has happened before does not count; where it may come quickly, call `events` first.

        Raises:
            TypeError: there is no such kind of event.
            OdysseyStreamTimeoutError: it did not happen within ``timeout`` s.
            OdysseyStreamError: the session ended first.
        """
        arguments.timeout("timeout", timeout)
        if kind not in get_args(Event):
            raise TypeError(f"{kind!r} is no kind of event; there are {', '.join(_EVENT_NAMES)}")
        self._driver.refuse_fork()
        found = self._first(self._driver.events.subscribe(), kind, Deadline(timeout, self._driver.clock))
        return cast("E", found)

    def wait_for_broadcast(self, timeout: float | None = 30.0) -> BroadcastInfo:
        """Wait until spectators can watch the stream, and return where.

        Raises:
            OdysseyStreamTimeoutError: the service did not tell in time; was it started with ``broadcast=True``?
            OdysseyStreamError: the stream or the session ended first, or the service told too little.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        happening = self._driver.events.subscribe()
        if (known := self.broadcast) is not None:
            return known
        deadline = Deadline(timeout, self._driver.clock)
        found = self._first(happening, (BroadcastReady, StreamFailed, StreamEnded), deadline)
        if isinstance(found, BroadcastReady):
            return found.info
        message = found.message if isinstance(found, StreamFailed) else "The stream ended before its broadcast"
        raise errors.OdysseyStreamError(
            message, code="no_broadcast", operation="wait for broadcast", session_id=self.session_id
        )

    def _first(self, happening: EventQueue, kinds: type | tuple[type, ...], deadline: Deadline) -> Event:
        while True:
            event = happening.get(deadline)
            if event is None:
                raise self._driver.protocol.not_connected("wait")
            if isinstance(event, kinds):
                return event

    # --- what is kept, what was measured

    def record(self, path: str | os.PathLike[str]) -> LiveRecording:
        """Write all video from now on into an MP4, each frame at its real time, on a thread of its own.

        It holds up nobody, and goes on while frames are consumed elsewhere, or nowhere. It begins with the first
        frame that comes, and takes one stream after the other: the time between them, and gaps, are as long in the
        file as they were. It ends with the ``with``, with `LiveRecording.close`, or with the session.

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
            OdysseyStreamError: the session is over.
        """
        driver = self._driver
        driver.refuse_fork()
        if driver.protocol.is_over or driver.leaving:
            raise driver.protocol.not_connected("record")
        recording = LiveRecording(path, driver.hub)
        driver.recordings.add(recording)
        return recording

    def stats(self) -> SessionStats:
        """Return what has been measured so far; it waits for nothing, and after the end it tells the last numbers.

        Example:
            >>> stats = live.stats()                                              # doctest: +SKIP
            >>> print(f"{stats.fps:.0f} fps, {stats.bitrate_bps / 1e6:.1f} Mbit/s")  # doctest: +SKIP
        """
        driver = self._driver
        now = driver.clock.now() if driver.ended_at is None else driver.ended_at
        return session_stats(driver.hub, driver.totals, age_s=now - driver.began_at)

    # --- the end

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the session has ended, for at most ``timeout`` s; return whether it has.

        Raises:
            OdysseyError: it has ended, by this error.
        """
        arguments.timeout("timeout", timeout)
        self._driver.refuse_fork()
        turns = Deadline(timeout, self._driver.clock).waits()
        ended = any(self._driver.ended.wait(seconds) for seconds in turns)
        if ended and self._driver.protocol.error is not None:
            raise errors.again(self._driver.protocol.error)
        return ended

    def disconnect(self) -> None:
        """Leave the session and give it back to the service; takes at most 2 s. Calls in flight raise."""
        self._driver.start_leaving()
        self._driver.join(LEAVE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"<Session {self.session_id} {self.status}>"

    def _sendable(self, image: ImageInput, portrait: bool) -> str:
        able = self.capabilities
        if able is not None and not able.image_to_video and not self.has_ended:
            raise errors.OdysseyStreamError(
                "Cannot start stream: this streamer cannot start from an image; leave it out",
                code="image_not_supported",
                operation="start stream",
                session_id=self.session_id,
            )
        return images.to_data_url(image, portrait=portrait)

    def _call(self, operation: str, command: Callable[[int], inputs.Command], timeout: float | None) -> object:
        arguments.timeout("timeout", timeout)
        return self._driver.call(
            command,
            timeout,
            lambda: errors.OdysseyStreamTimeoutError(
                f"{operation} was not answered within {timeout:g} s",
                code="timeout",
                operation=operation,
                session_id=self.session_id,
                recoverable=True,
            ),
        )


def _leave(driver: weakref.ref[Driver]) -> None:
    if (found := driver()) is not None:  # its thread keeps it while there is something to leave
        found.post(inputs.Disconnect())


def _size(message: object) -> int:
    return len(codec.encode(message).encode())
