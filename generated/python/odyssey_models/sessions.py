# Made from spec/schemas by `python -m tools.codegen`. Do not edit.
# pyright: strict

"""From an API key to a place on a streamer: the REST bodies of `/auth/token`, `/regions`, `/sessions/request`
and `/sessions/token`.
"""

from __future__ import annotations

import attrs

from ._json_object import JsonObject

__all__ = [
    "Region",
    "RegionsResponse",
    "SessionRequest",
    "SessionResponse",
    "SessionTokenClaims",
    "SessionTokenRequest",
    "SessionTokenResponse",
    "StreamerCapabilities",
    "TokenRequest",
    "TokenResponse",
]


@attrs.frozen(kw_only=True)
class TokenRequest(JsonObject):
    """Body of `POST /auth/token`, which needs no bearer token."""

    api_key: str = attrs.field(validator=attrs.validators.min_len(1), repr=False)
    """The user's API key. It starts with `ody_`; the answer to a malformed key is 422."""


@attrs.frozen(kw_only=True)
class TokenResponse(JsonObject):
    """Answer of `POST /auth/token`, a bearer token for all other calls."""

    access_token: str = attrs.field(
        validator=attrs.validators.min_len(1), repr=False, metadata={"essential": True}
    )
    """Opaque bearer token, sent as `Authorization: Bearer <access_token>`."""
    expires_in: int | None = None
    """Lifetime in s; 3600 when absent. Clients treat the token as expired 60 s early. A server always sends
    it, since the JavaScript client has no default.
    """


@attrs.frozen(kw_only=True)
class Region(JsonObject):
    """A location where streamers run."""

    id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Name of the region, the key of `SessionRequest.region_latencies`."""
    ping_url: str = attrs.field(metadata={"stand_in": ""})
    """Address to `GET` without a bearer token. Any 2xx counts, and its round trip in whole ms is the latency
    of the region.
    """


@attrs.frozen(kw_only=True)
class RegionsResponse(JsonObject):
    """Answer of `GET /regions`. All regions are pinged at once; on any failure, clients continue without
    latencies.
    """

    regions: list[Region] = attrs.field(metadata={"stand_in": []})
    """The regions, in no given order."""


@attrs.frozen(kw_only=True)
class SessionRequest(JsonObject):
    """Body of `POST /sessions/request`, which asks for a streamer."""

    region_latencies: dict[str, int] | None = None
    """Round trip to each region in ms, by `Region.id`; 9999 for one that did not answer in time. Omitted if
    nothing was measured.
    """


@attrs.frozen(kw_only=True)
class StreamerCapabilities(JsonObject):
    """Capabilities of a session's streamer."""

    image_to_video: bool = False
    """Whether a stream may start from an image."""


@attrs.frozen(kw_only=True)
class SessionResponse(JsonObject):
    """Answer of `POST /sessions/request`, a session and the address of its streamer."""

    session_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """Identifier of the session."""
    signalling_url: str = attrs.field(metadata={"essential": True})
    """Base of the signaling addresses (two l's on the wire). Clients accept ws(s), http(s) and bare forms and
    build other addresses by replacing text, so a server gives ws(s) and no trailing slash.
    """
    capabilities: StreamerCapabilities | None = None
    """Capabilities of the streamer; absent means no image-to-video."""
    streamer_id: str | None = None
    """Identifier of the streamer."""
    model: str | None = None
    """Name of the world model that the streamer runs."""
    region: str | None = None
    """The `Region.id` where the streamer runs."""


@attrs.frozen(kw_only=True)
class SessionTokenRequest(JsonObject):
    """Body of `POST /sessions/token`. Several tokens per session, and several handshakes per token, are
    valid.
    """

    session_id: str = attrs.field(validator=attrs.validators.min_len(1))
    """The session to get a token for; 404 if it is unknown or another user's."""


@attrs.frozen(kw_only=True)
class SessionTokenResponse(JsonObject):
    """Answer of `POST /sessions/token`, the token of the signaling handshake."""

    session_token: str = attrs.field(
        validator=attrs.validators.min_len(1), repr=False, metadata={"essential": True}
    )
    """A JWT (HS256, which clients cannot verify) with `SessionTokenClaims` as its payload."""
    expires_in: int | None = None
    """Lifetime in s; 600 when absent."""


@attrs.frozen(kw_only=True)
class SessionTokenClaims(JsonObject):
    """Payload of a session token, from which clients read the session's identifier."""

    session_id: str = attrs.field(validator=attrs.validators.min_len(1), metadata={"essential": True})
    """The session that the token opens."""
    exp: float | None = None
    """End of validity in s since 1970, as in RFC 7519. Assumed: not observed."""
    iat: float | None = None
    """Time of issue in s since 1970, as in RFC 7519. Assumed: not observed."""
