"""Programs packed by PyInstaller, which must find all modules that are loaded late, and shared libraries.

PyInstaller is in an environment of its own: `make pyinstaller`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]
PYINSTALLER: Final = ROOT / ".venvs" / "pyinstaller" / "bin" / "pyinstaller"
PACKING_S: Final = 540

pytestmark = [
    pytest.mark.skipif(not PYINSTALLER.exists(), reason="PyInstaller is not installed: make pyinstaller"),
    pytest.mark.timeout(PACKING_S + 60),
    pytest.mark.xdist_group("pyinstaller"),
]

CLIENT: Final = """
import json, sys
from odyssey_proto import Odyssey, OdysseyNotFoundError, connect_to_stream

url, key, video, *images = sys.argv[1:]
with Odyssey(key, api_url=url) as client:
    with client.connect() as session, session.record(video) as recording:
        shapes = []
        for image in images:
            session.start_stream("A cat", portrait=False, image=image, broadcast=True)
            shapes.append(next(session.frames(timeout=30)).data.shape)
            info = session.wait_for_broadcast(timeout=30)
            with connect_to_stream(info.webrtc_url, info.spectator_token) as spectator:
                next(spectator.frames(timeout=30))
            session.end_stream()
    try:
        client.get_recording("no such recording")
    except OdysseyNotFoundError as error:
        code = error.code
print(json.dumps([shapes, recording.frames > 0, code]))
"""

COMMAND: Final = """
import sys
from odyssey_proto import Odyssey, SimulationFailedError
from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator

if sys.argv[1:] != ["simulate"]:
    sys.exit(main())
with Emulator() as emulator, Odyssey(emulator.api_key, api_url=emulator.api_url) as client:
    try:
        client.simulate_and_wait(script=[{"timestamp_ms": 0, "start": {"prompt": "A cat"}},
                                         {"timestamp_ms": 500, "end": {}}], timeout=60)
    except SimulationFailedError as error:
        print(error.job.status, error.job.error_message)
"""


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[str], str]:
    """A function that packs a program and returns its path."""

    def pack(code: str) -> str:
        program = tmp_path / "program.py"
        program.write_text(code, encoding="utf-8")
        arguments = [str(PYINSTALLER), "--noconfirm", "--log-level=WARN", program.name]
        environment = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated' / 'python'}",
            "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache"),
        }
        subprocess.run(arguments, cwd=tmp_path, env=environment, timeout=PACKING_S, check=True)
        return str(tmp_path / "dist" / "program" / "program")

    return pack


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Files in formats whose decoders are loaded by name."""
    import pillow_heif

    picture = Image.new("RGB", (640, 352), (200, 30, 30))
    paths = [str(tmp_path / f"cat.{kind}") for kind in ("avif", "webp", "heic")]
    for path in paths[:2]:
        picture.save(path)
    pillow_heif.from_pillow(picture).save(paths[2])
    return paths


def test_a_program_with_a_client_runs(
    packed: Callable[[str], str], emulator: Emulator, images: list[str], tmp_path: Path
) -> None:
    arguments = [emulator.api_url, emulator.api_key, str(tmp_path / "video.mp4"), *images]
    done = subprocess.run(
        [packed(CLIENT), *arguments], capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[[704, 1280, 3]] * len(images), True, "not_found"]


def test_the_command_and_the_emulator_run(packed: Callable[[str], str], tmp_path: Path) -> None:
    program = packed(COMMAND)
    demo = [program, "demo", "--json", "--seconds", "1", "--out", str(tmp_path / "demo")]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout)["frames"] > 1

    # A simulation needs a Python that runs beside it; the program must not be started again and again instead.
    done = subprocess.run(
        [program, "simulate"], capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "failed Simulations need Python, and this program is packed without it\n"
