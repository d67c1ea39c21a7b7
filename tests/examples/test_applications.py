"""The programs on the example pages of the documentation, without ``async`` and ``await``.

`tests.support.screen` replaces OpenCV's windows; OpenCV itself does the computing.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import requests
from PIL import Image

from odyssey_proto import (
    ConnectionStatus,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyStreamError,
    StatusChanged,
    VideoFrame,
)
from odyssey_proto._video import stamp
from odyssey_proto.emulator._faults.script import Fault
from tests.support.documentation import example_of
from tests.support.processes import PATIENCE_S, eventually
from tests.support.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from odyssey_proto.emulator._server import Emulator

    Sleep = Callable[[float], None]

pytestmark = pytest.mark.usefixtures("_at_the_service")


@pytest.fixture
def service(emulator: Emulator) -> Emulator:
    """A separate emulator for the test, which shares no faults or sessions with others."""
    return emulator


def prompts_of_the_last_stream() -> list[str]:
    """Return the prompts in the newest recording, from start to end."""
    with Odyssey(api_key="ody_your_api_key_here") as client:
        newest = client.list_stream_recordings(limit=1).recordings[0]
        eventually(lambda: client.get_recording(newest.stream_id).events_url)  # it may still be written
        log = requests.get(str(client.get_recording(newest.stream_id).events_url), timeout=30).text
    events = [json.loads(line) for line in log.splitlines()]
    assert events[-1]["type"] == "end"
    return [event["prompt"] for event in events[:-1]]


def numbers(pictures: list[NDArray[Any]]) -> list[int]:
    """Return the numbers of these pictures in the stream."""
    stamps = [stamp.read(picture) for picture in pictures]
    return [found.frame_number for found in stamps if found is not None]


@pytest.fixture
def screen() -> Screen:
    """A screen whose user requests an interaction, and quits two pictures later."""
    return Screen({2: "i", 4: "q"})


@example_of("sdk/python/examples", "Complete Application with OpenCV")
def test_the_complete_application_with_opencv(
    screen: Screen, sleep: Sleep, capsys: pytest.CaptureFixture[str]
) -> None:
    class VideoApp:
        def __init__(self, api_key: str) -> None:
            self.client = Odyssey(api_key=api_key)
            self.current_frame: NDArray[Any] | None = None
            self.running = True

        def on_frame(self, frame: VideoFrame) -> None:
            self.current_frame = cv2.cvtColor(frame.data, cv2.COLOR_RGB2BGR)

        def on_status(self, status: ConnectionStatus, message: str | None) -> None:
            print(f"Status: {status.value} - {message or ''}")

        def on_stream_error(self, reason: str, message: str) -> None:
            print(f"Stream error: {reason} - {message}")

        def run(self) -> None:
            try:
                self.client.connect(
                    on_video_frame=self.on_frame,
                    on_stream_error=self.on_stream_error,
                    on_status_change=self.on_status,
                )

                self.client.start_stream("A serene mountain landscape")

                while self.running:
                    if self.current_frame is not None:
                        screen.imshow("Odyssey", self.current_frame)

                    key = screen.waitKey(1) & 0xFF
                    if key == ord("q"):
                        self.running = False
                    elif key == ord("i"):
                        self.client.interact("Add a waterfall")

                    sleep(0.01)

                self.client.end_stream()
            except OdysseyAuthError:
                print("Invalid API key")
            except OdysseyConnectionError as e:
                print(f"Connection failed: {e}")
            except OdysseyStreamError as e:
                print(f"Stream error: {e}")
            finally:
                self.client.disconnect()
                screen.destroyAllWindows()

    def main() -> None:
        app = VideoApp(api_key="ody_your_api_key_here")
        app.run()

    main()

    assert capsys.readouterr().out.splitlines() == [
        "Status: authenticating - ",
        "Status: connecting - ",
        "Status: connected - ",
        "Status: disconnected - The client disconnected",
    ]
    assert {picture.shape for picture in screen.shown} == {(1280, 704, 3)}
    seen = numbers(screen.shown)
    assert len(seen) == len(screen.shown) >= 4
    assert seen == sorted(set(seen))
    assert not screen.windows
    assert prompts_of_the_last_stream() == ["A serene mountain landscape", "Add a waterfall"]


@example_of("sdk/python/types", "VideoFrame: usage")
def test_what_can_be_done_with_a_frame(client: Odyssey) -> None:
    screen = Screen()
    handled: list[tuple[VideoFrame, Image.Image, float]] = []

    def some_ml_model(data: NDArray[np.uint8]) -> float:
        return float(data.mean())

    def on_frame(frame: VideoFrame) -> None:
        # OpenCV (note: OpenCV uses BGR)
        screen.imshow("video", cv2.cvtColor(frame.data, cv2.COLOR_RGB2BGR))

        # PIL
        image = Image.fromarray(frame.data)

        # Headless processing
        processed = some_ml_model(frame.data)

        handled.append((frame, image, processed))

    client.connect(on_video_frame=on_frame)
    client.start_stream("A cat")
    eventually(lambda: handled)
    client.disconnect()

    frame, image, processed = handled[0]
    assert np.array_equal(screen.shown[0], frame.data[:, :, ::-1])
    assert np.array_equal(screen.shown[0], frame.to_ndarray("bgr24"))  # the library's own conversion
    assert image.mode == "RGB"
    assert image.size == (frame.width, frame.height) == (704, 1280)
    assert image.tobytes() == frame.data.tobytes()
    assert processed == frame.data.mean()


@example_of("sdk/python/examples", "Headless Processing")
def test_headless_processing(sleep: Sleep, capsys: pytest.CaptureFixture[str]) -> None:
    frames_collected: list[NDArray[np.uint8]] = []

    def collect_frame(frame: VideoFrame) -> None:
        frames_collected.append(frame.data.copy())

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            client.connect(on_video_frame=collect_frame)
            client.start_stream("A busy city street")

            # Collect frames for 10 seconds
            sleep(10)
            eventually(lambda: len(frames_collected) >= 3)

            client.end_stream()
        except OdysseyConnectionError as e:
            print(f"Connection failed: {e}")
        finally:
            client.disconnect()

        print(f"Collected {len(frames_collected)} frames")
        # Process frames with your ML model...

    main()

    assert capsys.readouterr().out == f"Collected {len(frames_collected)} frames\n"
    assert {frame.shape for frame in frames_collected} == {(1280, 704, 3)}
    seen = numbers(list(frames_collected))
    assert len(seen) == len(frames_collected)
    assert seen == sorted(set(seen))


@example_of("sdk/python/examples", "Status Monitoring")
def test_status_monitoring(
    service: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_status_change(status: ConnectionStatus, message: str | None) -> None:
        match status:
            case ConnectionStatus.AUTHENTICATING:
                print("Authenticating...")
            case ConnectionStatus.CONNECTING:
                print("Connecting to server...")
            case ConnectionStatus.RECONNECTING:
                print("Reconnecting...")
            case ConnectionStatus.CONNECTED:
                print("Connected and ready!")
            case ConnectionStatus.DISCONNECTED:
                print("Disconnected")
            case ConnectionStatus.FAILED:
                print(f"Connection failed: {message or 'Unknown error'}")

    def main(api_key: str = "ody_your_api_key_here") -> None:
        client = Odyssey(api_key=api_key)

        session = client.connect(
            on_video_frame=lambda f: None,
            on_status_change=on_status_change,
        )

        # ... use the client ...
        events = session.events(timeout=PATIENCE_S)
        client.start_stream("A cat")
        service.faults.add(Fault(step="media", action="drop"))
        assert ConnectionStatus.CONNECTED in (  # again
            event.status for event in events if isinstance(event, StatusChanged)
        )

        client.disconnect()

    main()
    assert capsys.readouterr().out.splitlines() == [
        "Authenticating...",
        "Connecting to server...",
        "Connected and ready!",
        "Reconnecting...",
        "Connected and ready!",
        "Disconnected",
    ]

    # The last line may come after the error, and pytest's capture would lose what is printed while it reads.
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    with pytest.raises(OdysseyAuthError):
        main(api_key="ody_invalid_key")
    eventually(lambda: out.getvalue().count("\n") == 2)
    assert out.getvalue().startswith("Authenticating...\nConnection failed: Invalid API key")


@pytest.mark.parametrize(
    ("api_key", "faults", "printed"),
    [
        ("ody_your_api_key_here", [], set()),
        ("ody_invalid_key", [], {"Authentication failed - check your API key"}),
        (
            "ody_your_api_key_here",
            [Fault(step="signaling offer", action="error", reason="streamer_not_available")],
            {"Connection failed: Streamer not available", "Error (fatal=True): Streamer not available"},
        ),
        (
            "ody_your_api_key_here",
            [Fault(step="stream update", action="stream_error", reason="model_crashed", message="It broke")],
            {"Stream operation failed: model_crashed: It broke", "Stream error: model_crashed - It broke"},
        ),
        (
            "ody_your_api_key_here",
            [Fault(step="stream update", action="error", reason="streamer_disconnected")],
            {"Stream operation failed: The connection ended", "Error (fatal=True): Streamer disconnected"},
        ),
    ],
    ids=["well", "invalid-key", "no-streamer", "stream-error", "lost"],
)
@example_of("sdk/python/examples", "Error Handling Pattern")
def test_the_error_handling_pattern(
    service: Emulator, capsys: pytest.CaptureFixture[str], api_key: str, faults: list[Fault], printed: set[str]
) -> None:
    def main() -> None:
        client = Odyssey(api_key=api_key)

        try:
            client.connect(
                on_video_frame=lambda f: None,
                on_stream_error=lambda reason, msg: print(f"Stream error: {reason} - {msg}"),
                on_error=lambda err, fatal: print(f"Error (fatal={fatal}): {err}"),
            )

            stream_id = client.start_stream("A forest scene")
            assert stream_id
            client.interact("Add some deer")
            client.end_stream()

        except OdysseyAuthError:
            print("Authentication failed - check your API key")
        except OdysseyConnectionError as e:
            print(f"Connection failed: {e}")
            # Could retry here
        except OdysseyStreamError as e:
            print(f"Stream operation failed: {e}")
        finally:
            client.disconnect()

    service.faults.add(*faults)
    main()

    lines = capsys.readouterr().out.splitlines()
    if api_key == "ody_invalid_key":
        lines = [line for line in lines if not line.startswith("Error (fatal=True): Invalid API key")]
    assert len(lines) == len(printed)
    assert all(any(line.startswith(start) for line in lines) for start in printed)
    if not printed:
        assert prompts_of_the_last_stream() == ["A forest scene", "Add some deer"]


@example_of("sdk/python/examples", "Using with PIL")
def test_using_with_pil(
    sleep: Sleep, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    latest_image: Image.Image | None = None

    def on_frame(frame: VideoFrame) -> None:
        nonlocal latest_image
        latest_image = Image.fromarray(frame.data)

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        client.connect(on_video_frame=on_frame)
        client.start_stream("A beautiful garden")

        # Wait for some frames
        sleep(2)
        eventually(lambda: latest_image)

        # Save the latest frame
        if latest_image:
            latest_image.save("screenshot.png")
            print("Saved screenshot.png")

        client.end_stream()
        client.disconnect()

    main()

    assert capsys.readouterr().out == "Saved screenshot.png\n"
    with Image.open(tmp_path / "screenshot.png") as saved:
        assert (saved.format, saved.size) == ("PNG", (704, 1280))
        assert stamp.read(np.asarray(saved)) is not None


@example_of("sdk/python/examples", "Batch Processing Multiple Prompts")
def test_batch_processing_multiple_prompts(sleep: Sleep, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = [
        "A cat sitting by a window",
        "The cat looks outside",
        "The cat stretches",
        "The cat yawns",
        "The cat curls up to sleep",
    ]

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            client.connect(on_video_frame=lambda f: None)
            client.start_stream(prompts[0])

            for prompt in prompts[1:]:
                sleep(3)  # Wait between interactions
                ack = client.interact(prompt)
                print(f"Acknowledged: {ack}")

            client.end_stream()
        finally:
            client.disconnect()

    main()

    acknowledged = capsys.readouterr().out.splitlines()
    assert len(acknowledged) == 4
    for line, prompt in zip(acknowledged, prompts[1:], strict=True):
        assert line.startswith("Acknowledged: ")
        assert prompt in line
    assert prompts_of_the_last_stream() == prompts


@pytest.mark.parametrize(
    "fault",
    [
        Fault(step="media", action="stream_error", after=2, reason="model_crashed", message="It broke"),
        Fault(step="stream start", action="stream_error", reason="model_crashed", message="It broke"),
    ],
    ids=["of-a-stream-that-runs", "of-one-that-did-not-start"],
)
@example_of("sdk/javascript/examples", "Error Handling Pattern")
def test_a_stream_is_restarted_in_the_handler_of_its_error(
    client: Odyssey, service: Emulator, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    pages: list[str] = []
    notifications: list[str] = []
    recovered = threading.Event()

    def on_error(error: Exception, fatal: bool) -> None:
        if fatal:
            # Connection cannot continue - show error UI
            pages.append(str(error))
        else:
            # Recoverable - show notification
            notifications.append(f"Warning: {error}")

    def on_stream_error(reason: str, message: str) -> None:
        # Stream-specific error (e.g., model crashed)
        print(f"Stream error [{reason}]: {message}")

        # You might want to restart the stream
        client.end_stream()
        client.start_stream(prompt="Recovery prompt")
        recovered.set()

    session = client.connect(on_error=on_error, on_stream_error=on_stream_error)
    service.faults.add(fault)
    first = None
    with contextlib.suppress(OdysseyStreamError):  # the stream that did not start
        first = client.start_stream("A cat")

    assert recovered.wait(PATIENCE_S), notifications
    assert capsys.readouterr().out == f"Stream error [{fault.reason}]: {fault.message}\n"
    assert session.stream_id not in (None, first)
    assert next(client.frames(timeout=PATIENCE_S)).width == 704
    assert "Recovery prompt" in str(client.last_applied_prompt)
    assert (pages, notifications) == ([], [])
