"""``odyssey-proto jobs``: simulation jobs are listed, shown, awaited and cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from . import _output
from ._access import service_options
from ._ids import each, errors_in_json, raise_last
from ._job_waiting import STREAM_COLUMNS, Waiting, stream_rows, waiting_options
from ._lists import SMALL, Listing, listing_options, named, sample_job
from ._options import json_option
from ._times import local_time, roughly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odyssey_models import SimulationJobInfo

    from .. import SimulationJobDetail
    from ._access import Access

__all__ = ["command"]

STATUSES: Final = ("pending", "dispatched", "processing", "completed", "failed", "cancelled")
_COLUMNS: Final = ("status", "created", "problem")
_ids: Final = click.argument("ids", nargs=-1, metavar="ID...")


@click.group(no_args_is_help=True)
def command() -> None:
    """List, show, await and cancel jobs.

    An ID may be -, which reads from stdin: ids, or what "jobs list" and "simulate" print, as text or JSON.
    """


@command.command(name="list")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--active", is_flag=True, help="Only jobs that have not ended.")
@listing_options
@service_options
def list_(status: str | None, active: bool, listing: Listing, access: Access) -> None:
    """List jobs."""
    with access.client(**SMALL) as client:
        if access.is_emulator:
            sample_job(client)
        jobs = client.iter_simulations(status=status, active=active or None, page_size=listing.page_size)
        found = listing.of(jobs, lambda job: job.created_at)
    listing.show("jobs", found, "job_id", _COLUMNS, lambda job: _row(job)[1:])


@command.command
@_ids
@json_option
@service_options
def show(ids: Sequence[str], as_json: bool, access: Access) -> None:
    """Show jobs with their streams."""
    wanted = named(ids, "job_id", access)
    with access.client(**SMALL) as client:
        if access.is_emulator:
            wanted = [sample_job(client).job_id]
        found, failures = each(wanted, client.get_simulate_status)
    if as_json:
        _print_json(found, failures)
    else:
        for job in found:
            _print_job(job)
    raise_last(failures)


@command.command
@_ids
@waiting_options
@json_option
@service_options
def wait(ids: Sequence[str], waiting: Waiting, as_json: bool, access: Access) -> None:
    """Wait until jobs have ended.

    If one failed or was cancelled, the exit status is 1.
    """
    wanted = named(ids, "job_id", access)
    with access.client(**SMALL) as client, _output.progress_rows() as progress:
        if access.is_emulator:
            wanted = [sample_job(client, is_awaited=False).job_id]
        ended = waiting.wait(client, wanted, progress, is_private=access.is_emulator)
    if as_json:
        _print_json(ended, {})
    else:
        _output.print_table(("id", *_COLUMNS), [_row(job) for job in ended])
    for job in ended:
        job.raise_for_status()


@command.command
@_ids
@json_option
@service_options
def cancel(ids: Sequence[str], as_json: bool, access: Access) -> None:
    """Cancel jobs that have not begun."""
    wanted = named(ids, "job_id", access)
    with access.client(**SMALL, simulation_workers=0) as client:
        if access.is_emulator:
            wanted = [sample_job(client, is_awaited=False).job_id]
        cancelled, failures = each(wanted, client.cancel_simulation)
    if as_json:
        _print_json(cancelled, failures)
    else:
        for job in cancelled:
            print(_output.plain(f"{job.job_id}: {job.status}"))
    raise_last(failures)


def _print_json(jobs: Sequence[Any], failures: Any) -> None:
    _output.print_json({"jobs": [job.to_dict() for job in jobs], "errors": errors_in_json(failures, "job_id")})


def _print_job(job: SimulationJobDetail) -> None:
    """Print a job, a line for each known fact, and the table of its streams."""
    print(_output.plain(f"{job.job_id}: {job.status}"))
    facts = {
        "created": job.created_at and local_time(job.created_at),
        "started": job.started_at and local_time(job.started_at),
        "ended": job.completed_at and local_time(job.completed_at),
        "begins in": None if job.estimated_wait_minutes is None else roughly(job.estimated_wait_minutes * 60),
        "priority": job.priority,
        "region": job.assigned_region,
        "retries": job.retry_count,
        "problem": job.error_message,
    }
    for name, fact in facts.items():
        if fact:
            print(f"  {name:<9}", _output.plain(str(fact)))
    if job.streams:
        _output.print_table(STREAM_COLUMNS, stream_rows(job))


def _row(job: SimulationJobInfo | SimulationJobDetail) -> tuple[object, ...]:
    return job.job_id, job.status, local_time(job.created_at), job.error_message or "-"
