"""Removes secrets, and everything that differs between recordings, from requests and answers.

Only listed headers, and the values of listed query arguments, are kept. Secrets become REDACTED, and a session
token becomes an unsigned one for the same session; hosts, ids and times become constants. This module opens no
connection and reads no file.
`tools.cassettes.leaks` searches for secrets that were missed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["REDACTED", "SERVICE", "UNKNOWN_ID", "Scrubber"]

SERVICE: Final = "https://api.odyssey.ml"
"""The service named in all cassettes, wherever they were recorded."""
UNKNOWN_ID: Final = "ffffffff-ffff-4fff-8fff-ffffffffffff"
"""An id that no object has; it is kept unchanged."""
REDACTED: Final = "REDACTED"

_KEY: Final = f"ody_{REDACTED}"
_ARGUMENTS: Final = frozenset({"limit", "offset", "status", "active"})
"""The query arguments of the API, whose values are kept. Those of signed addresses are all secret."""

_REQUEST_HEADERS: Final = {
    "authorization": f"Bearer {REDACTED}",
    "content-type": None,
    "range": None,
    "if-range": '"etag"',
}
"""The headers of a request that are kept: unchanged (None), or with this value instead."""
_ANSWER_HEADERS: Final = {
    "accept-ranges": None,
    "allow": None,
    "content-range": None,
    "content-type": None,
    "etag": '"etag"',
    "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "retry-after": None,
    "server": None,
    "www-authenticate": None,
    "x-request-id": "request-1",
}

_SECRET: Final = re.compile(r"token$|secret|password|credential|username|signature")
_CONSTANT: Final = {
    "api_key": _KEY,
    "api_key_prefix": _KEY[:8],
    "created_at": "2026-01-01T00:00:00Z",
    "dispatched_at": "2026-01-01T00:00:01Z",
    "started_at": "2026-01-01T00:00:02Z",
    "ended_at": "2026-01-01T00:00:03Z",
    "completed_at": "2026-01-01T00:00:04Z",
    "region": "us-west",
    "reset_date": "2026-02-01",
    "sdk_version": "0",
    "platform_info": "Linux 6.1.0 / Python 3.12.1",
    "connect_duration_ms": 1,
    "session_duration_seconds": 1,
}
"""Constants for JSON fields that differ between recordings. Times keep the order of events in a job's life."""
_END_OF_TOKENS: Final = 4102444800  # s since 1970: the year 2100

_ID: Final = re.compile(r"\b(?!00000000-|ffffffff-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_URL: Final = re.compile(r"\b(?:https?|wss?)://[^\s\"'<>]+")
_STUN: Final = re.compile(r"\bstun:127\.0\.0\.1:\d+")
_ELEMENT: Final = re.compile(r"<(?!Code|Message)(\w+)>[^<]*</\1>")


class Scrubber:
    """The scrubber of one cassette, whose ids it numbers.

    ``origin`` is the real URL of the service. Scrubbing is deterministic, and scrubbing again changes nothing:
    vcrpy scrubs both when it records and when it matches.
    """

    def __init__(self, origin: str = SERVICE) -> None:
        self._moved = {
            prefix + urlsplit(origin).netloc: SERVICE.replace("https://", stable)
            for prefix, stable in (("http://", "https://"), ("https://", "https://"), ("ws://", "wss://"))
        }
        self._ids: dict[str, str] = {}

    def request(self, request: Any) -> Any:
        """Scrub a request in place; vcrpy passes a copy."""
        request.uri = self._query(self.text(request.uri))
        request.headers = _kept(request.headers, _REQUEST_HEADERS)
        if request.body:
            request.body = self._body(request.body, request.headers.get("content-type", ""))
        return request

    def answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the scrubbed answer; the given one is not changed."""
        headers = {name: values[0] for name, values in answer["headers"].items()}
        content_type = next((headers[name] for name in headers if name.lower() == "content-type"), "")
        body = self._body(answer["body"]["string"], content_type)
        kept = {**_kept(headers, _ANSWER_HEADERS), "Content-Length": str(len(body))}
        return {
            "status": answer["status"],
            "headers": {name: [kept[name]] for name in sorted(kept)},
            "body": {"string": body},
        }

    def text(self, text: str) -> str:
        """Return ``text`` with official addresses of the service instead of real ones, and with numbered ids."""
        for origin, stable in self._moved.items():
            text = text.replace(origin, stable)
        return _ID.sub(lambda found: self._id(found[0]), _STUN.sub("stun:stun.odyssey.ml:3478", text))

    def _id(self, true: str) -> str:
        return self._ids.setdefault(true, f"00000000-0000-4000-8000-{len(self._ids) + 1:012}")

    def _body(self, body: bytes | str, content_type: str) -> bytes:
        raw = body.encode() if isinstance(body, str) else body
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return raw  # a picture or a video
        if content_type.partition(";")[0] == "application/json":
            data = self._data("", json.loads(self.text(text)))
            return json.dumps(data, indent=2, ensure_ascii=False).encode()
        if "xml" in content_type:
            text = _ELEMENT.sub(rf"<\1>{REDACTED}</\1>", text)
        return self.text(text).encode()

    def _data(self, name: str, value: Any) -> Any:
        if name in _CONSTANT and value is not None:
            return _CONSTANT[name]
        match value:
            case dict() if name == "region_latencies":
                return dict.fromkeys(value, 1)  # ms; even for a region that happened to answer too late
            case dict():
                return {key: self._data(key, inner) for key, inner in value.items()}
            case list():
                return [self._data(name, inner) for inner in value]
            case str() if name == "session_token":
                return self._session_token(value)
            case str() if _SECRET.search(name):
                return REDACTED
            case str():
                return _URL.sub(lambda found: self._query(found[0]), value)
        return value

    def _query(self, url: str) -> str:
        parts = urlsplit(url)
        arguments = [
            (name, value if name in _ARGUMENTS else REDACTED)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(arguments)))

    def _session_token(self, token: str) -> str:
        """Return an unsigned token for the same session, whose id clients read from it; REDACTED if unreadable."""
        try:
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            said = {"session_id": self.text(claims["session_id"]), "exp": _END_OF_TOKENS}
        except (binascii.Error, ValueError, LookupError, TypeError):
            return REDACTED
        parts = ({"alg": "HS256", "typ": "JWT"}, said)
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, REDACTED])


def _kept(headers: Any, kept: dict[str, str | None]) -> dict[str, str]:
    return {name: kept[name.lower()] or _text(value) for name, value in headers.items() if name.lower() in kept}


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
