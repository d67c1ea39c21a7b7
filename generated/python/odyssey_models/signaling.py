# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The messages of the signaling WebSocket: JSON text, tagged by `type`, up to 64 MiB. The streamer offers,
the client answers.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed
from .channel import InteractiveStreamStart

__all__ = [
    "Answer",
    "ClientDisconnecting",
    "IceCandidate",
    "Keepalive",
    "Offer",
    "SignalingClientMessage",
    "SignalingError",
    "SignalingErrorReason",
    "SignalingServerMessage",
]


@attrs.frozen(kw_only=True)
class Offer(JsonObject):
    """Server to client. The streamer's offer, which creates both data channels."""

    type: Literal["offer"] = "offer"
    """Tag of the message."""
    sdp: str = attrs.field(metadata={"essential": True})
    """Session description (RFC 8866)."""


@attrs.frozen(kw_only=True)
class Answer(JsonObject):
    """Client to server. The answer to the offer. A browser's answer has no candidates: the browser sends them
    one by one, possibly before the answer.
    """

    type: Literal["answer"] = "answer"
    """Tag of the message."""
    sdp: str
    """Session description (RFC 8866)."""


@attrs.frozen(kw_only=True)
class IceCandidate(JsonObject):
    """Both directions. One ICE candidate of the sender, or the end of its candidates."""

    type: Literal["ice_candidate"] = "ice_candidate"
    """Tag of the message."""
    candidate: str = attrs.field(metadata={"essential": True})
    """The candidate, with or without the `candidate:` prefix; browsers need the prefix. Empty at the end of
    the candidates, a message that may never come.
    """
    sdp_mid: str | None = attrs.field(default=None, metadata={"wire": "sdpMid", "write_null": True})
    """The media section it belongs to, by `a=mid`."""
    sdp_mline_index: int | None = attrs.field(
        default=None, metadata={"wire": "sdpMLineIndex", "write_null": True}
    )
    """The media section it belongs to, counted from 0."""


class SignalingErrorReason(OpenStrEnum):
    """Reason why signaling ended."""

    STREAMER_NOT_AVAILABLE: ClassVar[SignalingErrorReason] = listed("streamer_not_available")
    """The streamer of the session does not respond."""
    STREAMER_DISCONNECTED: ClassVar[SignalingErrorReason] = listed("streamer_disconnected")
    """The streamer is gone."""
    DURATION_LIMIT_REACHED: ClassVar[SignalingErrorReason] = listed("duration_limit_reached")
    """The session reached the maximum length."""
    UNKNOWN: ClassVar[SignalingErrorReason] = listed("unknown")
    """The server gives no reason."""


@attrs.frozen(kw_only=True)
class SignalingError(JsonObject):
    """Server to client. The session has ended for good."""

    type: Literal["error"] = "error"
    """Tag of the message."""
    reason: SignalingErrorReason = attrs.field(metadata={"stand_in": "unknown"})
    """The reason."""


@attrs.frozen(kw_only=True)
class Keepalive(JsonObject):
    """Client to server, every 10 s. After 40 s without one, the session is cleared."""

    type: Literal["keepalive"] = "keepalive"
    """Tag of the message."""


@attrs.frozen(kw_only=True)
class ClientDisconnecting(JsonObject):
    """Client to server. A goodbye, followed by close 1000 `Client disconnect`; it frees the session at once."""

    type: Literal["client_disconnecting"] = "client_disconnecting"
    """Tag of the message."""


SignalingServerMessage: TypeAlias = Offer | IceCandidate | SignalingError
"""Any message that the signaling server sends."""


SignalingClientMessage: TypeAlias = (
    Answer | IceCandidate | Keepalive | ClientDisconnecting | InteractiveStreamStart
)
"""Any message that the client sends to the signaling server. A start is sent here if it has an image, is too
large for the data channel, or that channel is not open.
"""
