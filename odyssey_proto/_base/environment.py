"""Environment variables, stripped of stray characters around them. This module does not know their meaning."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["cleaned", "variable"]

_MARKS: Final = ("\ufeff", "\u00ef\u00bb\u00bf")  # a byte order mark, and one that was read as Windows-1252


def cleaned(text: str) -> str:
    """Return ``text`` without the blanks, line breaks and byte order mark around it.

    They come from files: ``export KEY="$(cat key.txt)"``, or ``--env-file`` with a file that an editor wrote.

    >>> cleaned("\\ufeff https://api.example\\r\\n")
    'https://api.example'
    """
    before = None
    while before != text:
        before, text = text, text.strip()
        for mark in _MARKS:
            text = text.removeprefix(mark).removesuffix(mark)
    return text


def variable(name: str) -> str | None:
    """Return the value of a variable, `cleaned`; None if it is not set, or if nothing is left."""
    return cleaned(os.environ.get(name, "")) or None
