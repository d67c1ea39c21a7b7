"""What comes out of the protocol core: effects, as frozen data, each of which its driver has to carry out."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import attrs
import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model.events import Event

__all__ = [
    "AcceptOffer",
    "AddCandidate",
    "AskForKeyframe",
    "Authenticate",
    "BeginFrames",
    "CheckVideo",
    "CloseLink",
    "Effect",
    "EndFrames",
    "Fail",
    "Ignored",
    "LinkEffect",
    "OpenBroadcast",
    "OpenEffect",
    "OpenLink",
    "Output",
    "PauseFrames",
    "RequestSession",
    "SayGoodbye",
    "SendChannel",
    "SendSignaling",
    "Step",
    "Succeed",
    "Way",
]


@attrs.frozen
class BeginFrames:
    """Frames that come from here on belong to the stream that is being started; they may overtake that word."""

    at: float
    """When it was asked for, in s of the clock; what had come by then is of an earlier stream."""


@attrs.frozen
class PauseFrames:
    """The link of the stream is lost; its frames go on with those of the next link."""


@attrs.frozen
class EndFrames:
    """The stream is over, or its start has failed; ``error`` is what broke it."""

    error: errors.OdysseyError | None


@attrs.frozen
class Authenticate:
    """Get an access token; tell `Authenticated` or `StepFailed`."""


@attrs.frozen
class RequestSession:
    """Ask for a session; tell `SessionGranted`, `StreamerUnavailable` or `StepFailed`."""


@attrs.frozen
class OpenLink:
    """Get a session token and the ICE servers, open the WebSocket; tell `SignalingOpened` or `LinkFailed`."""

    link: int
    session_id: str
    signaling_url: str
    timeout: float
    """How long that may take, in s."""
    with_video: bool = True
    """Whether it is more than a way to say goodbye."""
    token: str | None = attrs.field(default=None, repr=False)
    """The session token, where it is not to be asked for."""


class Way(Enum):
    """How a broadcast is watched."""

    WEBRTC = "WebRTC"
    HLS = "HLS"


@attrs.frozen
class OpenBroadcast:
    """Connect to a broadcast; report `LinkReady` or `LinkFailed`, and `BroadcastEnded` at its end."""

    link: int
    way: Way
    timeout: float
    """How long that may take, in s."""


@attrs.frozen
class AcceptOffer:
    """Hand the offer to the link's peer connection; tell `Answered` or `LinkFailed`."""

    link: int
    sdp: str


@attrs.frozen
class AddCandidate:
    """Hand a remote candidate to the link's peer connection."""

    link: int
    candidate: wire.IceCandidate


@attrs.frozen
class SendSignaling:
    """Send through the WebSocket."""

    link: int
    message: wire.SignalingClientMessage
    text: str = attrs.field(default="", repr=False, eq=False)
    """The message encoded, if it is at hand."""


@attrs.frozen
class SendChannel:
    """Send through ``clientToStreamer``."""

    link: int
    message: wire.DataChannelClientMessage
    text: str = attrs.field(default="", repr=False, eq=False)
    """The message encoded, if it is at hand."""


@attrs.frozen
class CheckVideo:
    """Tell `VideoSeen`."""

    link: int


@attrs.frozen
class AskForKeyframe:
    """Ask the streamer for a picture that needs no other one."""

    link: int


@attrs.frozen
class SayGoodbye:
    """Report to the other side that nobody is there any more; `CloseLink` follows."""

    link: int


@attrs.frozen
class CloseLink:
    """Close the WebSocket and the peer connection; what they still tell is not heard."""

    link: int


@attrs.frozen
class Succeed:
    """The call has its answer."""

    call: int
    value: Any


@attrs.frozen
class Fail:
    """The call raises; each call gets an exception of its own."""

    call: int
    error: errors.OdysseyError


@attrs.frozen
class Ignored:
    """Something came at a moment when it means nothing; for the log."""

    what: str


OpenEffect: TypeAlias = OpenLink | OpenBroadcast
"""What makes a link."""
LinkEffect: TypeAlias = AcceptOffer | AddCandidate | SendSignaling | SendChannel
"""What a link has to do."""
Step: TypeAlias = Authenticate | RequestSession
"""What comes before a link; it blocks."""
Effect: TypeAlias = (
    BeginFrames
    | PauseFrames
    | EndFrames
    | Authenticate
    | RequestSession
    | OpenLink
    | AcceptOffer
    | AddCandidate
    | SendSignaling
    | SendChannel
    | CheckVideo
    | AskForKeyframe
    | CloseLink
    | OpenBroadcast
    | SayGoodbye
    | Succeed
    | Fail
    | Ignored
)
Output: TypeAlias = Effect | Event

publish("odyssey_proto.core", *map(globals().get, __all__))
