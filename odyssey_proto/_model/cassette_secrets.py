"""Removes secrets from the records of a cassette: keys, tokens, passwords, signed addresses, and ICE details.

Fields of messages are masked by their names, texts by their form, and whatever was masked once is masked wherever
it turns up again.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import MalformedMessageError
from .._base.limits import CASSETTE_SECRETS_MOST, TOKEN_MOST_CHARS
from .._base.secrets import forms, redact
from . import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    r"(a=(?:ice-ufrag|ice-pwd|fingerprint|candidate|rtcp|remote-candidates|crypto):|[co]=)"
)
# In a text that is not JSON, such as one that was cut off or has something after it.
_SECRET_IN_TEXT: Final = re.compile(
    rf"""("(?:{"|".join(sorted(_SECRET_FIELDS))})"\s*+:\s*+)"""
    r"""("(?:[^"\\]++|\\.)*+"?|\[[^\]]*+\]?|\{[^}]*+\}?|[^\s",\]}]++)""",
    re.DOTALL,
)
_PICTURE: Final = re.compile(r"data:[^,]{0,200};\s*base64,")
_SHORTEST: Final = 8  # characters; shorter texts occur by chance
_ENDS_OF_LINES: Final = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ARGUMENTS_MOST: Final = 100  # of an address
_HEADER_MOST_CHARS: Final = 200


class Scrubber:
    """Masks secrets, and remembers them. One for each cassette; not for several threads at once.

    Args:
        known: secrets that are known before anything travels. They are never forgotten; of the others, the latest
            `CASSETTE_SECRETS_MOST` are remembered.
    """

    def __init__(self, *known: str) -> None:
        self._forms_of_known = [form for secret in known if _is_long_enough(secret) for form in forms(secret)]
        self._forms: dict[str, tuple[str, ...]] = {}  # of each other secret, the oldest first

    def text(self, text: str | bytes) -> bytes:
        """Return a message or a body without secrets, in UTF-8.

        >>> Scrubber().text('{"session_token": "abc", "prompt": "A cat"}').decode()
        '{"session_token": "…", "prompt": "A cat"}'
        """
        text = text if isinstance(text, str) else text.decode(errors="replace")
        try:
            data = codec.parsed(text)
        except MalformedMessageError:
            return self._plain(_SECRET_IN_TEXT.sub(self._masked_in_text, text)).encode(errors="replace")
        texts: list[str] = []
        data = self._masked(data, texts)
        # A secret may also come before the field that identifies it as one, so the other texts are searched last.
        if found := self._found_in("\0".join(texts)):
            data = _without(data, found)
        return json.dumps(data, ensure_ascii=False).encode(errors="replace")

    def query(self, query: tuple[tuple[str, str], ...]) -> dict[str, str]:
        """Return the arguments of an address; all but those that choose rows of a list are masked."""
        return {
            self._plain(name): text[:_HEADER_MOST_CHARS] if name in _SHOWN_ARGUMENTS else MASK
            for name, text in islice(query, _ARGUMENTS_MOST)
        }

    def path(self, path: str) -> str:
        """Return the path of an address without secrets."""
        return self._plain(path)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that matter, without secrets."""
        return {
            name.lower(): self._plain(text[:_HEADER_MOST_CHARS])
            for name, text in headers.items()
            if name.lower() in _SHOWN_HEADERS
        }

    def remember(self, secret: str) -> None:
        """Mask ``secret`` from now on."""
        if _is_long_enough(secret) and secret not in self._forms:
            self._forms[secret] = forms(secret)
            if len(self._forms) > CASSETTE_SECRETS_MOST:
                del self._forms[next(iter(self._forms))]

    def _masked(self, data: Any, texts: list[str], name: str = "") -> Any:
        """Return data with fields masked by their names and texts by their form; add those texts to ``texts``."""
        match data:
            case dict():
                shown = {}
                for key, value in data.items():
                    known_as = redact(key)
                    texts.append(known_as)
                    shown[known_as] = self._masked(value, texts, name if name in _SECRET_FIELDS else key)
                return shown
            case list():
                return [self._masked(value, texts, name) for value in data]
            case str() | int() | float() if name in _SECRET_FIELDS and not isinstance(data, bool):
                self.remember(str(data))
                return MASK
            case str() if name == "candidate":
                return MASK if data else ""
            case str() if _PICTURE.match(data):
                return data
            case str():
                text = redact("".join(_shown_lines(data)) if name == "sdp" else data)
                texts.append(text)
                return text
        return data

    def _masked_in_text(self, found: re.Match[str]) -> str:
        self.remember(found[2].strip('"'))
        return f'{found[1]}"{MASK}"'

    def _plain(self, text: str) -> str:
        text = redact(text)
        return _replaced(text, self._found_in(text))

    def _found_in(self, text: str) -> list[str]:
        """Return the forms of known secrets that are in a text, the longest first."""
        every = (*self._forms_of_known, *(form for each in self._forms.values() for form in each))
        return sorted((form for form in every if form in text), key=len, reverse=True)


def _is_long_enough(secret: str) -> bool:
    return _SHORTEST <= len(secret) <= TOKEN_MOST_CHARS


def _shown_lines(description: str) -> Iterator[str]:
    """Yield the lines of a description, split wherever a reader may split it, without what must be hidden."""
    for line in description.splitlines(keepends=True):
        found = _HIDDEN_LINES.match(line)
        yield line if found is None else f"{found[1]}{MASK}{line[len(line.rstrip(_ENDS_OF_LINES)) :]}"


def _replaced(text: str, found: Iterable[str]) -> str:
    for form in found:
        text = text.replace(form, MASK)
    return text


def _without(data: Any, found: list[str]) -> Any:
    """Return data without the forms that were found in its texts."""
    match data:
        case dict():
            return {_replaced(key, found): _without(value, found) for key, value in data.items()}
        case list():
            return [_without(value, found) for value in data]
        case str() if len(data) >= _SHORTEST and not _PICTURE.match(data):
            return _replaced(data, found)
    return data
