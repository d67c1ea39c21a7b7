"""Waiting for jobs: the number of requests, and the reports to the caller. No test sleeps."""

from __future__ import annotations

from typing import Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.clock import Deadline
from odyssey_proto._base.errors import (
    MalformedMessageError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    RateLimitError,
)
from odyssey_proto._rest.job_waiter import JobWaiter


class Service:
    """Jobs whose statuses advance with every sleep, and a count of the requests."""

    def __init__(self, **statuses: list[str]) -> None:
        self.statuses = statuses
        self.streams: list[list[wire.SimulationStream]] = [[]]  # by round; the same for all jobs
        self.time = 0.0
        self.rounds = 0
        self.listed: list[int] = []  # list requests by round
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.slept: list[float] = []
        self.failures: list[OdysseyError] = []
        self.lists_active = True

    # clock and pause

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        self.rounds += 1

    # the calls

    def status(self, job_id: str) -> str:
        told = self.statuses[job_id]
        return told[min(self.rounds, len(told) - 1)]

    def job(self, job_id: str, deadline: Deadline) -> wire.SimulationJobDetail:
        self.fail()
        self.asked.append(job_id)
        if job_id not in self.statuses:
            raise OdysseyError("unknown", code="not_found", status=404)
        return wire.SimulationJobDetail(
            job_id=job_id,
            status=wire.SimulationJobStatus(self.status(job_id)),
            priority="",
            created_at="",
            streams=self.streams[min(self.rounds, len(self.streams) - 1)],
        )

    def jobs(self, deadline: Deadline, *, active: bool | None, limit: int, offset: int) -> wire.SimulationJobsList:
        self.fail()
        self.listed += [0] * (self.rounds + 1 - len(self.listed))
        self.listed[self.rounds] += 1
        running = ("pending", "dispatched", "processing", "resting") if self.lists_active else ()
        found = [job_id for job_id in self.statuses if active is None or self.status(job_id) in running]
        return wire.SimulationJobsList(
            jobs=[
                wire.SimulationJobInfo(
                    job_id=job_id,
                    status=wire.SimulationJobStatus(self.status(job_id)),
                    priority="",
                    created_at="",
                )
                for job_id in found[offset : offset + limit]
            ],
            total=len(found),
            limit=limit,
            offset=offset,
        )

    def cancel_job(self, job_id: str, deadline: Deadline) -> None:
        self.cancelled.append(job_id)
        raise OdysseyError("too late", code="not_cancellable", status=400)

    def fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def wait(
        self, *job_ids: str, timeout: float | None = None, cancel: bool = False, told: Any = None
    ) -> list[str]:
        waiter = JobWaiter(
            self,  # type: ignore[arg-type]  # it has the three calls that are made
            self,
            self.pause,
            poll=5.0,
            on_update=told,
            cancel_on_timeout=cancel,
        )
        return [f"{job.job_id} {job.status}" for job in waiter.wait(job_ids, Deadline(timeout, self))]


@pytest.mark.parametrize("last", ["completed", "failed", "cancelled"])
def test_one_job_is_asked_by_its_id_until_it_has_ended(last: str) -> None:
    service = Service(a=["pending", "dispatched", "processing", last])
    assert service.wait("a") == [f"a {last}"]
    assert (service.asked, service.listed, service.slept) == (["a"] * 4, [], [5.0] * 3)


def test_a_status_that_is_not_known_is_waited_through() -> None:
    service = Service(a=["resting", "completed"], b=["resting", "completed"])
    assert service.wait("a", "b") == ["a completed", "b completed"]


def test_many_jobs_come_back_in_the_order_that_was_asked() -> None:
    service = Service(a=["completed"], b=["pending", "failed"], c=["pending", "pending", "completed"])
    assert service.wait("c", "a", "b", "a") == ["c completed", "a completed", "b failed", "a completed"]
    assert sorted(service.asked) == ["a", "b", "c"]


def test_none_at_all_are_there_at_once() -> None:
    assert Service().wait() == []


def test_a_thousand_jobs_cost_ten_lists_a_round_and_one_request_each() -> None:
    service = Service(**{f"job-{n}": ["processing"] * (n % 3 + 1) + ["completed"] for n in range(1000)})
    assert len(service.wait(*service.statuses)) == 1000
    assert max(service.listed) == 10
    assert len(service.asked) == 1000


def test_a_service_that_takes_active_for_something_else_is_asked_for_the_whole_list() -> None:
    service = Service(**{f"job-{n}": ["pending"] * 10 + ["completed"] for n in range(200)})
    service.lists_active = False
    service.wait(*service.statuses)
    assert len(service.asked) == 400  # each once in the first round, and once at its end


def test_the_streams_of_a_single_job_are_reported_as_they_are_made() -> None:
    told: list[tuple[str, int]] = []
    service = Service(a=["processing"] * 5 + ["completed"])
    made = wire.SimulationStream(stream_id="s", video_url="https://x/1")
    signed_anew = wire.SimulationStream(stream_id="s", video_url="https://x/2")
    service.streams = [[], [wire.SimulationStream(stream_id="s")], [made], [signed_anew]]
    service.wait("a", told=lambda job: told.append((job.status, len([s for s in job.streams if s.video_url]))))
    assert told == [("processing", 0), ("processing", 0), ("processing", 1), ("completed", 1)]


def test_every_change_is_reported_once() -> None:
    told: list[str] = []
    service = Service(a=["pending", "pending", "processing", "completed"], b=["pending", "failed"])
    service.wait("a", "b", told=lambda job: told.append(f"{job.job_id} {job.status}"))
    assert told == ["a pending", "b pending", "b failed", "a processing", "a completed"]


def test_time_is_kept_and_the_last_sleep_is_shorter() -> None:
    service = Service(a=["processing"])
    with pytest.raises(OdysseyConnectionTimeoutError, match="a is processing") as caught:
        service.wait("a", timeout=12)
    assert (service.slept, service.cancelled) == ([5.0, 5.0, 2.0], [])
    assert caught.value.code == "timeout"


def test_what_has_not_ended_in_time_is_taken_back_when_that_is_wanted() -> None:
    service = Service(a=["processing"], b=["completed"], c=["pending"])
    with pytest.raises(OdysseyConnectionTimeoutError, match="a is processing, and 1 more have not ended"):
        service.wait("a", "b", "c", timeout=7, cancel=True)
    assert service.cancelled == ["a", "c"]


def test_taking_back_has_its_own_end() -> None:
    service = Service(a=["pending"], b=["pending"])
    cancel = service.cancel_job

    def slowly(job_id: str, deadline: Deadline) -> None:
        service.time += 10
        cancel(job_id, deadline)

    service.cancel_job = slowly  # type: ignore[method-assign]  # that it takes long is the point
    with pytest.raises(OdysseyConnectionTimeoutError):
        service.wait("a", "b", timeout=7, cancel=True)
    assert service.cancelled == ["a"]


def test_an_unknown_job_is_an_error_at_once() -> None:
    with pytest.raises(OdysseyError) as caught:
        Service(a=["pending"]).wait("a", "b")
    assert caught.value.status == 404


def lost() -> OdysseyError:
    return OdysseyConnectionError("lost", code="connection_lost", recoverable=True)


def test_failures_that_pass_are_waited_through() -> None:
    service = Service(a=["pending", "completed"])
    service.failures = [lost(), lost(), lost(), lost()]
    assert service.wait("a") == ["a completed"]


def test_a_service_that_wants_a_longer_pause_gets_it() -> None:
    service = Service(a=["pending", "completed"])
    service.failures = [RateLimitError("slower", status=429, recoverable=True, retry_after=40.0)]
    service.wait("a")
    assert service.slept == [40.0]


@pytest.mark.parametrize("job_ids", [["a"], ["a", "b"]])
def test_a_status_that_is_missing_now_and_then_is_waited_through(job_ids: list[str]) -> None:
    service = Service(a=["unknown", "pending", "unknown", "unknown", "completed"], b=["completed"])
    assert service.wait(*job_ids) == [f"{job_id} completed" for job_id in job_ids]


@pytest.mark.parametrize("job_ids", [["a"], ["a", "b"]])
def test_a_job_of_which_nothing_is_said_for_five_rounds_is_not_waited_for(job_ids: list[str]) -> None:
    service = Service(a=["unknown"], b=["pending"])
    with pytest.raises(MalformedMessageError, match="it does not say how far a is") as caught:
        service.wait(*job_ids)
    assert len(service.slept) == 4
    assert (caught.value.code, caught.value.operation) == ("malformed", "wait for simulations")


def test_five_failures_in_a_row_are_too_many() -> None:
    service = Service(a=["pending"])
    service.failures = [lost() for _ in range(5)]
    with pytest.raises(OdysseyConnectionError, match="lost"):
        service.wait("a")
    assert len(service.slept) == 4


def test_a_failure_when_time_is_over_is_that_time_is_over() -> None:
    service = Service(a=["pending"])
    service.failures = [lost()]
    with pytest.raises(OdysseyConnectionTimeoutError):
        service.wait("a", timeout=0)
