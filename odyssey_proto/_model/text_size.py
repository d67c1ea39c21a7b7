"""How much text a message or an event has in it. It copies and encodes nothing."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["text_size"]


def text_size(thing: object) -> int:
    """Return how many characters the texts of ``thing`` have, a model or an event, with those of its parts.

    >>> from .events import StreamStarted
    >>> text_size(StreamStarted(stream_id="st-1", applied_prompt="A cat", at=0.0))
    9
    """
    if isinstance(thing, str):
        return len(thing)
    kind: Any = type(thing)
    fields = attrs.fields(kind) if attrs.has(kind) else ()
    return sum(text_size(getattr(thing, field.name)) for field in fields)
