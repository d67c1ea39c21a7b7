"""``python -O`` and ``-OO``, which leave out assertions and docstrings."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]

PROGRAM: Final = """
import json, sys
from odyssey_proto import *
heard = []
with Odyssey(sys.argv[2], api_url=sys.argv[1]) as client:
    with client.connect(on_interact_acknowledged=heard.append) as session:
        stream_id = session.start_stream("A cat", portrait=False)
        frames = session.frames(timeout=30)
        with session.record(sys.argv[3]) as recording:
            session.interact("Night", timeout=30)
            shapes = {next(frames).data.shape for _ in range(5)}
        session.end_stream(timeout=30)
    recorded = client.list_stream_recordings()
    job = client.simulate_and_wait(script=[{"timestamp_ms": 0, "start": {"prompt": "A cat"}},
                                           {"timestamp_ms": 500, "end": {}}], timeout=60)
    try:
        client.get_recording("no such recording")
    except OdysseyNotFoundError as error:
        code = error.code
print(json.dumps([__debug__, heard != [], sorted(shapes), recording.frames > 0,
                  [each.stream_id for each in recorded.recordings] == [stream_id], job.status, code]))
"""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(size=(512, 64)) as emulator:
        yield emulator


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_a_program_runs(option: str, emulator: Emulator, tmp_path: Path) -> None:
    arguments = [emulator.api_url, f"ody_test{option}", str(tmp_path / "video.mp4")]
    done = subprocess.run(
        [sys.executable, option, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [False, True, [[64, 512, 3]], True, True, "completed", "not_found"]


def test_the_emulator_and_the_demo_run(tmp_path: Path) -> None:
    arguments = ["-OO", "-m", "odyssey_proto", "demo", "--json", "--seconds", "1", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, timeout=2 * PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    summary = json.loads(done.stdout)
    assert summary["frames"] > 5
    assert summary["unstamped"] == 0


def test_help_is_shown_of_everything_public() -> None:
    code = (
        "import pydoc, odyssey_proto, odyssey_proto.core, odyssey_models\n"
        "for package in (odyssey_proto, odyssey_proto.core, odyssey_models):\n"
        "    for name in package.__all__:\n"
        "        if callable(getattr(package, name)):\n"
        "            pydoc.render_doc(getattr(package, name))\n"
    )
    subprocess.run([sys.executable, "-OO", "-c", code], timeout=2 * PATIENCE_S, check=True)


HARMLESS_CALLS: Final = {"isinstance", "len", "all", "any"}


@pytest.mark.parametrize("folder", ["odyssey_proto", "generated/python/odyssey_models"])
def test_no_assertion_does_anything(folder: str) -> None:
    acting = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assert)
        for part in ast.walk(node.test)
        if isinstance(part, ast.NamedExpr | ast.Await | ast.Yield)
        or (isinstance(part, ast.Call) and ast.unparse(part.func) not in HARMLESS_CALLS)
    ]
    assert acting == []
