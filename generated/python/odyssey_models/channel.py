# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The messages of the two data channels that the streamer opens, `clientToStreamer` and `streamerToClient`:
JSON text, tagged by `type`, up to the negotiated SCTP limit, or else 16 KiB. Acknowledgements carry no
identifier; they come in the order of the requests.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal, TypeAlias

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum, listed

__all__ = [
    "BroadcastReady",
    "DataChannelClientMessage",
    "DataChannelStreamerMessage",
    "InteractiveStreamEnd",
    "InteractiveStreamError",
    "InteractiveStreamStart",
    "StreamEnded",
    "StreamErrorReason",
    "StreamStarted",
    "Update",
    "UpdateAcknowledged",
]


@attrs.frozen(kw_only=True)
class InteractiveStreamStart(JsonObject):
    """Client to streamer. Start a stream. The only request that may be sent over signaling instead: if it has
    an image, is too large for the data channel, or that channel is not open.
    """

    type: Literal["interactive_stream_start"] = "interactive_stream_start"
    """Tag of the message."""
    prompt: str
    """Prompt for the video; may be empty."""
    portrait: bool
    """Portrait (704×1280 px) or landscape (1280×704 px)."""
    broadcast: bool
    """Whether spectators may watch."""
    input_image_base64: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.matches_re("^data:", func=re.search)),
        repr=False,
    )
    """Picture to start from, as a data URL."""
    bypass_vlm_expansion: bool | None = None
    """Use the prompt unchanged. Needs a privilege of the account."""


@attrs.frozen(kw_only=True)
class Update(JsonObject):
    """Client to streamer. Change the prompt (`interact`)."""

    type: Literal["update"] = "update"
    """Tag of the message."""
    prompt: str
    """What should happen."""


@attrs.frozen(kw_only=True)
class InteractiveStreamEnd(JsonObject):
    """Client to streamer. End the stream."""

    type: Literal["interactive_stream_end"] = "interactive_stream_end"
    """Tag of the message."""


@attrs.frozen(kw_only=True)
class StreamStarted(JsonObject):
    """Streamer to client. The stream runs."""

    type: Literal["stream_started"] = "stream_started"
    """Tag of the message."""
    stream_id: str = attrs.field(metadata={"stand_in": ""})
    """Identifier of the stream and of its recording."""
    applied_prompt: str | None = None
    """The prompt as the service rewrote it."""


@attrs.frozen(kw_only=True)
class UpdateAcknowledged(JsonObject):
    """Streamer to client. The prompt has changed."""

    type: Literal["update_acknowledged"] = "update_acknowledged"
    """Tag of the message."""
    prompt: str = attrs.field(metadata={"stand_in": ""})
    """The prompt now applied, as the service rewrote it."""


@attrs.frozen(kw_only=True)
class StreamEnded(JsonObject):
    """Streamer to client. The stream is over."""

    type: Literal["stream_ended"] = "stream_ended"
    """Tag of the message."""


@attrs.frozen(kw_only=True)
class BroadcastReady(JsonObject):
    """Streamer to client. Spectators may watch. Without `webrtc_url` and `spectator_token`, the client itself
    reports the stream error `broadcast_error`.
    """

    type: Literal["broadcast_ready"] = "broadcast_ready"
    """Tag of the message."""
    broadcast_url: str | None = None
    """Address of the HLS playlist, which is 5 s to 10 s behind."""
    webrtc_url: str | None = None
    """Address to which `/whep` is appended to watch by WebRTC."""
    spectator_token: str | None = attrs.field(default=None, repr=False)
    """Token that a spectator must present."""


class StreamErrorReason(OpenStrEnum):
    """Reason why a request on the data channel failed."""

    QUOTA_EXCEEDED: ClassVar[StreamErrorReason] = listed("quota_exceeded")
    """The hours of this month are used up."""
    CONCURRENT_LIMIT_EXCEEDED: ClassVar[StreamErrorReason] = listed("concurrent_limit_exceeded")
    """The account has the maximum number of open sessions."""
    SESSION_TIMEOUT: ClassVar[StreamErrorReason] = listed("session_timeout")
    """The stream reached the maximum length."""
    LEASE_DENIED: ClassVar[StreamErrorReason] = listed("lease_denied")
    """The service does not grant the streamer to this session."""
    MODERATION: ClassVar[StreamErrorReason] = listed("moderation")
    """The prompt or the image was refused. The case is documented, the exact text is not. Assumed: not
    observed.
    """
    BYPASS_NOT_ALLOWED: ClassVar[StreamErrorReason] = listed("bypass_not_allowed")
    """The account may not bypass the expansion of prompts. Assumed: not observed."""
    IMAGE_NOT_SUPPORTED: ClassVar[StreamErrorReason] = listed("image_not_supported")
    """The streamer cannot start from an image. Assumed: not observed."""
    NO_ACTIVE_STREAM: ClassVar[StreamErrorReason] = listed("no_active_stream")
    """No stream is running. Assumed: not observed."""
    STREAM_ALREADY_ACTIVE: ClassVar[StreamErrorReason] = listed("stream_already_active")
    """A stream is already running. Assumed: not observed."""


@attrs.frozen(kw_only=True)
class InteractiveStreamError(JsonObject):
    """Streamer to client. The pending request (a start, an update) failed, or the stream broke."""

    type: Literal["interactive_stream_error"] = "interactive_stream_error"
    """Tag of the message."""
    reason: StreamErrorReason = attrs.field(metadata={"stand_in": "unknown"})
    """The reason."""
    message: str = attrs.field(metadata={"stand_in": "Stream error occurred"})
    """The reason, for people."""


DataChannelStreamerMessage: TypeAlias = (
    StreamStarted | UpdateAcknowledged | StreamEnded | BroadcastReady | InteractiveStreamError
)
"""Any message from the streamer, on `streamerToClient`."""


DataChannelClientMessage: TypeAlias = InteractiveStreamStart | Update | InteractiveStreamEnd
"""Any message from the client, on `clientToStreamer`."""
