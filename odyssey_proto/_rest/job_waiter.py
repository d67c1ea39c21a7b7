"""Waiting for simulation jobs.

To wait for many jobs, this requests the list, 100 jobs a page, rather than each job: 1000 jobs cost about 10
requests a round, plus one for each job that has ended. The caller passes the clock and the pause. Single calls,
and their retries, are in `odyssey_proto._net.service_api` and the modules that it uses.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from .._base import errands
from .._base.arguments import MOST_PER_PAGE
from .._base.clock import Deadline
from .._base.errors import MalformedMessageError, OdysseyConnectionTimeoutError, OdysseyError
from .._net.service_api import REQUEST_TIMEOUT_S
from .paging import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import odyssey_models as wire

    from .._base.clock import Clock
    from .._model.simulation_job import SimulationJobDetail
    from .._net.service_api import ServiceApi
    from .job_updates import OnUpdate

__all__ = ["JobWaiter"]

Job: TypeAlias = "wire.SimulationJobInfo | SimulationJobDetail"
log = logging.getLogger("odyssey_proto.rest")

# All others, even unknown ones, may still change (spec/behaviour.md#jobs).
_FINAL: Final = frozenset({"completed", "failed", "cancelled"})
_UNREAD: Final = "unknown"  # the reader's value for a status that is absent or unreadable
_MOST_FAILURES: Final = 5  # consecutive rounds that may fail
_STRAYS: Final = 10  # unfinished jobs of a round that are missing from the list of active ones
_CANCELLING_S: Final = 10.0  # for cancelling the jobs after a timeout


class JobWaiter:
    """Waits for jobs until all have ended, and reports every change of status, and of streams if it sees them.

    ``pause`` waits for the given time in s, and raises if the client is closed meanwhile.
    """

    def __init__(
        self,
        api: ServiceApi,
        clock: Clock,
        pause: Callable[[float], None],
        *,
        poll: float,
        on_update: OnUpdate | None,
        cancel_on_timeout: bool,
    ) -> None:
        self._api = api
        self._clock = clock
        self._pause = pause
        self._poll = poll
        self._on_update = on_update
        self._cancel = cancel_on_timeout
        self._known: dict[str, str] = {}  # status by job
        self._streams: dict[str, tuple[tuple[object, ...], ...]] = {}  # by job; how far they are
        self._ended: dict[str, SimulationJobDetail] = {}
        self._only_active = True
        self._news: list[Job] = []

    def wait(self, job_ids: Sequence[str], deadline: Deadline) -> list[SimulationJobDetail]:
        """Return the ended jobs, in the order of ``job_ids``.

        Raises:
            OdysseyConnectionTimeoutError: some jobs have not ended in time.
            MalformedMessageError: the service does not report the status of a job for several rounds.
            OdysseyError: a job is unknown, or the service fails for several rounds.
        """
        failures = 0
        while True:
            waiting = [job_id for job_id in dict.fromkeys(job_ids) if job_id not in self._ended]
            if not waiting:
                return [self._ended[job_id] for job_id in job_ids]
            pause = self._poll
            failure = self._failure_of_round(waiting, deadline)
            self._report()
            failures = 0 if failure is None else failures + 1
            if failure is not None:
                if deadline.expired:
                    raise self._too_late(waiting, deadline) from failure
                if not failure.recoverable or failures >= _MOST_FAILURES:
                    raise failure
                log.debug("asking again after a pause: %s", failure)
                pause = max(pause, failure.retry_after or 0.0)
            waiting = [job_id for job_id in waiting if job_id not in self._ended]
            if not waiting:
                continue
            if deadline.expired:
                raise self._too_late(waiting, deadline)
            self._pause(min(pause, left) if (left := deadline.remaining()) is not None else pause)

    def _failure_of_round(self, waiting: list[str], deadline: Deadline) -> OdysseyError | None:
        try:
            self._round(waiting, deadline)
        except OdysseyError as exc:
            return exc
        return None

    def _round(self, waiting: list[str], deadline: Deadline) -> None:
        missing = waiting if len(waiting) == 1 else self._from_list(waiting, deadline)
        strays = sum(not self._ask_one(job_id, deadline) for job_id in missing)
        if self._only_active and len(waiting) > 1 and strays >= _STRAYS:
            # The service means something else by "active", and asking for each job would never stop.
            self._only_active = False
        unread = [job_id for job_id in missing if self._known.get(job_id) == _UNREAD]
        if unread:
            problem = f"it does not say how far {unread[0]} is"
            raise MalformedMessageError(
                f"Malformed SimulationJobDetail: {problem}",
                problems=(problem,),
                code="malformed",
                operation="wait for simulations",
                recoverable=True,  # the next answer may say so
            )

    def _from_list(self, waiting: list[str], deadline: Deadline) -> list[str]:
        """Record the status of jobs that the list shows as unfinished; return the others."""
        unseen, going = set(waiting), set[str]()

        def ask(offset: int) -> tuple[Sequence[wire.SimulationJobInfo], int]:
            page = self._api.jobs(
                deadline.within(REQUEST_TIMEOUT_S),
                active=True if self._only_active else None,
                limit=MOST_PER_PAGE,
                offset=offset,
            )
            return page.jobs, page.total

        for job in pages(ask, lambda job: job.job_id):
            if job.job_id in unseen:
                unseen.discard(job.job_id)
                if job.status not in _FINAL and job.status != _UNREAD:
                    going.add(job.job_id)
                    self._note(job)
                if not unseen:
                    break
        return [job_id for job_id in waiting if job_id not in going]

    def _ask_one(self, job_id: str, deadline: Deadline) -> bool:
        """Ask for one job; return whether it has ended."""
        job = self._api.job(job_id, deadline.within(REQUEST_TIMEOUT_S))
        if job.status in _FINAL:
            self._ended[job_id] = job
        self._note(job, job_id, tuple(_progress(stream) for stream in job.streams))
        return job_id in self._ended

    def _note(
        self, job: Job, job_id: str | None = None, streams: tuple[tuple[object, ...], ...] | None = None
    ) -> None:
        """Note how far a job is; ``streams`` is None if the answer does not have them."""
        job_id = job_id or job.job_id
        if streams is None:
            streams = self._streams.get(job_id, ())
        if self._known.get(job_id) != job.status or self._streams.get(job_id, ()) != streams:
            self._known[job_id], self._streams[job_id] = job.status, streams
            self._news.append(job)

    def _report(self) -> None:
        """Report the changes of a round, after it: an exception of the callback is not a failure of the round."""
        news, self._news = self._news, []
        if self._on_update is not None:
            for job in news:
                errands.call_back(self._on_update, job)

    def _too_late(self, waiting: Sequence[str], deadline: Deadline) -> OdysseyConnectionTimeoutError:
        if self._cancel:
            self._take_back(waiting)
        first = f"{waiting[0]} is {self._known.get(waiting[0], 'of unknown status')}"
        others = f", and {len(waiting) - 1} more have not ended" if len(waiting) > 1 else ""
        return OdysseyConnectionTimeoutError(
            f"Timed out waiting for simulations after {deadline.timeout:g} s: {first}{others}",
            code="timeout",
            operation="wait for simulations",
            recoverable=True,
        )

    def _take_back(self, waiting: Sequence[str]) -> None:
        deadline = Deadline(_CANCELLING_S, self._clock)
        for job_id in waiting:
            try:
                self._api.cancel_job(job_id, deadline)
            except OdysseyError as exc:  # it may have begun; the timeout must still be raised
                log.debug("not cancelled: %s", exc)
            if deadline.expired:
                return


def _progress(stream: wire.SimulationStream) -> tuple[object, ...]:
    """Return the values that show a stream's progress; addresses are signed again in every answer."""
    return stream.stream_id, stream.status, stream.error_message, stream.video_url is not None
