"""Texts that can be shown anywhere: one printable line of a bounded length. It knows no secrets."""

from __future__ import annotations

import unicodedata
from typing import Final

from .limits import ERROR_TEXT_MOST_CHARS

__all__ = ["presentable"]

_MARKS_MOST: Final = 2  # on one letter; more of them cover other lines


def presentable(text: str, most: int = ERROR_TEXT_MOST_CHARS) -> str:
    r"""Return ``text`` as one line of at most ``most`` characters.

    Control characters, those that turn the direction of writing, halves of characters and piles of marks are left
    out: terminals obey or cannot show them.

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
