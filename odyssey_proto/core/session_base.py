"""The building blocks of a session's actions: its data, its token, what it passes on to the stream, and its end.

The only subclass, the machine of `odyssey_proto.core.session_machine`, has the states, and decides when each of
these is used.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import odyssey_models as wire

from .._base import errors
from .deadlines import KEEPALIVE_INTERVAL_S, OPEN_DEADLINE_S, SESSION_KEPT_S
from .effects import Fail
from .inputs import Due, Unreadable, VideoResumed
from .machine import StatusMachine
from .queueing import Queueing
from .stream_base import News, SessionOver
from .stream_machine import STREAM_ROWS

if TYPE_CHECKING:
    from .._model.config import AdvancedConfig
    from .machine import Agenda
    from .pending_calls import PendingCalls
    from .session_link import SessionLink
    from .stream_machine import StreamMachine

__all__ = ["SessionBase"]


class SessionBase(StatusMachine):
    """One session, without states and rows."""

    def __init__(
        self,
        agenda: Agenda,
        connection: SessionLink,
        calls: PendingCalls,
        stream: StreamMachine,
        config: AdvancedConfig,
        *,
        reconnect: bool,
    ) -> None:
        super().__init__(agenda)
        self.capabilities: wire.StreamerCapabilities | None = None
        self.error: errors.OdysseyError | None = None
        """The error that ended the session, if it failed."""
        self.doing: str = "starting"
        """The step in progress."""
        self.last_failure: str = ""
        """Why the previous link failed, while another one is opened."""
        self._connection = connection
        self._calls = calls
        self._stream = stream
        self._config = config
        self._reconnect = reconnect
        self._queueing = Queueing(config.queue_timeout_s, 0.0)
        self._waits_for_slot = False
        self._held: deque[wire.DataChannelStreamerMessage] = deque()
        self._offers = 0  # those of this link that were accepted, less those that turned out to be malformed
        self._unread_offer: errors.OdysseyError | None = None
        self._attempts = 0
        self._was_linked = False  # whether any WebSocket of the session was open
        self._token_until = 0.0
        self._token_is_doubtful = False
        self._kept_until = 0.0

    @property
    def progress(self) -> str:
        """The step in progress, and why the previous attempt failed, if any; for the text of a timeout."""
        return f"{self.doing}; the previous attempt: {self.last_failure}" if self.last_failure else self.doing

    # --- waiting to ask for a session again

    def _wait_to_ask(self, doing: str) -> None:
        if self.doing != doing:
            self.doing = doing
            self._report_status(doing[0].upper() + doing[1:])

    # --- links

    def token_is_spent(self, _: object) -> bool:
        """Return whether the token that came with the session no longer opens a link."""
        return self._connection.token is not None and self._agenda.now >= self._token_until

    def token_is_refused(self, error: errors.OdysseyError) -> bool:
        """Return whether the service refused a token that has expired by this machine's clock, too."""
        return self._token_is_doubtful and error.code == "credentials_refused"

    def _note_keepalive(self) -> None:
        self._agenda.wake_at(Due.KEEPALIVE, self._agenda.now + KEEPALIVE_INTERVAL_S)
        self._kept_until = self._agenda.now + SESSION_KEPT_S
        self._agenda.put_off(Due.GIVE_UP, self._kept_until)

    def _try_later(self, error: errors.OdysseyError) -> None:
        now = self._agenda.now
        since = self._connection.spare.suspected_since  # the pause counts from the suspicion
        at = (now if since is None else since) + self._config.retry_delay(self._attempts)
        self._agenda.wake_at(Due.REJOIN, max(at, now + (error.retry_after or 0.0)))
        self._attempts += 1

    # --- the stream

    def _pass_on_held(self) -> None:
        while self._held:
            self.pass_to_stream(self._held.popleft())

    def pass_to_stream(self, item: News | VideoResumed | Unreadable | wire.DataChannelStreamerMessage) -> None:
        """Pass something on to the stream."""
        self._stream.step(STREAM_ROWS, item, type(item))

    # --- the end

    def _finish(self, error: errors.OdysseyError, *, give_back: bool = True) -> None:
        """End calls, stream and link. ``give_back``: the service may still hold the session for us."""
        connection = self._connection
        connection.spare.drop()
        self.doing = "not connected"
        if (call := self._calls.take_connect()) is not None:
            self._agenda.put(Fail(call, errors.again(error)))
        self._pass_on_held()
        self.pass_to_stream(SessionOver(error, broken_by=self.error))
        if connection.is_up:
            connection.say_goodbye()
        else:
            if connection.link is not None:  # it may be stuck half-open
                connection.close()
            give_back &= not self.token_is_spent(None) and not self.token_is_refused(error)
            if give_back and connection.signaling_url:
                self._attempts = 0
                connection.open(OPEN_DEADLINE_S, with_video=False)  # only to say goodbye
        self._report_status(error.message)
