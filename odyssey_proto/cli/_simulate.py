"""``odyssey-proto simulate``: scripts from a file become a job.

If wanted, the command waits for the job, and downloads its recordings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import _files, _output
from ._access import service_options
from ._downloads import artifact_option, names_option, print_files
from ._ids import each, errors_in_json, raise_last
from ._job_waiting import STREAM_COLUMNS, Waiting, stream_rows, waiting_options
from ._options import FREE_LENGTH, json_option
from ._times import roughly

if TYPE_CHECKING:
    from .. import OdysseyError, SimulationJobDetail
    from ..client import Odyssey
    from ._access import Access
    from ._script_file import ScriptFile

__all__ = ["command"]

_FORMATS: Final = ("json", "yaml", "jsonl", "csv")
_HOLD_S: Final = 10.0


@click.command
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--check", is_flag=True, help="Check the scripts and show what they do; send nothing.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
@click.option(
    "--download",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Wait, and download the recordings into this folder.",
)
@artifact_option
@names_option
@waiting_options
@click.option(
    "--format",
    "file_format",
    type=click.Choice(_FORMATS),
    help="Format of the file.  [default: as its name ends; json for stdin]",
)
@click.option(
    "--hold",
    "hold_s",
    type=FREE_LENGTH,
    metavar="TIME",
    help="For lists of prompts: how long the last one stays, and each without a time.  [default: 10]",
)
@click.option(
    "--portrait/--landscape", default=None, help="Shape of the picture.  [default: as the file says; landscape]"
)
@click.option("--bypass-prompt-expansion", is_flag=True, help="Use prompts as written; needs a privilege.")
@json_option
@service_options
def command(
    file: str,
    check: bool,
    wait: bool,
    folder: Path | None,
    artifacts: tuple[str, ...],
    names: str | None,
    waiting: Waiting,
    file_format: str | None,
    hold_s: float | None,
    portrait: bool | None,
    bypass_prompt_expansion: bool,
    as_json: bool,
    access: Access,
) -> None:
    """Film scripts without watching: one job from a file of scripts or prompts.

    FILE is JSON, YAML, JSONL or CSV, - for stdin, or the address of a JSON script. It has a script (a list of
    entries with timestamp_ms and one of start, interact and end), several of them, or prompts:

    \b
      prompt,time,script
      A cat on a hill,0,first
      "It rains, and rains",4s,first
      A dog at sea,0,second

    Without --wait, the id of the job is printed: odyssey-proto jobs wait ID. With --emulator, the job is awaited.
    """
    is_awaited = wait or folder is not None or access.is_emulator
    if folder is None and (artifacts or names):
        raise click.UsageError(f"--{'artifact' if artifacts else 'names'} applies only with --download DIR.")
    if waiting.is_asked_for and not is_awaited:
        raise click.UsageError("--within, --poll and --cancel-on-timeout apply only with --wait.")
    if check and (wait or folder is not None):
        raise click.UsageError("--check sends nothing; leave out --wait and --download.")
    if folder is not None:
        _files.expect_folder(folder)
    wanted: dict[str, Any] = {"bypass_prompt_expansion": True if bypass_prompt_expansion else None}
    count: int | None = 1
    if file.lower().startswith(("http://", "https://")):
        if check or file_format or hold_s is not None:
            raise click.UsageError(
                "The service itself reads a script at an address: --check, --format and --hold apply to files."
            )
        wanted |= {"script_url": file, "portrait": bool(portrait)}
    else:
        if file == "-":
            access.expect_stdin_free("the scripts")
        scripts = _scripts(file, file_format, hold_s)
        is_portrait = bool(scripts.portrait) if portrait is None else portrait
        checked = scripts.checked(portrait=is_portrait)
        from ._timeline import unknown_fields  # not for the help

        for text in unknown_fields(scripts, checked):
            _output.note(text)
        if check:
            _show(scripts, checked, as_json=as_json)
            return
        count = len(checked)
        wanted |= {"scripts" if scripts.are_many else "script": checked if scripts.are_many else checked[0]}
        wanted |= {"portrait": is_portrait}
    simulation = _Simulation(waiting, folder, artifacts, names, access, as_json=as_json)
    with access.client() as client:
        job = client.simulate(**wanted)
        if is_awaited:
            simulation.finish(client, job, count)
        else:
            simulation.report_new(job)


def _scripts(file: str, file_format: str | None, hold_s: float | None) -> ScriptFile:
    from ._script_file import format_of, read_script_file

    path = Path(file)
    found = file_format or format_of(path)
    if found is None and not path.exists():
        raise click.UsageError(
            f"There is no file {file!r}: scripts or prompts are read from a file, or from stdin (-)."
        )
    if found is None:
        raise click.UsageError(f"{file}: the name does not say what it is; use --format {'|'.join(_FORMATS)}.")
    return read_script_file(path, found, hold_s, _HOLD_S)


def _show(file: ScriptFile, scripts: list[list[dict[str, Any]]], *, as_json: bool) -> None:
    from ._timeline import print_timeline, timeline

    steps = timeline(file, scripts)
    if as_json:
        _output.print_json({"scripts": steps})
    else:
        print_timeline(steps)


class _Simulation:
    """The handling of one job."""

    def __init__(
        self,
        waiting: Waiting,
        folder: Path | None,
        artifacts: tuple[str, ...],
        names: str | None,
        access: Access,
        *,
        as_json: bool,
    ) -> None:
        self._waiting = waiting
        self._folder = folder
        self._artifacts = artifacts
        self._names = names
        self._is_private = access.is_emulator
        self._as_json = as_json

    def report_new(self, job: SimulationJobDetail) -> None:
        """Print the id of a new job, which is not awaited."""
        if self._as_json:
            _output.print_json({"job": job.to_dict()})
            return
        print(job.job_id, flush=True)
        minutes = job.estimated_wait_minutes
        begin = "" if minutes is None else f", begins in {roughly(minutes * 60)}"
        _output.note(f"{job.status}{begin}; to wait for it: odyssey-proto jobs wait {job.job_id}")

    def finish(self, client: Odyssey, job: SimulationJobDetail, scripts: int | None) -> None:
        """Wait for a job, download its recordings if wanted, and print the result; then raise the error, if any.

        Raises:
            OdysseyError: as `Odyssey.simulate_and_wait` and `Odyssey.download_recording`.
            OSError: a file cannot be written.
        """
        from .._model.simulation_job import failure

        files: list[dict[str, Any]] = []
        failures: dict[str, OdysseyError] = {}
        with _output.progress_rows() as show:
            (ended,) = self._waiting.wait(client, [job.job_id], show, scripts=scripts, is_private=self._is_private)
            if self._folder is not None:
                from ._downloads import Downloads

                downloads = Downloads(
                    client, self._folder, artifacts=self._artifacts, names=self._names, show=show
                )
                files, failures = each((stream.stream_id for stream in ended.streams), downloads.fetch)
        if self._as_json:
            _output.print_json(
                {
                    "job": ended.to_dict(),
                    "recordings": files,
                    "errors": errors_in_json(failures, "stream_id"),
                }
            )
        elif self._folder is not None:
            print_files(files)
        elif ended.streams:
            _output.print_table(STREAM_COLUMNS, stream_rows(ended))
        if self._is_private and self._folder is None:
            _output.note("the emulator ends now, and its recordings with it; --download DIR keeps them")
        if (error := failure(ended, scripts)) is not None:
            raise error
        raise_last(failures)
