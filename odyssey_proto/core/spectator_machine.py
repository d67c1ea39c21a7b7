"""The life of a spectator: watching a broadcast, over WebRTC or HLS, and watching it again after a loss.

    IDLE → OPENING → WATCHING → REOPENING → WATCHING …, until ENDED (by the user, or the broadcast) or FAILED

A first connection tries WebRTC, then HLS if WebRTC fails and there is an address for HLS. After a loss the same is
tried in rounds, with a pause between them, until `REOPEN_WITHIN_S` have passed. A driver feeds inputs and carries
out effects, as with `odyssey_proto.core.protocol`; there is no I/O. Everything that affects the state is here: the
states, actions and rows with their conditions; the actions have an underscore because the class is public.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Final

from .._base import errors
from .._base.public_path import publish
from .._model.config import AdvancedConfig
from .._model.events import ConnectionStatus, ErrorOccurred, StreamEnded
from .deadlines import REJOIN_DEADLINE_S, VIDEO_DEADLINE_S
from .effects import (
    AskForKeyframe,
    BeginFrames,
    CheckVideo,
    CloseLink,
    EndFrames,
    Fail,
    OpenBroadcast,
    Output,
    SayGoodbye,
    Succeed,
    Way,
)
from .gaps import Gaps
from .inputs import (
    Abandon,
    BroadcastEnded,
    Broken,
    Disconnect,
    Due,
    Forgotten,
    Input,
    LinkFailed,
    LinkReady,
    SignOfLife,
    VideoResumed,
    VideoSeen,
    Watch,
)
from .link_watch import LinkWatch
from .machine import Agenda, Row, StatusMachine, by_state, nothing, row
from .silence import SILENCE_LIMIT_S, Silence, Verdict
from .snapshot import Snapshot
from .spare import Spare
from .spectator_errors import GONE, broadcast_lost, broadcast_over, left_early

__all__ = ["REOPEN_WITHIN_S", "SPECTATOR_TABLE", "SpectatorMachine", "SpectatorState"]

REOPEN_WITHIN_S: Final = 40.0
"""How long a lost broadcast is tried again, in s."""
OPEN_WITHIN_S: Final = 60.0
"""The time limit for one attempt at a first connection, in s; each of its steps has a shorter one."""
_TAKEN_AWAY: Final = (401, 403)  # how stores report that HLS is gone, which has no token that could be refused
_MOST_WAITS: Final = 2  # for a server that asks to come back later, before a first connection
_LONGEST_DEMANDED_S: Final = 60.0  # if it asks for more, the connection fails


class SpectatorState(Enum):
    """The state of a spectator."""

    IDLE = "idle"
    OPENING = "opening"
    WATCHING = "watching"
    REOPENING = "reopening"
    ENDED = "ended"
    FAILED = "failed"


S = SpectatorState
_TRYING: Final = (S.OPENING, S.REOPENING)
_ALIVE: Final = (S.IDLE, S.OPENING, S.WATCHING, S.REOPENING)
_OVER: Final = (S.ENDED, S.FAILED)
_STATUS: Final = {
    S.IDLE: ConnectionStatus.DISCONNECTED,
    S.OPENING: ConnectionStatus.CONNECTING,
    S.WATCHING: ConnectionStatus.CONNECTED,
    S.REOPENING: ConnectionStatus.RECONNECTING,
    S.ENDED: ConnectionStatus.DISCONNECTED,
    S.FAILED: ConnectionStatus.FAILED,
}


class SpectatorMachine(StatusMachine):
    """One broadcast, from `Watch` to its end. Not thread-safe: one driver owns it.

    Args:
        config: how long to wait between rounds of attempts, and how long for frames of a sender that pauses.
        ways: how the broadcast can be watched, the best first.
        reconnect: whether to watch again after a loss.
    """

    state: SpectatorState = S.IDLE
    _statuses = _STATUS
    _over = _OVER

    def __init__(self, config: AdvancedConfig, ways: tuple[Way, ...], *, reconnect: bool = True) -> None:
        super().__init__(Agenda())
        self.error: errors.OdysseyError | None = None
        """The error that ended it, if it failed."""
        self._config = config
        self._ways = ways
        self._reconnect = reconnect
        self._silence = Silence(config.video_timeout_s if reconnect else math.inf)
        self._watch = LinkWatch(self._silence, self._agenda)
        self._call: int | None = None
        self._links = 0
        self._link: int | None = None
        self._way = ways[0]
        self._failures: list[errors.OdysseyError] = []  # one for each way tried in this round
        self._last_failure: errors.OdysseyError | None = None
        self._rounds = 0
        self._until: float | None = None  # when the caller stops waiting
        self._lost: errors.OdysseyError | None = None
        self._gone_since: float | None = None  # when the video was lost; None while there is video
        self._opened_at = 0.0
        self._silent: Way | None = None  # the way of the last link, if that connected without bringing video
        self._gaps = Gaps(self._agenda, self._silence)
        self._spare: Spare[OpenBroadcast] = Spare(self._agenda)  # over the way in use
        self._has_shown_hls = False
        self._progress = "not begun"

    # --- feeding in, draining out

    def receive(self, item: Input, now: float) -> None:
        """Take one input at ``now`` (s).

        Raises:
            OdysseyConnectionError: the command cannot be carried out in this state, which does not change.
        """
        self._agenda.now = now
        if isinstance(item, Abandon):
            self._call = None if item.call == self._call else self._call
        elif getattr(item, "link", self._link) != self._link:
            self._agenda.ignore(f"{type(item).__name__} of a link that was given up")
        else:
            self._take(item, type(item))

    def advance(self, now: float) -> None:
        """Do what has become due at ``now`` (s)."""
        self._agenda.now = now
        while (due := self._agenda.take_due()) is not None:
            self._take(due, due)

    @property
    def next_due(self) -> float | None:
        """When `advance` next has something to do, in s; None if nothing is scheduled."""
        return self._agenda.next_due

    def outputs(self) -> list[Output]:
        """Return, once and in order, all effects and events since the last call; answers to calls come last."""
        return self._agenda.drain()

    def snapshot(self) -> Snapshot:
        """Return a snapshot of the state that other threads may read."""
        return Snapshot(
            status=self.status,
            is_over=self.is_over,
            error=self.error,
            progress=self._progress,
            failure=self._failures[0] if self._failures else None,
            remedy="watch it again",
        )

    def _take(self, item: object, key: type[Any] | Due) -> None:
        if self.step(_ROWS, item, key):
            return
        if isinstance(item, Watch):
            if self.is_over:  # it was left before this command came
                raise left_early() if self.error is None else errors.again(self.error)
            raise errors.OdysseyConnectionError(
                f"Cannot watch: this spectator is {self.status}", code="not_idle", operation="watch"
            )
        name = item.value if isinstance(item, Due) else type(item).__name__
        self._agenda.ignore(f"{name} in {self.state.value}")

    # --- connecting

    def _begin(self, item: Watch) -> None:
        """Begin with the best way."""
        self._call = item.call
        self._until = None if item.within_s is None else self._agenda.now + item.within_s
        self._agenda.put(BeginFrames(self._agenda.now))
        self._open(self._ways[0], OPEN_WITHIN_S)

    def _open_another_way(self, item: LinkFailed) -> None:
        """Try the next way of this round."""
        self._give_link_up(item)
        self._open(self._ways[self._ways.index(self._way) + 1], self._limit_s)

    def _connected(self, _: LinkReady) -> None:
        """Expect frames, and answer the call."""
        self._failures.clear()
        self._rounds = 0
        self._agenda.cancel(Due.GIVE_UP)
        self._watch.renew()
        if self._call is not None:
            self._silence.begin(self._agenda.now, VIDEO_DEADLINE_S)
            self._agenda.put(Succeed(self._call, None))
            self._call = None
        else:
            self._silence.expect(self._agenda.now, SILENCE_LIMIT_S)
        self._gaps.report_held()
        self._progress = "watching"
        if self._way is Way.HLS:  # its reader has frames, and knows when the next segment is overdue
            self._gone_since = None
            self._has_shown_hls = True
        else:
            self._agenda.wake_at(Due.CHECK, self._silence.next_look(self._agenda.now))

    # --- checking that video arrives

    def _check(self, _: Due) -> None:
        """Have the driver look for frames."""
        assert self._link is not None
        self._silence.look_late(self._agenda.now, self._agenda.overslept)
        self._agenda.put(CheckVideo(self._link))

    def _note_pause(self, item: SignOfLife) -> None:
        """Report that the sender pauses, if it is alive but sends no video."""
        self._watch.hear(item)

    def _judge(self, item: VideoSeen) -> None:
        """Wait, ask for a keyframe, or treat the link as lost."""
        now = self._agenda.now
        has_video = item.at is not None and item.at >= self._opened_at
        if has_video:
            self._gone_since = None
        match self._watch.judge(item):
            case Verdict.LOST:
                self._silent = None if has_video else self._way
                text = f"The broadcast was lost: no video for {self._silence.gone_for(now):.1f} s"
                self._take(LinkFailed(item.link, broadcast_lost(text)), LinkFailed)
                return
            case Verdict.ASK_FOR_KEYFRAME:
                self._agenda.put(AskForKeyframe(item.link))
        if self._silence.is_suspicious:
            self._spare.suspect((lambda: self._plan(self._way, REJOIN_DEADLINE_S)) if self._reconnect else None)
        elif self._spare.suspected_since is not None:
            self._spare.trust()
        self._agenda.wake_at(Due.CHECK, self._silence.next_look(now))
        self._watch.look(item)

    def _drop_spare(self, _: Due) -> None:
        """Discard the prepared link: the suspected one works again."""
        self._spare.drop()

    def _hold_gap(self, item: VideoResumed) -> None:
        """Keep a gap that the decoder's thread reports before the link is ready."""
        self._gaps.hold(item)

    def _report_gap(self, item: VideoResumed) -> None:
        """Report that video has resumed."""
        self._gaps.report(item)

    def _end_frames(self, error: errors.OdysseyError | None) -> None:
        """End the frames, after a report of each gap, including one that lasts."""
        self._gaps.report_last()
        self._agenda.put(EndFrames(error))

    # --- losing it, and trying again

    def _reopen(self, item: LinkFailed) -> None:
        """Start trying again, at once."""
        if self._gone_since is None:
            self._gone_since = self._agenda.now
        self._lost, self._last_failure = item.error, None
        self._gaps.begin(item.video_at)
        self._agenda.put(ErrorOccurred(error=item.error, fatal=False, at=self._agenda.now))
        self._agenda.wake_at(Due.GIVE_UP, self._gone_since + REOPEN_WITHIN_S)
        self._agenda.wake_at(Due.REJOIN, self._agenda.now)
        self._close_link()

    def _begin_round(self, _: Due) -> None:
        """Try every way once more, except one that has just connected without bringing video."""
        self._failures.clear()
        ways = [way for way in self._ways if way is not self._silent] or self._ways
        self._silent = None
        self._open(ways[0], self._limit_s)

    def _wait_for_round(self, item: LinkFailed) -> None:
        """Pause before the next round, at least for as long as a server demands."""
        wait_s = max(self._config.retry_delay(self._rounds), self._demanded_s(item) or 0.0)
        self._give_link_up(item)
        self._agenda.wake_at(Due.REJOIN, self._agenda.now + wait_s)
        self._rounds += 1

    def _give_up(self, _: Due) -> None:
        """Fail: the broadcast did not come back."""
        assert self._lost is not None
        why = f"; the last attempt: {self._last_failure.message}" if self._last_failure else ""
        self._fail_with(broadcast_lost(f"{self._lost.message}; it was not back within {REOPEN_WITHIN_S:g} s{why}"))

    # --- the end

    def _end(self, _: BroadcastEnded | LinkFailed) -> None:
        """Report that the broadcast is over."""
        self._end_frames(None)
        self._agenda.put(StreamEnded(error=None, at=self._agenda.now))
        self._finish("The broadcast has ended", broadcast_over())

    def _leave(self, item: Disconnect) -> None:
        """Leave at the user's request."""
        if self._link is not None:
            self._agenda.put(SayGoodbye(self._link))
        self._end_frames(None)
        self._finish("The broadcast was left", item.error)

    def _fail_to_open(self, item: LinkFailed) -> None:
        """Fail with the error of the best way; its text also gives the errors of the others."""
        first, *others = [*self._failures, item.error]
        notes = [f"over HLS: {other.message}" for other in others]
        if (wait_s := self._demanded_s(item)) is not None:
            notes.append(f"the server can be asked again after {wait_s:g} s")
        self._fail_with(errors.again(first, *notes))

    def _fail(self, item: LinkFailed | Broken) -> None:
        """Fail with this error."""
        self._fail_with(item.error)

    def _fail_with(self, error: errors.OdysseyError) -> None:
        self.error = error
        self._agenda.put(ErrorOccurred(error=error, fatal=True, at=self._agenda.now))
        self._end_frames(error)
        self._finish(error.message, error)

    def _finish(self, message: str, error: errors.OdysseyError | None = None) -> None:
        if self._call is not None:
            self._agenda.put(Fail(self._call, errors.again(error or left_early())))
            self._call = None
        self._progress = "not connected"
        self._spare.drop()
        if self._link is not None:
            self._close_link()
        self._report_status(message)

    # --- links

    def _open(self, way: Way, timeout_s: float) -> None:
        if way is not self._way:
            self._spare.drop()
        plan = self._spare.take() or self._plan(way, timeout_s)
        self._link, self._way, self._opened_at = plan.link, way, self._agenda.now
        self._progress = f"connecting over {way.value}"
        self._agenda.put(plan)

    def _plan(self, way: Way, timeout_s: float) -> OpenBroadcast:
        self._links += 1
        return OpenBroadcast(self._links, way, timeout_s)

    @property
    def _limit_s(self) -> float:
        return OPEN_WITHIN_S if self.state is S.OPENING else REJOIN_DEADLINE_S

    def _demanded_s(self, item: LinkFailed) -> float | None:
        """Return the longest pause that a server demanded in this round, in s; None if none did."""
        failures = (each for each in (*self._failures, item.error) if each.recoverable)
        return max((each.retry_after for each in failures if each.retry_after is not None), default=None)

    def _give_link_up(self, item: LinkFailed) -> None:
        self._failures.append(item.error)
        self._last_failure = item.error
        self._gaps.begin(item.video_at)  # it may have brought frames
        self._agenda.put(ErrorOccurred(error=item.error, fatal=False, at=self._agenda.now))
        self._close_link()

    def _close_link(self) -> None:
        assert self._link is not None
        self._agenda.put(CloseLink(self._link))
        self._agenda.cancel(Due.CHECK)
        self._link = None


# --- the conditions of rows


def has_another_way(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    """Return whether another way is left to try after this failure; after a refused token or an end, none is."""
    return _may_go_on(spectator, item) and spectator._way is not spectator._ways[-1]


def is_asked_to_wait(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    """Return whether a server asks to come back later, and the caller of the first connection waits that long."""
    wait_s = spectator._demanded_s(item)
    if wait_s is None or wait_s > _LONGEST_DEMANDED_S or spectator._rounds >= _MOST_WAITS:
        return False
    return spectator._until is None or spectator._agenda.now + wait_s < spectator._until


def is_gone(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    """Return whether the server no longer knows the stream, so that the broadcast is over."""
    is_taken_away = spectator._has_shown_hls and spectator._way is Way.HLS and item.error.status in _TAKEN_AWAY
    return item.error.code == GONE or is_taken_away


def may_reopen(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    """Return whether to try the broadcast again after this loss."""
    return spectator._reconnect and item.error.recoverable


def may_try_again(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    """Return whether another round may help."""
    return _may_go_on(spectator, item)


def _may_go_on(spectator: SpectatorMachine, item: LinkFailed) -> bool:
    if isinstance(item.error, errors.SpectatorTokenError) or not isinstance(
        item.error, errors.OdysseyConnectionError
    ):
        return False
    return spectator.state is S.OPENING or item.error.code != GONE


# --- the rows

M = SpectatorMachine
SPECTATOR_TABLE: Final[tuple[Row[SpectatorMachine], ...]] = (
    row((S.IDLE,), Watch, S.OPENING, M._begin),
    row(_TRYING, LinkReady, S.WATCHING, M._connected),
    row(_TRYING, LinkFailed, None, M._open_another_way, has_another_way),
    row((S.OPENING,), LinkFailed, None, M._wait_for_round, is_asked_to_wait),
    row((S.OPENING,), LinkFailed, S.FAILED, M._fail_to_open),
    row((S.WATCHING,), Due.CHECK, None, M._check),
    row((S.WATCHING,), VideoSeen, None, M._judge),
    row((S.WATCHING,), Due.SPARE, None, M._drop_spare),
    row((S.WATCHING,), VideoResumed, None, M._report_gap),
    row(_TRYING, VideoResumed, None, M._hold_gap),
    row((S.WATCHING,), SignOfLife, None, M._note_pause),
    row((S.OPENING, S.WATCHING, S.REOPENING), BroadcastEnded, S.ENDED, M._end),
    row((S.WATCHING, S.REOPENING), LinkFailed, S.ENDED, M._end, is_gone),
    row((S.WATCHING,), LinkFailed, S.REOPENING, M._reopen, may_reopen),
    row((S.WATCHING,), LinkFailed, S.FAILED, M._fail),
    row(_TRYING, Due.REJOIN, None, M._begin_round),
    row((S.REOPENING,), LinkFailed, None, M._wait_for_round, may_try_again),
    row((S.REOPENING,), LinkFailed, S.FAILED, M._fail),
    row((S.REOPENING,), Due.GIVE_UP, S.FAILED, M._give_up),
    row(_ALIVE, Disconnect, S.ENDED, M._leave),
    row(_ALIVE, Broken, S.FAILED, M._fail),
    row(_ALIVE, Forgotten, S.ENDED, nothing),
    row(_OVER, Disconnect, None, nothing),
    row(_OVER, Broken, None, nothing),
    row(_OVER, Forgotten, None, nothing),
)
"""All steps of a spectator."""

_ROWS: Final = by_state(SPECTATOR_TABLE)


publish("odyssey_proto.core", SpectatorMachine, SpectatorState)
