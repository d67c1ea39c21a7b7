"""The documentation's examples about recordings, unchanged except for ``async`` and ``await``."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import av
import pytest
import requests

from odyssey_proto import Odyssey, OdysseyConnectionError
from tests.support.documentation import example_of
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from odyssey_proto import StreamRecordingInfo, VideoFrame
    from odyssey_proto.emulator._server import Emulator

pytestmark = [
    pytest.mark.usefixtures("_at_the_service"),
    pytest.mark.xdist_group("recordings of examples"),  # one emulator for all
]


@pytest.fixture(scope="module")
def stream_ids(service: Emulator) -> list[str]:
    """The ids of thirteen streams of a second each, newest first."""
    script = [
        {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
        {"timestamp_ms": 500, "interact": {"prompt": "The cat stretches"}},
        {"timestamp_ms": 1000, "end": {}},
    ]
    with Odyssey(api_key="ody_your_api_key_here", api_url=service.api_url) as client:
        job = client.simulate_and_wait(scripts=[script] * 13, portrait=False, poll=0.1, timeout=90)
        return [rec.stream_id for rec in client.list_stream_recordings().recordings][: len(job.streams)]


@pytest.fixture
def stream_id(stream_ids: list[str]) -> str:
    return stream_ids[0]


@example_of("sdk/python/client", "get_recording()")
def test_get_recording(client: Odyssey, stream_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    recording = client.get_recording(stream_id)
    if recording.video_url:
        print(f"Video: {recording.video_url}")
        print(f"Duration: {recording.duration_seconds}s")

    video, duration = capsys.readouterr().out.splitlines()
    assert requests.get(video.removeprefix("Video: "), timeout=30).headers["Content-Type"] == "video/mp4"
    assert duration == "Duration: 1.0s"


@example_of("sdk/python/client", "list_stream_recordings()")
def test_list_stream_recordings(
    client: Odyssey, stream_ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = client.list_stream_recordings(limit=10)
    for rec in result.recordings:
        print(f"{rec.stream_id}: {rec.duration_seconds}s ({rec.width}x{rec.height})")
    print(f"Total: {result.total}")

    *lines, total = capsys.readouterr().out.splitlines()
    assert lines == [f"{stream_id}: 1.0s (1280x704)" for stream_id in stream_ids[:10]]
    assert total == f"Total: {result.total}"
    assert result.total >= 13


@example_of("sdk/python/recordings", "Retrieving a Recording")
def test_retrieving_a_recording(client: Odyssey, stream_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    current_stream_id = stream_id
    recording = client.get_recording(current_stream_id)

    if recording.video_url:
        print(f"Video URL: {recording.video_url}")
        print(f"Duration: {recording.duration_seconds}s")
        print(f"Frames: {recording.frame_count}")

    if recording.events_url:
        # Download and parse the events log (JSONL format)
        response = requests.get(recording.events_url, timeout=30)
        events = [json.loads(line) for line in response.text.strip().split("\n")]
        print(f"Session events: {events}")

    _, duration, frames, _ = capsys.readouterr().out.splitlines()
    assert (duration, frames) == ("Duration: 1.0s", "Frames: 4")
    assert [event["type"] for event in events] == ["start", "interact", "end"]
    assert [event.get("prompt") for event in events] == ["A cat", "The cat stretches", None]


@example_of("sdk/python/recordings", "Listing All Recordings")
def test_listing_all_recordings(
    client: Odyssey, stream_ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # Get recent recordings
    result = client.list_stream_recordings(limit=10)
    print(f"Found {result.total} recordings")

    for rec in result.recordings:
        print(f"Stream {rec.stream_id}: {rec.duration_seconds}s at {rec.width}x{rec.height}")

    # Paginate through results
    page2 = client.list_stream_recordings(limit=10, offset=10)

    found, *lines = capsys.readouterr().out.splitlines()
    assert found == f"Found {result.total} recordings"
    assert lines == [f"Stream {stream_id}: 1.0s at 1280x704" for stream_id in stream_ids[:10]]
    assert [rec.stream_id for rec in page2.recordings][:3] == stream_ids[10:]
    assert (page2.limit, page2.offset, page2.total) == (10, 10, result.total)


@example_of("sdk/python/recordings", "Downloading Recordings")
def test_downloading_recordings(
    client: Odyssey, stream_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def download_recording(client: Odyssey, stream_id: str, output_dir: Path) -> None:
        recording = client.get_recording(stream_id)

        with requests.Session() as http:
            if recording.video_url:
                response = http.get(recording.video_url)
                (output_dir / f"{stream_id}.mp4").write_bytes(response.content)
                print(f"Downloaded video: {stream_id}.mp4")

            if recording.thumbnail_url:
                response = http.get(recording.thumbnail_url)
                (output_dir / f"{stream_id}_thumb.jpg").write_bytes(response.content)
                print(f"Downloaded thumbnail: {stream_id}_thumb.jpg")

    download_recording(client, stream_id, tmp_path)

    assert capsys.readouterr().out.splitlines() == [
        f"Downloaded video: {stream_id}.mp4",
        f"Downloaded thumbnail: {stream_id}_thumb.jpg",
    ]
    with av.open(str(tmp_path / f"{stream_id}.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 4
    # The library's own download writes the same files under the same names.
    for path in client.download_recording(stream_id, tmp_path / "again", ["video", "thumbnail"]).values():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@example_of("sdk/javascript/recordings", "React Example")
def test_a_viewer_of_recordings(client: Odyssey, stream_ids: list[str]) -> None:
    recordings: list[StreamRecordingInfo] = []
    opened: list[str] = []

    def load_recordings() -> None:
        result = client.list_stream_recordings(limit=20)
        recordings[:] = result.recordings

    def play_recording(stream_id: str) -> None:
        recording = client.get_recording(stream_id)
        if recording.video_url:
            opened.append(recording.video_url)

    load_recordings()
    play_recording(recordings[2].stream_id)

    assert recordings[2].stream_id == stream_ids[2]
    assert requests.get(opened[0], timeout=30).content[4:8] == b"ftyp"


@example_of("sdk/javascript/types", "ListStreamRecordingsOptions")
def test_how_many_are_listed_when_nothing_is_said(client: Odyssey, stream_ids: list[str]) -> None:
    result = client.list_stream_recordings()
    assert (result.limit, result.offset) == (50, 0)
    assert set(stream_ids) <= {rec.stream_id for rec in result.recordings}
    assert client.list_stream_recordings(limit=100).limit == 100


# --- from a live stream


@example_of("sdk/python/recordings", "Capturing the Stream ID")
def test_capturing_the_stream_id(capsys: pytest.CaptureFixture[str]) -> None:
    client = Odyssey(api_key="ody_your_api_key_here")

    current_stream_id = None

    def on_stream_started(stream_id: str) -> None:
        nonlocal current_stream_id
        current_stream_id = stream_id
        print(f"Stream started: {stream_id}")

    client.connect(
        on_video_frame=lambda frame: None,
        on_stream_started=on_stream_started,
    )

    # Or capture from return value
    stream_id = client.start_stream("A cat")

    # ... interact with the stream ...
    client.end_stream()
    client.disconnect()

    assert capsys.readouterr().out == f"Stream started: {stream_id}\n"
    assert current_stream_id == stream_id
    assert client.get_recording(current_stream_id).stream_id == stream_id
    client.close()


@example_of("sdk/python/examples", "Recording Workflow")
def test_the_recording_workflow(sleep: Callable[[float], None], capsys: pytest.CaptureFixture[str]) -> None:
    frames: list[VideoFrame] = []

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")
        stream_id = None

        try:
            client.connect(on_video_frame=frames.append)

            # Start stream and save the ID
            stream_id = client.start_stream("A sunset over the ocean")
            print(f"Stream ID: {stream_id}")

            client.interact("Add some seagulls flying")
            sleep(5)
            eventually(lambda: frames)
            client.end_stream()

        finally:
            client.disconnect()

        # Retrieve the recording (after disconnect is fine)
        if stream_id:
            eventually(lambda: client.get_recording(stream_id).video_url)  # it may still be written
            recording = client.get_recording(stream_id)
            print(f"Video URL: {recording.video_url}")
            print(f"Duration: {recording.duration_seconds}s")

            # List all recordings
            result = client.list_stream_recordings(limit=5)
            print(f"Total recordings: {result.total}")
            for rec in result.recordings:
                print(f"  - {rec.stream_id}: {rec.duration_seconds}s")

    main()

    first, video, duration, total, newest, *_ = capsys.readouterr().out.splitlines()
    stream_id = first.removeprefix("Stream ID: ")
    assert video.startswith("Video URL: http")
    seconds = duration.removeprefix("Duration: ")
    assert float(seconds.removesuffix("s")) > 0
    assert int(total.removeprefix("Total recordings: ")) >= 1
    assert newest == f"  - {stream_id}: {seconds}"


@example_of("sdk/python/recordings", "Complete Workflow Example")
def test_the_complete_workflow(sleep: Callable[[float], None], capsys: pytest.CaptureFixture[str]) -> None:
    seen = threading.Event()

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            client.connect(
                on_video_frame=lambda frame: (print(f"Frame: {frame.width}x{frame.height}"), seen.set()),
            )

            # Start an interactive stream and capture the stream ID
            stream_id = client.start_stream("A cat sitting on a windowsill", portrait=True)
            print(f"Stream started: {stream_id}")

            # Send some interactions
            client.interact("The cat stretches and yawns")
            client.interact("The cat looks outside at birds")

            # Let it run for a bit
            sleep(5)
            assert seen.wait(PATIENCE_S)

            # End the stream
            client.end_stream()

        except OdysseyConnectionError as e:
            print(f"Connection failed: {e}")
        finally:
            client.disconnect()

        # Retrieve the recording (can be done after disconnect)
        eventually(lambda: client.get_recording(stream_id).video_url)  # it may still be written
        recording = client.get_recording(stream_id)

        if recording.video_url:
            print(f"Recording available at: {recording.video_url}")
            print(f"Duration: {recording.duration_seconds} seconds")

    main()

    *lines, available, duration = capsys.readouterr().out.splitlines()
    [started] = [line for line in lines if not line.startswith("Frame: ")]
    assert started.startswith("Stream started: ")
    assert set(lines) - {started} == {"Frame: 704x1280"}
    assert float(duration.split()[1]) > 0
    video = requests.get(available.removeprefix("Recording available at: "), timeout=30).content
    assert video[4:8] == b"ftyp"
