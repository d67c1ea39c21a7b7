"""A simulation job as users get it: the job of the protocol, plus an error if all or part of it failed.

This module does not know how the service runs jobs: it quotes the service's own words, on one line and without
secrets.
"""

from __future__ import annotations

from typing import Final, Self

import attrs
import odyssey_models as wire
from odyssey_models import SimulationJobStatus, SimulationStream  # types of inherited fields, for type hints

from .._base.errors import SimulationFailedError
from .._base.public_path import publish
from .._base.secrets import one_line

__all__ = ["SimulationJobDetail", "failure"]

_WRONG: Final = ("failed", "cancelled", "error")  # the status of a failed stream, from services that send one
_MOST_NAMED: Final = 10  # scripts


@attrs.frozen(kw_only=True)
class SimulationJobDetail(wire.SimulationJobDetail):
    """A simulation job with its streams (Python types reference, "SimulationJobDetail")."""

    def raise_for_status(self) -> Self:
        """Return the job, also while in progress, unless it or one of its streams failed or was cancelled.

        Raises:
            SimulationFailedError: the job failed or was cancelled, in whole or in part; the text gives the
                service's reason and names the scripts.
        """
        error = failure(self)
        if error is not None:
            raise error
        return self


def failure(job: wire.SimulationJobDetail, scripts: int | None = None) -> SimulationFailedError | None:
    """Return the error of a job, or None if nothing is known to have failed.

    Args:
        job: the job.
        scripts: the number of scripts that the job was given, each of which makes a stream; None if unknown.
    """
    is_cancelled = job.status == SimulationJobStatus.CANCELLED
    has_failed = is_cancelled or job.status == SimulationJobStatus.FAILED
    reasons = {stream.script_index: stream.error_message for stream in job.streams if _is_wrong(stream)}
    if scripts is not None and (has_failed or job.status == SimulationJobStatus.COMPLETED):
        made = {stream.script_index for stream in job.streams}
        reasons |= {index: "it made no stream" for index in range(scripts) if index not in made}
    if not has_failed and not reasons:
        return None
    what = "was cancelled" if is_cancelled else "failed" if has_failed else "is incomplete"
    named = [f"scripts[{index}]: {one_line(reasons[index] or 'it failed')}" for index in sorted(reasons)]
    if scripts == 1 and has_failed:
        named = []  # the reason of the job is all there is to say
    if len(named) > _MOST_NAMED:
        named[_MOST_NAMED:] = [f"and {len(named) - _MOST_NAMED} more scripts"]
    reason = one_line(job.error_message or "")
    text = "; ".join(part for part in (reason, *named) if part)
    return SimulationFailedError(
        f"Simulation {one_line(job.job_id)} {what}{': ' if text else ''}{text}",
        job=job,
        failed_scripts=tuple(sorted(reasons)),
        code="simulation_cancelled" if is_cancelled else "simulation_failed",
        operation="simulate",
    )


def _is_wrong(stream: SimulationStream) -> bool:
    return stream.status in _WRONG or bool(stream.error_message)


publish("odyssey_proto", SimulationJobDetail)
