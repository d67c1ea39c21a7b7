"""Downloading recordings: the files of one recording, all at once, into one folder.

Only the given folder is written to. Addresses come from `odyssey_proto._net.service_api`; how one file is fetched
and resumed is in `odyssey_proto._rest.artifact_file`.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .._base import arguments, errands
from .._base.abort import Abort
from .._base.errors import OdysseyConfigError, OdysseyError, again
from .._base.resources import start
from .._base.secrets import Secret
from .._net.service_api import REQUEST_TIMEOUT_S
from .artifact_file import ArtifactFile

if TYPE_CHECKING:
    from odyssey_models import Recording

    from .._base.clock import Deadline
    from .._net.service_api import ServiceApi

__all__ = ["Artifact", "Downloader", "OnProgress"]

Artifact: TypeAlias = Literal["video", "events", "thumbnail", "preview"]
"""A file of a recording."""
OnProgress: TypeAlias = Callable[[str, int, int | None], object]
"""Called with an artifact, the number of bytes so far, and the total, or None if it is not known."""

_NAMES: Final = {
    "video": "{}.mp4",
    "events": "{}_events.jsonl",
    "thumbnail": "{}_thumb.jpg",
    "preview": "{}_preview.mp4",
}
_STREAM_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")  # a valid file name on every system
# Names that Windows treats as devices, with any extension.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


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
            ArtifactFile(
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
    given = errands.call_back(tuple, artifacts)
    return tuple(dict.fromkeys([arguments.one_of("artifacts", artifact, tuple(_NAMES)) for artifact in given]))


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
        self._lock = threading.Lock()  # held during a request: waiting threads use the same answer
        self._recording = self._ask()

    def get(self, artifact: str) -> str | None:
        url: str | None = getattr(self._recording, f"{artifact}_url")
        return url and Secret(url)

    def after(self, artifact: str, expired: str | None) -> str | None:
        """Return an address to replace the one that has ``expired``, or None if there is none."""
        with self._lock:
            if self.get(artifact) == expired:
                self._recording = self._ask()
            return self.get(artifact)

    def _ask(self) -> Recording:
        return self._api.recording(self._stream_id, self._deadline.within(REQUEST_TIMEOUT_S), abort=self._abort)


# --- several files


class _Together:
    """Fetches files in parallel, on a thread each, and reports their progress on the caller's thread."""

    def __init__(self, files: list[ArtifactFile], on_progress: OnProgress | None, abort: Abort) -> None:
        self._files = files
        self._abort = abort
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._news: dict[
            str, tuple[int, int | None]
        ] = {}  # only the latest for each file, so that a slow callback delays nothing
        self._failures: dict[str, BaseException] = {}

    def run(self) -> None:
        """Return when all files are complete; a failure is raised only after the others have ended."""
        threads = [
            threading.Thread(
                target=self._fetch, args=(file,), name=f"odyssey-download-{file.artifact}", daemon=True
            )
            for file in self._files
        ]
        try:
            for thread in threads:
                start(thread)
            while any(thread.is_alive() for thread in threads):
                errands.check()
                self._listen()
            self._listen()
        finally:
            self._abort.abort()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._failures:
            raise self._failure()

    def _failure(self) -> BaseException:
        """Return the failure to raise: that of the file that was asked for first among those that failed."""
        complete = [file.artifact for file in self._files if file.artifact not in self._failures]
        failed = [file.artifact for file in self._files if file.artifact in self._failures]
        failure = self._failures[failed[0]]
        if len(self._files) == 1 or not isinstance(failure, OdysseyError):
            return failure
        notes = (("incomplete", failed), ("complete", complete))
        return again(failure, *(f"{state}: {', '.join(names)}" for state, names in notes if names))

    def _fetch(self, file: ArtifactFile) -> None:
        def report() -> None:
            with self._changed:
                self._news[file.artifact] = (file.done, file.size)
                self._changed.notify()

        file.report = report
        try:
            file.fetch()
        except BaseException as exc:  # noqa: BLE001  # raised again on the caller's thread
            with self._changed:
                self._failures[file.artifact] = exc
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
                errands.call_back(self._on_progress, artifact, done, size)
