"""Credentials for a client without an API key: a session and the token that opens it.

The session id is read from the token, which the service signed, never from the data sent along with it. Only the
service can check the signature; this module does not. Creating and using credentials happens elsewhere
(spec/behaviour.md#client-credentials).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import json
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs
import odyssey_models as wire

from .._base import errands
from .._base.errors import MalformedMessageError, OdysseyConfigError
from .._base.limits import IDENTIFIER_MOST_CHARS, TOKEN_MOST_CHARS
from .._base.public_path import publish
from .._base.secrets import Secret
from .reading import UnreadableError, read

__all__ = ["TOKEN_LIFETIME_S", "ClientCredentials", "StreamerCapabilities"]

TOKEN_LIFETIME_S: Final = 600
"""The lifetime of a session token, in s, if the service does not say (spec/behaviour.md#session-tokens)."""
_DATA: Final = (str, bytes, int, float, list, tuple, Mapping, type(None))


def _able(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong(f"{attribute.name} must be True or False, not {type(value).__name__}")


@attrs.frozen
class StreamerCapabilities(wire.StreamerCapabilities):
    """The capabilities of a streamer (Python types reference, "StreamerCapabilities").

    Raises:
        OdysseyConfigError: the value is of the wrong type.

    >>> StreamerCapabilities.from_dict({"image_to_video": True}).to_dict()
    {'image_to_video': True}
    """

    image_to_video: bool = attrs.field(default=False, kw_only=False, validator=_able)
    """Whether a stream can start from an image."""

    def to_dict(self) -> dict[str, bool]:
        """Return the capabilities as JSON-ready data."""
        return {"image_to_video": self.image_to_video}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the result of `to_dict`; unknown keys are ignored, and anything but True counts as False.

        Raises:
            OdysseyConfigError: the data is not a mapping.
        """
        if not isinstance(data, Mapping):
            raise _wrong("capabilities must be a dict")
        return cls(data.get("image_to_video") is True)


def _text(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(f"{attribute.name} must be a string, not {type(value).__name__}")
    if not value.strip() or not value.isprintable():
        raise _wrong(f"{attribute.name} is empty, or contains invalid characters")


def _address(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    from .signaling_url import normalise_url

    try:
        normalise_url(value)
    except MalformedMessageError:
        raise _wrong(f"{attribute.name} must be like wss://host/path") from None


def _span(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(f"{attribute.name} must be a whole number of seconds, not {type(value).__name__}")
    if value < 0:
        raise _wrong(f"{attribute.name} must be 0 s or more")


def _capabilities(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not isinstance(value, StreamerCapabilities):
        raise _wrong(f"{attribute.name} must be StreamerCapabilities or None, not {type(value).__name__}")


def _secret(value: object) -> Any:
    return Secret(value) if isinstance(value, str) else value  # the validator refuses other types


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@attrs.frozen
class ClientCredentials:
    """Credentials for a client without an API key (Python types reference, "ClientCredentials").

    Created by `Odyssey.create_client_credentials`. The token alone gives access to the session; ``repr`` hides it.

    Raises:
        OdysseyConfigError: a value is of the wrong type, or the token is not a session token.
    """

    signaling_url: str = attrs.field(validator=[_text, _address])
    """The URL of the signaling server."""
    session_token: str = attrs.field(validator=_text, converter=_secret)
    """The token of the session, a JWT."""
    expires_in: int = attrs.field(validator=_span)
    """Lifetime of the token, in s from its creation."""
    capabilities: StreamerCapabilities | None = attrs.field(default=None, validator=_capabilities)
    """The streamer's capabilities, if the service reported them."""
    session_id: str = attrs.field(init=False)
    """The id of the session, from the token."""
    expires_at: datetime.datetime = attrs.field(init=False, eq=False)
    """When the token expires: its own claim, or else ``expires_in`` after this object was created."""

    def __attrs_post_init__(self) -> None:
        claims = _claims(self.session_token)
        object.__setattr__(self, "session_id", claims["session_id"])
        object.__setattr__(self, "expires_at", _end(claims) or _after(self.expires_in))

    @property
    def remaining_s(self) -> float:
        """Remaining lifetime of the token, in s, by this machine's clock; negative once it has expired."""
        return (self.expires_at - _now()).total_seconds()

    @property
    def is_expired(self) -> bool:
        """Whether the token has expired, by this machine's clock."""
        return _now() >= self.expires_at

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data that includes the token: send it only to the client that will use it."""
        return {
            "signaling_url": self.signaling_url,
            "session_token": str(self.session_token),
            "expires_in": self.expires_in,
            "capabilities": None if self.capabilities is None else self.capabilities.to_dict(),
            "session_id": self.session_id,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the result of `to_dict`. Its ``session_id`` is ignored: the token contains the session id.

        As in the official client, the address and the token may be objects other than strings, such as a URL, and
        ``expires_in`` may be a string or have a fraction; if it is None, 600 s are assumed. Capabilities that are
        not a dict count as none.

        Raises:
            OdysseyConfigError: a value is missing or cannot be read, or the token is not a session token.
        """
        if not isinstance(data, Mapping):
            raise _wrong(f"a dict is needed, not {type(data).__name__}")
        for name in ("signaling_url", "session_token", "expires_in"):
            if name not in data:
                raise _wrong(f"{name} is missing")
        capabilities = data.get("capabilities")
        return cls(
            signaling_url=_as_text(data["signaling_url"]),
            session_token=_as_text(data["session_token"]),
            expires_in=_as_span(data["expires_in"]),
            capabilities=StreamerCapabilities.from_dict(capabilities)
            if isinstance(capabilities, Mapping)
            else None,
        )


def _as_text(value: object) -> Any:
    """Return the text of an object such as a URL; data is left to the validator, which refuses it."""
    return value if isinstance(value, _DATA) else str(value)


def _as_span(value: object) -> int:
    if value is None:
        return TOKEN_LIFETIME_S
    try:
        return max(read(int, value), 0)
    except UnreadableError:
        raise _wrong("expires_in must be a number of seconds") from None


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT (RFC 7519), unverified: only the service can check the signature."""
    parts = token.split(".")
    if len(token) > TOKEN_MOST_CHARS or len(parts) != 3:
        raise _wrong("session_token is not a JWT")
    claims: Any = None
    with contextlib.suppress(binascii.Error, ValueError, RecursionError):
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    if not isinstance(claims, dict):
        raise _wrong("session_token is not a JWT")
    session_id = ""
    with contextlib.suppress(UnreadableError):
        session_id = read(str, claims.get("session_id"))
    if not session_id.strip() or not session_id.isprintable() or len(session_id) > IDENTIFIER_MOST_CHARS:
        raise _wrong("session_token has no valid session_id claim")
    return {**claims, "session_id": session_id}


def _end(claims: Mapping[str, Any]) -> datetime.datetime | None:
    end = claims.get("exp")
    if isinstance(end, bool) or not isinstance(end, int | float):
        return None
    try:
        return datetime.datetime.fromtimestamp(end, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _after(seconds: int) -> datetime.datetime:
    try:
        return _now() + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return datetime.datetime.max.replace(tzinfo=datetime.UTC)


def _wrong(problem: str) -> OdysseyConfigError:
    return OdysseyConfigError(f"Not usable as credentials: {problem}", code="invalid_credentials")


publish("odyssey_proto", ClientCredentials, StreamerCapabilities)
errands.undisturb(ClientCredentials, "__init__", "from_dict")
