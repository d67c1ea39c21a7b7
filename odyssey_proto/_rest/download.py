"""Downloading recordings: written to a `.part` file, resumed after an interruption, renamed at the end.

See spec/behaviour.md#downloads. Beside a `.part` there is a `.part.json` that names the version of the file.
Bytes are written as they arrive and requested only once: if the process ends for any reason, a later one
continues from there. Only the given folder is written to. Addresses come from `odyssey_proto._net.service_api`,
bytes from `odyssey_proto._net.signed_file`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from .._base import arguments
from .._base.abort import Abort
from .._base.errors import OdysseyConfigError, OdysseyConnectionError, OdysseyError
from .._net.service_api import REQUEST_TIMEOUT_S
from .._net.signed_file import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from odyssey_models import Recording

    from .._base.clock import Deadline
    from .._net.http_exchange import HttpClient
    from .._net.service_api import ServiceApi
    from .._net.signed_file import Fetched

__all__ = ["Artifact", "Downloader", "OnProgress"]

Artifact: TypeAlias = Literal["video", "events", "thumbnail", "preview"]
"""A file of a recording."""
OnProgress: TypeAlias = Callable[[str, int, int | None], object]
"""Called with an artifact, the bytes so far, and the bytes altogether or None."""

log = logging.getLogger("odyssey_proto.http")

_NAMES: Final = {
    "video": "{}.mp4",
    "events": "{}_events.jsonl",
    "thumbnail": "{}_thumb.jpg",
    "preview": "{}_preview.mp4",
}
_STREAM_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")  # a valid file name on every system
# Names that Windows treats as devices, with any extension.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_RENAMES_OPEN_FILES: Final = os.name != "nt"
_PATIENCE_S: Final = 1.0  # for a virus scanner on Windows to release a file that was just written
_LOCKED_AT: Final = 1 << 40  # the byte to lock on Windows, beyond the data: only the owner can read a locked byte
_ATTEMPTS: Final = 5  # consecutive attempts without a single byte
_ADDRESSES: Final = 2  # consecutive addresses that are refused
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)  # before each attempt but the first
_EXPIRED: Final = frozenset({400, 401, 403, 410})  # the statuses that stores return for an expired address
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
_NO_SUCH_RANGE: Final = 416


class Downloader:
    """Fetches the artifacts of recordings into folders."""

    def __init__(self, api: ServiceApi) -> None:
        self._api = api

    def download(
        self,
        stream_id: str,
        directory: str | os.PathLike[str],
        artifacts: Iterable[Artifact],
        deadline: Deadline,
        *,
        on_progress: OnProgress | None,
        resume: bool,
    ) -> dict[str, Path]:
        """Fetch the ``artifacts``, all at once; see `Odyssey.download_recording`."""
        wanted = _checked_artifacts(artifacts)
        _check_stream_id(stream_id)
        arguments.function("on_progress", on_progress)
        arguments.flag("resume", resume)
        folder = _folder(directory)
        abort = Abort()
        addresses = _Addresses(self._api, stream_id, deadline, abort)
        folder.mkdir(parents=True, exist_ok=True)
        files = [
            _File(
                artifact=artifact,
                path=folder / _NAMES[artifact].format(stream_id),
                http=self._api.http,
                addresses=addresses,
                deadline=deadline,
                resume=resume,
                abort=abort,
            )
            for artifact in wanted
            if addresses.get(artifact) is not None
        ]
        _Together(files, on_progress, abort).run()
        return {file.artifact: file.path for file in files}


# --- arguments


def _checked_artifacts(artifacts: Any) -> tuple[str, ...]:
    if isinstance(artifacts, str) or not isinstance(artifacts, Iterable):
        raise TypeError(f"artifacts must be several of {', '.join(_NAMES)}, not {type(artifacts).__name__}")
    return tuple(dict.fromkeys(arguments.one_of("artifacts", artifact, tuple(_NAMES)) for artifact in artifacts))


def _check_stream_id(stream_id: Any) -> None:
    arguments.identifier("stream_id", stream_id)
    if not _STREAM_ID.fullmatch(stream_id) or _DEVICE.fullmatch(stream_id):
        raise OdysseyConfigError("stream_id cannot name a file", code="invalid_argument")


def _folder(directory: Any) -> Path:
    if not isinstance(directory, str | os.PathLike):
        raise TypeError(f"directory must be a path, not {type(directory).__name__}")
    text = os.fspath(directory)
    if not isinstance(text, str) or not text or "\0" in text or not _is_encodable(text):
        raise OdysseyConfigError("directory is not a valid path", code="invalid_argument")
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise OdysseyConfigError("directory is a file", code="invalid_argument")
    return folder


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


class _Addresses:
    """The signed addresses of one recording, requested again when they expire; all its files share them."""

    def __init__(self, api: ServiceApi, stream_id: str, deadline: Deadline, abort: Abort) -> None:
        self._api = api
        self._abort = abort
        self._stream_id = stream_id
        self._deadline = deadline
        self._lock = threading.Lock()  # held during a request: a thread that waits uses the same answer
        self._recording = self._ask()

    def get(self, artifact: str) -> str | None:
        url: str | None = getattr(self._recording, f"{artifact}_url")
        return url

    def after(self, artifact: str, expired: str | None) -> str | None:
        """Return an address other than the one that has ``expired``."""
        with self._lock:
            if self.get(artifact) == expired:
                self._recording = self._ask()
            return self.get(artifact)

    def _ask(self) -> Recording:
        return self._api.recording(self._stream_id, self._deadline.within(REQUEST_TIMEOUT_S), abort=self._abort)


# --- one file


@attrs.frozen(kw_only=True)
class _Version:
    """The version of a file that a part belongs to."""

    validator: str | None
    """The ETag or else the date, for ``If-Range``."""
    size: int | None
    """The length of the whole file, in bytes."""

    @classmethod
    def of(cls, fetched: Fetched, size: int | None) -> _Version:
        etag = fetched.headers.get("ETag", "")
        strong = etag if etag.startswith('"') else None  # a weak one does not promise equal bytes
        return cls(validator=strong or fetched.headers.get("Last-Modified"), size=size)


@attrs.define(kw_only=True, eq=False)
class _File:
    """The download of one artifact."""

    artifact: str
    path: Path
    http: HttpClient
    addresses: _Addresses
    deadline: Deadline
    resume: bool
    abort: Abort
    done: int = 0
    size: int | None = None
    report: Callable[[], None] = lambda: None

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".part.json")

    def fetch(self) -> None:
        """Download the file to `path`, as far as it is not there yet."""
        if self.resume and self.path.is_file():  # only complete files are renamed to this
            self.done = self.size = self.path.stat().st_size
            self.report()
            return
        with _locked(self.part) as descriptor:
            version = self._version() if self.resume else None
            if version is None:
                os.ftruncate(descriptor, 0)
            self._fetch_all(descriptor, version)
            os.fsync(descriptor)
            if _RENAMES_OPEN_FILES:  # under the lock, so that no other download can resume it meanwhile
                self.part.replace(self.path)
        if not _RENAMES_OPEN_FILES:
            self._replace(self.part, self.path)
        self.note.unlink(missing_ok=True)

    def _fetch_all(self, descriptor: int, version: _Version | None) -> None:
        failures = refused = 0
        url = self.addresses.get(self.artifact)
        while True:
            before = self.done = os.lseek(descriptor, 0, os.SEEK_END)
            try:
                version = self._fetch_some(descriptor, url, version)
            except OdysseyError as exc:
                failures = failures + 1 if self.done <= before else 1
                refused = refused + 1 if exc.status in _EXPIRED else 0
                enough = failures >= _ATTEMPTS or refused >= _ADDRESSES
                if enough or self.abort.aborted or not self._may_pass(exc):
                    raise
                log.debug("resuming %s at byte %d: %s", self.path.name, self.done, exc)
                if exc.status in _EXPIRED:
                    url = self.addresses.after(self.artifact, url)
                version = self._version()
                self._pause(_PAUSES_S[failures - 1] if self.done <= before else 0.0)
            else:
                if version is not None:
                    return

    def _may_pass(self, exc: OdysseyError) -> bool:
        return not self.deadline.expired and (exc.recoverable or exc.status in _EXPIRED)

    def _replace(self, source: Path, target: Path) -> None:
        patience = self.deadline.within(_PATIENCE_S)
        while True:
            try:
                source.replace(target)
            except PermissionError:
                if _RENAMES_OPEN_FILES or patience.expired:
                    raise
                self._pause(0.05)
            else:
                return

    def _pause(self, seconds: float) -> None:
        self.http.pause(seconds, self.deadline, self.abort)  # if it ends early, so does the next request

    def _fetch_some(self, descriptor: int, url: str | None, version: _Version | None) -> _Version | None:
        """Fetch what is missing; return the version once the file is complete, or None to start over."""
        if url is None:
            raise OdysseyConnectionError(
                f"The {self.artifact} of the recording is gone", code="not_found", operation="download"
            )
        headers = {}
        if self.done and version is not None and version.validator is not None:
            if self.done == version.size:
                return version  # it was complete when the process ended
            headers = {"Range": f"bytes={self.done}-", "If-Range": version.validator}
        with fetch(self.http, url, headers, self.deadline, self.abort) as fetched:
            found = _RANGE.fullmatch(fetched.headers.get("Content-Range", ""))
            goes_on = (
                fetched.status == 206
                and found is not None
                and int(found[1]) == self.done
                and version is not None
                and version.size in (None, int(found[2]))
            )
            if fetched.status != 200 and not goes_on:
                # Another version, or an answer that does not fit the request: nothing can be kept.
                self._begin(descriptor, None)
                if not headers:
                    raise OdysseyConnectionError(
                        f"download: the store answered {fetched.status} to a request for the whole file",
                        code="malformed",
                        operation="download",
                    )
                return None
            if goes_on:
                assert version is not None
                assert found is not None
                version = attrs.evolve(version, size=int(found[2]))
            else:
                length = fetched.headers.get("Content-Length", "")
                version = _Version.of(fetched, int(length) if length.isdecimal() else None)
                self._begin(descriptor, version)
            self.size = version.size
            self.report()
            for piece in fetched.pieces:
                _write(descriptor, piece)
                self.done += len(piece)
                self.report()
        if self.size is not None and self.done != self.size:
            raise OdysseyConnectionError(
                f"download: only {self.done} of {self.size} bytes were received",
                code="connection_lost",
                operation="download",
                recoverable=True,
            )
        return version

    def _begin(self, descriptor: int, version: _Version | None) -> None:
        """Start over, and write the note of the version before the first byte."""
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        self.done = 0
        if version is None or version.validator is None:
            self.note.unlink(missing_ok=True)
            return
        fresh = self.note.with_name(self.note.name + ".new")
        fresh.unlink(missing_ok=True)
        with fresh.open("x", encoding="utf-8") as file:
            json.dump(attrs.asdict(version), file)
        self._replace(fresh, self.note)

    def _version(self) -> _Version | None:
        """Return the version in the note, or None if there is no valid note."""
        try:
            data: Mapping[str, Any] = json.loads(self.note.read_text(encoding="utf-8"))
            validator, size = data["validator"], data["size"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        usable = isinstance(validator, str) and validator.isprintable() and isinstance(size, int | None)
        return _Version(validator=validator, size=size) if usable else None


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open ``path`` for this download alone; any other download, in any process, is refused."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o644)
    try:
        _lock(descriptor, path)
        yield descriptor
    finally:
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


def _busy(path: Path) -> OdysseyConfigError:
    return OdysseyConfigError(f"Another download is writing {path.name}", code="busy")


# --- several files


class _Together:
    """Fetches files in parallel, on a thread each, and reports their progress on the caller's thread."""

    def __init__(self, files: list[_File], on_progress: OnProgress | None, abort: Abort) -> None:
        self._files = files
        self._abort = abort
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._news: dict[
            str, tuple[int, int | None]
        ] = {}  # only the latest for each file, so that a slow callback delays nothing
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Return when all files are complete; raise the first failure, and leave the others resumable."""
        threads = [
            threading.Thread(
                target=self._fetch, args=(file,), name=f"odyssey-download-{file.artifact}", daemon=True
            )
            for file in self._files
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                self._listen()
            self._listen()
        finally:
            self._abort.abort()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._failure is not None:
            raise self._failure

    def _fetch(self, file: _File) -> None:
        def report() -> None:
            with self._changed:
                self._news[file.artifact] = (file.done, file.size)
                self._changed.notify()

        file.report = report
        try:
            file.fetch()
        except BaseException as exc:  # noqa: BLE001  # raised again on the caller's thread
            with self._changed:
                if self._failure is None:
                    self._failure = exc
            self._abort.abort()
        finally:
            with self._changed:
                self._changed.notify()

    def _listen(self) -> None:
        with self._changed:
            if not self._news:
                self._changed.wait(0.05)  # a thread ends only after its last report
            news, self._news = self._news, {}
        if self._on_progress is not None:
            for artifact, (done, size) in news.items():
                self._on_progress(artifact, done, size)
