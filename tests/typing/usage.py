"""The public names for type checkers; checked by `make types`, never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import odyssey_models
from numpy.typing import NDArray
from PIL.Image import Image

from odyssey_proto import (
    AdvancedConfig,
    BroadcastInfo,
    ClientConfig,
    ClientCredentials,
    ConnectionStatus,
    ErrorCallback,
    Event,
    GapEvent,
    LinkProblem,
    LinkQuality,
    LinkQualityChanged,
    LiveRecording,
    Odyssey,
    OdysseyEventHandlers,
    OdysseyUsageError,
    Recording,
    ScriptEntry,
    Session,
    SessionStats,
    SimulationJobDetail,
    SimulationJobInfo,
    SimulationJobsList,
    SimulationJobStatus,
    SpectatorConnection,
    StreamRecordingInfo,
    StreamRecordingsList,
    VideoFrame,
    VideoPaused,
    connect_to_stream,
    iter_events,
    read_event_log,
)
from odyssey_proto.emulator import (
    Emulator,
    EmulatorConfig,
    Fault,
    SeenMessage,
    SeenRequest,
    SeenSession,
    World,
)

with Emulator(codec="vp8", streamers=3, regions={"far": 0.5}, pace=10) as emulator:
    assert_type(emulator.api_url, str)
    assert_type(emulator.requests, tuple[SeenRequest, ...])
    assert_type(emulator.messages, tuple[SeenMessage, ...])
    assert_type(emulator.prompts, tuple[str, ...])
    assert_type(emulator.sessions, tuple[SeenSession, ...])
    emulator.faults.add(Fault(step="stream start", action="silence"), Fault(step="job", action="lose"))

# An `ignore` without an error is an error itself.
Emulator(strimers=3)  # type: ignore[call-arg]
Emulator(codec="av1")  # type: ignore[arg-type]
Emulator(streamers="3")  # type: ignore[arg-type]
Fault(step="nonsense", action="stop")  # type: ignore[arg-type]
Fault(step="media", action="nonsense")  # type: ignore[arg-type]


class Grey:
    def start(self, prompt: str, image: NDArray[np.uint8] | None, size: tuple[int, int], seed: int) -> None: ...

    def interact(self, words: str) -> str:
        return words

    def picture(self, seconds: float) -> NDArray[np.float32]:
        return np.zeros((4, 4, 3), np.float32)


class Halting(Grey):
    picture = None  # type: ignore[assignment]


worlds: list[World] = [Grey()]
EmulatorConfig(world=Grey)
EmulatorConfig(world=Grey())
EmulatorConfig(world=lambda: Grey())
EmulatorConfig(world=Path("clip.mp4"))
EmulatorConfig(world="gradient:Gradient")
EmulatorConfig(world=Halting)  # type: ignore[arg-type]
EmulatorConfig(world=Halting())  # type: ignore[arg-type]
EmulatorConfig(world=7)  # type: ignore[arg-type]

handlers = OdysseyEventHandlers(on_error=lambda error, fatal: None)
assert_type(handlers.on_error, ErrorCallback | None)
Odyssey(ice_servers=[{"urls": "stun:a.example"}, odyssey_models.IceServer(urls=["turn:b.example"])])
assert_type(Odyssey(ice_policy="relay").config.ice_servers, tuple[odyssey_models.IceServer, ...] | None)

with Odyssey("ody_key", api_url=None, advanced=AdvancedConfig(queue_timeout_s=0.5), reconnect=False) as client:
    assert_type(client, Odyssey)
    assert_type(client.config, ClientConfig)
    assert_type(client.current_status, ConnectionStatus)
    assert_type(client.current_session_id, str | None)
    assert_type(client.is_connected, bool)
    assert_type(client.last_applied_prompt, str | None)
    assert_type(client.start_stream("A cat", portrait=False, timeout=3.5), str)
    assert_type(client.interact("Pet it", timeout=None), str)
    with client.connect(timeout=None, on_video_frame=lambda frame: frame.data.sum()) as session:
        for event in session.events(timeout=1):
            assert_type(event, Event)
        assert_type(session.wait_for(GapEvent, timeout=1).frames_missed, int)
        assert_type(session.wait_for(VideoPaused, timeout=1).seconds, float)
        changed = session.wait_for(LinkQualityChanged, timeout=1)
        assert_type((changed.quality, changed.problems), tuple[LinkQuality, tuple[LinkProblem, ...]])
        session.frames("latest", pace="smooth")
        assert_type(session.wait_for_broadcast(), BroadcastInfo)
        assert_type(session, Session)
        assert_type(session.start_stream(), str)
        assert_type(session.capabilities, odyssey_models.StreamerCapabilities | None)
        assert_type(session.latest_frame, VideoFrame | None)
        session.wait(timeout=1)
        stats = session.stats()
        assert_type(stats, SessionStats)
        assert_type((stats.frames_received, stats.bitrate_bps), tuple[int, float])
        assert_type((stats.round_trip_ms, stats.codec, stats.width), tuple[float | None, str | None, int | None])
        with session.record(Path("cat.mp4")) as file:
            assert_type(file, LiveRecording)
            assert_type((file.path, file.frames, file.dropped, file.is_recording), tuple[Path, int, int, bool])
        for frame in session.frames("latest", timeout=5):
            assert_type(frame, VideoFrame)
            assert_type(frame.data, NDArray[np.uint8])
            assert_type(frame.to_ndarray("bgr24"), NDArray[np.uint8])
            assert_type(frame.to_image(), Image)
            assert_type((frame.index, frame.timestamp_ms, frame.dropped_before), tuple[int, int, int])

    recording = client.get_recording("stream-1")
    assert_type(recording, Recording)
    assert_type(recording.video_url, str | None)
    assert_type(client.list_stream_recordings(limit=10), StreamRecordingsList)
    assert_type(client.iter_stream_recordings(), Iterator[StreamRecordingInfo])
    assert_type(client.download_recording("stream-1", Path("out")), dict[str, Path])
    script: list[ScriptEntry] = [{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 9, "end": {}}]
    plain = [
        {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
        {"timestamp_ms": 9, "end": {}},
    ]  # of no declared type
    assert_type(client.simulate(scripts=[script, plain]), SimulationJobDetail)
    job = client.simulate(script=script, portrait=False)
    assert_type(job, SimulationJobDetail)
    assert_type(job.status, SimulationJobStatus)
    assert_type(client.wait_for_simulation(job.job_id, timeout=60), SimulationJobDetail)
    assert_type(client.list_simulations(active=True), SimulationJobsList)
    assert_type(client.cancel_simulation(job.job_id), SimulationJobInfo)
    info = BroadcastInfo("https://live.example.org/s", "token", hls_url=None)
    assert_type(info.hls_url, str | None)
    assert_type(client.watch(info, lambda frame: None, timeout=None), SpectatorConnection)
    credentials = client.create_client_credentials()
    assert_type(credentials, ClientCredentials)
    assert_type(credentials.session_id, str)
    assert_type(client.connect_with_credentials(credentials, on_error=handlers.on_error), Session)


with connect_to_stream("https://live.example.org/s", "token", debug=True, timeout=5) as spectator:
    assert_type(spectator, SpectatorConnection)
    assert_type(spectator.is_connected, bool)
    assert_type(spectator.peer_connection, object | None)
    assert_type(spectator.latest_frame, VideoFrame | None)
    assert_type(spectator.frames("latest", timeout=5), Iterator[VideoFrame])
    spectator.wait(timeout=1)
    spectator.disconnect()


def limits(error: OdysseyUsageError) -> None:
    assert_type(error.code, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.action, str | None)


assert_type(read_event_log(Path("log.jsonl")), Iterator[dict[str, Any]])
assert_type(iter_events(["{}"]), Iterator[dict[str, Any]])
