"""A search for secrets in files that will be public, by patterns.

This module shares nothing with `tools.cassettes.scrub`, which removes secrets, so that each checks the other.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["leaks"]

_STANDING_IN: Final = r"[\"']?(?:ody_)?REDACTED"

_LOOKS: Final = {
    "an API key": re.compile(r"\body_(?!REDA\b|REDACTED\b)[A-Za-z0-9_\-]+"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.(?!REDACTED\b)[A-Za-z0-9_\-]*"),
    "an Authorization": re.compile(
        r"(?i)\b(?:bearer|basic|digest|negotiate) +(?!REDACTED\b)[A-Za-z0-9+/=._~\-]{8,}"
    ),
    "a cookie": re.compile(r"(?im)^[^\w\n]*(?:set-)?cookie2?\b"),
    "a signed query": re.compile(
        r"(?i)[?&](?:[a-z0-9\-]*(?:signature|credential|token|policy|expires|key|key-pair-id|id)|sig|se|sp|sv|st)"
        r"=(?!REDACTED\b)[^\s\"'&<>]+"
    ),
    "a field": re.compile(
        r"(?i)[\"'](?:[a-z_]*(?:token|secret|password|credential)|api_?key|username)[\"'] *: *"
        rf"(?!{_STANDING_IN}|[\"']eyJ|null\b|[\"'] *[\"'])\S+"
    ),
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    "a password in an address": re.compile(r"://[^/\s@\"']+:[^/\s@\"']+@"),
    "a private address": re.compile(r"\b(?:127\.0\.0\.1|localhost|192\.168\.\d+\.\d+|10\.\d+\.\d+\.\d+)\b"),
}


def leaks(text: str) -> list[str]:
    """Return the kind and line of everything in ``text`` that looks like a secret, without the secret itself.

    >>> leaks("Authorization: Bearer REDACTED")
    []
    >>> leaks("api_key:\\n- ody_live_0123")
    ['an API key, line 2']
    """
    found = [
        (text.count("\n", 0, match.start()) + 1, kind)
        for kind, look in _LOOKS.items()
        for match in look.finditer(text)
    ]
    return [f"{kind}, line {line}" for line, kind in sorted(found)]
