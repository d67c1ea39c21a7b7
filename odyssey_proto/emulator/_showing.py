"""Traffic in readable form: JSON-ready data, or one line of text. Secrets are masked unless wanted.

Nothing is kept here; `_journal` keeps traffic.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from .._base.errors import MalformedMessageError
from .._base.secrets import redact
from .._model import codec
from .._model.traffic import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._model.traffic import Exchange, Seen

__all__ = ["MASK", "SECRET_FIELDS", "as_data", "as_line", "shown_content", "shown_headers", "shown_query"]

MASK: Final = "…"
SECRET_FIELDS: Final = frozenset(
    {"access_token", "api_key", "credential", "session_token", "spectator_token", "username"}
)
"""Names of the fields that hold secrets: those with ``x-secret`` in ``spec/schemas``."""

_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
_SECRET_ARGUMENTS: Final = frozenset({"token", "Signature"})
_PASSWORD_OF_ICE: Final = re.compile(r"(?m)^(a=ice-pwd:)\S+")
_LONGEST_TEXT: Final = 4000  # characters; an image has millions


def as_data(seen: Seen, *, secrets: bool = False) -> dict[str, Any]:
    """Return a call or a message as JSON-ready data.

    Long texts are cut. Without ``secrets``, keys, tokens, passwords and the queries of addresses are masked.
    """
    if isinstance(seen, Message):
        return {
            "kind": "message",
            "place": seen.place,
            "from": "client" if seen.from_client else "service",
            "content": shown_content(seen.text, secrets),
            "user_agent": seen.user_agent,
            "injected": seen.injected,
        }
    return {
        "kind": "call",
        "method": seen.method,
        "route": seen.route,
        "path": seen.path if secrets else redact(seen.path),
        "query": shown_query(seen.query, secrets),
        "request": {
            "headers": shown_headers(seen.request_headers, secrets),
            "content": shown_content(seen.request_body, secrets),
        },
        "status": seen.status,
        "answer": {"headers": shown_headers(seen.headers, secrets), "content": shown_content(seen.body, secrets)},
        "injected": seen.injected,
    }


def as_line(seen: Seen) -> str:
    """Return a call or a message as one line, without its content.

    >>> as_line(Message(place="signaling", from_client=True, text='{"type": "keepalive"}', user_agent=""))
    'signaling > keepalive, 21 bytes'
    """
    by_fault = ", by a fault" if seen.injected else ""
    if isinstance(seen, Message):
        size = len(seen.text if isinstance(seen.text, bytes) else seen.text.encode(errors="replace"))
        return f"{seen.place} {'>' if seen.from_client else '<'} {_type(seen.text)}, {size} bytes{by_fault}"
    answered = "no answer" if seen.status is None else str(seen.status)
    return f"{seen.method} {redact(seen.path)}: {answered}{_why(seen)}{by_fault}"


def _why(seen: Exchange) -> str:
    if seen.status is None or seen.status < 400:
        return ""
    content = shown_content(seen.body, False)
    detail = content.get("detail") if isinstance(content, dict) else None
    return f" {json.dumps(detail, ensure_ascii=False)[:200]}" if detail else ""


def _type(text: str | bytes) -> str:
    content = shown_content(text, False)
    kind = content.get("type") if isinstance(content, dict) else None
    return kind[:40] if isinstance(kind, str) and kind.isprintable() else "not a message"


def shown_content(text: str | bytes | None, secrets: bool) -> Any:
    """Return the data of a JSON text, or any other text as a string; None if there is no text.

    Long texts are cut and secrets are masked as in `as_data`.
    """
    if not text:
        return None
    text = text if isinstance(text, str) else text.decode(errors="replace")
    try:
        data = codec.parsed(text)
    except MalformedMessageError:
        data = text
    return _shown(data, secrets)


def _shown(data: Any, secrets: bool) -> Any:
    if isinstance(data, dict):
        return {
            name: MASK if not secrets and name in SECRET_FIELDS and value is not None else _shown(value, secrets)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [_shown(value, secrets) for value in data]
    if not isinstance(data, str):
        return data
    cut = data if len(data) <= _LONGEST_TEXT else f"{data[:_LONGEST_TEXT]}… ({len(data)} characters)"
    return cut if secrets else _PASSWORD_OF_ICE.sub(rf"\1{MASK}", redact(cut))


def shown_headers(headers: Mapping[str, str], secrets: bool) -> dict[str, str]:
    """Return headers, cut and masked as in `as_data`."""
    return {
        name: MASK if not secrets and name.lower() in _SECRET_HEADERS else _shown(text, secrets)
        for name, text in headers.items()
    }


def shown_query(query: Iterable[tuple[str, str]], secrets: bool) -> dict[str, Any]:
    """Return the arguments of a query by name: a text, or a list if the name occurs several times."""
    found: dict[str, list[str]] = {}
    for name, text in query:
        is_secret = not secrets and (name in SECRET_FIELDS or name in _SECRET_ARGUMENTS)
        found.setdefault(name, []).append(MASK if is_secret else _shown(text, secrets))
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}
