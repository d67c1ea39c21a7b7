"""One key for all spellings of a file's name, so that two writers of one file are noticed. No file is touched."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["file_key"]


def file_key(path: Path, platform: str = sys.platform) -> Path:
    """Return a key for a resolved path: if ``platform`` is macOS or Windows, case in names is ignored.

    >>> file_key(Path("Cat.mp4"), "darwin") == file_key(Path("cat.mp4"), "darwin")
    True
    """
    return Path(str(path).casefold()) if platform in ("darwin", "win32") else path
