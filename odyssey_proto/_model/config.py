"""The settings of a client, their sources and their checks; secrets do not appear in ``repr``.

A `ClientConfig` is checked as a whole when it is created: an invalid setting raises before anything is sent. In
the client, only this module reads environment variables, except for those of proxies and CA certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import urlsplit

import attrs
import odyssey_models as wire

from .._base import arguments, errands
from .._base.environment import variable
from .._base.errors import OdysseyAuthError, OdysseyConfigError
from .._base.limits import PICTURE_MOST_PX
from .._base.public_path import publish
from .._base.secrets import Secret
from .ice_urls import usable_servers

__all__ = ["DEFAULT_API_URL", "AdvancedConfig", "ClientConfig", "IcePolicy", "VideoCodec", "VideoRecovery"]

VideoCodec = Literal["auto", "h264", "vp8"]
"""``auto``: any codec that the streamer offers, preferably H.264, which costs less to decode."""

IcePolicy = Literal["all", "relay"]
"""``all``: direct paths first. ``relay``: TURN servers only, so the streamer does not learn your addresses."""

VideoRecovery = Literal["latest", "complete"]
"""``latest``: after an outage, continue with live video. ``complete``: first request the packets lost in it."""

DEFAULT_API_URL: Final = "https://api.odyssey.ml"
_MOST_MS: Final = 1e12  # 31 years


def _number(*, least: float) -> Any:
    """Return a validator for a number from ``least`` to 1e12; a bool is refused."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{attribute.name} must be a number, not {type(value).__name__}")
        if not least <= value < _MOST_MS:
            raise OdysseyConfigError(f"{attribute.name} must be at least {least:g} and finite")

    return check


def _whole(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    arguments.number(attribute.name, value, whole=True)


def _flag(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    arguments.flag(attribute.name, value)


def _timeout(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    arguments.timeout(attribute.name, value)


def _advanced(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, AdvancedConfig):
        raise TypeError(f"{attribute.name} must be an AdvancedConfig, not {type(value).__name__}")


@attrs.frozen
class AdvancedConfig:
    """Retry, queueing and limits (Python types reference, "AdvancedConfig"; same names and defaults)."""

    max_retries: int = attrs.field(default=5, validator=[_whole, _number(least=0)])
    """How often the first connect tries to open its connection again, with the same session."""
    initial_retry_delay_ms: float = attrs.field(default=1000, validator=_number(least=0))
    """Wait before the first retry, in ms."""
    max_retry_delay_ms: float = attrs.field(default=2000, validator=_number(least=0))
    """Longest wait between retries, in ms."""
    retry_backoff_multiplier: float = attrs.field(default=2.0, validator=_number(least=1))
    """Factor from one wait to the next."""
    queue_timeout_s: float = attrs.field(default=30, validator=_number(least=0))
    """How long to queue for a streamer, in s; 0 fails at once."""
    max_pixels: int = attrs.field(default=PICTURE_MOST_PX, validator=[_whole, _number(least=1)], kw_only=True)
    """The largest width × height of a picture, in px; a larger one ends the connection before it is decoded."""

    video_timeout_s: float = attrs.field(default=10, validator=_number(least=1), kw_only=True)
    """How long, in s, to keep a connection over which no frames arrive but anything else does: the streamer
    pauses, or the network is bad. After that, it is given up, unless ``reconnect`` is False, or the network loses
    packets of the video while others still arrive: a new connection would be no better. A connection over which
    nothing arrives is lost after 6 s, or after this time if shorter. Not one of the documented settings."""

    def retry_delay(self, attempt: int) -> float:
        """Return the wait in s before retry number ``attempt`` (0 is the first)."""
        delay_ms = self.initial_retry_delay_ms * self.retry_backoff_multiplier ** min(attempt, 64)
        return min(delay_ms, self.max_retry_delay_ms) / 1000


def _api_key(value: Any) -> Secret | None:
    if value is None:
        value = variable("ODYSSEY_API_KEY")
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"api_key must be a string, not {type(value).__name__}")
    return Secret(value)


def _api_url(value: Any) -> str:
    if value is None:
        value = variable("ODYSSEY_API_URL") or DEFAULT_API_URL
    if not isinstance(value, str):
        raise TypeError(f"api_url must be a string, not {type(value).__name__}")
    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    usable = usable and url.isprintable() and " " not in url
    if not usable:
        raise OdysseyConfigError("api_url must be like https://api.odyssey.ml, with http or https and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise OdysseyConfigError("api_url must have no user name, password, query or fragment")
    return url


def _ice_server(value: Any, name: str) -> wire.IceServer:
    if isinstance(value, Mapping):
        # As in browsers, where `credentialType` is always "password".
        unknown = sorted(str(key) for key in value.keys() - {*_ICE_SERVER_KEYS, "credentialType"})
        if unknown:
            raise OdysseyConfigError(
                f"{name} has unknown key {unknown[0]!r}; known are {', '.join(_ICE_SERVER_KEYS)}"
            )
        value = wire.IceServer(**{key: value[key] for key in _ICE_SERVER_KEYS if key in value})
    if not isinstance(value, wire.IceServer):
        raise TypeError(f"{name} must be a mapping with 'urls', or an IceServer, not {type(value).__name__}")
    urls = value.urls if value.urls is not None else value.url
    if isinstance(urls, Iterable) and not isinstance(urls, str):
        urls = errands.call_back(list, urls)
    if not isinstance(urls, str) and not (isinstance(urls, list) and all(isinstance(url, str) for url in urls)):
        raise TypeError(f"{name}: urls must be a string or a list of strings")
    for key in ("username", "credential"):
        if not isinstance(getattr(value, key), str | None):
            raise TypeError(f"{name}: {key} must be a string")
    _, left_out = usable_servers([attrs.evolve(value, urls=urls, url=None)])
    if left_out:
        raise OdysseyConfigError(f"{name}: {left_out[0]}")
    credential = None if value.credential is None else Secret(value.credential)
    return wire.IceServer(urls=urls, username=value.username, credential=credential)


_ICE_SERVER_KEYS: Final = ("urls", "url", "username", "credential")


def _ice_servers(value: Any) -> tuple[wire.IceServer, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping | wire.IceServer) or not isinstance(value, Iterable):
        raise TypeError('ice_servers must be a list like [{"urls": "turn:…", "username": "…", "credential": "…"}]')
    given = errands.call_back(tuple, value)
    servers = tuple([_ice_server(server, f"ice_servers[{index}]") for index, server in enumerate(given)])
    _, left_out = usable_servers(servers)
    if left_out:
        raise OdysseyConfigError(f"ice_servers: {left_out[0]}")
    return servers


def _show_ice_servers(servers: tuple[wire.IceServer, ...] | None) -> str:
    return repr(servers if servers is None else [server.urls for server in servers])


def _video_codec(value: Any) -> VideoCodec:
    if value not in get_args(VideoCodec):
        raise OdysseyConfigError(f"codec must be one of {', '.join(get_args(VideoCodec))}, not {value!r}")
    return cast("VideoCodec", value)


def _ice_policy(value: Any) -> IcePolicy:
    if value == "all":
        return "all"
    if value == "relay":
        return "relay"
    raise OdysseyConfigError(f"ice_policy must be 'all' or 'relay', not {value!r}")


@attrs.frozen
class ClientConfig:
    """All settings of a client (Python types reference, "ClientConfig").

    Raises:
        TypeError: a setting is of the wrong type.
        OdysseyConfigError: a setting is out of range or an address is malformed.

    >>> ClientConfig(api_key="ody_live_123", api_url="http://127.0.0.1:8000/").api_url
    'http://127.0.0.1:8000'
    """

    api_key: Secret | None = attrs.field(default=None, converter=_api_key)
    """The API key; ``None`` takes ``ODYSSEY_API_KEY``. A missing key raises only when it is needed."""
    api_url: str = attrs.field(default=None, converter=_api_url)
    """The address of the service; ``None`` takes ``ODYSSEY_API_URL``, then https://api.odyssey.ml."""
    debug: bool = attrs.field(default=False, validator=_flag)
    """Log all traffic, without secrets, on ``odyssey_proto`` at DEBUG."""
    advanced: AdvancedConfig = attrs.field(factory=AdvancedConfig, validator=_advanced)
    """Retry and queueing settings."""
    reconnect: bool = attrs.field(default=True, validator=_flag, kw_only=True)
    """Rejoin the session when the connection is lost; if False, a loss ends the session."""
    enable_telemetry: bool = attrs.field(default=False, validator=_flag, kw_only=True)
    """Report to the service when sessions begin and end, and why connecting failed."""
    ice_servers: tuple[wire.IceServer, ...] | None = attrs.field(
        default=None, converter=_ice_servers, repr=_show_ice_servers, kw_only=True
    )
    """STUN and TURN servers to use instead of the service's: mappings with ``urls`` and, for TURN, ``username``
    and ``credential``. ``None``: the service's servers; empty: none."""
    ice_policy: IcePolicy = attrs.field(default="all", converter=_ice_policy, kw_only=True)
    """The network paths to use."""
    codec: VideoCodec = attrs.field(default="auto", converter=_video_codec, kw_only=True)
    """The video codec to ask the streamer for; ``h264`` and ``vp8`` accept no other."""

    timeout: float | None = attrs.field(default=30.0, validator=_timeout, kw_only=True)
    """Default timeout of REST calls, in s; ``None``: no limit."""

    def require_api_key(self) -> Secret:
        """Return the API key.

        Raises:
            OdysseyAuthError: the key is missing or empty, or contains blanks, control or non-ASCII characters.
        """
        if self.api_key is None:
            raise OdysseyAuthError(
                "No API key: pass Odyssey(api_key=…) or set ODYSSEY_API_KEY", code="missing_api_key"
            )
        if not self.api_key.strip():
            raise OdysseyAuthError(
                "The API key is empty: pass Odyssey(api_key=…) or set ODYSSEY_API_KEY", code="missing_api_key"
            )
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise OdysseyAuthError(
                "Invalid API key format: it contains blanks or invalid characters; copy it again",
                code="malformed_api_key",
            )
        return self.api_key


publish("odyssey_proto", AdvancedConfig, ClientConfig)
errands.undisturb(ClientConfig, "__init__")
