"""The thread behind a session: it feeds the protocol core and carries out what that says.

It waits on its inbox only. Whatever blocks (HTTP, opening and closing a WebSocket) runs on workers that post what
came of it; frames go from the loop straight into the hub. All decisions are in `odyssey_proto.protocol`, and what
users see is in `odyssey_proto.session`.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import itertools
import logging
import os
import queue
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
import odyssey_models as wire

from . import codec, errors, steps
from .clock import Deadline
from .errors import redact
from .frames import FrameHub
from .protocol import Protocol, SessionState
from .transport import ice, signaling
from .transport.sockets import Abort, is_loopback
from .types import StreamEnded, StreamStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .config import ClientConfig
    from .transport.http import HttpTransport
    from .transport.loop import BackgroundLoop
    from .transport.peer import Peer
    from .types import Event

__all__ = ["Driver"]

log = logging.getLogger(__name__)

_STEP_TIMEOUT: Final = 10.0  # s for one worker's task; the connect's own deadline may be nearer
_LINGER: Final = 5.0  # s for giving the session back after its end, while nobody waits for that
_LEAVE: Final = 1.0  # s for the same, when somebody does


@attrs.define
class _Link:
    """What belongs to one attempt at signaling and peer connection."""

    signaling: signaling.SignalingConnection
    ice_servers: tuple[wire.IceServer, ...]
    is_local: bool
    """Whether the service is on this machine, so that the loopback addresses are worth offering."""
    peer: Peer | None = None

    def close(self) -> None:
        """Say what is left to say and end both; returns when nothing is left of them."""
        closing = None if self.peer is None else self.peer.close()
        self.signaling.close()
        if closing is not None:
            closing.result()


class Driver:
    """The thread behind a session. It knows no `Session`: dropping that one ends this one."""

    def __init__(self, config: ClientConfig, http: HttpTransport, loop: BackgroundLoop, clock: Clock) -> None:
        self.protocol = Protocol(config.advanced, reconnect=config.reconnect)
        self.hub = FrameHub()
        self.clock = clock
        self.ended = threading.Event()
        self._http = http
        self._loop = loop
        self._inbox: queue.SimpleQueue[steps.Input] = queue.SimpleQueue()
        self._abort = Abort()
        self._deadline = Deadline(None, clock)
        self._patience = Deadline(None, clock)  # for what is to be done after the end
        self._calls: dict[int, concurrent.futures.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._links: dict[int, _Link] = {}
        self._workers: set[threading.Thread] = set()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="odyssey-session", daemon=True)
        _drivers.add(self)

    # --- called from any thread

    def connect(self, timeout: float | None) -> None:
        """Start the thread and wait until the session is connected; a wait that is cut short leaves it."""
        self._deadline = Deadline(timeout, self.clock)
        self._thread.start()
        try:
            self.call(steps.Connect, timeout, lambda: self._connect_timeout(timeout))
        except BaseException as exc:
            self.post(steps.Disconnect(exc if isinstance(exc, errors.OdysseyError) else None))
            raise

    def call(
        self,
        command: Callable[[int], steps.Command],
        timeout: float | None,
        expired: Callable[[], errors.OdysseyError],
    ) -> object:
        """Post a command and wait for its answer."""
        self.refuse_fork()
        number, future = next(self._numbers), concurrent.futures.Future[Any]()
        posted = command(number)
        self._calls[number] = future
        self.post(posted)
        if self.ended.is_set() and self._calls.pop(number, None) is not None:
            # The thread is gone and reads no inbox. The core is at its end and refuses, as it would have there.
            self.protocol.receive(posted, self.clock.now())
        try:
            answered, _ = concurrent.futures.wait((future,), timeout)
        except BaseException:  # Ctrl-C
            self.post(steps.Abandon(number))
            raise
        if not answered and self._calls.pop(number, None) is not None:
            self.post(steps.Abandon(number))
            raise expired()
        return future.result()  # there, or on its way: the driver has taken the call from the table

    def post(self, item: steps.Input) -> None:
        """Put something into the inbox; never blocks, also from a finalizer."""
        self._inbox.put(item)

    def leave(self) -> None:
        """Disconnect and wait until all of it is gone."""
        self.start_leaving()
        self.join()

    def start_leaving(self) -> None:
        """Disconnect, and let what is still to be done take `_LEAVE` s at most."""
        if os.getpid() == self._pid:
            self._patience = Deadline(_LEAVE, self.clock)
            self.post(steps.Disconnect())

    def join(self) -> None:
        """Wait for the thread, unless this is it, it never ran, or this is a forked child."""
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE + 0.2)

    def refuse_fork(self) -> None:
        """Raise in a forked child: the thread is in the parent."""
        if os.getpid() != self._pid:
            raise errors.OdysseyConnectionError(
                "This session belongs to the process that forked; connect again in this one", code="forked"
            )

    def _connect_timeout(self, timeout: float | None) -> errors.OdysseyError:
        return errors.OdysseyConnectionTimeoutError(
            f"Not connected within {timeout:g} s, still {self.protocol.doing}",
            code="timeout",
            operation="connect",
            session_id=self.protocol.session_id,
            recoverable=True,
        )

    # --- the thread

    def _run(self) -> None:
        try:
            while not self.protocol.is_over:
                self._take(self._next_item(None))
            linger = Deadline(_LINGER, self.clock)
            while self._is_busy() and not (linger.expired or self._patience.expired):
                self._take(self._next_item(0.02))
        except Exception as exc:  # a fault of this library must not leave callers waiting for ever
            log.exception("the session's driver failed")
            self.protocol.session = SessionState.FAILED
            self.protocol.error = errors.OdysseyError(f"Internal error: {type(exc).__name__}", code="internal")
        finally:
            self._clean_up()

    def _next_item(self, patience: float | None) -> steps.Input | None:
        due = self.protocol.next_due
        waits = [
            wait
            for wait in (patience, None if due is None else max(0.0, due - self.clock.now()))
            if wait is not None
        ]
        try:
            return self._inbox.get(timeout=min(waits, default=None))
        except queue.Empty:
            return None

    def _take(self, item: steps.Input | None) -> None:
        now = self.clock.now()
        try:
            if item is None:
                self.protocol.advance(now)
            else:
                self.protocol.receive(item, now)
        except errors.OdysseyError as refusal:
            self._answer(getattr(item, "call", 0), error=refusal)
        for output in self.protocol.outputs():
            self._carry_out(output)

    def _carry_out(self, output: steps.Effect | Event) -> None:
        match output:
            case steps.Authenticate():
                self._work(self._authenticate)
            case steps.RequestSession():
                self._work(self._request_session)
            case steps.OpenLink():
                self._work(self._open_link, output)
            case steps.AcceptOffer():
                self._accept_offer(output)
            case steps.AddCandidate(link=number, candidate=candidate):
                self._peer(number).add_candidate(candidate)
            case steps.SendSignaling(link=number, message=message):
                self._links[number].signaling.send(message)
                self._note_start(message)
            case steps.SendChannel(link=number, message=message):
                self._send(number, message)
            case steps.CloseLink(link=number):
                if (link := self._links.pop(number, None)) is not None:
                    self._work(link.close)
            case steps.Succeed(call=call, value=value):
                self._answer(call, value=value)
            case steps.Fail(call=call, error=error):
                self._answer(call, error=error)
            case steps.Ignored(what=what):
                log.info("ignored: %s", what)
            case StreamEnded(error=error):
                self.hub.end(error)
            case StreamStarted():
                self.hub.begin()
            case event:
                log.debug("%s", event)

    def _send(self, number: int, message: wire.DataChannelClientMessage) -> None:
        try:
            self._peer(number).send(codec.encode(message))
        except errors.OdysseyStreamError as error:
            log.debug("%s; the peer connection tells why", error)
        self._note_start(message)

    def _note_start(self, message: object) -> None:
        # Frames may overtake the word that the stream has started: from here on they are its frames.
        if isinstance(message, wire.InteractiveStreamStart):
            self.hub.begin()

    def _answer(self, call: int, *, value: object = None, error: errors.OdysseyError | None = None) -> None:
        future = self._calls.pop(call, None)
        if future is None:
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def _peer(self, number: int) -> Peer:
        peer = self._links[number].peer
        assert peer is not None
        return peer

    def _accept_offer(self, offer: steps.AcceptOffer) -> None:
        from .transport.peer import Peer  # heavy: aiortc, av, numpy

        link = self._links[offer.link]
        if link.peer is None:
            link.peer = Peer(self._loop, _PeerListener(self, offer.link), self.clock, loopback=link.is_local)
        link.peer.answer(offer.sdp, link.ice_servers).add_done_callback(
            lambda answer: self._take_answer(offer.link, answer)
        )

    def _take_answer(self, number: int, answer: concurrent.futures.Future[str]) -> None:
        if answer.cancelled():
            return
        error = answer.exception()
        if error is None:
            self.post(steps.Answered(number, answer.result()))
        else:
            self.post(steps.LinkFailed(number, _as_ours(error), signaling_lost=False))

    # --- the workers

    def _work(self, task: Callable[..., None], *args: Any) -> None:
        def run() -> None:
            try:
                task(*args)
            finally:
                self._workers.discard(worker)

        worker = threading.Thread(target=run, name=f"odyssey-{task.__name__.strip('_')}", daemon=True)
        self._workers.add(worker)
        worker.start()

    def _is_busy(self) -> bool:
        return bool(self._workers) or not self._inbox.empty()

    def _step_deadline(self) -> Deadline:
        # Once the session is over, the time of `connect` does not matter: what is left is giving it back.
        return Deadline(_LINGER, self.clock) if self.protocol.is_over else self._deadline.within(_STEP_TIMEOUT)

    def _authenticate(self) -> None:
        from .transport import peer

        self._work(peer.warm)
        try:
            self._http.access_token(self._step_deadline(), abort=self._abort)
        except errors.OdysseyError as error:
            self.post(steps.StepFailed(error))
        else:
            self.post(steps.Authenticated())

    def _request_session(self) -> None:
        try:
            session = self._http.request_session(self._step_deadline(), abort=self._abort)
        except errors.OdysseyError as error:
            no_streamers = error.code == "no_streamers"
            self.post(steps.StreamerUnavailable(error) if no_streamers else steps.StepFailed(error))
        else:
            self.post(steps.SessionGranted(session))

    def _open_link(self, link: steps.OpenLink) -> None:
        deadline = self._step_deadline()
        known = threading.Event()

        def after(take: Callable[[int, Any], None]) -> Callable[[Any], None]:
            """Hold the reading thread until `SignalingOpened` is in the inbox: that comes first."""

            def taken(what: Any) -> None:
                known.wait()
                take(link.link, what)

            return taken

        try:
            token = self._http.session_token(link.session_id, deadline, abort=self._abort).session_token
            ice_servers = () if self.protocol.is_over else self._ice_servers(link.signaling_url, deadline)
            connection = signaling.SignalingConnection.open(
                link.signaling_url,
                link.session_id,
                token,
                deadline,
                on_message=after(self._take_message),
                on_closed=after(self._take_closed),
                abort=self._abort,
            )
        except errors.OdysseyError as error:
            self.post(steps.LinkFailed(link.link, error))
        else:
            self._links[link.link] = _Link(connection, ice_servers, _is_local(link.signaling_url))
            self.post(steps.SignalingOpened(link.link))
            known.set()

    def _ice_servers(self, signaling_url: str, deadline: Deadline) -> tuple[wire.IceServer, ...]:
        try:
            return self._http.signaling_config(signaling.config_url(signaling_url), deadline, abort=self._abort)
        except errors.OdysseyError as error:
            log.warning("no ICE servers from the service, falling back to public STUN: %s", error)
            return ice.FALLBACK_SERVERS

    def _take_message(self, number: int, message: wire.SignalingServerMessage | codec.UnknownMessage) -> None:
        if isinstance(message, codec.UnknownMessage):
            log.warning("ignored: signaling message of unknown type %r", redact(message.type))
        else:
            self.post(steps.Received(number, message))

    def _take_closed(self, number: int, closed: signaling.SignalingClosed) -> None:
        if closed.clean:
            self.post(steps.SignalingClosed(number))
        else:
            error = closed.error or errors.OdysseyConnectionError(
                "The signaling connection was lost", code="signaling_lost", recoverable=True
            )
            self.post(steps.LinkFailed(number, error))

    # --- the end

    def _clean_up(self) -> None:
        error = self.protocol.error
        self._abort.abort()
        for link in self._links.values():
            link.close()
        self._links.clear()
        for worker in tuple(self._workers):
            worker.join(0.2)
        self.hub.close(error)
        self.ended.set()
        for call in tuple(self._calls):
            self._answer(
                call, error=error or errors.OdysseyStreamError("The session has ended", code="not_connected")
            )
        _drivers.discard(self)


@attrs.frozen(eq=False)
class _PeerListener:
    """Takes what a peer connection tells, on the loop's thread: into the inbox, frames into the hub."""

    driver: Driver
    link: int

    def on_track(self) -> None:
        self.driver.post(steps.VideoReceived(self.link))

    def on_channel_open(self) -> None:
        peer = self.driver._peer(self.link)
        self.driver.post(steps.ChannelOpened(self.link, peer.max_message_size))

    def on_message(self, text: str) -> None:
        try:
            message = codec.channel_from_streamer(text)
        except errors.MalformedMessageError as error:
            log.warning("ignored: %s", error)
            return
        if isinstance(message, codec.UnknownMessage):
            log.warning("ignored: data-channel message of unknown type %r", redact(message.type))
        else:
            self.driver.post(steps.Received(self.link, message))

    def on_frame(self, frame: Any, received_at: float) -> None:
        self.driver.hub.publish(frame, received_at)

    def on_channel_closed(self, label: str) -> None:
        self.driver.post(
            steps.LinkFailed(
                self.link,
                errors.OdysseyConnectionError(
                    f"The data channel {label} was closed", code="channel_closed", recoverable=True
                ),
                signaling_lost=False,
            )
        )

    def on_state(self, state: str) -> None:
        log.debug("peer connection %d is %s", self.link, state)

    def on_lost(self, error: errors.OdysseyConnectionError) -> None:
        self.driver.post(steps.LinkFailed(self.link, error, signaling_lost=False))


def _is_local(signaling_url: str) -> bool:
    """Return whether a signaling server runs on this machine, as its address tells."""
    return is_loopback(urlsplit(signaling.normalise_url(signaling_url)).hostname or "")


def _as_ours(error: BaseException) -> errors.OdysseyError:
    if isinstance(error, errors.OdysseyError):
        return error
    return errors.OdysseyConnectionError(
        f"The peer connection failed: {redact(str(error)) or type(error).__name__}",
        code="peer_failed",
        recoverable=True,
    )


_drivers: weakref.WeakSet[Driver] = weakref.WeakSet()


def _leave_all() -> None:
    """Before the interpreter goes: leave every session, all at once, within 2 s."""
    drivers = tuple(_drivers)
    for driver in drivers:
        driver.start_leaving()
    for driver in drivers:
        driver.join()


def _forget_all() -> None:
    """In a forked child: the sessions are the parent's."""
    _drivers.clear()


os.register_at_fork(after_in_child=_forget_all)
try:
    # Earlier than `atexit`: that runs only when all threads that are no daemons have ended, aiortc's decoder too.
    threading._register_atexit(_leave_all)  # type: ignore[attr-defined]
except (AttributeError, RuntimeError):
    atexit.register(_leave_all)
