"""Requests that our client would not send: each provokes an answer that the protocol describes or assumes.

A watcher sees the answers, like those to the client. The steps that send the requests interpret them.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests

from .._base.errors import OdysseyConnectionError
from .._model.traffic import Exchange
from .._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._model.traffic import Seen

__all__ = ["AGENT", "Probes", "foreign_offer"]

AGENT: Final = f"odyssey-conformance/{__version__}"
_TIMEOUT_S: Final = 15.0
_PIECE: Final = 64 * 1024  # bytes
_LONGEST_ANSWER: Final = 4 * 2**20  # bytes; the rest is not read


class Probes:
    """Sends single requests to one service, and shows them to ``watcher``.

    Args:
        api_url: the service.
        watcher: sees each request with its answer.
    """

    def __init__(self, api_url: str, watcher: Callable[[Seen], None]) -> None:
        self._api_url = api_url.rstrip("/")
        self._watcher = watcher

    def call(
        self, method: str, path: str, *, token: str = "", body: Any = None, query: str = "", route: str = ""
    ) -> Exchange:
        """Send a call with a JSON body to the service; ``route`` is the path with braces, if it has any."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, f"{self._api_url}{path}{query}", route or path, headers, data)

    def send(
        self,
        method: str,
        url: str,
        route: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Exchange:
        """Send a request to any address.

        Raises:
            OdysseyConnectionError: there was no answer.
        """
        sent = {"User-Agent": AGENT, **(headers or {})}
        try:
            with requests.request(
                method,
                url,
                headers=sent,
                data=body,
                auth=_unchanged,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = b""
                for piece in answer.iter_content(_PIECE):
                    content += piece
                    if len(content) > _LONGEST_ANSWER:
                        break
        except (requests.RequestException, OSError, ValueError) as exc:
            why = type(exc).__name__
        else:
            parts = urlsplit(url)
            seen = Exchange(
                method=method,
                route=route,
                path=parts.path,
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                request_headers=sent,
                request_body=body or b"",
                status=answer.status_code,
                headers=answer.headers,
                body=content,
            )
            self._watcher(seen)
            return seen
        raise OdysseyConnectionError(f"{method} {route}: no answer ({why})", code="no_answer")


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the authorization as it is: ``requests`` would replace it with a password from ``~/.netrc``."""
    return request


def foreign_offer() -> str:
    """Return an offer to receive video in a codec that no streamer has."""
    fingerprint = ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32))
    lines = (
        *("v=0", f"o=- {secrets.randbits(32)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"),
        *(
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            "a=recvonly",
            "a=mid:0",
        ),
        *(f"a=ice-ufrag:{secrets.token_hex(2)}", f"a=ice-pwd:{secrets.token_hex(12)}"),
        *(f"a=fingerprint:sha-256 {fingerprint}", "a=setup:actpass", "a=rtcp-mux", "a=rtpmap:96 x-none/90000"),
    )
    return "".join(f"{line}\r\n" for line in lines)
