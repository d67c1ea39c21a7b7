"""Watching a broadcast: over WebRTC, or over HLS where that does not work.

    thread of aiortc or HLS ── FrameHub ──┬─▶ your iterators
                                          └─▶ odyssey-callbacks ──▶ on_video_frame, on_disconnected
    odyssey-spectator: waits for the end, and carries it out

It needs no API key and no session: the address and the token of a `BroadcastInfo` are all. A broadcast that is
lost is not rejoined.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import logging
import os
import queue
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from ._base import arguments, errors, logs
from ._base.abort import Abort
from ._base.clock import Deadline, MonotonicClock
from ._base.event_loop import BackgroundLoop
from ._base.hosts import is_loopback
from ._base.weak_set import ConcurrentWeakSet
from ._live.dispatcher import Dispatcher
from ._live.handlers import OdysseyEventHandlers
from ._live.reader import Reader
from ._model.config import DEFAULT_API_URL, ClientConfig
from ._model.events import BroadcastInfo, ConnectionStatus, StatusChanged
from ._net.hls import HlsReader
from ._net.service_api import ServiceApi
from ._video.frame_hub import FrameHub

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    import av

    from ._base.clock import Clock
    from ._live.handlers import DisconnectedCallback, VideoFrameCallback
    from ._net.whep import WhepPeer
    from ._video.frame import VideoFrame
    from ._video.frame_queue import FramePolicy

__all__ = ["SpectatorConnection", "Watching", "connect_to_stream", "leave_all", "watch"]

log = logging.getLogger(__name__)

_GATHERING: Final = 5.0  # s
_ANSWER: Final = 10.0  # s
_CONNECTING: Final = 15.0  # s from the answer on
_GOODBYE: Final = 0.8  # s for the DELETE
_CLOSING: Final = 0.6  # s for the peer connection, or the thread of HLS
_LEAVE: Final = 2.0  # s for all of it while somebody waits


def connect_to_stream(
    webrtc_url: str,
    spectator_token: str,
    on_video_frame: VideoFrameCallback | None = None,
    on_disconnected: DisconnectedCallback | None = None,
    debug: bool = False,
    *,
    timeout: float | None = 30.0,
) -> SpectatorConnection:
    """Watch a broadcast over WebRTC (client page, "connect_to_stream()").

    Handlers are called one after the other on a thread of their own, and may call any method.

    Args:
        webrtc_url: `BroadcastInfo.webrtc_url`.
        spectator_token: `BroadcastInfo.spectator_token`.
        on_video_frame: called with a frame; one that takes long sees the newest and misses those in between.
        on_disconnected: called once, when it is over: the broadcast has ended, was lost, or was disconnected.
        debug: log what happens, without secrets, to stderr.
        timeout: s until it is connected; ``None``: no limit of its own.

    Raises:
        TypeError: an argument of the wrong type.
        SpectatorTokenError: the token was refused (a `ValueError` too).
        OdysseyConfigError: the address cannot work (a `ValueError` too).
        OdysseyConnectionError: no such stream, or no way to it (a `ConnectionError` too); ``code`` tells.

    Example:
        >>> with connect_to_stream(info.webrtc_url, info.spectator_token) as spectator:  # doctest: +SKIP
        ...     for frame in spectator.frames():
        ...         show(frame.data)
    """
    _check_text("webrtc_url", webrtc_url)
    _check_text("spectator_token", spectator_token)
    if arguments.flag("debug", debug):
        logs.to_stderr()
    watching = Watching(on_video_frame, on_disconnected, timeout)
    return watching.begin([_Whep(watching, webrtc_url, spectator_token)])


def watch(
    info: BroadcastInfo,
    on_video_frame: VideoFrameCallback | None = None,
    on_disconnected: DisconnectedCallback | None = None,
    *,
    timeout: float | None = 40.0,
    among: ConcurrentWeakSet[Watching] | None = None,
) -> SpectatorConnection:
    """Watch a broadcast over WebRTC, or over HLS; see `Odyssey.watch`, which is for users."""
    if not isinstance(info, BroadcastInfo):
        raise TypeError(f"info must be a BroadcastInfo, not {type(info).__name__}")
    _check_text("webrtc_url", info.webrtc_url)
    _check_text("spectator_token", info.spectator_token)
    watching = Watching(on_video_frame, on_disconnected, timeout)
    sources: list[_Source] = [_Whep(watching, info.webrtc_url, info.spectator_token)]
    if info.hls_url is not None:
        _check_text("hls_url", info.hls_url)
        sources.append(_Hls(watching, info.hls_url))
    if among is not None:
        among.add(watching)
    return watching.begin(sources)


class SpectatorConnection:
    """A broadcast being watched (types page, "SpectatorConnection"). Use it in a ``with``, or call `disconnect`.

    All methods may be called from any thread. One that is let go of is disconnected, unless it has handlers.
    """

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        if not watching.has_handlers:
            weakref.finalize(self, watching.post, None).atexit = False

    @property
    def is_connected(self) -> bool:
        """Whether it is being watched: False once the broadcast has ended, was lost or was disconnected."""
        return self._watching.is_connected

    @property
    def peer_connection(self) -> object | None:
        """aiortc's ``RTCPeerConnection``, for statistics; None over HLS and after the end.

        It belongs to this object's own event loop: nothing of it may be called from another thread.
        """
        return self._watching.peer_connection

    @property
    def latest_frame(self) -> VideoFrame | None:
        """The newest frame, taken from no iterator; None before the first and after the end."""
        return self._watching.hub.latest

    def frames(
        self, policy: FramePolicy = "drop_oldest", queue_size: int = 4, timeout: float | None = None
    ) -> Iterator[VideoFrame]:
        """Iterate over the frames that arrive from now on, until the broadcast ends.

        It is as `Session.frames`: several iterators may run side by side, each with its own queue.

        Args:
            policy: what happens when you are slower than the video: ``"latest"`` keeps the newest frame only,
                ``"drop_oldest"`` the ``queue_size`` newest, ``"error"`` raises.
            queue_size: frames that may wait, at least 1.
            timeout: s to wait for each frame.

        Raises:
            OdysseyStreamTimeoutError: no frame came in time; the iterator can go on.
            OdysseyStreamError: with ``"error"``, the queue ran over.
            OdysseyConnectionError: the broadcast was lost, after the frames that came before.
        """
        arguments.timeout("timeout", timeout)
        self._watching.refuse_fork()
        return Reader(self, self._watching, self._watching.hub.subscribe(policy, queue_size), timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, for at most ``timeout`` s; return whether it is.

        Raises:
            OdysseyConnectionError: the broadcast was lost.
        """
        arguments.timeout("timeout", timeout)
        return self._watching.wait(timeout)

    def disconnect(self) -> None:
        """Leave, and tell the server; takes at most 2 s. Nothing happens the second time."""
        self._watching.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"<SpectatorConnection {'connected' if self.is_connected else 'disconnected'}>"


# --- what is behind it


class _Source(Protocol):
    """One way by which a broadcast can be watched. It tells `Watching.post` of its end."""

    @property
    def peer_connection(self) -> object | None:
        """What `SpectatorConnection.peer_connection` is."""

    def open(self, deadline: Deadline) -> None:
        """Connect, or raise an `OdysseyError`."""

    def say_goodbye(self) -> None:
        """Tell the server of the end, where it still hears; takes at most `_GOODBYE` s."""

    def close(self) -> None:
        """End everything; takes at most about `_CLOSING` s."""


class Watching:
    """What goes on behind a `SpectatorConnection`, which it does not know: dropping that one ends this."""

    def __init__(
        self,
        on_video_frame: VideoFrameCallback | None,
        on_disconnected: DisconnectedCallback | None,
        timeout: float | None,
    ) -> None:
        handlers = OdysseyEventHandlers(on_video_frame=on_video_frame, on_disconnected=on_disconnected)
        arguments.timeout("timeout", timeout)
        self.clock: Clock = MonotonicClock()
        self.hub = FrameHub()
        self.loop = BackgroundLoop("odyssey-spectator-loop")
        # Without the user's key and settings: none of its requests goes to the service itself.
        self.api = ServiceApi(ClientConfig(api_key="", api_url=DEFAULT_API_URL), self.clock)
        self.abort = Abort()
        """Ends the connecting."""
        self.is_connected = False
        self._opener: int | None = None  # the thread that connects
        self.has_handlers = on_video_frame is not None or on_disconnected is not None
        self._deadline = Deadline(timeout, self.clock)
        self._source: _Source | None = None
        self._error: errors.OdysseyError | None = None
        # One item: how it ended. A simple queue, because finalizers and signal handlers put into it.
        self._inbox: queue.SimpleQueue[errors.OdysseyError | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="odyssey-spectator", daemon=True)
        self._dispatcher: Dispatcher | None = None
        if self.has_handlers:
            self._dispatcher = Dispatcher(handlers)
            self.hub.attach(self._dispatcher, self._dispatcher.counts)

    # --- from any thread

    @property
    def peer_connection(self) -> object | None:
        return None if self._source is None or not self.is_connected else self._source.peer_connection

    def begin(self, sources: list[_Source]) -> SpectatorConnection:
        """Connect by the first of ``sources`` that works."""
        self.hub.begin()
        _all.add(self)
        self._opener = threading.get_ident()
        try:
            self._source = self._open(sources)
            self.is_connected = True
            if self._dispatcher is not None:
                self._dispatcher.start()
                self._tell(ConnectionStatus.CONNECTED)
            self._thread.start()
        except BaseException as exc:
            self.is_connected = False
            self._cut()
            if isinstance(exc, RuntimeError) and not isinstance(exc, errors.OdysseyError):
                raise errors.no_resources() from exc
            raise
        finally:
            self._opener = None
        return SpectatorConnection(self)

    def post(self, how: errors.OdysseyError | None) -> None:
        """Tell how it ended, from a source or a finalizer; the first counts. It never blocks."""
        self._inbox.put(how)

    def leave(self, deadline: Deadline | None = None) -> None:
        """End it, also while it connects, and wait for that until ``deadline``, unless this is its own thread."""
        if os.getpid() != self._pid:
            return
        self.post(None)
        deadline = deadline or Deadline(_LEAVE, self.clock)
        if not self.is_connected:
            self.abort.abort()
        if self._opener not in (None, threading.get_ident()):
            self._ended.wait(deadline.remaining())
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(deadline.remaining())
        if self._dispatcher is not None:
            self._dispatcher.join(deadline.remaining())

    def wait(self, timeout: float | None) -> bool:
        self.refuse_fork()
        ended = any(self._ended.wait(seconds) for seconds in Deadline(timeout, self.clock).waits())
        if ended and self._error is not None:
            raise errors.again(self._error)
        return ended

    def refuse_fork(self) -> None:
        """Raise in a forked child: the threads are in the parent."""
        if os.getpid() != self._pid:
            raise errors.OdysseyConnectionError(
                "This connection belongs to the process that forked; connect again in this one", code="forked"
            )

    def forget(self) -> None:
        """In a forked child: it is over."""
        self.is_connected = False

    # --- connecting, on the user's thread

    def _open(self, sources: list[_Source]) -> _Source:
        first: errors.OdysseyConnectionError | None = None
        for source in sources:
            try:
                source.open(self._deadline)
            except errors.OdysseyConnectionError as error:
                was_left = self.abort.aborted
                source.close()
                if was_left:
                    raise _left() from error
                if first is None:
                    first = error
                else:
                    log.info("HLS does not work either: %s", error)
                if source is not sources[-1]:
                    log.warning("no WebRTC, falling back to HLS: %s", error)
            except BaseException:
                source.close()
                raise
            else:
                if self.abort.aborted:
                    source.close()
                    raise _left()
                return source
        assert first is not None
        raise first

    # --- the end, on the first thread

    def _run(self) -> None:
        error = self._inbox.get()
        source = self._source
        self.is_connected = False
        self._error = error
        self.hub.close(error)
        try:
            if source is not None and error is None:
                source.say_goodbye()
        finally:
            if source is not None:
                source.close()
            self._cut()

    def _cut(self) -> None:
        self.abort.abort()
        self.api.close()
        self.loop.stop(_CLOSING)
        self.hub.close(self._error)
        self._ended.set()
        self._tell(ConnectionStatus.DISCONNECTED)
        if self._dispatcher is not None:
            self._dispatcher.finish()
        _all.discard(self)

    def _tell(self, status: ConnectionStatus) -> None:
        if self._dispatcher is not None:
            self._dispatcher.tell(StatusChanged(status=status, at=self.clock.now()))


class _Whep:
    """Over WebRTC."""

    def __init__(self, watching: Watching, webrtc_url: str, token: str) -> None:
        self._watching = watching
        self._url = webrtc_url
        self._token = token
        self._peer: WhepPeer | None = None
        self._resource: str | None = None
        self._connected: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def peer_connection(self) -> object | None:
        return None if self._peer is None else self._peer.peer_connection

    def open(self, deadline: Deadline) -> None:
        from ._net import whep  # heavy: aiortc, av, numpy
        from ._net.webrtc.peer import warm

        watching = self._watching
        endpoint = whep.WhepEndpoint.of(self._url)
        servers = whep.ice_servers(watching.api, endpoint, deadline, watching.abort)
        warm()
        watching.loop.start()
        loopback = is_loopback(endpoint.host)
        self._peer = peer = whep.WhepPeer(watching.loop, self, watching.clock, loopback=loopback)
        abort = watching.abort
        offer = _await(peer.offer(servers), deadline.within(_GATHERING), abort, "gathering addresses")
        answered = deadline.within(_ANSWER)
        admission = whep.admit(watching.api.http, endpoint, self._token, offer, answered, abort)
        self._resource = admission.resource
        connected = deadline.within(_CONNECTING)
        _await(peer.accept(admission.answer), connected, abort, "taking the answer")
        _await(self._connected, connected, abort, "connecting", *peer.notes)

    def say_goodbye(self) -> None:
        from ._net import whep

        if self._resource is not None:
            watching = self._watching
            whep.leave(watching.api.http, self._resource, Deadline(_GOODBYE, watching.clock))

    def close(self) -> None:
        if self._peer is not None:
            concurrent.futures.wait([self._peer.close(_CLOSING / 2)], _CLOSING)

    # `PeerListener`, on the loop's thread; frames, on the decoder's

    def on_track(self) -> None:
        """Nothing is to be done before the first frame."""

    def on_channel_open(self, max_message_size: int) -> None:
        """There is none."""

    def on_message(self, text: str) -> None:
        """There is none."""

    def on_channel_closed(self, label: str) -> None:
        """There is none."""

    def on_frame(self, frame: av.VideoFrame, received_at: float) -> None:
        """Hand a frame to those who watch."""
        self._watching.hub.publish(frame, received_at)

    def on_state(self, state: str) -> None:
        """Tell who waits for the connection."""
        log.debug("the peer connection of a spectator is %s", state)
        if state == "connected" and not self._connected.done():
            self._connected.set_result(None)

    def on_lost(self, error: errors.OdysseyConnectionError) -> None:
        """Tell that it is over; a sender that ends it has ended the broadcast."""
        if not self._connected.done():
            self._connected.set_exception(error)
        elif self._peer is not None and (self._peer.path_lost or error.code not in _CLEAN):
            self._watching.post(
                errors.OdysseyConnectionError(
                    "The broadcast was lost: the network path to it is gone",
                    code="peer_lost",
                    operation="watch",
                    recoverable=True,
                )
            )
        else:
            self._watching.post(None)


_CLEAN: Final = ("peer_closed", "video_ended")


class _Hls:
    """Over HLS."""

    peer_connection: Any = None

    def __init__(self, watching: Watching, hls_url: str) -> None:
        self._reader = HlsReader(
            hls_url,
            http=watching.api.http,
            clock=watching.clock,
            abort=watching.abort,
            on_frame=watching.hub.publish,
            on_end=watching.post,
        )

    def open(self, deadline: Deadline) -> None:
        self._reader.open(deadline)

    def say_goodbye(self) -> None:
        """Nobody is to be told."""

    def close(self) -> None:
        self._reader.close(_CLOSING)


def _await(
    future: concurrent.futures.Future[Any], deadline: Deadline, abort: Abort, what: str, *notes: str
) -> Any:
    """Wait for what happens on the loop's thread; in turns, for Ctrl-C and for whoever leaves meanwhile."""
    turns = deadline.waits()
    if not any(concurrent.futures.wait((future,), seconds).done or abort.aborted for seconds in turns):
        future.cancel()
        raise errors.OdysseyConnectionTimeoutError(
            "; ".join((f"Not connected to the broadcast in time: {what} took {deadline.timeout:.3g} s", *notes)),
            code="timeout",
            operation="watch",
            recoverable=True,
        )
    if not future.done():
        future.cancel()
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        raise _left() from None


def _left() -> errors.OdysseyConnectionError:
    return errors.OdysseyConnectionError(
        "The broadcast was left before it was connected", code="closed", operation="watch"
    )


# --- arguments


def _check_text(name: str, value: object) -> None:
    text = arguments.text(name, value)
    if not text.strip() or not text.isprintable():
        raise errors.OdysseyConfigError(f"{name} must not be empty, and have no control characters")


# --- the end of the process, and forks

_all: ConcurrentWeakSet[Watching] = ConcurrentWeakSet()


def leave_all(watchings: Iterable[Watching], deadline: Deadline) -> None:
    """End several at once, and wait for that until ``deadline``."""
    leaving = tuple(watchings)
    for watching in leaving:
        watching.post(None)
    for watching in leaving:
        watching.leave(deadline)


def _leave_all() -> None:
    """Before the interpreter goes: leave all, within 2 s."""
    leave_all(_all, Deadline(_LEAVE, MonotonicClock()))


def _forget_all() -> None:
    """In a forked child: they are the parent's."""
    for watching in tuple(_all):
        watching.forget()
    _all.clear()


atexit.register(_leave_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_all)
