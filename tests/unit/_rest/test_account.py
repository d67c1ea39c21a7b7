"""The account of a client: lists as one sequence, and arguments checked before anything is sent."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import OdysseyConfigError, OdysseyConnectionError
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._rest.account import Account
from tests.support.leaks import nothing_left
from tests.support.servers import HttpServer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def job(job_id: str) -> dict[str, str]:
    return {"job_id": job_id, "status": "pending", "priority": "normal", "created_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer() as made:
        yield made


@pytest.fixture
def account(server: HttpServer) -> Iterator[Account]:
    config = ClientConfig(api_key="ody_key", api_url=server.url)
    with contextlib.closing(Account(config, MonotonicClock())) as made:
        yield made


def test_all_jobs_come_page_by_page(server: HttpServer, account: Account) -> None:
    server.routes["GET /simulation-jobs"] = [
        json_answer({"jobs": [job("a"), job("b")], "total": 3, "limit": 2, "offset": 0}),
        json_answer({"jobs": [job("c")], "total": 3, "limit": 2, "offset": 2}),
    ]
    found = account.all_jobs(2, 30.0, status="pending", active=True)
    assert [job.job_id for job in found] == ["a", "b", "c"]
    assert [request.target.partition("?")[2] for request in server.received("GET /simulation-jobs")] == [
        "status=pending&active=true&limit=2&offset=0",
        "status=pending&active=true&limit=2&offset=2",
    ]


def test_nothing_is_asked_before_the_first_item_is_wanted(server: HttpServer, account: Account) -> None:
    account.all_jobs(2, 30.0, status=None, active=None)
    account.all_recordings(2, 30.0)
    assert server.accepted == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda account: account.all_jobs(0, 30.0, status=None, active=None),
        lambda account: account.all_jobs(2, -1.0, status=None, active=None),
        lambda account: account.all_jobs(2, 30.0, status="running", active=None),
        lambda account: account.all_recordings(101, 30.0),
        lambda account: account.job_waiter(-1.0, None, False),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    server: HttpServer, account: Account, call: Callable[[Account], Any]
) -> None:
    with pytest.raises(OdysseyConfigError):
        call(account)
    assert server.accepted == 0


def test_the_answers_of_a_thread_can_be_collected(server: HttpServer, account: Account) -> None:
    server.routes["GET /simulation-jobs/j-1"] = json_answer(job("j-1"), X_Request_Id="r-1")
    with account.answers() as answers:
        account.job("j-1", Deadline(30, MonotonicClock()))
    assert [(answer.operation, answer.request_id) for answer in answers] == [
        ("GET /simulation-jobs/{job_id}", "r-1")
    ]


def test_a_closed_account_makes_no_more_calls(server: HttpServer, account: Account) -> None:
    account.close()
    with pytest.raises(OdysseyConnectionError) as caught:
        account.job("j-1", Deadline(30, MonotonicClock()))
    assert caught.value.code == "closed"
    assert server.accepted == 0
