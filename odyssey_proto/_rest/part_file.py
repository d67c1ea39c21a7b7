"""A file that grows under a provisional name: `.part` while bytes arrive, its own name once it is complete.

Beside a `.part` there is a `.part.json` that names the version of the file to which the part belongs, so that a
later process can continue it. One download at a time has the file; any other, in any process, is refused. Where
the bytes come from is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from .._base.errors import OdysseyConfigError, no_resources
from .._base.limits import FILE_MOST_BYTES, NOTE_MOST_BYTES
from .._base.shortage import is_shortage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._base.clock import Deadline

__all__ = ["PartFile", "Version"]

_LONGEST_VALIDATOR: Final = 1024  # characters; those of stores have 70
_RENAMES_OPEN_FILES: Final = os.name != "nt"
_RELEASED_WITHIN_S: Final = 1.0  # for a virus scanner on Windows to release a file that was just written
_LOCKED_AT: Final = 1 << 40  # the byte to lock on Windows, beyond the data: only the owner can read a locked byte


@attrs.frozen(kw_only=True)
class Version:
    """The version of a file that a part belongs to."""

    validator: str | None
    """The ETag, or else the date, for ``If-Range``; None if neither can be used."""
    size: int | None
    """The length of the whole file, in bytes; None if it is not known."""

    @classmethod
    def of(cls, headers: Mapping[str, str], size: int | None) -> Self:
        """Return the version of the file in an answer with these ``headers``."""
        validator = _strong(headers) or headers.get("Last-Modified")
        return cls(validator=validator if _is_sendable(validator) else None, size=size)

    def is_replaced_by(self, headers: Mapping[str, str]) -> bool:
        """Return whether an answer with these ``headers`` belongs to another version."""
        if self.validator is None:
            return False
        known = _strong(headers) if self.validator.startswith('"') else headers.get("Last-Modified")
        return known is not None and known != self.validator


def _strong(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else None  # a weak one does not promise equal bytes


class PartFile:
    """The provisional file of ``path``.

    Args:
        path: the name of the complete file.
        deadline: for waiting until the system lets the file be renamed.
        pause: waits for the given time in s.
    """

    def __init__(self, path: Path, deadline: Deadline, pause: Callable[[float], object]) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")
        self._fresh_note = path.with_name(path.name + ".part.json.new")
        self._deadline = deadline
        self._pause = pause
        self._descriptor = -1

    @contextlib.contextmanager
    def filled(self) -> Iterator[None]:
        """Hold the file for this download alone, within a ``with``; at its end, unless there was an error, rename
        it to ``path``.

        Raises:
            OdysseyConfigError: another download is writing it, or something other than a file is in its place.
            OdysseyConnectionError: the system is out of descriptors.
            OSError: it cannot be written.
        """
        _refuse_odd(self._part)
        for path in (self._path, self._note, self._fresh_note):
            if path.is_dir() and not path.is_symlink():
                raise _odd(path)
        with _locked(self._part) as self._descriptor:
            with self._kept_if_begun():
                yield
            os.fsync(self._descriptor)
            self._note.unlink(missing_ok=True)  # under the lock: the next one belongs to another download
            if _RENAMES_OPEN_FILES:  # also under the lock, so that no other download can resume it meanwhile
                self._part.replace(self._path)
        if not _RENAMES_OPEN_FILES:
            self._replace(self._part, self._path)

    @contextlib.contextmanager
    def _kept_if_begun(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if _RENAMES_OPEN_FILES and not self.size:  # nothing that a later download could continue
                self._note.unlink(missing_ok=True)
                self._part.unlink(missing_ok=True)
            raise

    @property
    def size(self) -> int:
        """The number of bytes present; the next ones are appended."""
        return os.lseek(self._descriptor, 0, os.SEEK_END)

    def head(self, size: int) -> bytes:
        """Return the first ``size`` bytes."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        head = os.read(self._descriptor, size)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        return head

    def write(self, piece: bytes) -> None:
        """Append ``piece``."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def begin(self, version: Version | None) -> None:
        """Start over, and write the note of the version before the first byte."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        if version is None or version.validator is None:
            self._note.unlink(missing_ok=True)
            return
        fresh = self._fresh_note
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8") as file:
            json.dump(attrs.asdict(version), file)
        self._replace(fresh, self._note)

    def version(self) -> Version | None:
        """Return the version in the note, or None if there is no valid note."""
        try:
            data: Mapping[str, Any] = json.loads(_content(self._note))
            validator, size = data["validator"], data["size"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        is_size = size is None or (type(size) is int and 0 <= size <= FILE_MOST_BYTES)
        return Version(validator=validator, size=size) if is_size and _is_sendable(validator) else None

    def _replace(self, source: Path, target: Path) -> None:
        patience = self._deadline.within(_RELEASED_WITHIN_S)
        while True:
            try:
                source.replace(target)
            except PermissionError:
                if _RENAMES_OPEN_FILES or patience.expired:
                    raise
                self._pause(0.05)
            else:
                return


def _is_sendable(validator: object) -> bool:
    """Return whether a validator can be sent in a header; anything may have written it."""
    return (
        isinstance(validator, str)
        and 0 < len(validator) <= _LONGEST_VALIDATOR
        and validator.isascii()
        and validator.isprintable()
    )


def _content(path: Path) -> bytes:
    """Return the content of a small file; a pipe, a device or a link to another file raises `OSError`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123  # Path.open takes no flags
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > NOTE_MOST_BYTES:
            raise OSError(errno.EINVAL, "it is not a note")
        return file.read(NOTE_MOST_BYTES)


def _refuse_odd(path: Path) -> None:
    """Raise if something other than a file has this name: opening a pipe may block for ever."""
    try:
        mode = path.lstat().st_mode
    except OSError:  # there is none, or opening it will fail
        return
    if not stat.S_ISREG(mode):
        raise _odd(path)


def _odd(path: Path) -> OdysseyConfigError:
    return OdysseyConfigError(f"{path.name} is not a plain file: move it away, or delete it", code="not_a_file")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open ``path`` for this download alone; any other download, in any process, is refused."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as exc:
        if is_shortage(exc):
            raise no_resources(exc) from exc
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _odd(path)
        _lock(descriptor, path)
        yield descriptor
    finally:
        _unlock(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        _lock_alone(descriptor)
    except (BlockingIOError, PermissionError):
        raise _busy(path) from None
    except OSError:  # a file system without locks
        return
    if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
        raise _busy(path)  # it was renamed between opening and locking, so the open file is complete


def _lock_alone(descriptor: int) -> None:
    """Lock an open file until it is closed; raise `BlockingIOError` or `PermissionError` if it is locked."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        windows: Any = msvcrt  # type checkers know its names on Windows only
        os.lseek(descriptor, _LOCKED_AT, os.SEEK_SET)
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(descriptor: int) -> None:
    """Release the lock.

    Closing alone would leave it to a child that was forked meanwhile and has the file open.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such children
        return
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _busy(path: Path) -> OdysseyConfigError:
    return OdysseyConfigError(f"Another download is writing {path.name}", code="busy")
