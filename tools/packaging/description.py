"""Makes the description of the wheel from the README, for a package index, where relative links are broken.

This module needs only the standard library, because it runs wherever the package is built.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["NOTE", "description"]

NOTE: Final = (
    "*Paths such as `tools/docs/live.md` are those of files in the source distribution and in a clone; so are the "
    "pictures.*"
)
"""The note in the description about the links and pictures that it lacks."""

_CODE: Final = re.compile(r"(```.*?\n```)", re.DOTALL)
_PICTURE: Final = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*")
_LINK: Final = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
_TITLE: Final = re.compile(r"\A# .*\n")


def description(readme: str) -> str:
    """Return ``readme`` without pictures of the repository, with paths for links to its files, and with `NOTE`."""
    parts = _CODE.split(readme)
    parts[::2] = (_LINK.sub(_as_path, _PICTURE.sub("", part)) for part in parts[::2])
    return _TITLE.sub(rf"\g<0>\n{NOTE}\n", "".join(parts))


def _as_path(link: re.Match[str]) -> str:
    text, path = link[1], link[2]
    return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"
