"""What goes into the protocol core: inputs, as frozen data.

*Commands* are what the user calls, *occurrences* what the network reports, *faults* what happens to the driver
itself. Nothing here acts. What an input leads to is in the tables of the machines; what comes out of them is in
`odyssey_proto.core.effects`.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import attrs
import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish

__all__ = [
    "Abandon",
    "Answered",
    "Authenticated",
    "BroadcastEnded",
    "Broken",
    "ChannelOpened",
    "Command",
    "Connect",
    "Disconnect",
    "Due",
    "End",
    "Fault",
    "Forgotten",
    "Input",
    "Interact",
    "Join",
    "LinkFailed",
    "LinkReady",
    "Occurrence",
    "Received",
    "SessionGranted",
    "SignalingClosed",
    "SignalingOpened",
    "Start",
    "StepFailed",
    "StreamerUnavailable",
    "VideoReceived",
    "VideoResumed",
    "VideoSeen",
    "Watch",
]

# --- inputs: commands -------------------------------------------------------------------------------------------


@attrs.frozen
class Connect:
    """Go and get a session."""

    call: int


@attrs.frozen
class Join:
    """Connect to a session that somebody else got, with the token for it."""

    call: int
    session: wire.SessionResponse
    token: str = attrs.field(repr=False)
    valid_for: float
    """How long the token still lasts, in s."""


@attrs.frozen
class Watch:
    """Watch a broadcast."""

    call: int


@attrs.frozen
class Start:
    """Start a stream."""

    call: int
    message: wire.InteractiveStreamStart
    size: int
    """Of the encoded message, in bytes."""
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message, if it is at hand: what was measured is then what is sent."""


@attrs.frozen
class Interact:
    """Steer the stream."""

    call: int
    message: wire.Update
    size: int
    """Of the encoded message, in bytes."""
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message, if it is at hand: what was measured is then what is sent."""


@attrs.frozen
class End:
    """End the stream."""

    call: int


@attrs.frozen
class Abandon:
    """Nobody waits for this call any more. One that is on the wire keeps its place."""

    call: int


@attrs.frozen
class Disconnect:
    """Leave. ``error`` is what calls in flight are told; None means that the user asked for it."""

    error: errors.OdysseyError | None = None


# --- inputs: occurrences ----------------------------------------------------------------------------------------


@attrs.frozen
class Authenticated:
    """There is an access token."""


@attrs.frozen
class SessionGranted:
    """The service gave a session."""

    session: wire.SessionResponse


@attrs.frozen
class StreamerUnavailable:
    """No streamer is free just now (503)."""

    error: errors.OdysseyError


@attrs.frozen
class StepFailed:
    """Authentication or the request for a session failed."""

    error: errors.OdysseyError


@attrs.frozen
class SignalingOpened:
    """The WebSocket is open."""

    link: int


@attrs.frozen
class SignalingClosed:
    """The service closed the WebSocket cleanly (1000, 1001)."""

    link: int


@attrs.frozen
class LinkFailed:
    """The link could not be made, or was lost."""

    link: int
    error: errors.OdysseyError
    signaling_lost: bool = True
    """Whether the WebSocket is gone; without it, a goodbye still reaches the service."""


@attrs.frozen
class LinkReady:
    """A link to a broadcast is connected."""

    link: int


@attrs.frozen
class BroadcastEnded:
    """The one who broadcasts has ended it."""

    link: int


@attrs.frozen
class Answered:
    """The peer connection has an answer to the offer."""

    link: int
    sdp: str


@attrs.frozen
class VideoReceived:
    """The peer connection has its video track."""

    link: int


@attrs.frozen
class ChannelOpened:
    """``clientToStreamer`` is open."""

    link: int
    max_message_size: int
    """In bytes."""


@attrs.frozen
class Received:
    """A message came, through signaling or ``streamerToClient``; its class is what the table knows it by."""

    link: int
    message: wire.SignalingServerMessage | wire.DataChannelStreamerMessage


@attrs.frozen
class VideoSeen:
    """What `CheckVideo` asked for."""

    link: int
    at: float | None
    """When the newest frame of the stream came, in s of the clock; None before the first."""


@attrs.frozen
class VideoResumed:
    """A frame came after a pause, or after the link before this one was lost."""

    seconds: float
    """Since the last frame before."""


# --- inputs: faults ---------------------------------------------------------------------------------------------


@attrs.frozen
class Broken:
    """The driver has failed by a fault of its own, and drives no more."""

    error: errors.OdysseyError


@attrs.frozen
class Forgotten:
    """This is a forked child, to which the session does not belong."""


# --- moments ----------------------------------------------------------------------------------------------------


class Due(Enum):
    """A moment that was waited for has come; an input like the others."""

    ASK_AGAIN = "ask for a streamer again"
    REJOIN = "try the next link"
    KEEPALIVE = "send a keepalive"
    VIDEO = "video is overdue"
    CHECK = "look for frames"
    GIVE_UP = "the service has forgotten the session"


Command: TypeAlias = Connect | Join | Watch | Start | Interact | End | Abandon | Disconnect
Occurrence: TypeAlias = (
    Authenticated
    | SessionGranted
    | StreamerUnavailable
    | StepFailed
    | SignalingOpened
    | SignalingClosed
    | LinkFailed
    | LinkReady
    | BroadcastEnded
    | Answered
    | VideoReceived
    | ChannelOpened
    | Received
    | VideoSeen
    | VideoResumed
)
Fault: TypeAlias = Broken | Forgotten
Input: TypeAlias = Command | Occurrence | Fault

publish("odyssey_proto.core", *map(globals().get, __all__))
