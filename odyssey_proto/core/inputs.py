"""The inputs of the protocol core, as frozen data.

*Commands* are calls of the user, *occurrences* reports of the network, *faults* failures of the driver itself.
Nothing here acts. The tables of the machines define the effect of an input; the outputs are in
`odyssey_proto.core.effects`.
"""

from __future__ import annotations

from enum import Enum
from typing import Self, TypeAlias

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
    "CandidateFound",
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
    "LinkFigures",
    "LinkReady",
    "Occurrence",
    "Received",
    "SessionGranted",
    "SignOfLife",
    "SignalingClosed",
    "SignalingOpened",
    "SlotUnavailable",
    "Start",
    "StepFailed",
    "StreamerUnavailable",
    "Unreadable",
    "VideoReceived",
    "VideoResumed",
    "VideoSeen",
    "Watch",
]


def _encoded(message: object) -> str:
    from .._model import codec  # loads cattrs

    return codec.encode(message)


# --- inputs: commands -------------------------------------------------------------------------------------------


@attrs.frozen
class Connect:
    """Request a session and connect to it."""

    call: int
    wait_for_slot: bool = False
    """Whether to wait while the account has its maximum number of open sessions."""


@attrs.frozen
class Join:
    """Connect to a session that somebody else requested, with its token."""

    call: int
    session: wire.SessionResponse
    token: str = attrs.field(repr=False)
    valid_for: float
    """How long the token may remain valid, in s."""
    is_doubtful: bool = False
    """Whether the token has expired by this machine's clock, which may be wrong: a refusal is then final."""


@attrs.frozen
class Watch:
    """Watch a broadcast."""

    call: int
    within_s: float | None = None
    """How long the caller waits, in s; None for no limit."""


@attrs.frozen
class Start:
    """Start a stream; `of` measures the message."""

    call: int
    message: wire.InteractiveStreamStart
    size: int
    """The size of the encoded message, in bytes."""
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message that ``size`` was measured on, if available; it is sent unchanged."""

    @classmethod
    def of(cls, call: int, message: wire.InteractiveStreamStart) -> Self:
        """Return the command, with the message encoded once, for its size and for the wire."""
        text = _encoded(message)
        return cls(call, message, len(text.encode()), text)


@attrs.frozen
class Interact:
    """Steer the stream; `of` measures the message."""

    call: int
    message: wire.Update
    size: int
    """The size of the encoded message, in bytes."""
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message that ``size`` was measured on, if available; it is sent unchanged."""

    @classmethod
    def of(cls, call: int, message: wire.Update) -> Self:
        """Return the command, with the message encoded once, for its size and for the wire."""
        text = _encoded(message)
        return cls(call, message, len(text.encode()), text)


@attrs.frozen
class End:
    """End the stream."""

    call: int


@attrs.frozen
class Abandon:
    """The caller no longer waits for this call: it has failed.

    If its update is on the wire, that keeps its place there. If it was a start, its stream is ended.
    """

    call: int


@attrs.frozen
class Disconnect:
    """Leave. Calls in flight raise ``error``; None means that the user asked to leave."""

    error: errors.OdysseyError | None = None


# --- inputs: occurrences ----------------------------------------------------------------------------------------


@attrs.frozen
class Authenticated:
    """The driver has an access token."""


@attrs.frozen
class SessionGranted:
    """The service granted a session."""

    session: wire.SessionResponse


@attrs.frozen
class StreamerUnavailable:
    """No streamer is free at the moment (503)."""

    error: errors.OdysseyError


@attrs.frozen
class SlotUnavailable:
    """The account has its maximum number of open sessions (429)."""

    error: errors.OdysseyError
    reminder: str | None = None
    """Which sessions of the account this process holds, as text; None if it holds none."""


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
    """The link could not be opened, or was lost."""

    link: int
    error: errors.OdysseyError
    """The reason; whether it is ``recoverable`` decides if another link is tried."""
    signaling_lost: bool = True
    """Whether the WebSocket is gone; if False, a goodbye still reaches the service."""
    video_at: float | None = None
    """When the newest frame of the stream came, in s of the clock; None if there is none, or it is not known."""


@attrs.frozen
class LinkReady:
    """A link to a broadcast is connected."""

    link: int


@attrs.frozen
class BroadcastEnded:
    """The broadcaster has ended the broadcast."""

    link: int


@attrs.frozen
class Answered:
    """The peer connection has answered the offer."""

    link: int
    sdp: str


@attrs.frozen
class CandidateFound:
    """The peer connection has found another candidate since its answer."""

    link: int
    candidate: wire.IceCandidate


@attrs.frozen
class VideoReceived:
    """The peer connection has its video track."""

    link: int


@attrs.frozen
class ChannelOpened:
    """``clientToStreamer`` is open."""

    link: int
    max_message_size: int
    """The largest message that the channel takes, in bytes: 16 KiB if the negotiated size is not known."""


@attrs.frozen
class Received:
    """A message came through signaling or ``streamerToClient``; the tables look it up by its class."""

    link: int
    message: wire.SignalingServerMessage | wire.DataChannelStreamerMessage


@attrs.frozen
class Unreadable:
    """A message came through signaling or ``streamerToClient`` that cannot be read or answered."""

    link: int
    error: errors.MalformedMessageError
    """Its fault; ``message_type`` names the intended message, if that is known. The code of an offer that was
    accepted, but cannot be answered, is ``malformed_offer``."""


@attrs.frozen(kw_only=True)
class LinkFigures:
    """The counts of a link so far, or of all links of the session; only differences matter."""

    expected: int
    """Packets of video that the other side has sent, as far as their numbers show."""
    lost: int
    """Those of them that were lost on the way, repaired or not."""
    held_up_s: float
    """How long the network held frames up or lost them, in s, not counting an ongoing silence."""
    round_trip_s: float | None = None
    """The round trip in s; None if it is not known."""
    round_trip_at: float | None = None
    """When it was measured, in s of the clock."""
    packet_at: float | None = None
    """When the newest packet of video came, in s of the clock; None before the first."""


@attrs.frozen
class VideoSeen:
    """The answer to `CheckVideo`."""

    link: int
    at: float | None
    """When the newest frame of the stream came, in s of the clock; None before the first frame."""
    packets: int | None = None
    """How many packets of any kind have come over the link; None if that is not known."""
    has_moved: bool = False
    """Whether this machine would now send from another address than the link's original one."""
    figures: LinkFigures | None = None
    """The counts; None if there are none: then neither pauses nor the quality of the link are reported."""


@attrs.frozen
class SignOfLife:
    """The other side of the peer connection has shown that it is alive: the answer to `AskForSignOfLife`."""

    link: int


@attrs.frozen
class VideoResumed:
    """A frame came after a pause, or the first frame came over a new link."""

    seconds: float
    """The time since the frame before, in s."""


# --- inputs: faults ---------------------------------------------------------------------------------------------


@attrs.frozen
class Broken:
    """The driver has failed because of an internal error, and has stopped."""

    error: errors.OdysseyError


@attrs.frozen
class Forgotten:
    """This process is a forked child; the session belongs to its parent."""


# --- inputs: times ----------------------------------------------------------------------------------------------


class Due(Enum):
    """A scheduled time has come; an input like the others."""

    ASK_AGAIN = "ask for a streamer again"
    REJOIN = "try the next link"
    KEEPALIVE = "send a keepalive"
    OFFER = "no offer that can be read"
    VIDEO = "video is overdue"
    CHECK = "look for frames"
    ANSWER = "an answer is overdue"
    SPARE = "the prepared link is not needed"
    GIVE_UP = "it is too late to continue"


Command: TypeAlias = Connect | Join | Watch | Start | Interact | End | Abandon | Disconnect
Occurrence: TypeAlias = (
    Authenticated
    | SessionGranted
    | StreamerUnavailable
    | SlotUnavailable
    | StepFailed
    | SignalingOpened
    | SignalingClosed
    | LinkFailed
    | LinkReady
    | BroadcastEnded
    | Answered
    | CandidateFound
    | VideoReceived
    | ChannelOpened
    | Received
    | Unreadable
    | VideoSeen
    | VideoResumed
    | SignOfLife
)
Fault: TypeAlias = Broken | Forgotten
Input: TypeAlias = Command | Occurrence | Fault

publish("odyssey_proto.core", *map(globals().get, __all__))
