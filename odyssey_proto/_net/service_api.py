"""The REST calls about what outlives a session: recordings and simulation jobs, one method each.

Arguments are checked here, before anything is sent. It makes single calls: pages, waiting and files are told in
`odyssey_proto._rest.job_waiter` and `odyssey_proto._rest.download`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import odyssey_models as wire

from .._base import arguments
from .._base.errors import OdysseyError
from .http_exchange import TOKEN_REFUSED, HttpTransport, Operation

if TYPE_CHECKING:
    from .._base.abort import Abort
    from .._base.clock import Deadline

__all__ = ["Rest"]

_NOT_FOUND: Final = (OdysseyError, "not_found", "{operation}: there is none with this id: {detail}")
_NOT_YOURS: Final = (OdysseyError, "forbidden", "{operation}: access denied: {detail}")
_REFUSED: Final = (OdysseyError, "invalid_request", "{operation}: the service refused the request: {detail}")

_GET_RECORDING: Final = Operation(
    "GET", "/recordings/{stream_id}", repeat=True, refusals={**TOKEN_REFUSED, 404: _NOT_FOUND}
)
_LIST_RECORDINGS: Final = Operation("GET", "/stream-recordings", repeat=True, refusals=TOKEN_REFUSED)
_SIMULATE: Final = Operation(
    "POST",
    "/simulation-jobs",
    repeat=False,  # each makes a job, also one whose answer is lost
    refusals={**TOKEN_REFUSED, 400: _REFUSED, 403: _NOT_YOURS, 413: _REFUSED, 422: _REFUSED},
)
_GET_JOB: Final = Operation(
    "GET",
    "/simulation-jobs/{job_id}",
    repeat=True,
    refusals={**TOKEN_REFUSED, 403: _NOT_YOURS, 404: _NOT_FOUND},
)
_LIST_JOBS: Final = Operation("GET", "/simulation-jobs", repeat=True, refusals=TOKEN_REFUSED)
_CANCEL_JOB: Final = Operation(
    "DELETE",
    "/simulation-jobs/{job_id}",
    repeat=True,
    refusals={
        **TOKEN_REFUSED,
        400: (OdysseyError, "not_cancellable", "{operation}: the job cannot be cancelled: {detail}"),
        403: _NOT_YOURS,
        404: _NOT_FOUND,
    },
)
_REPORT: Final = Operation("POST", "/telemetry", repeat=False, authorized=False)


class Rest:
    """The calls of one client. Any thread may make any; each takes until its deadline at most.

    All of them raise `OdysseyAuthError`, `OdysseyConnectionError` and `OdysseyUsageError` as their names say, and
    `OdysseyError` with ``status`` 404 and the code ``not_found`` for an id that is unknown or another user's.
    """

    def __init__(self, http: HttpTransport) -> None:
        self._http = http

    def recording(self, stream_id: str, deadline: Deadline, *, abort: Abort | None = None) -> wire.Recording:
        """Return the artifacts of a stream (`GET /recordings/{stream_id}`)."""
        path = f"/recordings/{arguments.quoted(arguments.identifier('stream_id', stream_id))}"
        return self._http.ask(_GET_RECORDING, wire.Recording, deadline, path=path, abort=abort)

    def recordings(self, limit: int | None, offset: int | None, deadline: Deadline) -> wire.StreamRecordingsList:
        """Return one page of the recordings (`GET /stream-recordings`)."""
        path = _LIST_RECORDINGS.path + _query(**_page(limit, offset))
        return self._http.ask(_LIST_RECORDINGS, wire.StreamRecordingsList, deadline, path=path)

    def simulate(self, request: wire.SimulationRequest, deadline: Deadline) -> wire.SimulationJobDetail:
        """Create a job (`POST /simulation-jobs`), once: a failure may leave one behind."""
        return self._http.ask(_SIMULATE, wire.SimulationJobDetail, deadline, request)

    def job(self, job_id: str, deadline: Deadline) -> wire.SimulationJobDetail:
        """Return a job with its streams (`GET /simulation-jobs/{job_id}`)."""
        return self._http.ask(_GET_JOB, wire.SimulationJobDetail, deadline, path=_job_path(job_id))

    def jobs(
        self,
        deadline: Deadline,
        *,
        status: str | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> wire.SimulationJobsList:
        """Return one page of the jobs, newest first (`GET /simulation-jobs`)."""
        page = _page(limit, offset)
        self.check_filter(status, active)
        path = _LIST_JOBS.path + _query(
            status=status, active=None if active is None else str(active).lower(), **page
        )
        return self._http.ask(_LIST_JOBS, wire.SimulationJobsList, deadline, path=path)

    def check_filter(self, status: object, active: object) -> None:
        """Raise unless these can filter the list of jobs."""
        if status is not None:
            arguments.one_of("status", status, tuple(known.value for known in wire.SimulationJobStatus))
        if active is not None:
            arguments.flag("active", active)

    def report(self, request: wire.TelemetryRequest, deadline: Deadline) -> None:
        """Hand telemetry over, once (`POST /telemetry`). It has no token, and what is answered does not matter."""
        self._http.ask(_REPORT, bytes, deadline, request)

    def cancel_job(self, job_id: str, deadline: Deadline) -> wire.SimulationJobInfo:
        """Take a job back (`DELETE /simulation-jobs/{job_id}`); code ``not_cancellable`` where it is too late."""
        repeated: list[str | None] = []
        answer: wire.CancelledSimulation | wire.SimulationJobDetail
        try:
            answer = self._http.ask(
                _CANCEL_JOB, wire.CancelledSimulation, deadline, path=_job_path(job_id), repeated=repeated
            )
        except OdysseyError as exc:
            if exc.code != "not_cancellable" or not repeated:
                raise
            answer = self.job(job_id, deadline)  # it may be too late because the first request did it
            if answer.status != wire.SimulationJobStatus.CANCELLED:
                raise
        return wire.SimulationJobInfo(
            job_id=answer.job_id,
            status=answer.status,
            # Only id and status are sure to be there.
            priority=answer.priority or "",
            created_at=answer.created_at or "",
            completed_at=answer.completed_at,
            error_message=answer.error_message,
        )


def _job_path(job_id: str) -> str:
    return f"/simulation-jobs/{arguments.quoted(arguments.identifier('job_id', job_id))}"


def _page(limit: int | None, offset: int | None) -> dict[str, int | None]:
    return {
        "limit": arguments.whole("limit", limit, least=1, most=arguments.MOST_PER_PAGE),
        "offset": arguments.whole("offset", offset, least=0, most=arguments.FARTHEST),
    }


def _query(**values: str | int | None) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
