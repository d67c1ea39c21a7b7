"""The type of a live message that cannot be read, for the call that waits for its answer."""

from __future__ import annotations

import re
from typing import Final

from .._base.errors import MalformedMessageError

__all__ = ["note_type"]

_END: Final = 64 * 1024  # characters at either end of a message; an image has millions
_TYPE: Final = re.compile(r"""["']type["']\s*:\s*\[?\s*["']([a-z_]{1,40})["']""")
_ESCAPED: Final = re.compile(r"\\u00([0-7][0-9a-fA-F])")


def note_type(error: MalformedMessageError, message: str | bytes) -> None:
    """Note in ``error``, raised by reading ``message``, the first type that the message names, in any spelling.

    >>> error = MalformedMessageError("Malformed message")
    >>> note_type(error, '{"type": "stream_started", "stream_id": "st-')
    >>> error.message_type
    'stream_started'
    """
    if error.message_type is None:
        ends = (message[:_END], message[_END:][-_END:])
        found = next((kind for end in ends if (kind := _type_in(end))), None)
        error.message_type = found


def _type_in(part: str | bytes) -> str | None:
    # Without zeros, UTF-16 and UTF-32 are legible.
    text = part if isinstance(part, str) else part.replace(b"\0", b"").decode(errors="replace")
    found = _TYPE.search(_ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text))
    return found[1] if found else None
