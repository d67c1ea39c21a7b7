"""The REST calls for recordings and simulation jobs.

They check arguments as FastAPI does, and turn rows of the storage into models of the protocol. Jobs are run by
`odyssey_proto.emulator._jobs.queue`; `artifact_server` serves the files.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import TYPE_CHECKING, Any, Final

import odyssey_models as models
from aiohttp import web

from .._accounts.service import RefusedError
from .._jobs.simulation_script import check_request
from .._recordings.artifacts import EVENTS, PREVIEW, THUMBNAIL, VIDEO
from .api import model_answer

if TYPE_CHECKING:
    from .._accounts.service import Service
    from .._jobs.queue import SimulationQueue
    from .._recordings.storage import Job, Storage, StreamRecord
    from .artifact_server import ArtifactServer

__all__ = ["ArchiveApi"]

_PRIORITY: Final = "normal"
_MOST: Final = 100
_FARTHEST: Final = 2**62
"""Maximum offset, within the integers of SQLite."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,4000}")
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
}


class ArchiveApi:
    """Answers the calls about recordings and jobs."""

    def __init__(
        self, *, service: Service, storage: Storage, simulations: SimulationQueue, artifacts: ArtifactServer
    ) -> None:
        self._service = service
        self._storage = storage
        self._simulations = simulations
        self._artifact_server = artifacts
        self.routes = [
            web.get("/recordings/{stream_id}", self._recording, allow_head=False),
            web.get("/stream-recordings", self._recordings, allow_head=False),
            web.post("/simulation-jobs", self._create),
            web.get("/simulation-jobs", self._jobs, allow_head=False),
            web.get("/simulation-jobs/{job_id}", self._job, allow_head=False),
            web.delete("/simulation-jobs/{job_id}", self._cancel),
        ]

    # Recordings

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        found = self._storage.recording(self._account(request), request.match_info["stream_id"])
        if found is None:
            raise RefusedError(404, "Recording not found")
        return model_answer(models.Recording(**self._artifacts(request, found)))

    async def _recordings(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        query = _Query(request)
        limit, offset = query.whole("limit", 50, least=1, most=_MOST), query.whole("offset", 0, least=0)
        query.check()
        found, total = self._storage.recordings(account, limit=limit, offset=min(offset, _FARTHEST))
        return model_answer(
            models.StreamRecordingsList(
                recordings=[
                    models.StreamRecordingInfo(
                        stream_id=stream.stream_id,
                        width=stream.width,
                        height=stream.height,
                        started_at=_iso(stream.started_at),
                        ended_at=_iso_or_none(stream.ended_at),
                        duration_seconds=stream.duration_s,
                    )
                    for stream in found
                ],
                total=total,
                limit=limit,
                offset=offset,
            )
        )

    def _artifacts(self, request: web.Request, stream: StreamRecord) -> dict[str, Any]:
        """Return the fields that recordings and streams of jobs share; without addresses while the stream runs."""

        def url(name: str) -> str | None:
            return None if stream.ended_at is None else self._artifact_server.url(request, stream.stream_id, name)

        return {
            "stream_id": stream.stream_id,
            "video_url": url(VIDEO),
            "events_url": url(EVENTS),
            "thumbnail_url": url(THUMBNAIL),
            "preview_url": url(PREVIEW),
            "frame_count": stream.frames,
            "duration_seconds": stream.duration_s,
        }

    # Simulation jobs

    async def _create(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        data = _parse(await request.read())
        if issues := check_request(data):
            raise RefusedError(422, issues)
        return self._detail(request, self._simulations.add(account, data))

    async def _job(self, request: web.Request) -> web.StreamResponse:
        return self._detail(request, self._simulations.find(self._account(request), request.match_info["job_id"]))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        job = self._simulations.cancel(self._account(request), request.match_info["job_id"])
        return model_answer(models.CancelledSimulation(**_info(job)))

    async def _jobs(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        query = _Query(request)
        limit, offset = query.whole("limit", 20, least=1, most=_MOST), query.whole("offset", 0, least=0)
        status, active = query.text("status"), query.boolean("active")
        query.check()
        found, total = self._storage.jobs(
            account, status=status, active=active, limit=limit, offset=min(offset, _FARTHEST)
        )
        return model_answer(
            models.SimulationJobsList(
                jobs=[models.SimulationJobInfo(**_info(job)) for job in found],
                total=total,
                limit=limit,
                offset=offset,
            )
        )

    def _detail(self, request: web.Request, job: Job) -> web.Response:
        return model_answer(
            models.SimulationJobDetail(
                **_info(job),
                dispatched_at=_iso_or_none(job.dispatched_at),
                started_at=_iso_or_none(job.started_at),
                assigned_region=job.region,
                retry_count=job.retry_count,
                streams=[
                    models.SimulationStream(**self._artifacts(request, stream), script_index=stream.script_index)
                    for stream in self._storage.recordings_of_job(job.job_id)
                ],
                estimated_wait_minutes=self._simulations.estimated_wait_minutes(job),
            )
        )

    def _account(self, request: web.Request) -> str:
        return self._service.account_of(request.headers.get("Authorization"))


def _info(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "status": models.SimulationJobStatus(job.status),
        "priority": _PRIORITY,
        "created_at": _iso(job.created_at),
        "completed_at": _iso_or_none(job.completed_at),
        "error_message": job.error_message,
    }


class _Query:
    """Reads the query arguments of one call and collects their faults."""

    def __init__(self, request: web.Request) -> None:
        self._values = request.query
        self._issues: list[dict[str, Any]] = []

    def check(self) -> None:
        """Refuse the call if an argument was wrong."""
        if self._issues:
            raise RefusedError(422, self._issues)

    def text(self, name: str) -> str | None:
        values = self._values.getall(name, [])
        return values[-1] if values else None

    def whole(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value):
            self._wrong(
                name, "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
            )
        elif int(value) < least:
            self._wrong(name, "greater_than_equal", f"Input should be greater than or equal to {least}")
        elif most is not None and int(value) > most:
            self._wrong(name, "less_than_equal", f"Input should be less than or equal to {most}")
        else:
            return int(value)
        return default

    def boolean(self, name: str) -> bool | None:
        value = self.text(name)
        if value is not None and value.lower() not in _BOOLEANS:
            self._wrong(name, "bool_parsing", "Input should be a valid boolean, unable to interpret input")
        return None if value is None else _BOOLEANS.get(value.lower())

    def _wrong(self, name: str, kind: str, text: str) -> None:
        self._issues.append({"type": kind, "loc": ["query", name], "msg": text})


def _parse(raw: bytes) -> Any:
    if not raw:
        raise RefusedError(422, [{"type": "missing", "loc": ["body"], "msg": "Field required"}])
    try:
        return json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        at = exc.pos if isinstance(exc, json.JSONDecodeError) else 0
        raise RefusedError(
            422, [{"type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error"}]
        ) from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _iso(moment: float) -> str:
    found = datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="milliseconds")
    return found.replace("+00:00", "Z")


def _iso_or_none(moment: float | None) -> str | None:
    return None if moment is None else _iso(moment)
