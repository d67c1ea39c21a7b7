"""Simulations, recordings and credentials with an emulator, following the examples of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import av
import pytest

from odyssey_proto import ClientCredentials, Odyssey, OdysseyError, iter_events
from odyssey_proto.emulator._server import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from odyssey_proto import SimulationJobDetail

SHORT: Any = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat sitting on a windowsill"}},
    {"timestamp_ms": 300, "interact": {"prompt": "The cat stretches"}},
    {"timestamp_ms": 600, "end": {}},
]


SIZE: Final = (512, 64)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(size=SIZE) as made:
        yield made


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[Odyssey]:
    with Odyssey(emulator.api_key, api_url=emulator.api_url) as made:
        yield made


@pytest.fixture(scope="module")
def done(client: Odyssey) -> SimulationJobDetail:
    job = client.simulate_and_wait(script=SHORT, portrait=False, timeout=60, poll=0.1)
    assert job.status == "completed", job.error_message
    return job


@pytest.fixture(scope="module")
def stream_id(done: SimulationJobDetail) -> str:
    return done.streams[0].stream_id


def test_a_simulation_as_documented(client: Odyssey) -> None:
    job = client.simulate(script=SHORT, portrait=True)
    status = client.wait_for_simulation(job.job_id, timeout=60, poll=0.1)
    again = client.get_simulate_status(job.job_id)
    streams = [[(stream.stream_id, stream.script_index) for stream in seen.streams] for seen in (status, again)]
    assert streams[0] == streams[1]
    # Each answer has newly signed addresses of the files.
    assert attrs.evolve(status, streams=[]) == attrs.evolve(again, streams=[])
    assert [stream.script_index for stream in status.streams] == [0]
    result = client.list_simulations(limit=10)
    assert job.job_id in [sim.job_id for sim in result.jobs]


def test_a_batch_gives_a_stream_for_each_script(client: Odyssey) -> None:
    job = client.simulate_and_wait(scripts=[SHORT, SHORT], timeout=60, poll=0.1)
    assert sorted(stream.script_index for stream in job.streams) == [0, 1]


def test_many_jobs_are_awaited_together(emulator: Emulator, client: Odyssey) -> None:
    emulator.faults.load({"step": "job", "action": "hold", "after": 3, "times": 2})  # two wait until cancelled
    made = [client.simulate(script=SHORT[:1]).job_id for _ in range(5)]
    told: list[str] = []
    for job_id in made[3:]:
        client.cancel_simulation(job_id)
    jobs = client.wait_for_simulations(made, timeout=60, poll=0.1, on_update=lambda job: told.append(job.job_id))
    assert [job.job_id for job in jobs] == made
    assert [job.status for job in jobs] == ["completed"] * 3 + ["cancelled"] * 2
    assert set(told) == set(made)


def test_a_recording_as_documented(client: Odyssey, stream_id: str) -> None:
    recording = client.get_recording(stream_id)
    assert recording.video_url
    assert recording.duration_seconds
    result = client.list_stream_recordings(limit=10)
    assert stream_id in [rec.stream_id for rec in result.recordings]
    assert stream_id in [rec.stream_id for rec in client.iter_stream_recordings(page_size=1)]


def test_its_files_are_what_they_say(client: Odyssey, stream_id: str, tmp_path: Path) -> None:
    paths = client.download_recording(stream_id, tmp_path)
    assert list(paths) == ["video", "events", "thumbnail", "preview"]
    with av.open(str(paths["video"])) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == SIZE
    assert next(iter_events(paths["events"]))["type"] == "start"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths.values())


def test_a_file_that_is_cut_is_resumed(
    emulator: Emulator, client: Odyssey, stream_id: str, tmp_path: Path
) -> None:
    whole = client.download_recording(stream_id, tmp_path / "whole", ["video"])["video"]
    emulator.faults.load({"step": "artifact", "action": "reset", "after_bytes": 1_000})
    cut = client.download_recording(stream_id, tmp_path / "cut", ["video"])["video"]
    assert cut.read_bytes() == whole.read_bytes()


def test_addresses_that_expire_at_once_do_not_matter_for_long(tmp_path: Path) -> None:
    with (
        Emulator(size=SIZE, url_ttl_s=1) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
    ):
        job = client.simulate_and_wait(script=SHORT, timeout=60, poll=0.1)
        assert client.download_recording(job.streams[0].stream_id, tmp_path)["video"].stat().st_size > 0


@pytest.mark.parametrize("call", ["get_recording", "get_simulate_status", "cancel_simulation"])
def test_what_is_unknown_is_said_so(client: Odyssey, call: str) -> None:
    with pytest.raises(OdysseyError) as caught:
        getattr(client, call)("unknown")
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_script_passes_on_what_is_not_known_here(client: Odyssey) -> None:
    start = {"prompt": "A cat", "seed": 7, "style": {"name": "oil"}}
    script: Any = [
        {"timestamp_ms": 0.0, "start": start, "label": "begin"},
        {"timestamp_ms": 100, "camera": {"pan": 0.5}},
        {"timestamp_ms": 250.5, "interact": {"prompt": "It yawns", "strength": 0.5}},
        {"timestamp_ms": 500.0, "end": {"fade": True}},
    ]
    job = client.simulate_and_wait(script=script, timeout=60, poll=0.1)
    assert (job.status, len(job.streams)) == ("completed", 1)


def test_what_is_done_cannot_be_cancelled(client: Odyssey, done: SimulationJobDetail) -> None:
    with pytest.raises(OdysseyError) as caught:
        client.cancel_simulation(done.job_id)
    assert (caught.value.status, caught.value.code) == (400, "not_cancellable")


def test_credentials_as_documented(client: Odyssey) -> None:
    creds = client.create_client_credentials()
    assert creds.signaling_url.startswith("ws")
    assert not creds.is_expired
    assert ClientCredentials.from_dict(creds.to_dict()) == creds
