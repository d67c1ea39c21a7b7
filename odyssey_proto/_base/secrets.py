"""Keeping secrets out of texts: functions that remove them, and a string whose ``repr`` hides its content.

Every text from outside passes `redact` or `one_line` before it reaches an error or the log. Nothing is kept here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from .limits import WORDS_MOST_CHARS
from .public_path import publish
from .texts import presentable

__all__ = ["Secret", "forms", "one_line", "redact", "redacted"]


class Secret(str):
    """A string whose ``repr`` hides its content.

    >>> Secret("ody_live_123")
    Secret('…')
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


# A character in the query of an address as it travels; in a text, quotes and brackets may also enclose the
# address. The group is atomic: before Python 3.11.5, a possessive one that may backtrack takes a quote too many.
_IN_QUERY: Final = r"(?>[^\s'\"<>]|['\"<>](?=[\w&=%\[{]))"
_AFTER_QUERY: Final = ")]},.;:"  # what may follow a query in a text


def _without_user(found: re.Match[str]) -> str:
    """Return the address without its user and password, up to the last @: a password may contain @, / or #."""
    _, at, rest = found[0].rpartition("@")
    return f"://…@{rest}" if at else found[0]


def _without_query(found: re.Match[str]) -> str:
    query = found["query"] or ""
    shown = query.rstrip(_AFTER_QUERY)
    return f"{found['address']}?…{query[len(shown) :]}" if shown else found[0]


def _without_arguments(found: re.Match[str]) -> str:
    shown = found[0].rstrip(_AFTER_QUERY)
    return f"?…{found[0][len(shown) :]}" if "=" in shown else found[0]


def _without_token(found: re.Match[str]) -> str:
    return "<token>" if found["rest"] else found[0]


# Each pattern takes all that may belong to a secret, even if it turns out not to be one, and gives nothing back
# (`++`, `*+`): a server can repeat the beginning of a secret a million times, and the time must not grow with the
# square of that.
_SECRETS: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"://[^\s'\"<>]*+"), _without_user),
    (re.compile(rf"(?P<address>://[^\s?'\"<>]*+)(?:\?(?P<query>{_IN_QUERY}++))?"), _without_query),
    (re.compile(rf"\?{_IN_QUERY}*+"), _without_arguments),
    (re.compile(r"\body_[A-Za-z0-9_\-]++"), "ody_…"),
    (
        re.compile(r"\beyJ[A-Za-z0-9_\-]++(?P<rest>\.[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]*+)?)?"),
        _without_token,
    ),
    (re.compile(r"(?i)\b(bearer)\s++[^\s'\",;]++"), r"\1 <token>"),
    (
        re.compile(
            r"(?i)\b(access_token|session_token|spectator_token|api_key|credential|password)"
            r"(['\"]?\s?[=:]\s?['\"]?|\s)(?!is\b)[^\s'\",;&}]+"
        ),
        r"\1\2…",
    ),
    (re.compile(r"(?i)\b(ice-pwd:)\S++"), r"\1…"),
)
_HINTS: Final = re.compile(
    r"://|\?|ody_|eyJ|(?i:bearer|access_token|session_token|spectator_token|api_key|credential|password|ice-pwd)"
)


def redact(text: str) -> str:
    """Return ``text`` without API keys, tokens, passwords and the queries of URLs.

    >>> redact("GET https://x.example/c?token=abc refused for ody_live_123")
    'GET https://x.example/c?… refused for ody_…'
    """
    if _HINTS.search(text) is None:  # as in most texts
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def forms(secret: str) -> tuple[str, ...]:
    """Return the forms in which a secret may be repeated: unchanged, quoted for addresses, and in base64.

    >>> forms("a+b")
    ('a+b', 'a%2Bb', 'YSti')
    """
    data = secret.encode(errors="replace")
    coded = (base64.b64encode(data), base64.urlsafe_b64encode(data))
    written = (secret, quote(secret, safe="", errors="replace"), *(each.decode().rstrip("=") for each in coded))
    return tuple(dict.fromkeys(written))


def redacted(data: Any, redact: Callable[[str], str] = redact) -> Any:
    """Return JSON-ready ``data`` with every text in it redacted, by ``redact``.

    >>> redacted({"page": "https://x.example/p?key=abc", "hours": [1, None]})
    {'page': 'https://x.example/p?…', 'hours': [1, None]}
    """
    match data:
        case str():
            return redact(data)
        case dict():
            return {redact(str(name)): redacted(value, redact) for name, value in data.items()}
        case list():
            return [redacted(value, redact) for value in data]
    return data


def one_line(text: str) -> str:
    """Return a service's words in a form that can be shown: one short, printable line without secrets.

    >>> one_line("Too\\nlong for ody_live_123: " + "x" * 10_000)[:25], len(one_line("x" * 10_000))
    ('Too long for ody_…: xxxxx', 300)
    """
    # Cut first, so that 10 MB are not searched for the sake of one line.
    return presentable(redact(text[: 4 * WORDS_MOST_CHARS]), WORDS_MOST_CHARS)


publish("odyssey_proto", Secret)
