"""What there is of a session's connection: its id, and the link that is heard.

A *link* is one attempt at signaling plus peer connection; the session survives its links. Each has a number, and
what a link that was given up still reports is not heard any more. The session's machine changes a connection; the
stream's machine reads it. Neither state is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import odyssey_models as wire

from .._base import errors
from .._model.signaling_url import SIGNALING_MESSAGE_LIMIT
from .effects import CloseLink, OpenLink, SendSignaling
from .inputs import Due, Interact, Start

if TYPE_CHECKING:
    from .machine import Agenda

__all__ = ["SessionLink"]


class SessionLink:
    """The link that is heard, and what of it is there."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.session_id: str | None = None
        self.signaling_url: str = ""
        self.token: str | None = None
        """The session token, if it is not the driver's to get."""
        self.link: int | None = None
        """The number of the link that is heard."""
        self.links: int = 0
        """How many there have been."""
        self.is_up: bool = False
        """Whether the WebSocket of the link is open."""
        self.has_video: bool = False
        """Whether the link has its video track."""
        self.channel_limit: int | None = None
        """The largest message through the control channel, in bytes; None until it is open."""

    @property
    def current(self) -> int:
        """The link that is heard, which there must be."""
        assert self.link is not None
        return self.link

    def open(self, timeout_s: float, *, with_video: bool) -> None:
        """Open the next link, or a way to say goodbye."""
        assert self.session_id is not None
        self.links += 1
        self.link = self.links
        self.is_up, self.has_video, self.channel_limit = False, False, None
        self._agenda.put(
            OpenLink(
                self.link,
                self.session_id,
                self.signaling_url,
                timeout=timeout_s,
                with_video=with_video,
                token=self.token,
            )
        )

    def send(self, message: wire.SignalingClientMessage) -> None:
        """Send through the WebSocket."""
        self._agenda.put(SendSignaling(self.current, message))

    def say_goodbye(self) -> None:
        """Give the session back to the service, and close the link."""
        self.send(wire.ClientDisconnecting())
        self.close()

    def close(self) -> None:
        """Close the link; nothing of it is waited for any more."""
        self._agenda.put(CloseLink(self.current))
        self.link, self.is_up = None, False
        self._agenda.cancel(Due.KEEPALIVE, Due.VIDEO, Due.CHECK)

    def refuse_oversize(self, item: object) -> None:
        """Raise if ``item`` is a command whose message is too long for the way that it would go.

        Raises:
            OdysseyStreamError: it is.
        """
        match item:
            case Start(size=size) if size > SIGNALING_MESSAGE_LIMIT:
                limit = SIGNALING_MESSAGE_LIMIT
            case Interact(size=size) if self.channel_limit is not None and size > self.channel_limit:
                limit = self.channel_limit
            case _:
                return
        raise errors.OdysseyStreamError(
            f"The message is too long: {size} bytes, and the most is {limit}; shorten the prompt",
            code="message_too_long",
            session_id=self.session_id,
        )
