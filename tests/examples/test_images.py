"""The documentation's examples about images, unchanged except for ``async`` and ``await``."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import requests
from PIL import Image

from odyssey_proto import Odyssey, OdysseyAuthError, OdysseyConnectionError
from odyssey_proto.emulator._server import Emulator
from tests.support.documentation import example_of
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from odyssey_proto import SimulationJobDetail, VideoFrame

pytestmark = pytest.mark.usefixtures("_at_the_service")

LANDSCAPE, PORTRAIT = (1280, 704), (704, 1280)


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """An emulator with as many pictures per second as the service sends."""
    with Emulator() as running:
        yield running


def looks(picture: NDArray[Any]) -> tuple[tuple[int, int], str, str]:
    """Return the width and height of an RGB picture, and the strongest colour on its left and on its right."""
    height, width, _ = picture.shape
    middle, quarter = picture[height // 4 : -height // 4], width // 4
    left, right = (
        ("red", "green", "blue")[int(np.argmax(half.mean(axis=(0, 1))))]
        for half in (middle[:, :quarter], middle[:, -quarter:])
    )
    return (width, height), left, right


@contextlib.contextmanager
def seen(client: Odyssey) -> Iterator[list[tuple[tuple[int, int], str, str]]]:
    """Describe one of the first frames of the stream that starts in the block, and end the stream.

    Not the very first: it may be the last frame of the previous stream, which the decoder held back.
    """
    frames = client.frames(timeout=30)
    found: list[tuple[tuple[int, int], str, str]] = []
    yield found
    found.append(looks(next(itertools.islice(frames, 2, None)).data))
    client.end_stream()


def filmed(client: Odyssey, job: SimulationJobDetail) -> tuple[tuple[int, int], str, str]:
    """Describe the first picture of a simulation."""
    done = client.wait_for_simulation(job.job_id, poll=0.1, timeout=60)
    assert done.status == "completed", done.error_message
    video = requests.get(str(done.streams[0].video_url), timeout=30).content
    with av.open(io.BytesIO(video), "r") as container:
        return looks(next(container.decode(video=0)).to_ndarray(format="rgb24"))


@example_of("sdk/python/client", "start_stream(): image-to-video")
def test_start_stream_from_an_image(client: Odyssey, image_path: str) -> None:
    # Image-to-video examples
    client.connect()

    # Using a file path
    with seen(client) as from_path:
        stream_id = client.start_stream(prompt="A cat", portrait=False, image=image_path)
    assert stream_id
    assert from_path == [(LANDSCAPE, "red", "blue")]

    # Using PIL Image
    from PIL import Image

    pil_image = Image.open(image_path)
    with seen(client) as from_pil:
        stream_id = client.start_stream(prompt="A cat", image=pil_image)
    assert from_pil == [(PORTRAIT, "red", "blue")]

    # Using bytes
    with open(image_path, "rb") as f:  # noqa: PTH123  # as the page has it
        image_bytes = f.read()
    with seen(client) as from_bytes:
        stream_id = client.start_stream(prompt="A cat", image=image_bytes)
    assert from_bytes == [(PORTRAIT, "red", "blue")]


@example_of("sdk/python/examples", "Image-to-Video: PIL Images, bytes, or NumPy arrays")
def test_pil_images_bytes_or_numpy_arrays(client: Odyssey, image_path: str) -> None:
    image_array = np.asarray(Image.open(image_path))  # RGB uint8, shape HxWx3
    client.connect()
    for image in (Image.open(image_path), Path(image_path).read_bytes(), image_array):
        with seen(client) as frames:
            client.start_stream(prompt="A cat", image=image)
        assert frames == [(PORTRAIT, "red", "blue")]


@example_of("sdk/python/examples", "Image-to-Video")
def test_image_to_video(
    image_path: str, sleep: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    frames: list[NDArray[np.uint8]] = []

    def on_frame(frame: VideoFrame) -> None:
        frames.append(frame.data.copy())

    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            # Connect to Odyssey
            client.connect(
                on_video_frame=on_frame,
            )

            # Start stream with an image (file path)
            stream_id = client.start_stream(prompt="A cat", portrait=False, image=image_path)
            print(f"Stream started: {stream_id}")

            # Interact as usual
            client.interact("Pet the cat")
            sleep(5)
            eventually(lambda: len(frames) >= 3)

            client.end_stream()
        finally:
            client.disconnect()

        print(f"Collected {len(frames)} frames")

    main()

    started, collected = capsys.readouterr().out.splitlines()
    assert started.startswith("Stream started: ")
    assert collected == f"Collected {len(frames)} frames"
    assert looks(frames[2]) == (LANDSCAPE, "red", "blue")


@example_of("api-quick-start", "Python: Image-to-Video")
def test_the_quick_start(image_path: str, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        client = Odyssey(api_key="ody_your_api_key_here")

        try:
            client.connect(
                on_video_frame=lambda frame: print(f"Frame: {frame.width}x{frame.height}"),
                on_stream_started=lambda stream_id: print(f"Ready: {stream_id}"),
            )
            # Start with an image file
            client.start_stream(
                prompt="A cat",
                portrait=False,
                image_path=image_path,
            )
            client.interact("Pet the cat")
            client.end_stream()
        except OdysseyAuthError:
            print("Invalid API key")
        except OdysseyConnectionError as e:
            print(f"Connection failed: {e}")
        finally:
            client.disconnect()

    with pytest.warns(DeprecationWarning, match="image_path is deprecated") as warned:
        main()
    assert warned[0].filename == __file__

    ready, *frames = capsys.readouterr().out.splitlines()
    assert ready.startswith("Ready: ")
    # On a busy machine, so short a stream may end before its first frame arrives.
    assert set(frames) <= {"Frame: 1280x704"}


@example_of("sdk/javascript/types", "StartStreamOptions: bypassPromptExpansion")
def test_a_prompt_taken_as_it_is_beside_an_image(client: Odyssey, image_path: str) -> None:
    client.connect()
    client.start_stream("A cat", True, image_path, None, True)  # in the order of the documented signature
    assert client.last_applied_prompt == "A cat"
    client.end_stream()


@example_of("sdk/python/simulations", "Image-to-Video with the Simulate API")
def test_image_to_video_with_the_simulate_api(client: Odyssey, image_path: str) -> None:
    # Using a file path string
    from_path = client.simulate(
        script=[
            {
                "timestamp_ms": 0,
                "start": {
                    "prompt": "A cat",
                    "image": image_path,
                },
            },
            {"timestamp_ms": 300, "interact": {"prompt": "The cat looks around"}},
            {"timestamp_ms": 600, "end": {}},
        ],
        portrait=False,
    )

    # Using bytes
    with open(image_path, "rb") as f:  # noqa: PTH123  # as the page has it
        image_bytes = f.read()

    from_bytes = client.simulate(
        script=[
            {"timestamp_ms": 0, "start": {"prompt": "A cat", "image": image_bytes}},
            {"timestamp_ms": 1000, "end": {}},
        ]
    )

    # Using a base64 data URL string
    from_data_url = client.simulate(
        script=[
            {
                "timestamp_ms": 0,
                "start": {
                    "prompt": "Robot dancing",
                    "image": f"data:image/jpeg;base64,{base64.b64encode(image_bytes).decode()}",
                },
            },
            {"timestamp_ms": 1000, "end": {}},
        ]
    )

    assert filmed(client, from_path) == (LANDSCAPE, "red", "blue")
    assert filmed(client, from_bytes) == (PORTRAIT, "red", "blue")
    assert filmed(client, from_data_url) == (PORTRAIT, "red", "blue")
