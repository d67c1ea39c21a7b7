"""The traffic that an emulator shows: ``/_emulator/traffic``, and ``--log``."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from odyssey_proto._model.traffic import Message
from odyssey_proto.emulator._journal import Journal
from tests.support.plain_client import PATIENCE_S
from tests.support.processes import eventually

if TYPE_CHECKING:
    from odyssey_proto import Session
    from odyssey_proto.emulator import Emulator
    from tests.conftest import MakeEmulator


def traffic(emulator: Emulator, **query: Any) -> list[dict[str, Any]]:
    answer = requests.get(f"{emulator.api_url}/_emulator/traffic", params=query, timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-ndjson; charset=utf-8")
    return [json.loads(line) for line in answer.text.splitlines()]


def authenticate(emulator: Emulator, key: str = "ody_test") -> None:
    requests.post(f"{emulator.api_url}/auth/token", json={"api_key": key}, timeout=PATIENCE_S)


def test_it_shows_every_call_and_message_of_a_session_in_order(emulator: Emulator, session: Session) -> None:
    session.start_stream("A cat", timeout=PATIENCE_S)
    seen = traffic(emulator)
    assert [entry["number"] for entry in seen] == [*range(1, len(seen) + 1)]
    told = [entry["content"]["type"] for entry in seen if entry["kind"] == "message"]
    assert told.index("offer") < told.index("answer") < told.index("stream_started")
    assert {entry["route"] for entry in seen if entry["kind"] == "call"} >= {"/auth/token", "/sessions/request"}
    assert emulator.api_key not in json.dumps(seen)
    assert emulator.api_key in json.dumps(traffic(emulator, secrets="true"))


def test_what_was_seen_already_can_be_left_out_and_forgotten(emulator: Emulator) -> None:
    for _ in range(3):
        authenticate(emulator)
    assert [entry["number"] for entry in traffic(emulator, since=2)] == [3]
    assert requests.delete(f"{emulator.api_url}/_emulator/traffic", timeout=PATIENCE_S).status_code == 204
    assert traffic(emulator) == []
    authenticate(emulator)
    assert [entry["number"] for entry in traffic(emulator)] == [4]


def test_it_can_be_followed_until_the_emulator_stops(emulator: Emulator) -> None:
    url = f"{emulator.api_url}/_emulator/traffic?follow=true"
    with requests.get(url, stream=True, timeout=PATIENCE_S) as followed:
        lines = followed.iter_lines()
        for number in (1, 2):
            authenticate(emulator)
            assert json.loads(next(lines))["number"] == number
        emulator.stop()
        assert list(lines) == [], "the answer has its end"


def test_a_reader_that_leaves_is_noticed_without_news(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    async def waiting() -> int:
        return len(emulator._server._journal._news._waiters) if emulator._server else 0

    url = f"{emulator.api_url}/_emulator/traffic?follow=true"
    for _ in range(3):
        with requests.get(url, stream=True, timeout=PATIENCE_S):
            eventually(lambda: emulator._loop.run(waiting(), timeout=PATIENCE_S) == 1)
        eventually(lambda: emulator._loop.run(waiting(), timeout=PATIENCE_S) == 0)
    authenticate(emulator)
    assert caplog.records == []


def test_an_emulator_shows_only_its_own_traffic(make_emulator: MakeEmulator) -> None:
    one, other = make_emulator(), make_emulator()
    authenticate(one)
    assert (len(traffic(one)), traffic(other)) == (1, [])


@pytest.mark.parametrize(
    "query", ["since=-1", "since=x", "since=1" + 20 * "0", "since=%00", "follow=maybe", "secrets=2"]
)
def test_a_wrong_argument_is_refused(emulator: Emulator, query: str) -> None:
    answer = requests.get(f"{emulator.api_url}/_emulator/traffic?{query}", timeout=PATIENCE_S)
    assert (answer.status_code, "must be" in answer.json()["detail"]) == (400, True)


def test_the_oldest_is_dropped_when_there_is_too_much() -> None:
    journal = Journal()
    journal.begin()
    for _ in range(20):
        journal(Message(place="signaling", from_client=True, text=2**20 * "x", user_agent=""))
    kept = [entry.number for entry in journal.since(0)]
    assert kept == [*range(14, 21)]


def test_what_is_empty_is_dropped_too_some_time() -> None:
    journal = Journal()
    journal.begin()
    for _ in range(20_000):
        journal(Message(place="signaling", from_client=True, text="", user_agent=""))
    assert 1000 < len(journal.since(0)) < 10_000


def test_the_command_writes_a_line_for_each_call() -> None:
    call = [sys.executable, "-m", "odyssey_proto.emulator", "--log"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["api_url"]
        requests.post(f"{url}/auth/token", json={"api_key": "ody_invalid_1"}, timeout=PATIENCE_S)
        line = process.stderr.readline()
        process.kill()
    assert line.partition(" ")[2] == 'POST /auth/token: 401 "Invalid API key"\n'
