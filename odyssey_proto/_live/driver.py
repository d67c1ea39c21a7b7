"""The thread behind a session: it feeds the protocol core and carries out what that says.

It waits on its inbox only. Whatever blocks (HTTP, opening and closing a WebSocket) runs on workers that post what
came of it; frames go from the decoder straight into the hub. All decisions are in `odyssey_proto.core`; what
users see is in `odyssey_proto.session`.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import itertools
import logging
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from .._base import errors, secrets
from .._base.abort import Abort
from .._base.clock import Deadline, MonotonicClock, SteadyClock
from .._base.weak_set import ConcurrentWeakSet
from .._video.frame_hub import FrameHub
from .._video.meters import VideoTotals
from ..core import effects, inputs
from ..core.protocol import Protocol
from ..core.table import SessionState
from . import live_recording
from .dispatcher import Dispatcher
from .event_hub import EventHub
from .streamer_link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock
    from .._base.event_loop import BackgroundLoop
    from .._model.config import ClientConfig
    from .._model.events import Event
    from .._net.service_api import ServiceApi
    from .handlers import OdysseyEventHandlers

__all__ = ["LEAVE", "Driver"]

log = logging.getLogger(__name__)

LEAVE: Final = 1.2
"""s that leaving may take while somebody waits for it."""
_STEP_TIMEOUT: Final = 10.0  # s for one worker's task
_LINGER: Final = 5.0  # s for giving the session back after its end, while nobody waits for that
_FILES: Final = 5.0  # s for the same at the end of the process, which would cut them short
_LAST_FRAMES: Final = 0.7  # s for files to be finished; where encoding is behind, they are so a while after
_LAST_WORKERS: Final = 0.2  # s for workers whose sockets have just been shut


class Driver:
    """The thread behind one session. It knows no `Session`: dropping that one ends this one."""

    def __init__(
        self,
        config: ClientConfig,
        api: ServiceApi,
        loop: BackgroundLoop,
        clock: Clock,
        handlers: OdysseyEventHandlers | None = None,
    ) -> None:
        self.protocol = Protocol(config.advanced, reconnect=config.reconnect)
        self.clock = clock = SteadyClock(clock)
        self.hub = FrameHub(lambda seconds: self.post(inputs.VideoResumed(seconds)), clock)
        self.totals = VideoTotals(clock)
        self.began_at = clock.now()
        self.ended_at: float | None = None
        self.recordings: ConcurrentWeakSet[live_recording.LiveRecording] = ConcurrentWeakSet()
        """Files that are being written: they end when this has, and are waited for."""
        self.events = EventHub()
        self.leaving = False
        """Whether the user has given it up; the session itself may need a moment to be over."""
        self.ended = threading.Event()
        """Set when nothing of it is left."""
        self._api = api
        self._loop = loop
        self._inbox: queue.SimpleQueue[inputs.Input | None] = queue.SimpleQueue()
        self._abort = Abort()
        self._authentication = Abort()  # of its own: after the end nobody needs its answer
        self._patience = Deadline(None, clock)  # for what is to be done after the end
        self._calls: dict[int, concurrent.futures.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._links: dict[int, Link] = {}
        self._workers: set[threading.Thread] = set()
        self._dispatcher: Dispatcher | None = None
        if handlers is not None:
            self._dispatcher = Dispatcher(handlers)
            self.hub.attach(self._dispatcher, self._dispatcher.counts)
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="odyssey-session", daemon=True)
        _drivers.add(self)
        _expect_the_end()

    # --- called from any thread

    def connect(self, deadline: Deadline, how: Callable[[int], inputs.Command]) -> None:
        """Start the thread and wait until the session is connected; a wait that is cut short leaves it."""
        try:
            if self._dispatcher is not None:
                self._dispatcher.start()
            self._thread.start()
            self.call(how, deadline.remaining(), lambda: self._connect_timeout(deadline.timeout))
        except BaseException as exc:
            self.leaving = True
            self.post(inputs.Disconnect(exc if isinstance(exc, errors.OdysseyError) else None))
            if isinstance(exc, RuntimeError):  # the system gives no more threads: none is there to end this
                self._clean_up()
                raise errors.no_resources() from exc
            raise

    def call(
        self,
        command: Callable[[int], inputs.Command],
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
            turns = Deadline(timeout, self.clock).waits()
            answered = any(concurrent.futures.wait((future,), seconds).done for seconds in turns)
        except BaseException:  # Ctrl-C
            self._calls.pop(number, None)
            self.post(inputs.Abandon(number))
            raise
        if not answered and self._calls.pop(number, None) is not None:
            self.post(inputs.Abandon(number))
            raise expired()
        return future.result()  # there, or on its way: the driver has taken the call from the table

    def post(self, item: inputs.Input | None) -> None:
        """Put something into the inbox; never blocks, also from a finalizer. None only wakes the thread."""
        self._inbox.put(item)

    def start_leaving(self) -> None:
        """Disconnect, and let what is still to be done take little more than `LEAVE` s."""
        if os.getpid() == self._pid:
            self.leaving = True
            self._patience = Deadline(LEAVE - _LAST_WORKERS, self.clock)
            self.post(inputs.Disconnect())

    def join(self, timeout: float | None) -> None:
        """Wait for its threads, unless this is one, they never ran, or this is a forked child."""
        deadline = Deadline(timeout, self.clock)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(deadline.remaining())
        if self._dispatcher is not None:
            self._dispatcher.join(deadline.remaining())
        if self.ended.is_set():
            last = Deadline(_LAST_FRAMES, self.clock)
            for each in tuple(self.recordings):
                each._join(last)

    def refuse_fork(self) -> None:
        """Raise in a forked child: the thread is in the parent."""
        if os.getpid() != self._pid:
            raise errors.OdysseyConnectionError(
                "This session belongs to the process that forked; connect again in this one", code="forked"
            )

    def forget(self) -> None:
        """In a forked child: for this process the session is over, and nothing of it is left."""
        self.leaving = True
        self.protocol.session = SessionState.DISCONNECTED
        self.ended = threading.Event()  # a new one: at the fork another thread may have held the lock of the old
        self.ended.set()

    def _connect_timeout(self, timeout: float | None) -> errors.OdysseyError:
        return errors.OdysseyConnectionTimeoutError(
            f"Not connected within {timeout:g} s, still {self.protocol.progress}",
            code="timeout",
            operation="connect",
            session_id=self.protocol.session_id,
            recoverable=True,
        )

    # --- the thread

    def _run(self) -> None:
        from .._net.webrtc import peer

        # Beside the workers: nobody waits for an import, not even for leaving.
        with contextlib.suppress(RuntimeError):  # where the system gives no more threads, the first link imports
            threading.Thread(target=peer.warm, name="odyssey-import", daemon=True).start()
        try:
            while not self.protocol.is_over:
                self._take(self._next_item())
            self._authentication.abort()
            linger = Deadline(_LINGER, self.clock)
            while self._is_busy() and not (linger.expired or self._patience.expired):
                self._take(self._next_item(min(linger, self._patience, key=_left)))
        except Exception as exc:  # a fault of this library must not leave callers waiting for ever
            log.exception("the driver of a session failed")
            self.protocol.session = SessionState.FAILED
            self.protocol.error = errors.internal(exc)
            for link in self._links.values():
                link.say_goodbye()
        finally:
            self._clean_up()

    def _next_item(self, until: Deadline | None = None) -> inputs.Input | None:
        due = self.protocol.next_due
        waits = [] if due is None else [max(0.0, due - self.clock.now())]
        if until is not None and (left := until.remaining()) is not None:
            waits.append(left)
        try:
            return self._inbox.get(timeout=min(waits, default=None))
        except queue.Empty:
            return None

    def _take(self, item: inputs.Input | None) -> None:
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

    def _carry_out(self, output: effects.Effect | Event) -> None:
        match output:
            case effects.Authenticate():
                self._work(self._authenticate, failed=inputs.StepFailed)
            case effects.RequestSession():
                self._work(self._request_session, failed=inputs.StepFailed)
            case effects.OpenLink(link=number):
                link = self._links[number] = Link(
                    output,
                    api=self._api,
                    loop=self._loop,
                    clock=self.clock,
                    hub=self.hub,
                    totals=self.totals,
                    post=self.post,
                )
                self._work(
                    lambda: link.open(Deadline(output.timeout, self.clock)),
                    failed=lambda error: inputs.LinkFailed(number, error),
                )
            case effects.AcceptOffer(link=number, sdp=sdp):
                self._links[number].accept(sdp)
            case effects.AddCandidate(link=number, candidate=candidate):
                self._links[number].add_candidate(candidate)
            case effects.SendSignaling(link=number, message=message):
                self._links[number].send_signaling(message)
            case effects.SendChannel(link=number, message=message):
                self._links[number].send_channel(message)
            case effects.CheckVideo(link=number):
                self.post(inputs.VideoSeen(number, self.hub.last_at))
            case effects.AskForKeyframe(link=number):
                self._links[number].ask_for_keyframe()
            case effects.CloseLink(link=number):
                self._work(self._links.pop(number).close)
            case effects.BeginFrames(at=at):
                self.hub.begin(at)
            case effects.PauseFrames():
                self.hub.pause()
            case effects.EndFrames(error=error):
                self.hub.end(error)
            case effects.Succeed(call=call, value=value):
                self._answer(call, value=value)
            case effects.Fail(call=call, error=error):
                self._answer(call, error=error)
            case effects.Ignored(what=what):
                log.info("ignored: %s", what)
            case event:
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("%s", secrets.redact(str(event)))
                self.events.publish(event)
                if self._dispatcher is not None:
                    self._dispatcher.tell(event)

    def _answer(self, call: int, *, value: object = None, error: errors.OdysseyError | None = None) -> None:
        future = self._calls.pop(call, None)
        if future is None:
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    # --- the workers

    def _work(
        self, task: Callable[[], None], failed: Callable[[errors.OdysseyError], inputs.Input] | None = None
    ) -> None:
        """Run ``task`` on a thread of its own; what it raises is posted as ``failed`` makes it."""

        def run() -> None:
            try:
                task()
            except Exception as exc:  # whatever it was, someone may wait for the outcome
                error = exc if isinstance(exc, errors.OdysseyError) else errors.internal(exc)
                if error is not exc:
                    log.exception("a worker of a session failed")
                if failed is not None:
                    self.post(failed(error))
            finally:
                self._workers.discard(worker)
                self.post(None)

        worker = threading.Thread(target=run, name="odyssey-worker", daemon=True)
        self._workers.add(worker)
        try:
            worker.start()
        except RuntimeError:  # the system gives no more threads
            self._workers.discard(worker)
            if failed is not None:
                self.post(failed(errors.no_resources()))

    def _is_busy(self) -> bool:
        return bool(self._workers) or not self._inbox.empty()

    def _authenticate(self) -> None:
        self._api.access_token(Deadline(_STEP_TIMEOUT, self.clock), abort=self._authentication)
        self.post(inputs.Authenticated())

    def _request_session(self) -> None:
        try:
            session = self._api.request_session(Deadline(_STEP_TIMEOUT, self.clock), abort=self._abort)
        except errors.OdysseyError as error:
            if error.code != "no_streamers":
                raise
            self.post(inputs.StreamerUnavailable(error))
        else:
            self.post(inputs.SessionGranted(session))

    # --- the end

    def _clean_up(self) -> None:
        error = self.protocol.error
        self.ended_at = self.clock.now()
        self._abort.abort()
        for link in self._links.values():
            link.cut()
        self._links.clear()
        last = Deadline(_LAST_WORKERS, self.clock)
        for worker in tuple(self._workers):
            worker.join(last.remaining())
        self.hub.close(error)
        self.events.close()
        if self._dispatcher is not None:
            self._dispatcher.finish()
        self.ended.set()
        for call in tuple(self._calls):
            self._answer(call, error=errors.again(error or _HAS_ENDED))
        _drivers.discard(self)


_HAS_ENDED: Final = errors.OdysseyConnectionError("The session has ended", code="disconnected")


def _left(deadline: Deadline) -> float:
    left = deadline.remaining()
    return float("inf") if left is None else left


_drivers: ConcurrentWeakSet[Driver] = ConcurrentWeakSet()


def _leave_all() -> None:
    """Before the interpreter goes: leave every session, all at once, within 2 s."""
    drivers = tuple(_drivers)
    for driver in drivers:
        driver.start_leaving()
    deadline = Deadline(LEAVE, MonotonicClock())
    for driver in drivers:
        driver.join(deadline.remaining())
    live_recording.join_all(Deadline(_FILES, MonotonicClock()))


def _expect_the_end() -> None:
    """Have the sessions left also at the end of a process that `multiprocessing` made: that skips `atexit`."""
    global _expecting
    process = sys.modules.get("multiprocessing.process")
    if _expecting != os.getpid() and process is not None and process.parent_process() is not None:
        from multiprocessing import util

        _expecting = os.getpid()
        util.Finalize(None, _leave_all, exitpriority=0)


_expecting = 0  # the process that does


def _forget_all() -> None:
    """In a forked child: the sessions are the parent's."""
    for driver in tuple(_drivers):
        driver.forget()
    _drivers.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_all)
# After the user's own threads have ended. aiortc's decoder is no reason to be earlier: it is a daemon, because the
# thread that starts it is one.
atexit.register(_leave_all)
