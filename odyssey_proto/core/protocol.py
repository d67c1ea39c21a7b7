"""The life of a session and its stream, without I/O, threads or a clock.

A driver feeds *inputs* with `Protocol.receive(input, now)` and carries out, in order, what `Protocol.outputs()`
returns: *effects* (do this) and *events* (report this to the user). There are no callbacks. When the clock reaches
`Protocol.next_due`, the driver calls `Protocol.advance(now)`.

The tables of two machines define the valid steps: one for the session, and one for its stream, which is consulted
while the session is connected. A *command* (a call of the user) for which neither has a row raises and changes
nothing. An *occurrence* (a report of the network) without a row came at the wrong moment: it changes nothing and
is returned as `Ignored`.

Calls that wait for an answer are numbered by the driver. Each is answered once, by `Succeed` or `Fail`, unless it
is abandoned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model.config import AdvancedConfig
from .._model.events import BroadcastInfo, ConnectionStatus
from . import session_errors
from .effects import Output
from .inputs import Abandon, Connect, End, Input, Interact, Join, Received, Start
from .machine import Agenda
from .pending_calls import PendingCalls
from .session_link import SessionLink
from .session_machine import SESSION_ROWS, SessionMachine, SessionState
from .snapshot import Snapshot
from .stream_machine import COMMAND_NAMES, STREAM_ROWS, StreamMachine, StreamState, wrong_state

if TYPE_CHECKING:
    from .machine import Key

__all__ = ["Protocol"]


class Protocol:
    """The state of one session, from `Connect` to its end. Not thread-safe: one driver owns it."""

    def __init__(self, config: AdvancedConfig, *, reconnect: bool = True) -> None:
        """Create a protocol that follows ``config``; without ``reconnect``, losing the link ends the session."""
        self._agenda = Agenda()
        self._calls = PendingCalls()
        self._connection = SessionLink(self._agenda)
        # Without rejoining, a streamer that only pauses would end the session.
        pause_limit_s = config.video_timeout_s if reconnect else math.inf
        self._stream = StreamMachine(self._agenda, self._connection, self._calls, pause_limit_s)
        self._session = SessionMachine(
            self._agenda, self._connection, self._calls, self._stream, config, reconnect=reconnect
        )

    # --- feeding in, draining out

    def receive(self, item: Input, now: float) -> None:
        """Take one input at ``now`` (s).

        Raises:
            OdysseyStreamError, OdysseyConnectionError: the command cannot be carried out in this state, which
                does not change.
        """
        self._agenda.now = now
        heard = self._connection.link
        if isinstance(item, Abandon):
            if not self._stream.step(STREAM_ROWS, item, Abandon):
                self._calls.abandon(item.call)
        elif getattr(item, "link", heard) != heard:
            self._agenda.ignore(f"{_name(item)} of a link that was given up")
        elif isinstance(item, Received):
            self._take(item.message, type(item.message), _name(item))
        else:
            self._connection.refuse_oversize(item)
            self._take(item, type(item), _name(item))

    def advance(self, now: float) -> None:
        """Do what has become due at ``now`` (s)."""
        self._agenda.now = now
        while (due := self._agenda.take_due()) is not None:
            self._take(due, due, due.value)

    @property
    def next_due(self) -> float | None:
        """When `advance` next has something to do, in s; None if nothing is scheduled."""
        return self._agenda.next_due

    def outputs(self) -> list[Output]:
        """Return, once and in order, all effects and events since the last call; answers to calls come last."""
        return self._agenda.drain()

    def _take(self, item: object, key: Key, name: str) -> None:
        if not self._step(item, key):
            if isinstance(item, Connect | Join | Start | Interact | End):
                raise self._refusal(item)
            self._agenda.ignore(f"{name} in {self.session.value}, stream {self.stream.value}")
        while (following := self._agenda.take_next()) is not None:
            self._step(following, type(following))

    def _step(self, item: object, key: Key) -> bool:
        if self._session.step(SESSION_ROWS, item, key):
            return True
        return self.session is SessionState.CONNECTED and self._stream.step(STREAM_ROWS, item, key)

    def _refusal(self, item: Connect | Join | Start | Interact | End) -> errors.OdysseyError:
        if isinstance(item, Connect | Join):
            if self.is_over:  # the session was left before this command came
                return session_errors.left(self.session_id) if self.error is None else errors.again(self.error)
            return errors.OdysseyConnectionError(
                f"Cannot connect: this session is {self.status}", code="not_idle", operation="connect"
            )
        if self.session is SessionState.CONNECTED:
            return wrong_state(self._stream, item)
        return self.not_connected(COMMAND_NAMES[type(item)])

    def not_connected(self, what: str) -> errors.OdysseyStreamError:
        """Return the error for ``what``, which needs a connection, with the reason why there is none."""
        return self.snapshot().not_connected(what)

    # --- the state

    def snapshot(self) -> Snapshot:
        """Return a snapshot of the state that other threads may read."""
        return Snapshot(
            status=self.status,
            is_over=self.is_over,
            error=self.error,
            progress=self.progress,
            session_id=self.session_id,
            capabilities=self.capabilities,
            stream_id=self.stream_id,
            applied_prompt=self.applied_prompt,
            broadcast=self.broadcast,
        )

    @property
    def session(self) -> SessionState:
        """The state of the session."""
        return self._session.state

    @property
    def stream(self) -> StreamState:
        """The state of the stream."""
        return self._stream.state

    @property
    def status(self) -> ConnectionStatus:
        """The session's status, as the documentation names it."""
        return self._session.status

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, for any reason."""
        return self._session.is_over

    @property
    def error(self) -> errors.OdysseyError | None:
        """The error that ended the session, if it failed."""
        return self._session.error

    @property
    def doing(self) -> str:
        """The step in progress."""
        return self._session.doing

    @property
    def progress(self) -> str:
        """The step in progress, and why the previous attempt failed, if any; for the text of a timeout."""
        return self._session.progress

    @property
    def session_id(self) -> str | None:
        """The service's id of the session; None before the service has granted one."""
        return self._connection.session_id

    @property
    def capabilities(self) -> wire.StreamerCapabilities | None:
        """The streamer's capabilities; None before the service has assigned one."""
        return self._session.capabilities

    @property
    def stream_id(self) -> str | None:
        """The id of the running stream; None if no stream runs."""
        return self._stream.stream_id

    @property
    def applied_prompt(self) -> str | None:
        """The prompt in effect, as rewritten by the service, if the service reported it."""
        return self._stream.applied_prompt

    @property
    def broadcast(self) -> BroadcastInfo | None:
        """Where the stream can be watched; None until the broadcast is ready."""
        return self._stream.broadcast


def _name(item: object) -> str:
    """Return the name of an input in the log."""
    return f"message {item.message.type!r}" if isinstance(item, Received) else type(item).__name__


publish("odyssey_proto.core", Protocol)
