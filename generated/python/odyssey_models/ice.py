# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""The ICE servers that a peer connection uses. One answer serves sessions (`GET <signalling_url>/config`) and
spectators (`GET <origin of webrtc_url>/config`).
"""

from __future__ import annotations

import attrs

from ._json_object import JsonObject

__all__ = ["IceServer", "SignalingConfig"]


@attrs.frozen(kw_only=True)
class IceServer(JsonObject):
    """One STUN or TURN server, or several that share their credentials. Sessions name the addresses `urls`;
    spectators may see the old spelling `url` instead.
    """

    urls: str | list[str] | None = None
    """Addresses as ICE URIs (`stun:`, `turn:`, `turns:`), in order of preference."""
    url: str | list[str] | None = None
    """The same under its old name, seen only in the answer to spectators."""
    username: str | None = None
    """Name for TURN; short-lived. Absent for STUN."""
    credential: str | None = attrs.field(default=None, repr=False)
    """Password for TURN; short-lived. Absent for STUN."""


@attrs.frozen(kw_only=True)
class SignalingConfig(JsonObject):
    """Answer of `GET /config`: which ICE servers to use. Asked anew before every attempt, because the TURN
    credentials are short-lived. When it cannot be had, clients fall back to a public STUN server.
    """

    ice_servers: list[IceServer] = attrs.field(metadata={"wire": "iceServers"})
    """The servers, in order of preference. The official clients disagree about an empty list: "public STUN"
    for the Python one, "none" for the JavaScript one.
    """
