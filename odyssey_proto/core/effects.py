"""The outputs of the protocol core: effects, as frozen data, which the driver has to carry out."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import attrs
import odyssey_models as wire

from .._base import errors
from .._base.public_path import publish
from .._model import signaling_url as addresses
from .._model.events import Event

__all__ = [
    "AcceptOffer",
    "AddCandidate",
    "AskForKeyframe",
    "AskForSignOfLife",
    "Authenticate",
    "BeginFrames",
    "CheckVideo",
    "CloseLink",
    "DiscardLink",
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
    "PrepareLink",
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
    """Frames from now on belong to the stream being started, even those that arrive before its confirmation."""

    at: float
    """When the start was requested, in s of the clock; frames that arrived earlier belong to an earlier stream."""


@attrs.frozen
class PauseFrames:
    """A link is lost; the frames continue over the next link, with a `VideoResumed` for the first of them."""


@attrs.frozen
class EndFrames:
    """The stream is over, or its start has failed; ``error`` is the reason for a failure, else None."""

    error: errors.OdysseyError | None


@attrs.frozen
class Authenticate:
    """Get an access token; report `Authenticated` or `StepFailed`."""


@attrs.frozen
class RequestSession:
    """Request a session; report `SessionGranted`, or what `refused_request` makes of the failure."""


@attrs.frozen
class OpenLink:
    """Get a session token and the ICE servers, open the WebSocket; report `SignalingOpened` or `LinkFailed`."""

    link: int
    session_id: str
    signaling_url: str
    timeout: float
    """The time limit, in s."""
    with_video: bool = True
    """Whether the link is for video; False if it only serves to say goodbye."""
    token: str | None = attrs.field(default=None, repr=False)
    """The session token; None if the driver has to request one (`POST /sessions/token`)."""

    @property
    def config_url(self) -> str:
        """Where to `GET` the ICE servers, before the WebSocket is opened.

        Raises:
            MalformedMessageError: the service gave an invalid address.

        >>> OpenLink(1, "s-1", "wss://eu.example/s", timeout=10.0).config_url
        'https://eu.example/s/config'
        """
        return addresses.config_url(self.signaling_url)

    def websocket_url(self, token: str) -> str:
        """Return the address of the WebSocket for ``token``. Both are secret.

        Raises:
            MalformedMessageError: the service gave an invalid address.

        >>> OpenLink(1, "s-1", "eu.example/s", timeout=10.0).websocket_url("a+b")
        'wss://eu.example/s/client/s-1?token=a%2Bb'
        """
        return addresses.websocket_url(self.signaling_url, self.session_id, token)


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
    """The time limit, in s."""


@attrs.frozen
class PrepareLink:
    """Begin to open a link, with only the steps that the other side does not notice, and report nothing.

    These are the token, the ICE servers, and the servers' candidates; for a broadcast also the offer. The link in
    use continues meanwhile. A `DiscardLink` follows, or an `OpenLink` or `OpenBroadcast` with the same number,
    which need not wait for unfinished steps. A driver that prepares nothing ignores this effect.
    """

    plan: OpenLink | OpenBroadcast
    """The effect that opens the link, if it follows."""


@attrs.frozen
class DiscardLink:
    """Release the results of `PrepareLink`: the link will not be opened."""

    link: int


@attrs.frozen
class AcceptOffer:
    """Pass the offer to the link's peer connection; report `Answered` or `LinkFailed`."""

    link: int
    sdp: str


@attrs.frozen
class AddCandidate:
    """Pass a remote candidate to the link's peer connection. It may come before the offer: keep it until then."""

    link: int
    candidate: wire.IceCandidate


@attrs.frozen
class SendSignaling:
    """Send a message through the WebSocket."""

    link: int
    message: wire.SignalingClientMessage
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message, if available."""


@attrs.frozen
class SendChannel:
    """Send a message through ``clientToStreamer``."""

    link: int
    message: wire.DataChannelClientMessage
    text: str = attrs.field(default="", repr=False, eq=False)
    """The encoded message, if available."""


@attrs.frozen
class CheckVideo:
    """Look up when the newest frame came; report `VideoSeen`."""

    link: int


@attrs.frozen
class AskForKeyframe:
    """Ask the streamer for a keyframe: a picture that can be decoded without any other."""

    link: int


@attrs.frozen
class AskForSignOfLife:
    """Check that the other side of the peer connection is alive, and report `SignOfLife` when it is.

    Any ICE agent answers a STUN binding request. If that cannot be sent, report `SignOfLife` at once.
    """

    link: int


@attrs.frozen
class SayGoodbye:
    """Announce to the other side that this one is leaving; `CloseLink` follows."""

    link: int


@attrs.frozen
class CloseLink:
    """Close the WebSocket (1000), after all queued messages, and the peer connection.

    Whatever they still report is ignored.
    """

    link: int


@attrs.frozen
class Succeed:
    """The call returns ``value``."""

    call: int
    value: Any


@attrs.frozen
class Fail:
    """The call raises ``error``; each call gets its own exception object."""

    call: int
    error: errors.OdysseyError


@attrs.frozen
class Ignored:
    """An input that has no meaning in the current state; for the log."""

    what: str


OpenEffect: TypeAlias = OpenLink | OpenBroadcast
"""The effects that open a link."""
LinkEffect: TypeAlias = AcceptOffer | AddCandidate | SendSignaling | SendChannel
"""The effects that a link carries out."""
Step: TypeAlias = Authenticate | RequestSession
"""The blocking steps before the first link."""
Effect: TypeAlias = (
    BeginFrames
    | PauseFrames
    | EndFrames
    | Authenticate
    | RequestSession
    | OpenLink
    | PrepareLink
    | DiscardLink
    | AcceptOffer
    | AddCandidate
    | SendSignaling
    | SendChannel
    | CheckVideo
    | AskForKeyframe
    | AskForSignOfLife
    | CloseLink
    | OpenBroadcast
    | SayGoodbye
    | Succeed
    | Fail
    | Ignored
)
Output: TypeAlias = Effect | Event

publish("odyssey_proto.core", *map(globals().get, __all__))
