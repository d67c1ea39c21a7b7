"""Recognises a body by its first bytes: a file, or a store's answer or a login page in its place.

Login pages of networks, and some stores, answer 200 with HTML, XML or text. The bytes decide, because labels are
often wrong. This module reads nothing itself, and does not decide what follows.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

__all__ = ["LOOKED_AT", "is_markup", "is_text"]

LOOKED_AT: Final = 512
"""How many bytes at the beginning of a body decide; a shorter body decides as a whole."""

_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]")
_MARKUP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?/a-zA-Z]")
_WIDE: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def is_markup(head: bytes | bytearray) -> bool:
    r"""Return whether a body that begins with ``head`` is HTML or XML.

    >>> is_markup(b"\n<!DOCTYPE html>"), is_markup(b"\x00\x00\x00\x18ftypmp42"), is_markup(b"#EXTM3U")
    (True, False, False)
    """
    head = _narrow(bytes(head[:LOOKED_AT]))
    return _MARKUP.match(head) is not None and _NO_TEXT.search(head) is None


def is_text(head: bytes) -> bool:
    r"""Return whether a body that begins with ``head`` is text, which no video and no picture is.

    >>> is_text(b'{"error": "denied"}'), is_text(b"\xff\xd8\xff\xe0"), is_text(b"")
    (True, False, False)
    """
    head = _narrow(head[:LOOKED_AT])
    if not head or _NO_TEXT.search(head) is not None:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut off
    except UnicodeDecodeError:
        return is_markup(head)  # in an older encoding
    return True


def _narrow(head: bytes) -> bytes:
    """Return text in UTF-16 as UTF-8, and anything else unchanged."""
    wide = _WIDE.get(head[:2])
    return head if wide is None else head[2:].decode(wide, "ignore").encode("utf-8", "ignore")
