"""The thread behind a session or a spectator: it feeds the protocol core and carries out its effects.

It waits on its inbox only. Everything that blocks (HTTP, opening and closing connections) runs on workers that
post the outcome; frames go from the decoder straight into the hub. All decisions are in `odyssey_proto.core`; the
objects that users see are in `odyssey_proto.session` and `odyssey_proto.spectator`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import threading
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from .._base import errands, errors, process_end
from .._base.clock import Deadline, MonotonicClock, SteadyClock
from .._base.secrets import redact
from .._base.tracebacks import without_frames, without_locals
from .._base.weak_set import ConcurrentWeakSet
from .._model.events import ConnectionStatus, GapEvent
from .._net.tap import Tap
from .._video.frame_hub import FrameHub
from .._video.meters import VideoTotals
from ..core import effects, inputs
from . import live_recording
from .beginning import Beginning
from .dispatcher import Dispatcher
from .event_hub import EventHub
from .link import LinkContext
from .session_stats import link_figures, session_stats
from .waiting_calls import WaitingCalls
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._base.clock import Clock
    from .._model.events import Event
    from .._model.stats import SessionStats
    from ..core.snapshot import Snapshot
    from .handlers import OdysseyEventHandlers
    from .link import Link, LinkAccess
    from .live_capture import CaptureWriting

__all__ = ["LEAVE_S", "Driver", "drivers_of"]

log = logging.getLogger("odyssey_proto.live")

LEAVE_S: Final = 1.2
"""The time that leaving may take while a caller waits for it, in s."""
_LINGER_S: Final = 5.0  # for returning the session after its end, while no caller waits
_FILES_S: Final = 5.0  # for finishing files when the process ends, which would otherwise cut them short
_LAST_FRAMES_S: Final = 0.7  # for finishing files; if encoding is behind, they are finished later
_LAST_WORKERS_S: Final = 0.2  # for workers whose sockets have just been shut


class Core(Protocol):
    """The protocol core that a driver drives: that of a session or that of a spectator."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, for any reason."""
        ...

    @property
    def next_due(self) -> float | None:
        """When `advance` next has something to do, in s of the clock; None if nothing is scheduled."""
        ...

    def receive(self, item: inputs.Input, now: float) -> None:
        """Take one input at ``now`` (s)."""

    def advance(self, now: float) -> None:
        """Do what has become due at ``now`` (s)."""

    def outputs(self) -> list[effects.Output]:
        """Return, once and in order, all effects and events since the last call."""
        ...

    def snapshot(self) -> Snapshot:
        """Return a snapshot of the state that other threads may read."""
        ...


class Driver:
    """The thread behind one connection. It has no reference to its owner, so dropping the owner can end it."""

    def __init__(
        self,
        core: Core,
        access: LinkAccess,
        clock: Clock,
        handlers: OdysseyEventHandlers | None = None,
        *,
        name: str,
        announces_streams: bool = True,
    ) -> None:
        """Create the driver of ``core``, which reports the start of each stream if ``announces_streams``."""
        clock = SteadyClock(clock)
        self.clock: Clock = clock
        self.hub: FrameHub = FrameHub(lambda seconds: self.post(inputs.VideoResumed(seconds)), clock)
        self.totals: VideoTotals = VideoTotals(clock)
        self.events: EventHub = EventHub()
        self.snapshot: Snapshot = core.snapshot()
        """The state of the core, as of the last input."""
        self.recordings: ConcurrentWeakSet[live_recording.LiveRecording | CaptureWriting] = ConcurrentWeakSet()
        """Recordings and captures in progress. They are closed and joined when the connection ends."""
        self.leaving: bool = False
        """Whether the user has asked to leave; the connection itself may take a moment longer to end."""
        self.ended: threading.Event = threading.Event()
        """Set when the connection has ended completely."""
        self.account: int | None = None
        """The account for which a session is requested (`held_sessions.account`); None if there is none."""
        self._began_at = clock.now()
        self._ended_at: float | None = None
        self._core = core
        self._access = access
        self.tap: Tap = Tap()
        """Shows what travels over the links."""
        self.calls: Tap = Tap()
        """Shows the HTTP calls of the client, in a driver made by `session_driver`."""
        self.secrets: tuple[str, ...] = ()
        """What must not appear in anything written down: the client's key, and the token of its credentials."""
        self.beginning: Beginning = Beginning()
        """How the connection began, for captures that start later."""
        self.tap.add(self.beginning.saw)
        self._context = LinkContext(clock, self.hub, self.totals, self.post, self.tap)
        self._inbox: queue.SimpleQueue[inputs.Input | None] = queue.SimpleQueue()
        self._patience = Deadline(None, clock)  # for the work that remains after the end
        self._waiting = WaitingCalls(self.post, lambda: self.ended.is_set(), clock)
        self._links: dict[int, Link] = {}
        self._prepared: dict[int, Link] = {}
        self._workers = Workers(lambda: self.post(None))
        self._dispatcher: Dispatcher | None = None
        if handlers is not None:
            self._dispatcher = Dispatcher(handlers, clock, awaits_start=announces_streams)
            self.hub.attach(self._dispatcher, self._dispatcher.counts)
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._first: dict[str, str] = {}
        """Its one entry, ``call``, is "connect" or "leave", whichever came first."""
        process_end.expect()

    # --- called from any thread

    def connect(
        self,
        command: Callable[[int], inputs.Command],
        deadline: Deadline,
        expired: Callable[[], errors.OdysseyError],
    ) -> None:
        """Start the thread, and wait until ``command`` has connected it; if that fails or is cut short, leave."""
        if self._first.setdefault("call", "connect") != "connect":
            raise errors.again(_HAS_ENDED)
        _drivers.add(self)  # not before: nobody may wait for the end of a thread that never ran
        try:
            _refuse_end()  # not before: either the end of the process finds this driver, or this finds the end
            if self._dispatcher is not None:
                self._dispatcher.start()
            self._thread.start()
            self.call("connect", command, deadline.remaining(), expired)
        except BaseException as exc:
            self.leaving = True
            self.post(inputs.Disconnect(exc if isinstance(exc, errors.OdysseyError) else None))
            if not self.has_begun:  # so this thread has to clean up
                self._clean_up()
                if isinstance(exc, RuntimeError):  # the system has no more threads
                    raise errors.no_resources(exc) from exc
            raise

    def call(
        self,
        operation: str,
        command: Callable[[int], inputs.Command],
        timeout: float | None,
        expired: Callable[[], errors.OdysseyError],
    ) -> object:
        """Post a command, and wait for its answer and return it; ``operation`` is its name in errors.

        After ``timeout`` s, raise what ``expired`` returns; None waits without a limit.
        """
        self.refuse_fork()
        errands.check()

        def refusal() -> errors.OdysseyError:
            if operation == "connect":
                return errors.again(self.snapshot.error or _HAS_ENDED)
            return self.snapshot.not_connected(operation)

        return self._waiting.ask(command, timeout, expired=expired, refusal=refusal)

    def post(self, item: inputs.Input | None) -> None:
        """Put an input into the inbox; never blocks, not even in a finalizer. None only wakes the thread."""
        error = getattr(item, "error", None)
        if error is not None:
            without_frames(error)  # it is raised on another thread, or shown to handlers
        self._inbox.put(item)

    def start_leaving(self, *, may_linger: bool = False) -> None:
        """Disconnect, and limit the remaining work to about `LEAVE_S` s.

        With ``may_linger``, a session that is not connected, such as one that is being requested or rejoined, has
        a few seconds longer to be given back, for the sake of the next one.
        """
        if os.getpid() == self._pid:
            self.leaving = True
            if not may_linger or self.snapshot.status is ConnectionStatus.CONNECTED:
                self._patience = Deadline(LEAVE_S - _LAST_WORKERS_S, self.clock)
            if self._first.setdefault("call", "leave") == "connect":
                self.post(inputs.Disconnect())
            elif not self.ended.is_set():  # there is no thread, and there will be none
                self._core.receive(inputs.Forgotten(), self.clock.now())
                self.snapshot = self._core.snapshot()
                self._clean_up()

    def join(self, timeout: float | None) -> None:
        """Wait for the threads, for at most ``timeout`` s, and then briefly for recordings.

        Do not wait for this thread itself, for threads that never ran, or in a forked child.
        """
        deadline = Deadline(timeout, self.clock)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(deadline.remaining())
        if self._dispatcher is not None:
            self._dispatcher.join(deadline.remaining())
        if self.ended.is_set():
            last = Deadline(_LAST_FRAMES_S, self.clock)
            for each in tuple(self.recordings):
                each._join(last)

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end; return whether it came within ``timeout`` s, or raise the error that caused it."""
        self.refuse_fork()
        ended = any(self.ended.wait(seconds) for seconds in errands.turns(Deadline(timeout, self.clock)))
        if ended and self.snapshot.error is not None:
            raise errors.again(self.snapshot.error)
        return ended

    def stats(self) -> SessionStats:
        """Return the measurements so far; after the end, the final ones."""
        now = self.clock.now() if self._ended_at is None else self._ended_at
        return session_stats(self.hub, self.totals, age_s=now - self._began_at)

    def link(self) -> Link | None:
        """Return the newest link; None between two links, and after the end."""
        links = tuple(self._links.values())
        return links[-1] if links else None

    @property
    def has_begun(self) -> bool:
        """Whether its thread has been started."""
        return self._thread.ident is not None

    def refuse_fork(self) -> None:
        """Raise in a forked child: the thread is in the parent."""
        if os.getpid() != self._pid:
            raise errors.OdysseyConnectionError(
                "This connection belongs to the process that forked; connect again in this one", code="forked"
            )

    def forget(self) -> None:
        """In a forked child, treat the connection as over."""
        self.leaving = True
        self._core.receive(inputs.Forgotten(), 0.0)
        self.snapshot = self._core.snapshot()
        self.ended = threading.Event()  # a new one: another thread may have held the lock of the old at the fork
        self.ended.set()

    # --- the thread

    def _run(self) -> None:
        # Not on a worker: nothing must wait for an import, least of all leaving.
        with contextlib.suppress(RuntimeError):  # if the system has no more threads, the first link imports
            threading.Thread(target=_warm, name="odyssey-import", daemon=True).start()
        try:
            while not self._core.is_over:
                self._take(self._next_item())
            self.hub.close(self.snapshot.error)
            self._access.hurry()
            linger = Deadline(_LINGER_S, self.clock)
            while self._is_busy() and not (linger.expired or self._patience.expired):
                self._take(self._next_item(min(linger, self._patience, key=_left)))
        except Exception as exc:  # a bug in this library must not leave callers waiting forever
            log.exception("the driver of a connection failed", exc_info=without_locals(exc))
            self._break_off(errors.internal(exc))
        finally:
            self._clean_up()

    def _break_off(self, error: errors.OdysseyError) -> None:
        """End after an internal error; the core, or carrying out its last effects, may fail again."""
        try:
            self._core.receive(inputs.Broken(error), self.clock.now())
            self.snapshot, outputs = self._core.snapshot(), self._core.outputs()
        except Exception as exc:
            log.exception("the core failed", exc_info=without_locals(exc))
            failed = ConnectionStatus.FAILED
            self.snapshot, outputs = attrs.evolve(self.snapshot, status=failed, is_over=True, error=error), []
        for output in outputs:
            try:
                self._carry_out(output)
            except Exception as exc:
                log.exception("not carried out: %s", type(output).__name__, exc_info=without_locals(exc))

    def _next_item(self, until: Deadline | None = None) -> inputs.Input | None:
        due = self._core.next_due
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
                self._core.advance(now)
            else:
                self._core.receive(item, now)
        except errors.OdysseyError as refusal:
            self._waiting.answer(getattr(item, "call", 0), error=refusal)
        self.snapshot = self._core.snapshot()  # before any waiting call is answered
        for output in self._core.outputs():
            self._carry_out(output)
        if isinstance(item, inputs.Abandon):
            self._waiting.note_abandoned(item.call)

    def _carry_out(self, output: effects.Output) -> None:
        match output:
            case effects.Authenticate() | effects.RequestSession() as step:
                self._workers.run(
                    lambda: self.post(self._access.take_step(step, self.clock)),
                    lambda error: self.post(inputs.StepFailed(error)),
                )
            case effects.OpenLink() | effects.OpenBroadcast() as plan:
                if self.snapshot.failure is not None:
                    log.warning("trying another way to watch: %s", self.snapshot.failure)
                ready = self._prepared.pop(plan.link, None)
                link = self._links[plan.link] = ready or self._access.make_link(plan, self._context)
                self._workers.run(
                    lambda: link.open(Deadline(plan.timeout, self.clock)),
                    lambda error: self.post(inputs.LinkFailed(plan.link, error, video_at=self.hub.last_at)),
                )
            case effects.PrepareLink(plan=plan):
                ahead = self._prepared[plan.link] = self._access.make_link(plan, self._context)
                self._workers.run(
                    lambda: ahead.prepare(Deadline(plan.timeout, self.clock)),
                    lambda error: log.debug("not prepared: %s", error),
                )
            case effects.DiscardLink(link=number):
                self._workers.run(self._prepared.pop(number).close)
            case effects.CloseLink(link=number):
                self._workers.run(self._links.pop(number).close)
            case effects.SayGoodbye(link=number):
                self._links[number].say_goodbye()
            case effects.AskForKeyframe(link=number):
                self._links[number].ask_for_keyframe()
            case effects.AskForSignOfLife(link=number):
                self._links[number].ask_for_sign_of_life()
            case effects.AcceptOffer() | effects.AddCandidate() | effects.SendSignaling() | effects.SendChannel():
                self._links[output.link].carry_out(output)
            case effects.CheckVideo(link=number):
                link = self._links[number]
                figures = link_figures(self.totals)
                seen = inputs.VideoSeen(number, self.hub.last_at, link.packets, link.has_moved, figures)
                self.post(seen)
            case effects.BeginFrames(at=at):
                self.hub.begin(at)
            case effects.PauseFrames():
                self.hub.pause()
            case effects.EndFrames(error=error):
                self.hub.end(error)
            case effects.Succeed(call=call, value=value):
                self._waiting.answer(call, value=value)
            case effects.Fail(call=call, error=error):
                self._waiting.answer(call, error=error)
            case effects.Ignored(what=what):
                log.debug("ignored: %s", what)  # such as an input that comes too late, as in any normal run
            case event:
                self._publish(event)

    def _publish(self, event: Event) -> None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", redact(str(event)))
        if isinstance(event, GapEvent):
            self.hub.note_gap(event.seconds)
        self.events.publish(event)
        if self._dispatcher is not None:
            self._dispatcher.publish(event)

    def _is_busy(self) -> bool:
        return self._workers.busy or not self._inbox.empty() or self._core.next_due is not None

    # --- the end

    def _clean_up(self) -> None:
        error = self.snapshot.error
        self._ended_at = self.clock.now()
        self._access.cut()
        for link in (*self._links.values(), *self._prepared.values()):
            link.cut()
        self._links.clear()
        self._prepared.clear()
        self._workers.join(Deadline(_LAST_WORKERS_S, self.clock))
        self._access.release()
        self.hub.close(error)
        self.tap.show_end()
        self.events.close()
        if self._dispatcher is not None:
            self._dispatcher.finish()
        self.ended.set()
        self.tap.show_end()  # to a capture that has begun since
        self._waiting.fail_all(error or _HAS_ENDED)
        _drivers.discard(self)


_HAS_ENDED: Final = errors.OdysseyConnectionError("The connection has ended", code="disconnected")


def _refuse_end() -> None:
    if process_end.is_ending():  # nobody would give the session back
        raise errors.OdysseyConnectionError("This process is ending: connect earlier", code="shutting_down")


def _warm() -> None:
    """Load the libraries that the first link needs, while HTTP calls run."""
    peer = importlib.import_module("odyssey_proto._net.webrtc.peer")
    peer.warm()


def _left(deadline: Deadline) -> float:
    left = deadline.remaining()
    return float("inf") if left is None else left


_drivers: ConcurrentWeakSet[Driver] = ConcurrentWeakSet()


def drivers_of(account: int) -> list[Driver]:
    """Return the drivers of this process whose sessions are, or will be, requested for ``account``."""
    return [driver for driver in _drivers if driver.account == account]


@process_end.at_exit
def _leave_all() -> None:
    """Leave all connections at the same time, within 2 s; then wait for files to be finished."""
    drivers = tuple(_drivers)
    for driver in drivers:
        driver.start_leaving()
    deadline = Deadline(LEAVE_S, MonotonicClock())
    for driver in drivers:
        driver.join(deadline.remaining())
    live_recording.join_all(Deadline(_FILES_S, MonotonicClock()))


@process_end.after_fork_in_child
def _forget_all() -> None:
    """In a forked child, forget all connections: they belong to the parent."""
    for driver in tuple(_drivers):
        driver.forget()
    _drivers.clear()
