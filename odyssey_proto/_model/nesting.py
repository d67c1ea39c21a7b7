"""Removes from JSON text the values nested too deeply for recursive readers, such as Python's parser.

No field of the protocol is nested deeply, so only fields that nobody reads are lost.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["MOST_LEVELS", "is_deep", "shallow"]

MOST_LEVELS: Final = 100
"""How many arrays and objects may lie within one another."""
# A string that has no end is taken to the end of the text, so that its quotation marks begin no others.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def shallow(text: str) -> str:
    """Return JSON ``text`` with null for each array and object that is nested more than `MOST_LEVELS` deep.

    >>> shallow('{"a": ' + "[" * 100 + '"]"' + "]" * 100 + "}") == '{"a": ' + "[" * 99 + "null" + "]" * 99 + "}"
    True
    """
    pieces = []
    level = kept = 0
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            level += 1
            if level == MOST_LEVELS + 1:
                pieces += [text[kept : token.start()], "null"]
                kept = len(text)  # unless it ends
        elif mark in "]}":
            if level == MOST_LEVELS + 1:
                kept = token.end()
            level -= 1
    return "".join([*pieces, text[kept:]])


def is_deep(data: Any) -> bool:
    """Return whether arrays and objects in parsed JSON are nested more than `MOST_LEVELS` deep.

    >>> is_deep([[1], {"a": []}])
    False
    """
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(MOST_LEVELS):
        level = [
            value
            for outer in level
            for value in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(value, dict | list)
        ]
    return bool(level)
