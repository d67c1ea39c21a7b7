"""Removes secrets from the records of a cassette: keys, tokens, passwords, signed addresses, and ICE details.

Fields of messages are masked by their names, texts by their form, and whatever was masked once is masked wherever
it turns up again.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .._base.secrets import forms, redact

__all__ = ["MASK", "Scrubber"]

MASK: Final = "…"

_SECRET_FIELDS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "api_key_prefix",
        "credential",
        "password",
        "session_token",
        "spectator_token",
        "username",
        "usernameFragment",
    }
)
_SHOWN_ARGUMENTS: Final = frozenset({"active", "limit", "offset", "status"})
_SHOWN_HEADERS: Final = frozenset({"content-type", "retry-after"})
# The lines of a description that lead to a machine or open a connection: a replay needs none of them.
_HIDDEN_LINES: Final = re.compile(
    r"(?m)^(a=(?:ice-ufrag|ice-pwd|fingerprint|candidate|rtcp|remote-candidates|crypto):|[co]=)[^\r\n]*"
)
_SHORTEST: Final = 8  # characters; shorter texts occur by chance


class Scrubber:
    """Masks secrets, and remembers them. One for each cassette; not for several threads at once."""

    def __init__(self, *known: str) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in known:
            self._remember(secret)

    def text(self, text: str | bytes) -> bytes:
        """Return a message or a body without secrets, in UTF-8.

        >>> Scrubber().text('{"session_token": "abc", "prompt": "A cat"}').decode()
        '{"session_token": "…", "prompt": "A cat"}'
        """
        text = text if isinstance(text, str) else text.decode(errors="replace")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return self._plain(text).encode(errors="replace")
        return json.dumps(self._data(data), ensure_ascii=False).encode(errors="replace")

    def query(self, query: tuple[tuple[str, str], ...]) -> dict[str, str]:
        """Return the arguments of an address: those that choose rows of a list, and the others masked."""
        return {name: text if name in _SHOWN_ARGUMENTS else MASK for name, text in query}

    def path(self, path: str) -> str:
        """Return the path of an address."""
        return self._plain(path)

    @staticmethod
    def headers(headers: Any) -> dict[str, str]:
        """Return the headers that matter."""
        return {name.lower(): text for name, text in headers.items() if name.lower() in _SHOWN_HEADERS}

    def _data(self, data: Any, name: str = "") -> Any:
        match data:
            case dict():
                return {str(key): self._data(value, str(key)) for key, value in data.items()}
            case list():
                return [self._data(value, name) for value in data]
            case str() if name in _SECRET_FIELDS:
                self._remember(data)
                return MASK
            case str() if name == "sdp":
                return _HIDDEN_LINES.sub(rf"\1{MASK}", data)
            case str() if name == "candidate":
                return MASK if data else ""
            case str():
                return self._plain(data)
        return data

    def _plain(self, text: str) -> str:
        if text.startswith("data:"):  # a picture
            return text
        text = redact(text)
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def _remember(self, secret: str) -> None:
        if len(secret) >= _SHORTEST and secret not in self._known:
            self._known.add(secret)
            every = sorted((form for known in self._known for form in forms(known)), key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, every)))
