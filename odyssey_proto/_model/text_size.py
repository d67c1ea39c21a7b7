"""The amount of text in a message or an event, counted without copying or encoding it."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["text_size"]


def text_size(thing: object) -> int:
    """Return the number of characters in all the strings of ``thing``, a model or an event, and of its parts.

    >>> from .events import StreamStarted
    >>> text_size(StreamStarted(stream_id="st-1", applied_prompt="A cat", at=0.0))
    9
    """
    if isinstance(thing, str):
        return len(thing)
    kind: Any = type(thing)
    fields = attrs.fields(kind) if attrs.has(kind) else ()
    return sum(text_size(getattr(thing, field.name)) for field in fields)
