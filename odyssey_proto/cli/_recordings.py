"""``odyssey-proto recordings``: recordings are listed, shown and downloaded."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import _files, _output
from ._access import service_options
from ._downloads import artifact_option, names_option, print_files
from ._ids import each, errors_in_json, raise_last
from ._lists import SMALL, Listing, listing_options, named, sample_job
from ._options import json_option
from ._times import clock, local_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from odyssey_models import Recording, StreamRecordingInfo

    from .. import OdysseyError
    from ..client import Odyssey
    from ._access import Access

__all__ = ["command"]

_ids: Final = click.argument("ids", nargs=-1, metavar="ID...")


@click.group(no_args_is_help=True)
def command() -> None:
    """List, show and download recordings.

    An ID is that of a stream, or - for those on stdin: ids, or what "recordings list" and "simulate --wait" print,
    as text or JSON.
    """


@command.command(name="list")
@listing_options
@service_options
def list_(listing: Listing, access: Access) -> None:
    """List recordings, newest first."""
    with access.client(**SMALL) as client:
        if access.is_emulator:
            sample_job(client)
        found = listing.of(
            client.iter_stream_recordings(page_size=listing.page_size), lambda recording: recording.started_at
        )
    listing.show("recordings", found, "stream_id", ("started", "length", "size"), _row)


@command.command
@_ids
@json_option
@service_options
def show(ids: Sequence[str], as_json: bool, access: Access) -> None:
    """Show recordings, with the addresses of their files.

    Whoever has an address can read the file, for about an hour.
    """
    wanted = named(ids, "stream_id", access)
    with access.client(**SMALL) as client:
        wanted = wanted or _own(client, access)
        found, failures = each(wanted, client.get_recording)
    if as_json:
        _print_json([recording.to_dict() for recording in found], failures)
    else:
        for recording in found:
            _print_recording(recording)
    raise_last(failures)


@command.command
@_ids
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Folder for the files; created if missing.  [default: this one]",
)
@artifact_option
@names_option
@click.option("--again", is_flag=True, help="Download existing files again.")
@json_option
@service_options
def download(
    ids: Sequence[str],
    folder: Path,
    artifacts: tuple[str, ...],
    names: str | None,
    again: bool,
    as_json: bool,
    access: Access,
) -> None:
    """Download recordings.

    Interrupted downloads are resumed, and existing files are kept.
    """
    from ._downloads import Downloads

    _files.expect_folder(folder)
    wanted = named(ids, "stream_id", access)
    with access.client(**SMALL) as client, _output.progress_rows() as progress:
        wanted = wanted or _own(client, access)
        downloads = Downloads(client, folder, artifacts=artifacts, names=names, show=progress, is_again=again)

        numbers = itertools.count()

        def fetch(stream_id: str) -> dict[str, Any]:
            done = next(numbers)
            if len(wanted) > 1:
                progress("all", f"{done} of {len(wanted)} recordings", done / len(wanted))
            return downloads.fetch(stream_id)

        found, failures = each(wanted, fetch)
    if as_json:
        _print_json(found, failures)
    else:
        print_files(found)
    raise_last(failures)


def _own(client: Odyssey, access: Access) -> list[str]:
    """Return the streams that the call's own emulator has recorded for it; none with any other service."""
    if not access.is_emulator:
        return []
    return [stream.stream_id for stream in sample_job(client).streams]


def _print_json(recordings: Sequence[dict[str, Any]], failures: Mapping[str, OdysseyError]) -> None:
    _output.print_json({"recordings": recordings, "errors": errors_in_json(failures, "stream_id")})


def _print_recording(recording: Recording) -> None:
    frames = "" if recording.frame_count is None else f", {recording.frame_count} frames"
    print(_output.plain(f"{recording.stream_id}: {clock(recording.duration_seconds)}{frames}"))
    for artifact in ("video", "events", "thumbnail", "preview"):
        if (url := getattr(recording, f"{artifact}_url")) is not None:
            print(f"  {artifact:<9}", _output.plain(url))


def _row(recording: StreamRecordingInfo) -> tuple[object, ...]:
    size = f"{recording.width}x{recording.height}" if recording.width else "-"
    return local_time(recording.started_at), clock(recording.duration_seconds), size
