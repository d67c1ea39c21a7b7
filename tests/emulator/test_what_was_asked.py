"""An emulator's record of what clients asked: in this process, and over HTTP for other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import requests

from odyssey_proto import SimulationFailedError
from odyssey_proto.emulator import Emulator, Fault
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from odyssey_proto import Odyssey
    from tests.conftest import MakeEmulator

SCRIPT: Any = [
    {"timestamp_ms": 0, "start": {"prompt": "A ship"}},
    {"timestamp_ms": 100, "interact": {"prompt": "A storm"}},
    {"timestamp_ms": 200, "end": {}},
]


def read(emulator: Emulator, what: str) -> Any:
    return requests.get(f"{emulator.api_url}/_emulator/{what}", timeout=PATIENCE_S).json()


def test_a_session_can_be_inspected_in_full(emulator: Emulator, client: Odyssey) -> None:
    with client.connect(timeout=PATIENCE_S) as session:
        stream = session.start_stream("A cat", portrait=False)
        applied = session.interact("It rains")
        assert emulator.sessions[0].ended is None
        session.end_stream()
        name = session.session_id
    emulator.wait_until(lambda: emulator.sessions[0].ended, timeout=PATIENCE_S)

    (seen,) = emulator.sessions
    assert (seen.session_id, seen.connections, seen.ended) == (name, 1, "client_disconnecting")
    (filmed,) = seen.streams
    assert (filmed.stream_id, filmed.prompt, filmed.interactions) == (stream, "A cat", ("It rains",))
    assert (filmed.portrait, filmed.broadcast, filmed.from_image, filmed.ended) == (
        False,
        False,
        False,
        "requested",
    )
    assert emulator.prompts == ("A cat", "It rains")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        seen.ended = None  # type: ignore[misc]

    calls = [(call.method, call.route, call.status) for call in emulator.requests]
    assert ("POST", "/auth/token", 200) in calls
    assert emulator.requests[0].json() == {"api_key": emulator.api_key}
    assert all(call.headers["user-agent"].startswith("odyssey-proto/") for call in emulator.requests)
    told = [(message.type, message.from_client) for message in emulator.messages if message.place != "signaling"]
    assert told[:4] == [
        ("interactive_stream_start", True),
        ("stream_started", False),
        ("update", True),
        ("update_acknowledged", False),
    ]
    answer = next(message for message in emulator.messages if message.type == "update_acknowledged")
    assert answer.json()["prompt"] == applied
    assert answer.session_id == name

    assert read(emulator, "prompts") == ["A cat", "It rains"]
    assert read(emulator, "sessions")[0]["streams"][0]["stream_id"] == stream
    masked = read(emulator, "requests")[0]
    assert (masked["content"], masked["status"]) == ({"api_key": "…"}, 200)
    assert "access_token" in masked["answer"]
    assert emulator.api_key not in str(masked)
    assert [message["type"] for message in read(emulator, "messages")].count("update") == 1
    index = requests.get(f"{emulator.api_url}/_emulator/", timeout=PATIENCE_S).json()
    for call in index:
        method, path = call.split()
        if method == "GET":
            assert requests.get(emulator.api_url + path, timeout=PATIENCE_S).ok
    requests.post(f"{emulator.api_url}/_emulator/forget", timeout=PATIENCE_S).raise_for_status()
    assert (emulator.prompts, emulator.messages, emulator.sessions) == ((), (), ())


def test_jobs_fail_wait_and_lose_files(make_emulator: MakeEmulator, make_client: Any) -> None:
    emulator = make_emulator()
    client: Odyssey = make_client(emulator)
    emulator.faults.add(
        Fault(step="job", action="fail", message="Out of memory"),
        Fault(step="job", action="lose", artifact="preview"),
        Fault(step="job", action="hold"),
        Fault(step="job", action="delay", seconds=0.01),
    )
    wait: dict[str, Any] = {"poll": 0.05, "timeout": PATIENCE_S}
    with pytest.raises(SimulationFailedError, match="Out of memory"):
        client.simulate_and_wait(script=SCRIPT, **wait)
    (stream,) = client.simulate_and_wait(script=SCRIPT, **wait).streams
    assert (stream.preview_url, stream.video_url is None) == (None, False)
    held = client.simulate(script=SCRIPT)
    assert client.simulate_and_wait(script=SCRIPT, **wait).status == "completed"
    assert client.get_simulate_status(held.job_id).status == "pending"
    assert client.cancel_simulation(held.job_id).status == "cancelled"
    assert emulator.prompts == ("A ship", "A storm") * 4
    assert emulator.faults.pending == []


def test_what_never_happens_is_not_waited_for_without_end(emulator: Emulator) -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        emulator.wait_until(lambda: emulator.prompts, timeout=0.01)


def test_an_emulator_in_a_hurry_waits_less() -> None:
    with Emulator(pace=1e6, regions={"far": 1e5}) as emulator:
        # Without this pace, each of the two calls would take a day.
        assert requests.get(f"{emulator.api_url}/ping/far", timeout=PATIENCE_S).ok
        emulator.faults.add(Fault(step="POST /auth/token", action="delay", seconds=1e5))
        assert requests.post(f"{emulator.api_url}/auth/token", json={"api_key": "ody_a"}, timeout=PATIENCE_S).ok


def test_a_key_in_the_place_of_an_id_is_masked(emulator: Emulator) -> None:
    requests.get(f"{emulator.api_url}/recordings/{emulator.api_key}", timeout=PATIENCE_S)
    assert [call["path"] for call in read(emulator, "requests")] == ["/recordings/ody_…"]
