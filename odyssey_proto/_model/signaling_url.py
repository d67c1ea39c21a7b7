"""Normalises the URLs of signaling servers (spec/behaviour.md#signaling-address). No I/O."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from .._base.errors import MalformedMessageError
from .._base.hosts import is_loopback
from .._base.limits import ADDRESS_MOST_CHARS

__all__ = ["SIGNALING_MESSAGE_LIMIT", "config_url", "normalise_url", "websocket_url"]

SIGNALING_MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Size limit of a WebSocket message, in bytes (spec/behaviour.md#handshake)."""

_SCHEMES: Final = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}


def normalise_url(url: str) -> str:
    """Return a signaling URL as ws(s), without a trailing slash; the default scheme is wss, or ws for loopback.

    Raises:
        MalformedMessageError: ``url`` is not a valid signaling URL.

    >>> normalise_url("https://eu.example/s/"), normalise_url("127.0.0.1:8000"), normalise_url("eu.example")
    ('wss://eu.example/s', 'ws://127.0.0.1:8000', 'wss://eu.example')
    """
    url = url.strip() if len(url) <= ADDRESS_MOST_CHARS else ""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url.lstrip("/")
    try:
        parts = urlsplit(f"//{rest}")
        host = parts.hostname or ""
        if parts.port == 0:
            host = ""
    except ValueError:
        parts, host = urlsplit(""), ""
    scheme = _SCHEMES.get(scheme.lower(), "")
    if not separator:
        scheme = "ws" if is_loopback(host) else "wss"
    extra = "@" in parts.netloc or parts.query or parts.fragment
    if not scheme or not host or extra or " " in url or not url.isprintable():
        problem = "it must be like wss://host/path"
        raise MalformedMessageError(
            f"The signaling address that the service gave cannot be used: {problem}",
            problems=(problem,),
            code="malformed",
        )
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def websocket_url(url: str, session_id: str, token: str) -> str:
    """Return the address of a session's WebSocket, with its token.

    >>> websocket_url("https://eu.example/s/", "s-1", "a+b")
    'wss://eu.example/s/client/s-1?token=a%2Bb'
    """
    return f"{normalise_url(url)}/client/{quote(session_id, safe='')}?token={quote(token, safe='')}"


def config_url(url: str) -> str:
    """Return the URL of a signaling server's ICE configuration, for `ServiceApi.signaling_config`.

    >>> config_url("wss://eu.example/s")
    'https://eu.example/s/config'
    """
    return "http" + normalise_url(url).removeprefix("ws") + "/config"
