"""The documentation's examples about simulations, unchanged except for ``async`` and ``await``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from odyssey_proto import Odyssey, SimulationJobDetail, iter_events
from odyssey_proto.emulator._server import Emulator
from tests.support.documentation import example_of
from tests.support.servers import HttpServer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import ScriptEntry

pytestmark = [
    pytest.mark.usefixtures("_at_the_service"),
    pytest.mark.xdist_group("simulations of examples"),  # one emulator for all
]

SHORT: list[ScriptEntry] = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
    {"timestamp_ms": 1000, "end": {}},
]


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """An emulator for all examples, whose films are small."""
    with Emulator(fps=4, size=(512, 256)) as running:
        yield running


@pytest.fixture
def queue(_at_the_service: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A service whose jobs wait forever, in place of the one that carries them out."""
    with Emulator(simulation_workers=0) as running:
        monkeypatch.setenv("ODYSSEY_API_URL", running.api_url)
        yield running


def done(client: Odyssey, job: SimulationJobDetail) -> SimulationJobDetail:
    """Wait for a job, and check that it has succeeded."""
    ended = client.wait_for_simulation(job.job_id, poll=0.1, timeout=60)
    assert ended.status == "completed", ended.error_message
    return ended


def prompts_of(client: Odyssey, job: SimulationJobDetail) -> list[list[tuple[int, str | None]]]:
    """Wait for a job; return the time in ms and the prompt of each event, by stream, in the order of scripts."""
    streams = sorted(done(client, job).streams, key=lambda stream: stream.script_index)
    logs = [requests.get(str(stream.events_url), timeout=30).text.splitlines() for stream in streams]
    return [[(event["timestamp_ms"], event.get("prompt")) for event in iter_events(log)] for log in logs]


@example_of("sdk/python/client", "simulate()")
def test_simulate(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.simulate(
        script=[
            {"timestamp_ms": 0, "start": {"prompt": "A cat sitting on a windowsill"}},
            {"timestamp_ms": 3000, "interact": {"prompt": "The cat stretches"}},
            {"timestamp_ms": 6000, "interact": {"prompt": "The cat yawns"}},
            {"timestamp_ms": 9000, "end": {}},
        ],
        portrait=True,
    )
    print(f"Simulation started: {job.job_id}")

    assert capsys.readouterr().out == f"Simulation started: {job.job_id}\n"
    assert isinstance(job, SimulationJobDetail)
    assert prompts_of(client, job) == [
        [(0, "A cat sitting on a windowsill"), (3000, "The cat stretches"), (6000, "The cat yawns"), (9000, None)]
    ]


@example_of("sdk/python/client", "get_simulate_status()")
def test_get_simulate_status(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.simulate(script=SHORT)
    ended = done(client, job)

    status = client.get_simulate_status(job.job_id)
    print(f"Status: {status.status}")
    if status.status == "completed":
        for stream in status.streams:
            print(f"Stream: {stream.stream_id}")

    assert capsys.readouterr().out == f"Status: completed\nStream: {ended.streams[0].stream_id}\n"


@example_of("sdk/python/client", "list_simulations()")
def test_list_simulations(client: Odyssey, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.simulate(script=SHORT)
    done(client, job)

    result = client.list_simulations(limit=10)
    for sim in result.jobs:
        print(f"{sim.job_id}: {sim.status}")
    print(f"Total: {result.total}")

    newest, *_, total = capsys.readouterr().out.splitlines()
    assert newest == f"{job.job_id}: completed"
    assert total == f"Total: {result.total}"


@example_of("sdk/python/client", "cancel_simulation()")
def test_cancel_simulation(queue: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with Odyssey(api_key="ody_your_api_key_here") as client:
        job = client.simulate(script=SHORT)

        cancelled = client.cancel_simulation(job.job_id)
        print(f"Simulation {cancelled.job_id} cancelled (status: {cancelled.status})")

        assert client.get_simulate_status(job.job_id).status == "cancelled"
    assert capsys.readouterr().out == f"Simulation {job.job_id} cancelled (status: cancelled)\n"


@example_of("sdk/python/simulations", "Cancel a Simulation")
def test_cancel_a_simulation(queue: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with Odyssey(api_key="ody_your_api_key_here") as client:
        job = client.simulate(script=SHORT)

        # Cancel a pending or running simulation
        client.cancel_simulation(job.job_id)
        print("Simulation cancelled")

        assert [sim.status for sim in client.list_simulations(active=True).jobs] == []
    assert capsys.readouterr().out == "Simulation cancelled\n"


@example_of("sdk/python/simulations", "Example Script")
def test_the_example_script(client: Odyssey) -> None:
    script: list[ScriptEntry] = [
        # Start a portrait video of a cat at t=0
        {"timestamp_ms": 0, "start": {"prompt": "A cat sitting by a window"}},
        # Interact at t=3000ms (3 seconds)
        {"timestamp_ms": 3000, "interact": {"prompt": "The cat looks outside"}},
        # Another interaction at t=6000ms (6 seconds)
        {"timestamp_ms": 6000, "interact": {"prompt": "The cat stretches"}},
        # End the stream at t=9000ms (9 seconds)
        {"timestamp_ms": 9000, "end": {}},
    ]

    job = client.simulate(script=script)
    assert prompts_of(client, job) == [
        [
            (0, "A cat sitting by a window"),
            (3000, "The cat looks outside"),
            (6000, "The cat stretches"),
            (9000, None),
        ]
    ]
    (recorded,) = client.list_stream_recordings(limit=1).recordings
    assert (recorded.width, recorded.height) == (256, 512)


@example_of("sdk/python/simulations", "1. Create a Simulation")
def test_create_a_simulation(queue: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        job = client.simulate(
            script=[
                {"timestamp_ms": 0, "start": {"prompt": "A serene mountain landscape"}},
                {"timestamp_ms": 5000, "interact": {"prompt": "Clouds roll across the sky"}},
                {"timestamp_ms": 10000, "interact": {"prompt": "The sun begins to set"}},
                {"timestamp_ms": 15000, "end": {}},
            ],
            portrait=False,
        )

        print(f"Simulation ID: {job.job_id}")
        print(f"Status: {job.status}")  # 'pending'

    main()

    assert re.fullmatch(r"Simulation ID: \S+\nStatus: pending\n", capsys.readouterr().out)


@example_of("sdk/python/simulations", "2. Poll for Completion", "3. Retrieve Recordings")
def test_poll_for_completion_and_retrieve_recordings(
    client: Odyssey, sleep: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    job = client.simulate(script=SHORT)

    def wait_for_completion(client: Odyssey, job_id: str) -> Any:
        while True:
            status = client.get_simulate_status(job_id)

            if status.status == "completed":
                return status

            if status.status == "failed":
                raise Exception(f"Simulation failed: {status.error_message}")  # noqa: TRY002  # as the page has it

            if status.status == "cancelled":
                raise Exception("Simulation was cancelled")  # noqa: TRY002

            # Wait 5 seconds before checking again
            sleep(5)

    result = wait_for_completion(client, job.job_id)
    print("Simulation completed!")

    # Get the stream IDs from the completed simulation
    for stream in result.streams:
        recording = client.get_recording(stream.stream_id)
        print(f"Video URL: {recording.video_url}")
        print(f"Duration: {recording.duration_seconds} seconds")

    completed, video, duration = capsys.readouterr().out.splitlines()
    assert (completed, duration) == ("Simulation completed!", "Duration: 1.0 seconds")
    assert requests.get(video.removeprefix("Video URL: "), timeout=30).content[4:8] == b"ftyp"


@example_of("sdk/python/examples", "Working with the Simulate API")
def test_working_with_the_simulate_api(sleep: Callable[[float], None], capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        # Create a simulation with a scripted sequence
        job = client.simulate(
            script=[
                {"timestamp_ms": 0, "start": {"prompt": "A cat sitting on a windowsill"}},
                {"timestamp_ms": 3000, "interact": {"prompt": "The cat watches a bird outside"}},
                {"timestamp_ms": 6000, "interact": {"prompt": "The cat stretches lazily"}},
                {"timestamp_ms": 9000, "end": {}},
            ],
            portrait=True,
        )

        print(f"Simulation started: {job.job_id}")

        # Poll for completion
        while True:
            status = client.get_simulate_status(job.job_id)

            if status.status == "completed":
                break
            if status.status == "failed":
                print(f"Simulation failed: {status.error_message}")
                return
            if status.status == "cancelled":
                print("Simulation was cancelled")
                return

            sleep(5)

        # Get recordings from completed simulation
        for stream in status.streams:
            recording = client.get_recording(stream.stream_id)
            print(f"Video URL: {recording.video_url}")

    main()

    started, video = capsys.readouterr().out.splitlines()
    assert started.startswith("Simulation started: ")
    assert requests.get(video.removeprefix("Video URL: "), timeout=30).content[4:8] == b"ftyp"


@example_of("sdk/python/simulations", "List Your Simulation Jobs")
def test_list_your_simulation_jobs(queue: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with Odyssey(api_key="ody_your_api_key_here") as client:
        made = [client.simulate(script=SHORT) for _ in range(12)]

        result = client.list_simulations(limit=10)

        for sim in result.jobs:
            print(f"{sim.job_id}: {sim.status} (created: {sim.created_at})")

        print(f"Showing {len(result.jobs)} of {result.total} total simulations")

    *lines, showing = capsys.readouterr().out.splitlines()
    assert lines == [f"{job.job_id}: pending (created: {job.created_at})" for job in made[:1:-1]]
    assert showing == "Showing 10 of 12 total simulations"


@example_of("sdk/javascript/types", "SimulateOptions: scripts")
def test_several_scripts_in_a_single_job(client: Odyssey) -> None:
    job = client.simulate(
        scripts=[
            [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 500, "end": {}}],
            [{"timestamp_ms": 0, "start": {"prompt": "A dog"}}, {"timestamp_ms": 500, "end": {}}],
        ]
    )
    assert prompts_of(client, job) == [[(0, "A cat"), (500, None)], [(0, "A dog"), (500, None)]]


@example_of("sdk/javascript/types", "SimulateOptions: script_url")
def test_a_script_behind_an_address(client: Odyssey) -> None:
    with HttpServer({"GET /script.json": json_answer(SHORT)}) as server:
        job = client.simulate(script_url=f"{server.url}/script.json")
        assert prompts_of(client, job) == [[(0, "A cat"), (1000, None)]]


@example_of("sdk/javascript/types", "SimulateOptions: bypassPromptExpansion")
def test_prompts_taken_as_they_are(client: Odyssey) -> None:
    applied: list[str] = []
    for bypass in (True, False):
        job = done(client, client.simulate(script=SHORT, bypass_prompt_expansion=bypass))
        log = requests.get(str(job.streams[0].events_url), timeout=30).text.splitlines()
        applied.append(next(iter_events(log))["applied_prompt"])
    assert applied[0] == "A cat"
    assert applied[1] != "A cat"


@example_of("sdk/javascript/types", "ListSimulationsOptions")
def test_which_simulations_are_listed(queue: Emulator) -> None:
    with Odyssey(api_key="ody_your_api_key_here") as client:
        waiting, cancelled = client.simulate(script=SHORT), client.simulate(script=SHORT)
        client.cancel_simulation(cancelled.job_id)

        def listed(**options: Any) -> list[str]:
            return [sim.job_id for sim in client.list_simulations(**options).jobs]

        assert listed() == [cancelled.job_id, waiting.job_id]
        assert listed(status="cancelled") == [cancelled.job_id]
        assert listed(active=True) == [waiting.job_id]
        assert listed(limit=1, offset=1) == [waiting.job_id]
        assert (client.list_simulations().limit, client.list_simulations().offset) == (20, 0)
