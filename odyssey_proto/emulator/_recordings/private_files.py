"""Files and folders that only their owner can read, whatever the umask and the folder around them.

A link that another user has put in their place is refused: it could lead anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["keep_private", "private_file", "private_folder"]

_FILE: Final = 0o600
_FOLDER: Final = 0o700


def private_folder(path: Path) -> Path:
    """Create the folder ``path`` if it is missing, make it private, and return ``path``.

    Raises:
        OSError: it is a link or not a folder, or it belongs to somebody else.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(_FOLDER)
    keep_private(path)
    return path


def private_file(path: Path) -> Path:
    """Create the empty file ``path`` if it is missing, make it private, and return ``path``.

    Opening it for writing keeps its mode.

    Raises:
        OSError: it is a link or not a file, or it belongs to somebody else.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE))
    keep_private(path)
    return path


def keep_private(path: Path) -> None:
    """Make the file or folder at ``path`` private, if it exists.

    Does not open it: SQLite would lose its lock on it.

    Raises:
        OSError: it is a link, a second name of a file, or neither a file nor a folder, or it belongs to somebody
            else.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():  # not left to `chmod`, which root may call
        raise OSError(errno.EPERM, f"{path.name} belongs to somebody else")
    if stat.S_ISDIR(found.st_mode):
        mode = _FOLDER
    elif not stat.S_ISREG(found.st_mode):
        what = "a link" if stat.S_ISLNK(found.st_mode) else "neither a file nor a folder"
        raise OSError(errno.EINVAL, f"{path.name} is {what}")
    elif found.st_nlink > 1:
        raise OSError(errno.EMLINK, f"{path.name} has another name somewhere")
    else:
        mode = _FILE
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)
