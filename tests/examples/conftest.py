"""The service for examples of the documentation, and the objects that the examples presuppose."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from odyssey_proto import Odyssey
from odyssey_proto.emulator._server import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """An emulator for all examples of a module, which films quickly because it has few pictures per second."""
    with Emulator(fps=4) as running:
        yield running


@pytest.fixture(autouse=True)
def _at_leisure(signaling_comes_first: None, unhurried: None) -> None:
    """Let no example depend on the pace of the machine: a client that leaves waits for the goodbye."""


@pytest.fixture
def emulator(nothing_left: None) -> Iterator[Emulator]:
    """An emulator as users have it: it records, and its pictures are as large as the service's, but few."""
    with Emulator(fps=5) as running:
        yield running


@pytest.fixture
def _at_the_service(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direct clients that name no service to the emulator, by the documented environment variable."""
    monkeypatch.setenv("ODYSSEY_API_URL", service.api_url)


@pytest.fixture
def client(_at_the_service: None) -> Iterator[Odyssey]:
    """The client for examples without a constructor."""
    with Odyssey(api_key="ody_your_api_key_here") as made:
        yield made


@pytest.fixture
def sleep() -> Callable[[float], None]:
    """The ``asyncio.sleep`` of the examples, but blocking, and a twentieth as long."""

    def sleep(seconds: float) -> None:
        threading.Event().wait(seconds / 20)

    return sleep


@pytest.fixture(scope="module")
def image_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image, red on the left and blue on the right: the "/path/to/image.jpg" of the examples."""
    path: Path = tmp_path_factory.mktemp("path") / "image.jpg"
    picture = Image.new("RGB", (1600, 900), (235, 20, 20))
    picture.paste((20, 20, 235), (800, 0, 1600, 900))
    picture.save(path)
    return str(path)
