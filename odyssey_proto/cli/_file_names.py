"""Names of the files that commands write: from a prompt, and never that of an existing file."""

from __future__ import annotations

import datetime
import itertools
import re
import unicodedata
from pathlib import Path
from typing import Final

__all__ = ["free_name", "slug", "time_name"]

_MOST_CHARS: Final = 48


def slug(text: str, otherwise: str) -> str:
    """Return a short name for ``text``; ``otherwise`` if it has neither letters nor digits.

    The words of the name consist of lower-case letters, of any script, and digits; hyphens separate them.

    >>> slug("A cat on a hill, at sunset!", "stream")
    'a-cat-on-a-hill-at-sunset'
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())
    name = ""
    for word in words:
        if len(name) + len(word) >= _MOST_CHARS:
            break
        name = f"{name}-{word}".removeprefix("-")
    return name or (words[0][:_MOST_CHARS] if words else otherwise)


def time_name(what: str) -> str:
    """Return a name with the current time, such as ``broadcast-20260131-154500``."""
    return f"{what}-{datetime.datetime.now().astimezone():%Y%m%d-%H%M%S}"


def free_name(name: str, suffix: str, *, is_replaced: bool = False) -> Path:
    """Return ``name`` with ``suffix``, in the current folder, and with a number if that file exists.

    Args:
        name: the name, without the suffix.
        suffix: such as ``.mp4``.
        is_replaced: whether an existing file may be replaced.
    """
    path = Path(name + suffix)
    numbers = itertools.count(2)
    while not is_replaced and (path.exists() or path.is_symlink()):
        path = Path(f"{name}-{next(numbers)}{suffix}")
    return path
