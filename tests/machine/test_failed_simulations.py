"""Simulations that fail, as a whole or in one script of a batch: nobody takes one for a success."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import Odyssey, SimulationFailedError
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from tests.conftest import MakeClient, MakeEmulator

SCRIPT: Any = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
    {"timestamp_ms": 300, "end": {}},
]
SIGNED = "https://files.example.org/video.mp4?X-Amz-Signature=4711"


def job(status: str, *streams: dict[str, Any], error_message: str | None = None) -> dict[str, Any]:
    return {
        "job_id": "j-1",
        "status": status,
        "priority": "normal",
        "created_at": "2026-01-01T00:00:00Z",
        "error_message": error_message,
        "streams": list(streams),
    }


def stream(index: int, **known: Any) -> dict[str, Any]:
    return {"stream_id": f"s-{index}", "script_index": index, "video_url": SIGNED, **known}


def service(ended: dict[str, Any]) -> HttpServer:
    return HttpServer(
        {"POST /simulation-jobs": json_answer(job("pending")), "GET /simulation-jobs/j-1": json_answer(ended)}
    )


def simulate(server: HttpServer, scripts: int) -> Any:
    with Odyssey("ody_key", api_url=server.url) as client:
        return client.simulate_and_wait(scripts=[SCRIPT] * scripts, poll=0, timeout=30)


@pytest.mark.parametrize(
    ("ended", "text", "failed"),
    [
        (job("failed", error_message="out of memory"), "Simulation j-1 failed: out of memory", (0, 1, 2)),
        (
            job("failed", stream(0), stream(2), error_message="one of three"),
            "Simulation j-1 failed: one of three; scripts[1]: it made no stream",
            (1,),
        ),
        (
            job("completed", stream(0), stream(1)),
            "Simulation j-1 is incomplete: scripts[2]: it made no stream",
            (2,),
        ),
        (
            job("completed", stream(0), stream(1, status="failed", error_message="no such cat"), stream(2)),
            "Simulation j-1 is incomplete: scripts[1]: no such cat",
            (1,),
        ),
        (
            job("completed", stream(0, status="failed"), stream(1), stream(2)),
            "Simulation j-1 is incomplete: scripts[0]: it failed",
            (0,),
        ),
        (job("cancelled"), "Simulation j-1 was cancelled: scripts[0]: it made no stream", (0, 1, 2)),
    ],
)
def test_one_bad_script_of_a_batch_says_which(ended: dict[str, Any], text: str, failed: tuple[int, ...]) -> None:
    with service(ended) as server, pytest.raises(SimulationFailedError) as caught:
        simulate(server, 3)
    error = caught.value
    assert str(error).startswith(text)
    assert error.failed_scripts == failed
    assert error.code == ("simulation_cancelled" if ended["status"] == "cancelled" else "simulation_failed")
    assert error.job is not None
    assert [made.stream_id for made in error.job.streams] == [made["stream_id"] for made in ended["streams"]]


def test_of_a_hundred_bad_scripts_ten_are_named() -> None:
    with service(job("failed")) as server, pytest.raises(SimulationFailedError) as caught:
        simulate(server, 100)
    assert str(caught.value).endswith("scripts[9]: it made no stream; and 90 more scripts")
    assert len(caught.value.failed_scripts) == 100


def test_a_single_script_that_fails_says_why() -> None:
    with (
        service(job("failed", error_message="out of memory")) as server,
        Odyssey("ody_key", api_url=server.url) as client,
        pytest.raises(SimulationFailedError) as caught,
    ):
        client.simulate_and_wait(script=SCRIPT, poll=0, timeout=30)
    assert str(caught.value) == "Simulation j-1 failed: out of memory"


def test_a_batch_that_succeeds_is_returned() -> None:
    with service(job("completed", stream(0), stream(1))) as server:
        assert simulate(server, 2).status == "completed"


def test_who_waits_gets_the_failed_job_and_may_have_it_raise() -> None:
    ended = job("failed", error_message="out of memory")
    with service(ended) as server, Odyssey("ody_key", api_url=server.url) as client:
        failed = client.wait_for_simulation("j-1", poll=0)
        with pytest.raises(SimulationFailedError, match="j-1 failed: out of memory"):
            failed.raise_for_status()
        assert client.get_simulate_status("j-1") == failed


@pytest.mark.parametrize("status", ["completed", "pending", "processing", "something new"])
def test_a_job_that_has_not_failed_is_returned(status: str) -> None:
    with service(job(status, stream(0))) as server, Odyssey("ody_key", api_url=server.url) as client:
        found = client.get_simulate_status("j-1")
        assert found.raise_for_status() is found


def test_the_error_can_be_pickled_and_logged_without_a_signature() -> None:
    ended = job("failed", stream(0), error_message=f"cannot write {SIGNED} for ody_secret_4711")
    with service(ended) as server, pytest.raises(SimulationFailedError) as caught:
        simulate(server, 2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.job, again.failed_scripts) == (caught.value.job, (1,))
    shown = f"{again} {again!r} {again.to_dict()}"
    assert "4711" not in shown
    assert again.to_dict()["job_id"] == "j-1"
    assert again.to_dict()["failed_scripts"] == [1]


def test_a_recording_and_a_job_are_shown_without_signatures() -> None:
    urls = {f"{artifact}_url": SIGNED for artifact in ("video", "events", "thumbnail", "preview")}
    with service(job("completed", {"stream_id": "s-0", **urls})) as server:
        server.routes["GET /recordings/s-0"] = json_answer({"stream_id": "s-0", **urls})
        with Odyssey("ody_key", api_url=server.url) as client:
            recording, ended = client.get_recording("s-0"), client.get_simulate_status("j-1")
    assert recording.video_url == ended.streams[0].video_url == SIGNED
    assert "s-0" in repr(recording)
    assert "4711" not in f"{recording!r} {ended!r} {recording} {ended}"


def test_a_script_that_the_service_refuses_is_an_error_at_once() -> None:
    refusal = answer(b'{"detail": "scripts[1]: no"}', "422 No")
    with (
        HttpServer({"POST /simulation-jobs": refusal}) as server,
        pytest.raises(ConnectionError, match=r"scripts\[1\]: no"),
    ):
        simulate(server, 2)


def test_a_bad_script_at_the_emulator_says_which(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    refused: Any = [{"timestamp_ms": 0, "start": {"prompt": "A forbidden cat"}}, SCRIPT[1]]
    client = make_client(make_emulator())
    with pytest.raises(SimulationFailedError, match="Script 1: a prompt was refused"):
        client.simulate_and_wait(scripts=[SCRIPT, refused], poll=0.1, timeout=60)
