# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""Objects that programs pass among themselves: what an SDK gives to its user, in a form that other SDKs read.
The service neither sends nor reads them.
"""

from __future__ import annotations

import attrs

from ._json_object import JsonObject
from ._open_enum import OpenStrEnum
from .sessions import StreamerCapabilities

__all__ = ["BroadcastInfo", "ClientCredentials", "ConnectionStatus"]


class ConnectionStatus(OpenStrEnum):
    """Status of a client's connection, as SDKs report it."""

    AUTHENTICATING = "authenticating"
    """The client exchanges its API key for a bearer token."""
    CONNECTING = "connecting"
    """The client waits for a streamer, or sets up signaling and video."""
    RECONNECTING = "reconnecting"
    """The connection was lost; the client rejoins the session."""
    CONNECTED = "connected"
    """The video track was received and `clientToStreamer` is open."""
    DISCONNECTED = "disconnected"
    """Never connected, or cleanly disconnected."""
    FAILED = "failed"
    """An error ended the connection."""


@attrs.frozen(kw_only=True)
class BroadcastInfo(JsonObject):
    """What a spectator needs: a `BroadcastReady` that has both `webrtc_url` and `spectator_token`. A client
    reports any other as the stream error `broadcast_error`.
    """

    webrtc_url: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """The `BroadcastReady.webrtc_url`, to which `/whep` is appended."""
    spectator_token: str = attrs.field(
        validator=attrs.validators.min_len(1), repr=False, metadata={"essential": True}
    )
    """The `BroadcastReady.spectator_token`."""
    hls_url: str | None = attrs.field(default=None, metadata={"write_null": True})
    """The `BroadcastReady.broadcast_url`; null if there is none."""


@attrs.frozen(kw_only=True)
class ClientCredentials(JsonObject):
    """Access to one session without an API key. A program that has the key creates them and sends them to the
    program that connects.
    """

    signaling_url: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """The `SessionResponse.signalling_url`, here with one l."""
    session_token: str = attrs.field(
        validator=attrs.validators.min_len(1), repr=False, metadata={"essential": True}
    )
    """The `SessionTokenResponse.session_token`. Whoever has it can use the session."""
    expires_in: int = attrs.field(metadata={"essential": True})
    """Lifetime of the token in s, from its creation."""
    capabilities: StreamerCapabilities | None = attrs.field(default=None, metadata={"write_null": True})
    """Capabilities of the streamer; null means no image-to-video."""
    session_id: str | None = None
    """Identifier of the session, for information. Readers take it from the token, which the service signed.
    """
