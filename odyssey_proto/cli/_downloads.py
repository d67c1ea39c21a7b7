"""Downloads of recordings, with progress bars and descriptive file names.

The library fetches the files, and resumes interrupted downloads. It names them after the stream; here, the prompt
or the time is put before that. So no two recordings share a name, and existing files are recognised.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final

import click

from . import _file_names, _files, _output
from ._times import file_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..client import Odyssey

__all__ = ["NAMES", "Downloads", "artifact_option", "names_option", "print_files"]

_ARTIFACTS: Final = ("video", "events", "thumbnail", "preview")
NAMES: Final = ("prompt", "time", "id")
_ENDINGS: Final[dict[str, str]] = {
    "video": ".mp4",
    "events": "_events.jsonl",
    "thumbnail": "_thumb.jpg",
    "preview": "_preview.mp4",
}

artifact_option: Final = click.option(
    "--artifact",
    "artifacts",
    type=click.Choice([*_ARTIFACTS, "all"]),
    multiple=True,
    help="Which file of a recording; repeatable.  [default: video]",
)
names_option: Final = click.option(
    "--names",
    type=click.Choice(NAMES),
    help="The beginning of the file names, before the id.  [default: prompt]",
)


class Downloads:
    """The downloads of one call of the command, into one folder.

    Args:
        client: the client that downloads.
        folder: the destination; created if missing.
        artifacts: the files of each recording; ``all`` is everything, and an empty list the video.
        names: one of `NAMES`; None is the first.
        show: takes the name of a bar, its text, and the share that is done.
        is_again: whether existing files are downloaded again.
    """

    def __init__(
        self,
        client: Odyssey,
        folder: Path,
        *,
        artifacts: Iterable[str] = (),
        names: str | None = None,
        show: Callable[[str, str, float | None], None],
        is_again: bool = False,
    ) -> None:
        self._client = client
        self._folder = folder
        wanted = tuple(artifacts) or ("video",)
        self._artifacts: Any = _ARTIFACTS if "all" in wanted else wanted
        self._names = names or NAMES[0]
        self._show = show
        self._is_again = is_again
        self._started: dict[str, str] = {}
        self._listing: Any = None

    def fetch(self, stream_id: str) -> dict[str, Any]:
        """Download one recording; return its ``stream_id``, and the paths of its ``files`` by artifact.

        Raises:
            OdysseyError: as `Odyssey.download_recording`.
            OSError: a file cannot be written.
        """
        there = {} if self._is_again else self._files_there(stream_id)
        missing = [artifact for artifact in self._artifacts if artifact not in there]
        fetched: dict[str, Path] = {}
        if missing:
            with _files.naming(self._folder):
                fetched = self._client.download_recording(
                    stream_id, self._folder, missing, self._progress(stream_id), resume=not self._is_again
                )
        if fetched and self._names != "id":
            beginning = self._beginning(stream_id, fetched)
            fetched = {artifact: _renamed(path, beginning) for artifact, path in fetched.items()}
        files = there | fetched
        paths = {artifact: str(files[artifact]) for artifact in self._artifacts if artifact in files}
        return {"stream_id": stream_id, "files": paths}

    def _files_there(self, stream_id: str) -> dict[str, Path]:
        """Return the files of a recording that an earlier call has fetched, whatever their names begin with."""
        if not self._folder.is_dir():
            return {}
        found: dict[str, Path] = {}
        for path in self._folder.iterdir():
            for artifact, ending in _ENDINGS.items():
                if path.name.endswith(f"_{stream_id}{ending}") and path.is_file():
                    found[artifact] = path
        return found

    def _progress(self, stream_id: str) -> Callable[[str, int, int | None], None]:
        def show(artifact: str, done: int, size: int | None) -> None:
            self._show(artifact, f"{artifact} of {stream_id}", done / size if size else None)

        return show

    def _beginning(self, stream_id: str, fetched: dict[str, Path]) -> str:
        """Return the beginning of the names; "" if it cannot be found out."""
        if self._names == "time":
            return file_time(self._started_at(stream_id))
        if "events" in fetched:
            return _first_prompt(fetched["events"])
        from .. import OdysseyError

        with tempfile.TemporaryDirectory(prefix="odyssey-") as folder:
            try:
                log = self._client.download_recording(stream_id, folder, ("events",)).get("events")
            except OdysseyError:  # the wanted files exist, and have names
                return ""
            return "" if log is None else _first_prompt(log)

    def _started_at(self, stream_id: str) -> str:
        """Return when a stream began, or "" if it is not in the list of recordings.

        The list is read as far as necessary.
        """
        if self._listing is None:
            self._listing = self._client.iter_stream_recordings(page_size=100)
        while stream_id not in self._started and (info := next(self._listing, None)) is not None:
            self._started[info.stream_id] = info.started_at
        return self._started.get(stream_id, "")


def _first_prompt(log: Path) -> str:
    """Return a name made from the first prompt of an event log; "" if it has no prompts."""
    from .. import OdysseyConfigError, read_event_log

    try:
        for event in read_event_log(log):
            if isinstance(prompt := event.get("prompt"), str) and prompt.strip():
                return _file_names.slug(prompt, "")
    except OdysseyConfigError:  # not a log; the video is there nevertheless
        pass
    return ""


def _renamed(path: Path, beginning: str) -> Path:
    return path.replace(path.with_name(f"{beginning}_{path.name}")) if beginning else path


def print_files(downloads: Iterable[dict[str, Any]]) -> None:
    """Print the paths of the files that `Downloads.fetch` returned, one a line; say if there are none."""
    for download in downloads:
        for path in download["files"].values():
            print(path)
        if not download["files"]:
            _output.note(f"{download['stream_id']}: the recording has no such file")
