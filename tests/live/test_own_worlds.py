"""A user's own worlds in all parts together: streamed, recorded, broadcast and simulated; and they may fail."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from odyssey_proto import OdysseyStreamError, StreamEnded, StreamFailed, connect_to_stream
from odyssey_proto.emulator import read_stamp
from tests.support.plain_rest import frames_of
from tests.support.processes import PATIENCE_S, eventually
from tests.support.worlds import Fickle, Levels, clip, level_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from odyssey_proto import VideoFrame
    from tests.conftest import MakeClient, MakeEmulator

SMALL: dict[str, Any] = {"size": (512, 288), "fps": 10}
JOB_S = 4 * PATIENCE_S
"""The time limit of a job, which a new process films at low priority."""


def shows(frames: Iterator[VideoFrame], level: int) -> bool:
    """Return whether a frame of about this level comes."""
    return any(abs(level_of(frame.data) - level) <= 4 for frame in frames)


def of(level: int, pictures: list[np.ndarray[Any, Any]]) -> int:
    return sum(abs(level_of(picture) - level) <= 4 for picture in pictures)


def test_a_world_is_streamed_recorded_broadcast_and_simulated(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    emulator = make_emulator(record=True, world="tests.support.worlds:Levels", **SMALL)
    client = make_client(emulator)
    session = client.connect(timeout=PATIENCE_S)
    image = Image.new("RGB", (1280, 704), (90, 90, 90))
    stream_id = session.start_stream("A cat", portrait=False, image=image, broadcast=True, timeout=PATIENCE_S)
    assert session.last_applied_prompt == "A cat, applied"
    frames = session.frames(timeout=PATIENCE_S)
    first = next(frames).data
    assert first.shape == (288, 512, 3)
    assert abs(level_of(first) - 90) <= 4
    assert abs(int(first[:, 400].mean()) - 45) <= 4
    assert read_stamp(first) is None
    info = session.wait_for_broadcast(timeout=PATIENCE_S)
    with connect_to_stream(info.webrtc_url, info.spectator_token, timeout=PATIENCE_S) as spectator:
        watched = spectator.frames(timeout=PATIENCE_S)
        assert abs(level_of(next(watched).data) - 90) <= 4
        assert session.interact("It rains", timeout=PATIENCE_S) == "It rains"
        assert shows(frames, 130)
        assert shows(watched, 130)
    session.end_stream(timeout=PATIENCE_S)
    eventually(lambda: client.get_recording(stream_id).video_url)
    recorded = frames_of(str(client.get_recording(stream_id).video_url))
    assert min(of(90, recorded), of(130, recorded)) >= 1

    job = client.simulate_and_wait(
        script=[
            {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
            {"timestamp_ms": 500, "interact": {"prompt": "It rains"}},
            {"timestamp_ms": 1000, "end": {}},
        ],
        portrait=True,
        timeout=JOB_S,
        poll=0.1,
    )
    assert (job.status, job.error_message) == ("completed", None)
    filmed = frames_of(str(client.get_recording(job.streams[0].stream_id).video_url))
    assert {picture.shape for picture in filmed} == {(512, 288, 3)}
    assert (of(40, filmed), of(80, filmed), len(filmed)) == (5, 5, 10)


def test_a_clip_is_streamed_recorded_broadcast_and_simulated(
    make_emulator: MakeEmulator, make_client: MakeClient, tmp_path: Path
) -> None:
    path = clip(tmp_path / "clip.mp4", (40, 160), fps=5, size=(128, 72))
    client = make_client(make_emulator(record=True, world=path, stamp=True, **SMALL))
    session = client.connect(timeout=PATIENCE_S)
    stream_id = session.start_stream("A cat", portrait=False, broadcast=True, timeout=PATIENCE_S)
    frames = session.frames(timeout=PATIENCE_S)
    assert read_stamp(next(frames).data) is not None
    info = session.wait_for_broadcast(timeout=PATIENCE_S)
    with connect_to_stream(info.webrtc_url, info.spectator_token, timeout=PATIENCE_S) as spectator:
        watched = spectator.frames(timeout=PATIENCE_S)
        for level in (160, 40, 160, 40):
            assert shows(frames, level)
        assert shows(watched, 160)
        assert shows(watched, 40)
    session.end_stream(timeout=PATIENCE_S)
    eventually(lambda: client.get_recording(stream_id).video_url)
    recorded = frames_of(str(client.get_recording(stream_id).video_url))
    assert min(of(40, recorded), of(160, recorded)) >= 2
    job = client.simulate_and_wait(
        script=[{"timestamp_ms": 0, "start": {"prompt": "A cat"}}, {"timestamp_ms": 1200, "end": {}}],
        portrait=False,
        timeout=JOB_S,
        poll=0.1,
    )
    filmed = frames_of(str(client.get_recording(job.streams[0].stream_id).video_url))
    assert [level_of(picture) > 100 for picture in filmed] == [False, False, True, True] * 3


class Late(Levels):
    """A world whose second picture comes only when the test sets `goes_on`, at its end."""

    goes_on = threading.Event()

    def picture(self, t: float) -> np.ndarray[Any, Any]:
        if t > 0:
            self.goes_on.wait(PATIENCE_S)
        return super().picture(t)


def test_the_last_picture_is_sent_while_the_next_is_late_and_others_stream_on(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    Late.goes_on.clear()
    emulator = make_emulator(world=Late, **SMALL)
    session = make_client(emulator).connect(timeout=PATIENCE_S)
    session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
    frames = session.frames(timeout=PATIENCE_S)
    assert [abs(level_of(next(frames).data) - 40) <= 4 for _ in range(10)] == [True] * 10
    other = make_client(emulator, "ody_other").connect(timeout=PATIENCE_S)
    other.start_stream("A dog", portrait=False, timeout=PATIENCE_S)
    assert shows(other.frames(timeout=PATIENCE_S), 40)
    session.end_stream(timeout=PATIENCE_S)
    Late.goes_on.set()


def test_a_world_that_fails_is_an_error_with_a_reason_and_the_service_goes_on(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    client = make_client(make_emulator(world=Fickle, **SMALL))
    session = client.connect(timeout=PATIENCE_S)
    with pytest.raises(
        OdysseyStreamError, match="The world failed at its start: RuntimeError: no model"
    ) as caught:
        session.start_stream("start", portrait=False, timeout=PATIENCE_S)
    assert caught.value.code == "world_failed"

    session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
    with pytest.raises(OdysseyStreamError, match="at this prompt: SystemExit: no idea"):
        session.interact("interact", timeout=PATIENCE_S)
    frames = session.frames(timeout=PATIENCE_S)
    assert shows(frames, 100)
    events = session.events(timeout=PATIENCE_S)
    session.interact("picture", timeout=PATIENCE_S)
    ended = next(event for event in events if isinstance(event, StreamFailed | StreamEnded))
    assert isinstance(ended, StreamFailed)
    assert ended.reason == "world_failed"
    assert ended.message == "The world failed at 10 pictures in a row: ValueError: no picture"
    assert any(isinstance(event, StreamEnded) for event in events)

    session.start_stream("A cat", portrait=False, timeout=PATIENCE_S)
    assert shows(session.frames(timeout=PATIENCE_S), 100)


def test_a_job_whose_world_fails_or_cannot_be_imported_says_so(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    class Local(Levels):
        pass

    for world, prompt, text in (
        ("tests.support.worlds:Fickle", "picture", "The world failed at its start: ValueError: no picture"),
        (Local, "A cat", 'put it into a module, and give it as "module:Name"'),
    ):
        client = make_client(make_emulator(world=world, **SMALL))
        script = [{"timestamp_ms": 0, "start": {"prompt": prompt}}, {"timestamp_ms": 500, "end": {}}]
        job = client.wait_for_simulation(
            client.simulate(script=script, portrait=False).job_id, timeout=JOB_S, poll=0.1
        )
        assert job.status == "failed"
        assert text in str(job.error_message)
