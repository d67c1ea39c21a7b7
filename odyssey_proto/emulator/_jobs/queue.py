"""The queue of simulation jobs and the workers that run them.

Each worker takes the oldest pending job, one at a time. Its process starts with its first job and is killed when
the emulator stops. A job whose process died starts over; so does one that was running when the emulator stopped,
once the ``data_dir`` is opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

from ..._base.event_loop import off_loop
from .._accounts.service import RefusedError, usage_refusal
from .._recordings.artifacts import FILES
from .script_url import fetch_script
from .simulation_script import Order, ScriptError, Take, check_script, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .._accounts.service import Service
    from .._config import EmulatorConfig
    from .._faults.script import Fault, FaultScript
    from .._notebook import Notebook
    from .._own_worlds.sources import WorldSource
    from .._recordings.storage import Job, Storage

__all__ = ["SimulationQueue"]

log = logging.getLogger("odyssey_proto.emulator.jobs")

_VIDEO_PER_SECOND_S: Final = 3.0
"""Seconds of video that a worker films per second; only used for the estimated wait."""
_UNKNOWN_LENGTH_S: Final = 10.0
_PIPE_THREAD: Final = "odyssey-emulator-pipe"
_WINDOWS_FLAGS: Final = ("BELOW_NORMAL_PRIORITY_CLASS", "CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW")


class SimulationQueue:
    """The jobs of one emulator. Runs on the loop's thread."""

    def __init__(
        self,
        *,
        config: EmulatorConfig,
        service: Service,
        storage: Storage,
        faults: FaultScript,
        notebook: Notebook,
        world: WorldSource | None = None,
    ) -> None:
        self._config = config
        self._world = world
        self._service = service
        self._storage = storage
        self._faults = faults
        self._notebook = notebook
        self._befallen: dict[str, Fault] = {}  # by job, until it is done
        self._waiting = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start working on the pending jobs."""
        self._waiting.set()
        loop = asyncio.get_running_loop()
        self._workers = [loop.create_task(self._work()) for _ in range(self._config.simulation_workers)]

    async def stop(self) -> None:
        """Stop working at once, and leave unfinished jobs unchanged."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    # Called by the REST API

    def add(self, account: str, request: dict[str, Any]) -> Job:
        """Queue a job for ``request``, whose shape has been checked.

        Raises:
            RefusedError: 403 without the privilege to bypass expansion, 429 if a limit of the account is reached.
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
        for script in request.get("scripts") or [request.get("script") or []]:
            self._notebook.asked(*_prompts(script))
        if (fault := self._faults.take("job")) is not None:
            self._befallen[job.job_id] = fault
        self._waiting.set()
        return job

    def find(self, account: str, job_id: str) -> Job:
        """Return a job of ``account``.

        Raises:
            RefusedError: 404 if the job is unknown, 403 if it belongs to another account.
        """
        job = self._storage.job(job_id)
        if job is None:
            raise RefusedError(404, "Simulation job not found")
        if job.account != account:
            raise RefusedError(403, "This simulation job belongs to another account")
        return job

    def cancel(self, account: str, job_id: str) -> Job:
        """Cancel a job that has not started.

        Raises:
            RefusedError: as in `find`; 400 if the job has started or is done.
        """
        self.find(account, job_id)
        now = self._service.wall_time()
        cancelled = self._storage.change_job(
            job_id, only_from=("pending", "dispatched"), status="cancelled", completed_at=now
        )
        job = self.find(account, job_id)
        if cancelled:
            self._befallen.pop(job_id, None)
        else:
            raise RefusedError(400, f"Cannot cancel a simulation job whose status is '{job.status}'")
        return job

    def estimated_wait_minutes(self, job: Job) -> float | None:
        """Return the estimated wait of a job, in min; None if it is not pending or there are no workers."""
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
                held = [job_id for job_id, fault in self._befallen.items() if fault.action == "hold"]
                taken = self._storage.take_job(now=self._service.wall_time(), region=region, but=held)
                if taken is None:
                    await self._waiting.wait()
                    continue
                # Another worker may have missed the moment at which the event was set.
                self._waiting.set()
                await self._do(*taken, process)
        finally:
            await process.kill()

    async def _do(self, job: Job, request: str, process: _WorkerProcess) -> None:
        try:
            order = await self._prepare(job, json.loads(request))
            if not self._change(job, only_from=("dispatched",), status="processing", started_at=self._now()):
                return  # cancelled meanwhile
            if (fault := self._befallen.get(job.job_id)) is not None:
                await self._befall(fault)
            await self._film(job, order, process)
        except ScriptError as exc:
            self._end(job, "failed", str(exc))
        except _WorkerDiedError:
            log.warning("the worker of %s died", job.job_id)
            await process.kill()
            self._storage.requeue_job(job.job_id, now=self._now(), why="The worker died")
        except Exception as exc:
            log.exception("job %s failed", job.job_id)
            await process.kill()
            self._end(job, "failed", f"Internal error: {type(exc).__name__}")

    @staticmethod
    async def _befall(fault: Fault) -> None:
        """Carry out the fault of a starting job."""
        if fault.action == "fail":
            raise ScriptError(fault.message)
        if fault.action == "delay":
            await asyncio.sleep(fault.seconds)

    async def _prepare(self, job: Job, request: dict[str, Any]) -> Order:
        if "script_url" in request:
            script = await fetch_script(request["script_url"])
            if issues := check_script(script):
                where = ".".join(map(str, issues[0]["loc"]))
                raise ScriptError(f"The content of script_url is not a script: {where}: {issues[0]['msg']}")
            scripts = [script]
        else:
            scripts = request.get("scripts") or [request["script"]]
        takes = [take for index, script in enumerate(scripts) for take in plan(script, index)]
        for take in takes:
            self._object(take)
        if self._world is not None and self._world.name is None:
            raise ScriptError(
                "Simulations are filmed in another process, which cannot import the world of this emulator: put it"
                ' into a module, and give it as "module:Name"'
            )
        left = self._service.seconds_left(job.account)
        if sum(take.length_ms for take in takes) / 1000 > left:
            raise ScriptError("The job is longer than the remaining hours of this month")
        return Order(
            takes=tuple(takes),
            portrait=request["portrait"],
            expand=not request.get("bypass_vlm_expansion"),
            video=request.get("output_video", True),
            seed=self._config.seed,
            size=self._config.size,
            fps=self._config.fps,
            stamp=self._config.stamps_pictures,
            world=None if self._world is None else self._world.name,
            world_fps=self._config.world_fps or self._config.fps,
            folder=str(self._storage.folder_of("")),
        )

    def _object(self, take: Take) -> None:
        """Raise `ScriptError` if the rules for live streams forbid ``take``."""
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
                    self._lose(job)
                    self._end(job, "completed", None)
                case "failed":
                    self._end(job, "failed", report["why"])

    def _lose(self, job: Job) -> None:
        fault = self._befallen.get(job.job_id)
        if fault is None or fault.action != "lose":
            return
        for stream in self._storage.recordings_of_job(job.job_id):
            (self._storage.folder_of(stream.stream_id) / FILES[fault.artifact]).unlink(missing_ok=True)

    def _end(self, job: Job, status: str, error_message: str | None) -> None:
        self._befallen.pop(job.job_id, None)
        for stream in self._storage.recordings_of_job(job.job_id):
            if stream.ended_at is None:
                self._storage.drop_recording(stream.stream_id)
        self._change(job, status=status, completed_at=self._now(), error_message=error_message)

    def _change(self, job: Job, **columns: Any) -> bool:
        return self._storage.change_job(job.job_id, **columns)

    def _now(self) -> float:
        return self._service.wall_time()


class _WorkerDiedError(Exception):
    """The process ended before it finished its order."""


class _WorkerProcess:
    """A process of `odyssey_proto.emulator._jobs.worker`, started on first use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    async def film(self, order: Order) -> AsyncIterator[dict[str, Any]]:
        """Send an order, and yield the reports until it is done.

        Raises:
            _WorkerDiedError: the process ended before that.
        """
        if getattr(sys, "frozen", False):  # its executable is the program itself, which would be started again
            yield {"report": "failed", "why": "Simulations need Python, and this program is packed without it"}
            return
        process = self._process
        if process is None or process.poll() is not None:
            if process is not None:
                await self.kill()
            process = self._process = _start()
        assert process.stdout is not None
        try:
            await off_loop(_write, process, order.to_line(), name=_PIPE_THREAD)
        except OSError as exc:  # a broken pipe; Windows has another error for it
            raise _WorkerDiedError from exc
        while True:
            line = await off_loop(process.stdout.readline, name=_PIPE_THREAD)
            if not line.endswith(b"\n"):
                raise _WorkerDiedError
            report = json.loads(line)
            yield report
            if report["report"] in ("done", "failed"):
                return

    async def kill(self) -> None:
        """Kill the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        await off_loop(_close, process, name=_PIPE_THREAD)


# Not asyncio's processes: on Windows, only one kind of loop has them, and it is unreliable otherwise.
def _start() -> subprocess.Popen[bytes]:
    # The same import path, so that the process imports the same package. A new session, or a group on Windows, so
    # that Ctrl-C in a terminal reaches only the emulator.
    return subprocess.Popen(
        [sys.executable, "-m", "odyssey_proto.emulator._jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
        creationflags=sum(getattr(subprocess, name, 0) for name in _WINDOWS_FLAGS),
    )


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # a line in it was not written
            if pipe is not None:
                pipe.close()


def _prompts(script: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the prompts of a script, in the order of its entries."""
    for entry in script:
        for action in (entry.get("start"), entry.get("interact")):
            if isinstance(action, dict) and isinstance(action.get("prompt"), str):
                yield action["prompt"]


def _length_s(request: dict[str, Any]) -> float:
    """Return the estimated length of video that ``request`` asks for, in s."""
    scripts = request.get("scripts") or [request.get("script") or []]
    last = [min(script[-1]["timestamp_ms"], 10**12) / 1000 for script in scripts if script]
    return sum(last) if last else _UNKNOWN_LENGTH_S
