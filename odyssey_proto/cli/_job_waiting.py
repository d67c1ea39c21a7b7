"""Waiting for jobs: the options for it, bars for jobs and scripts, and the note if the wait is interrupted."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from . import _output
from ._options import Seconds
from ._times import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from odyssey_models import SimulationJobInfo, SimulationStream

    from .. import SimulationJobDetail
    from ..client import Odyssey

__all__ = ["STREAM_COLUMNS", "Waiting", "stream_rows", "waiting_options"]

STREAM_COLUMNS: Final = ("id", "script", "state", "length", "problem")


@attrs.frozen(kw_only=True)
class Waiting:
    """How to wait for jobs, according to the options."""

    within: float | None
    """The longest wait in s; None for no limit."""
    poll: float | None
    """Polling interval in s; None leaves it to the command."""
    cancels: bool
    """Whether jobs are cancelled on a timeout."""

    @property
    def is_asked_for(self) -> bool:
        """Whether any of these options was given."""
        return self.cancels or self.within is not None or self.poll is not None

    def wait(
        self, client: Odyssey, job_ids: Sequence[str], show: Callable[[str, str, float | None], None], *,
        scripts: int | None = None, is_private: bool = False,
    ) -> list[SimulationJobDetail]:  # fmt: skip
        """Wait until the jobs have ended, and return them in the order of ``job_ids``.

        Args:
            client: the client that asks.
            job_ids: the jobs.
            show: takes the name of a bar, its text, and the share that is done.
            scripts: the number of scripts of a single job, if it is known.
            is_private: whether the service ends with the command.

        Raises:
            OdysseyError: as `Odyssey.wait_for_simulations`.
            KeyboardInterrupt: the wait was interrupted; a note says that the jobs continue, unless ``is_private``.
        """
        told: dict[str, str] = {}

        def update(job: SimulationJobInfo | SimulationJobDetail) -> None:
            if told.get(job.job_id) != job.status:
                told[job.job_id] = job.status
                _output.note(f"{job.job_id}: {job.status}{_problem(job.error_message)}")
            show(job.job_id, f"{job.job_id}: {job.status}", _share(job))
            if len(job_ids) == 1:
                _show_scripts(job, scripts, show)

        for job_id in job_ids:
            show(job_id, job_id, None)
        try:
            return client.wait_for_simulations(
                job_ids,
                timeout=self.within,
                poll=self.poll if self.poll is not None else 0.2 if is_private else 5.0,
                on_update=update,
                cancel_on_timeout=self.cancels,
            )
        except KeyboardInterrupt:
            if not is_private:
                what, them = ("job continues", "it") if len(job_ids) == 1 else ("jobs continue", "them")
                _output.note(f"the {what}; to wait for {them} again: odyssey-proto jobs wait {' '.join(job_ids)}")
            raise


def waiting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about waiting, and pass a `Waiting` to the command as ``waiting``."""

    @click.option(
        "--within",
        type=Seconds(0, 31 * 86_400),
        metavar="TIME",
        help="The longest wait: 10m, 1h30m.  [default: no limit]",
    )
    @click.option(
        "--poll",
        type=Seconds(0.05, 3600),
        metavar="TIME",
        help="Time between two requests to the service.  [default: 5]",
    )
    @click.option(
        "--cancel-on-timeout", "cancels", is_flag=True, help="Cancel jobs that have not begun at the timeout."
    )
    @functools.wraps(function)
    def with_waiting(
        *positional: Any, within: float | None, poll: float | None, cancels: bool, **options: Any
    ) -> Any:
        if cancels and within is None:
            raise click.UsageError("--cancel-on-timeout applies only with --within.")
        return function(*positional, waiting=Waiting(within=within, poll=poll, cancels=cancels), **options)

    return with_waiting


def stream_rows(job: SimulationJobDetail) -> list[tuple[object, ...]]:
    """Return the rows of a table of the streams of a job."""
    return [
        (
            stream.stream_id,
            stream.script_index + 1,
            _state(stream),
            clock(stream.duration_seconds),
            stream.error_message or "-",
        )
        for stream in sorted(job.streams, key=lambda stream: stream.script_index)
    ]


def _show_scripts(job: Any, scripts: int | None, show: Callable[[str, str, float | None], None]) -> None:
    """Show the progress of each script, which the list of jobs does not have."""
    by_script: dict[int, list[str]] = {index: [] for index in range(scripts or 0)}
    for stream in getattr(job, "streams", ()):
        by_script.setdefault(stream.script_index, []).append(_state(stream))
    for index, states in sorted(by_script.items()):
        state = states[-1] if states else "waits"
        show(
            f"{job.job_id} {index}", f"  script {index + 1}: {state}", None if state in ("waits", "runs") else 1.0
        )


def _state(stream: SimulationStream) -> str:
    """Return the state of a stream: the service's own, or one derived from its files."""
    if stream.status:
        return stream.status
    if stream.error_message:
        return "failed"
    return "done" if stream.video_url or stream.duration_seconds is not None else "runs"


def _share(job: SimulationJobInfo | SimulationJobDetail) -> float | None:
    return 1.0 if job.completed_at else None


def _problem(text: str | None) -> str:
    return f": {text}" if text else ""
