"""Texts that can be shown anywhere: one printable line of a bounded length. This module removes no secrets."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING, Final

from .limits import ERROR_TEXT_MOST_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["presentable", "system_text"]

_MARKS_MOST: Final = 2  # on one letter; more of them cover other lines
_WINSOCK: Final = 10_000  # the errors of sockets on Windows have larger numbers


def presentable(text: str, most: int = ERROR_TEXT_MOST_CHARS) -> str:
    r"""Return ``text`` as one line of at most ``most`` characters.

    Control characters, those that change the direction of writing, halves of surrogate pairs and piles of marks
    are left out: terminals would obey them, or cannot show them.

    >>> presentable("two\nlines\x1b[31m\u202e"), len(presentable("x" * 10_000))
    ('two lines[31m', 600)
    """
    if len(text) <= most and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    shown: list[str] = []
    marks = 0
    # Cut first, so that 10 MB are not searched for the sake of one line.
    for letter in " ".join(text[: 4 * most].split()):
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if letter.isprintable() and marks <= _MARKS_MOST:
            shown.append(letter)
    line = "".join(shown)
    return line if len(line) <= most else line[: most - 1] + "…"


def system_text(number: int, *, format_error: Callable[[int], str] | None = None) -> str:
    """Return the system's text for an error number. On Windows, `os.strerror` does not know the errors of sockets.

    Args:
        number: the number.
        format_error: returns the text of Windows for a number; None takes `ctypes.FormatError`, if there is one.

    >>> system_text(2), system_text(10061, format_error=lambda _: "Connection refused.\\r\\n")
    ('No such file or directory', 'Connection refused')
    """
    if number < _WINSOCK:
        return os.strerror(number)
    return (format_error or _format_error())(number).rstrip(". \r\n")


def _format_error() -> Callable[[int], str]:
    import ctypes  # not at the top: it loads a library, and only Windows has such numbers

    formatted: Callable[[int], str] = getattr(ctypes, "FormatError", os.strerror)
    return formatted
