"""The connection of a session: its id and its current link.

A *link* is one attempt at signaling plus peer connection; the session survives its links. Each has a number, and
whatever an abandoned link still reports is ignored. The session's machine changes the connection; the stream's
machine reads it. The states of both machines are elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import odyssey_models as wire

from .._base import errors
from .._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from .effects import CloseLink, OpenLink, SendSignaling
from .inputs import Due, Interact, Start
from .spare import Spare

if TYPE_CHECKING:
    from .machine import Agenda

__all__ = ["SessionLink"]


class SessionLink:
    """The current link of a session, and which parts of it are ready."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.session_id: str | None = None
        self.signaling_url: str = ""
        self.token: str | None = None
        """The session token, if it came with the session; None if the driver requests one."""
        self.link: int | None = None
        """The number of the current link."""
        self.links: int = 0
        """How many links there have been, including those that were only prepared."""
        self.spare: Spare[OpenLink] = Spare(agenda)
        """The next link, while it is prepared beside the current one."""
        self.is_up: bool = False
        """Whether the WebSocket of the link is open."""
        self.has_video: bool = False
        """Whether the link has its video track."""
        self.channel_limit: int | None = None
        """The largest message that the control channel takes, in bytes; None until the channel is open."""

    @property
    def current(self) -> int:
        """The number of the current link, which must exist."""
        assert self.link is not None
        return self.link

    @property
    def has_channel(self) -> bool:
        """Whether the control channel of the current link is open."""
        return self.link is not None and self.channel_limit is not None

    def open(self, timeout_s: float, *, with_video: bool) -> None:
        """Open the next link; without ``with_video``, only to say goodbye."""
        plan = self.spare.take() or self.plan(timeout_s, with_video=with_video)
        self.link = plan.link
        self.is_up, self.has_video, self.channel_limit = False, False, None
        self._agenda.put(plan)

    def plan(self, timeout_s: float, *, with_video: bool = True) -> OpenLink:
        """Return the plan of the next link."""
        assert self.session_id is not None
        self.links += 1
        return OpenLink(
            self.links,
            self.session_id,
            self.signaling_url,
            timeout=timeout_s,
            with_video=with_video,
            token=self.token,
        )

    def send(self, message: wire.SignalingClientMessage) -> None:
        """Send a message through the WebSocket."""
        self._agenda.put(SendSignaling(self.current, message))

    def say_goodbye(self) -> None:
        """Return the session to the service, and close the link (spec/behaviour.md#goodbye)."""
        self.send(wire.ClientDisconnecting())
        self.close()

    def close(self) -> None:
        """Close the link, and cancel everything that was scheduled for it."""
        self._agenda.put(CloseLink(self.current))
        self.link, self.is_up = None, False
        self._agenda.cancel(Due.KEEPALIVE, Due.OFFER, Due.VIDEO, Due.CHECK, Due.ANSWER)

    def refuse_oversize(self, item: object) -> None:
        """Raise if ``item`` is a command whose message is too long for the connection that would carry it.

        Raises:
            OdysseyStreamError: the message is too long.
        """
        match item:
            case Start(size=size) if size > SIGNALING_MESSAGE_LIMIT:
                limit = SIGNALING_MESSAGE_LIMIT
            case Interact(size=size) if self.channel_limit is not None and size > self.channel_limit:
                limit = self.channel_limit
            case _:
                return
        raise errors.OdysseyStreamError(
            f"The message is too long: {size} bytes, and the limit is {limit} bytes; shorten the prompt",
            code="message_too_long",
            session_id=self.session_id,
        )
