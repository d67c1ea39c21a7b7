"""Simulation jobs: the queue and the workers that go through it.

A worker takes the oldest job that waits, and does one at a time; its process is started with its first job and
killed when the emulator stops. A job whose process died begins anew; so does one that the end of the emulator cut
off, when its ``data_dir`` is opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

from .._accounts.service import RefusedError, usage_refusal
from .script_url import fetch_script
from .simulation_script import Order, ScriptError, Take, check_script, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._accounts.service import Service
    from .._config import EmulatorConfig
    from .._recordings.storage import Job, Storage

__all__ = ["SimulationQueue"]

log = logging.getLogger("odyssey_proto.emulator.jobs")

_VIDEO_PER_SECOND_S: Final = 3.0
"""s of video that a worker films in 1 s, for the estimated wait only."""
_UNKNOWN_LENGTH_S: Final = 10.0


class SimulationQueue:
    """The jobs of one emulator. Runs on the loop's thread."""

    def __init__(self, *, config: EmulatorConfig, service: Service, storage: Storage) -> None:
        self._config = config
        self._service = service
        self._storage = storage
        self._waiting = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work on what waits."""
        self._waiting.set()
        loop = asyncio.get_running_loop()
        self._workers = [loop.create_task(self._work()) for _ in range(self._config.simulation_workers)]

    async def stop(self) -> None:
        """Leave everything as it is, at once."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    # What the calls do

    def add(self, account: str, request: dict[str, Any]) -> Job:
        """Queue a job for ``request``, of good shape.

        Raises:
            RefusedError: 403 without the privilege to bypass, 429 when a limit of the account is met.
        """
        if request.get("bypass_vlm_expansion") and not self._config.bypass_privilege:
            raise RefusedError(403, "This account may not bypass the expansion of prompts")
        self._service.check_hours(account)
        limit, active = self._config.concurrent_simulations, self._storage.active_jobs(account)
        if limit is not None and active >= limit:
            raise usage_refusal(
                "CONCURRENT_LIMIT_REACHED",
                f"You have {active} active simulation job(s), the limit is {limit}",
                "Wait until one is done, or cancel one that waits",
                {"active_count": active, "limit": limit},
            )
        job = self._storage.add_job(
            f"job-{uuid.uuid4()}",
            account,
            created_at=self._service.wall_time(),
            length_s=_length_s(request),
            request=json.dumps(request),
        )
        self._waiting.set()
        return job

    def find(self, account: str, job_id: str) -> Job:
        """Return a job of ``account``.

        Raises:
            RefusedError: 404 when there is none, 403 when it is another's.
        """
        job = self._storage.job(job_id)
        if job is None:
            raise RefusedError(404, "Simulation job not found")
        if job.account != account:
            raise RefusedError(403, "This simulation job belongs to another account")
        return job

    def cancel(self, account: str, job_id: str) -> Job:
        """Cancel a job that has not begun.

        Raises:
            RefusedError: as `find`; 400 when it has begun, or is done.
        """
        self.find(account, job_id)
        now = self._service.wall_time()
        cancelled = self._storage.change_job(
            job_id, only_from=("pending", "dispatched"), status="cancelled", completed_at=now
        )
        job = self.find(account, job_id)
        if not cancelled:
            raise RefusedError(400, f"Cannot cancel a simulation job whose status is '{job.status}'")
        return job

    def estimated_wait_minutes(self, job: Job) -> float | None:
        """Return about how long a job still waits; None for one that does not wait, or that nobody works on."""
        workers = self._config.simulation_workers
        if job.status != "pending" or not workers:
            return None
        return round(self._storage.seconds_before(job) / _VIDEO_PER_SECOND_S / workers / 60, 3)

    # Working

    async def _work(self) -> None:
        process = _WorkerProcess()
        try:
            while True:
                self._waiting.clear()
                region = next((name for name, _ in self._config.regions), None)
                taken = self._storage.take_job(now=self._service.wall_time(), region=region)
                if taken is None:
                    await self._waiting.wait()
                    continue
                # Another worker may have slept through the moment in which the event was set.
                self._waiting.set()
                await self._do(*taken, process)
        finally:
            await process.kill()

    async def _do(self, job: Job, request: str, process: _WorkerProcess) -> None:
        try:
            order = await self._prepare(job, json.loads(request))
            if not self._change(job, only_from=("dispatched",), status="processing", started_at=self._now()):
                return  # cancelled meanwhile
            await self._film(job, order, process)
        except ScriptError as exc:
            self._end(job, "failed", str(exc))
        except _WorkerDiedError:
            log.warning("the worker of %s died", job.job_id)
            await process.kill()
            self._storage.begin_anew(job.job_id, now=self._now(), why="The worker died")
        except Exception as exc:
            log.exception("job %s failed", job.job_id)
            await process.kill()
            self._end(job, "failed", f"Internal error: {type(exc).__name__}")

    async def _prepare(self, job: Job, request: dict[str, Any]) -> Order:
        if "script_url" in request:
            script = await fetch_script(request["script_url"])
            if issues := check_script(script):
                where = ".".join(map(str, issues[0]["loc"]))
                raise ScriptError(f"What script_url holds is no script: {where}: {issues[0]['msg']}")
            scripts = [script]
        else:
            scripts = request.get("scripts") or [request["script"]]
        takes = [take for index, script in enumerate(scripts) for take in plan(script, index)]
        for take in takes:
            self._object(take)
        left = self._service.seconds_left(job.account)
        if sum(take.length_ms for take in takes) / 1000 > left:
            raise ScriptError("The job is longer than what is left of the hours of this month")
        return Order(
            takes=tuple(takes),
            portrait=request["portrait"],
            expand=not request.get("bypass_vlm_expansion"),
            video=request.get("output_video", True),
            seed=self._config.seed,
            size=self._config.size,
            fps=self._config.fps,
            stamp=self._config.stamp,
            folder=str(self._storage.folder_of("")),
        )

    def _object(self, take: Take) -> None:
        """Refuse what the service itself would refuse; the limits are those of live streams."""
        prompts = [take.prompt, *[prompt for _, prompt in take.changes]]
        blocked = any(word.lower() in prompt.lower() for word in self._config.blocked_words for prompt in prompts)
        where = f"Script {take.script_index}"
        if blocked:
            raise ScriptError(f"{where}: a prompt was refused by moderation")
        if take.image is not None and not self._config.image_to_video:
            raise ScriptError(f"{where}: streams cannot start from an image")
        if take.length_ms > self._config.max_simulation_s * 1000:
            raise ScriptError(f"{where}: a stream is longer than {self._config.max_simulation_s:g} s")

    async def _film(self, job: Job, order: Order, process: _WorkerProcess) -> None:
        async for report in process.film(order):
            match report["report"]:
                case "began":
                    self._storage.begin_recording(
                        report["stream_id"],
                        job.account,
                        size=(report["width"], report["height"]),
                        started_at=self._now(),
                        job_id=job.job_id,
                        script_index=report["script_index"],
                    )
                case "ended":
                    self._storage.finish_recording(
                        report["stream_id"],
                        ended_at=self._now(),
                        duration_s=report["duration_s"],
                        frames=report["frames"],
                    )
                    self._service.add_usage(job.account, report["duration_s"])
                case "done":
                    self._end(job, "completed", None)
                case "failed":
                    self._end(job, "failed", report["why"])

    def _end(self, job: Job, status: str, error_message: str | None) -> None:
        for stream in self._storage.recordings_of_job(job.job_id):
            if stream.ended_at is None:
                self._storage.drop_recording(stream.stream_id)
        self._change(job, status=status, completed_at=self._now(), error_message=error_message)

    def _change(self, job: Job, **columns: Any) -> bool:
        return self._storage.change_job(job.job_id, **columns)

    def _now(self) -> float:
        return self._service.wall_time()


class _WorkerDiedError(Exception):
    """The process ended in the middle of an order."""


class _WorkerProcess:
    """A process of `odyssey_proto.emulator._jobs.worker`, started when it is needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def film(self, order: Order) -> AsyncIterator[dict[str, Any]]:
        """Give an order, and yield the reports until it is carried out.

        Raises:
            _WorkerDiedError: it never will be.
        """
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await _start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(order.to_line())
            await process.stdin.drain()
        except ConnectionError as exc:
            raise _WorkerDiedError from exc
        while True:
            line = await process.stdout.readline()
            if not line.endswith(b"\n"):
                raise _WorkerDiedError
            report = json.loads(line)
            yield report
            if report["report"] in ("done", "failed"):
                return

    async def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(ConnectionError):
            await process.communicate()  # closes both pipes


async def _start() -> asyncio.subprocess.Process:
    # The path as it is here, so that the process finds this very package however it was found here; and a session
    # of its own, so that Ctrl-C in a terminal is the emulator's to handle.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "odyssey_proto.emulator._jobs.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _length_s(request: dict[str, Any]) -> float:
    """Return about how much video ``request`` asks for, in s."""
    scripts = request.get("scripts") or [request.get("script") or []]
    last = [min(script[-1]["timestamp_ms"], 10**12) / 1000 for script in scripts if script]
    return sum(last) if last else _UNKNOWN_LENGTH_S
