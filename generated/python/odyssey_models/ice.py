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
    """One STUN or TURN server, or several with the same credentials. For sessions, the addresses are in
    `urls`; for spectators, they may be in `url`, the old name.
    """

    urls: str | list[str] | None = None
    """Addresses as ICE URIs (`stun:`, `turn:`, `turns:`), in order of preference."""
    url: str | list[str] | None = None
    """The old name of `urls`, seen only in the answer to spectators."""
    username: str | None = attrs.field(default=None, repr=False)
    """User name for TURN; short-lived. Absent for STUN. It may name the session, and is half of what opens a
    relay.
    """
    credential: str | None = attrs.field(default=None, repr=False)
    """Password for TURN; short-lived. Absent for STUN."""


@attrs.frozen(kw_only=True)
class SignalingConfig(JsonObject):
    """Answer of `GET /config`: the ICE servers to use. Clients request it before every attempt, because TURN
    credentials are short-lived. If that fails, they fall back to a public STUN server.
    """

    ice_servers: list[IceServer] = attrs.field(metadata={"wire": "iceServers", "stand_in": []})
    """The servers, in order of preference. The official clients disagree about an empty list: Python uses a
    public STUN server, JavaScript uses none.
    """
