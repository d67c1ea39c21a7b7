"""The programs in ``programs.md``, ported by the tables in `tools/docs/porting.md`, run against the emulator.

Otherwise, only the paths of images are changed, and ``sleep``, which lasts until the program has a frame.
`tests.support.screen` replaces the windows of OpenCV.
"""

from __future__ import annotations

import re
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from odyssey_proto import Odyssey
from odyssey_proto.emulator._server import Emulator
from tests.support.documentation import SECTIONS
from tests.support.porting import BLOCKING, WITH_A_LOOP, found, port, programs, rows
from tests.support.processes import PATIENCE_S
from tests.support.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("_at_the_service")

PROGRAMS = programs()
ID = r"[\w-]+"
ACKNOWLEDGED = r"Acknowledged: .+\n"
PRINTED = {
    "sdk/python/introduction: Quick Start": rf"(Frame: 512x640\n)*Ready: {ID}\n(Frame: 512x640\n)*",
    "sdk/python/examples: Complete Application with OpenCV": (
        r"Status: authenticating - \nStatus: connecting - \nStatus: connected - \n"
        r"Status: disconnected - The client disconnected\n"
    ),
    "sdk/python/examples: Headless Processing": r"Collected [1-9]\d* frames\n",
    "sdk/python/examples: Status Monitoring": (
        r"Authenticating\.\.\.\nConnecting to server\.\.\.\nConnected and ready!\nDisconnected\n"
    ),
    "sdk/python/examples: Error Handling Pattern": r"",
    "sdk/python/examples: Recording Workflow": (
        rf"Stream ID: {ID}\nVideo URL: http.+\nDuration: [\d.]+s\nTotal recordings: 1\n  - {ID}: [\d.]+s\n"
    ),
    "sdk/python/examples: Using with PIL": r"Saved screenshot\.png\n",
    "sdk/python/examples: Batch Processing Multiple Prompts": ACKNOWLEDGED * 4,
    "sdk/python/examples: Image-to-Video": rf"Stream started: {ID}\nCollected [1-9]\d* frames\n",
    "sdk/python/examples: Working with the Simulate API": rf"Simulation started: {ID}\nVideo URL: http.+\n",
    "sdk/python/recordings: Capturing the Stream ID": rf"Stream started: {ID}\n",
    "sdk/python/recordings: Complete Workflow Example": (
        rf"(Frame: 512x640\n)*Stream started: {ID}\n(Frame: 512x640\n)*"
        r"Recording available at: http.+\nDuration: [\d.]+ seconds\n"
    ),
    "sdk/python/simulations: 1. Create a Simulation": rf"Simulation ID: {ID}\nStatus: pending\n",
    "sdk/python/recordings: Downloading Recordings": rf"Downloaded video: {ID}\.mp4\n",
    "Events, queues and tasks": r"started True\ncounted 3\n",
    "Several calls at once": r"OdysseyStreamError\nlisted 2 and 0\nfirst True\nconnected True\n",
    "Tasks in a group": r"found True\n",
    "Errors that are built in": (
        r"ValueError GET /recordings/unknown: .+\nValueError DELETE /simulation-jobs/unknown: .+\n"
        r"ValueError Invalid API key.+\nTimeoutError\n"
    ),
    "A loop that stays": r"noted True\nwidth 512\nover\n",
}
"""The pattern of each program's output."""


@pytest.fixture
def service(nothing_left: None) -> Iterator[Emulator]:
    """A separate emulator for each program, as some count their recordings. Its pictures are few and small."""
    with Emulator(fps=5, size=(640, 512)) as running:
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, image_path: str) -> Any:
    """A function that runs a ported program in an empty folder."""
    screen = Screen({2: "i", 4: "q"})
    windows = {name: getattr(screen, name) for name in ("imshow", "waitKey", "destroyAllWindows")}
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(**{**vars(cv2), **windows}))
    monkeypatch.chdir(tmp_path)
    connect = Odyssey.connect
    seen: list[threading.Event] = []

    def connect_and_note(client: Odyssey, on_video_frame: Any = lambda _: None, **options: Any) -> Any:
        seen.append(first := threading.Event())
        return connect(client, on_video_frame=lambda frame: (on_video_frame(frame), first.set()), **options)

    def sleep(_: float) -> None:
        if not seen:  # the program polls the status of a job
            threading.Event().wait(0.1)
        for first in seen:
            assert first.wait(PATIENCE_S)

    monkeypatch.setattr(Odyssey, "connect", connect_and_note)

    def run(program: str) -> None:
        program = re.sub(r"/path/to/(your/)?image\.jpg", image_path, program)
        program = program.replace("time.sleep(", "sleep(")
        names: dict[str, Any] = {"__name__": "program", "sleep": sleep}
        exec(compile(program, "program.py", "exec"), names)
        if "pool" in names:
            names["pool"].shutdown()

    return run


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "A loop that stays"])
def test_a_program_becomes_blocking_by_the_table_and_does_what_it_did(
    name: str, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ported = port(PROGRAMS[name], BLOCKING)
    assert not re.search(r"\b(async|await|asyncio|odyssey)\b", ported)
    run(ported)
    assert re.fullmatch(PRINTED[name], capsys.readouterr().out)


def test_a_program_that_keeps_its_loop_calls_from_it_by_the_table(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ported = port(PROGRAMS["A loop that stays"], WITH_A_LOOP)
    assert "await client." not in ported
    run(ported)
    assert re.fullmatch(PRINTED["A loop that stays"], capsys.readouterr().out)


def test_every_program_of_the_documentation_is_listed_there_and_expected_to_print_something() -> None:
    assert PROGRAMS.keys() == PRINTED.keys()
    pages = [name.split(": ", 1) for name in PROGRAMS if name.startswith("sdk/")]
    assert len(pages) >= 12
    assert [name for page, name in pages if name not in SECTIONS[page]] == []


@pytest.mark.parametrize("table", [BLOCKING, WITH_A_LOOP])
def test_every_row_with_code_on_both_sides_is_needed_by_a_program(table: str) -> None:
    replaced = {official for text in PROGRAMS.values() for official in found(text, table)}
    assert {official for row in rows(table) if row.here for official in row.official} == replaced
