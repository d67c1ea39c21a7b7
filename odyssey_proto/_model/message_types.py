"""The type of a live message that is not JSON, for the call that waits for its answer."""

from __future__ import annotations

import re
from typing import Final

from .._base.errors import MalformedMessageError

__all__ = ["note_type"]

_HEAD: Final = 4096  # characters; an image has millions
_TYPE: Final = re.compile(r'"type"\s*:\s*"([a-z_]{1,40})"')


def note_type(error: MalformedMessageError, message: str | bytes) -> None:
    """Note in ``error``, which reading ``message`` raised, which type its text names, if it names one.

    >>> error = MalformedMessageError("Malformed message")
    >>> note_type(error, '{"type": "stream_started", "stream_id": "st-')
    >>> error.message_type
    'stream_started'
    """
    if error.message_type is None:
        head = message[:_HEAD]
        found = set(_TYPE.findall(head if isinstance(head, str) else head.decode(errors="replace")))
        error.message_type = found.pop() if len(found) == 1 else None
