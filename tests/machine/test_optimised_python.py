"""``python -OO``, which leaves out assertions, as ``-O`` does, and docstrings."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import PATIENCE_S

ROOT: Final = Path(__file__).parents[2]

PROGRAM: Final = """
import json, sys
from odyssey_proto import *
from odyssey_proto.cli import main
from odyssey_proto.emulator import Emulator
heard = []
with Emulator(size=(512, 64)) as emulator, Odyssey(emulator.api_key, api_url=emulator.api_url) as client:
    with client.connect(on_interact_acknowledged=heard.append) as session:
        stream_id = session.start_stream("A cat", portrait=False)
        frames = session.frames(timeout=30)
        with session.record(sys.argv[1] + '/video.mp4') as recording:
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
                  [each.stream_id for each in recorded.recordings] == [stream_id], job.status, code]), flush=True)
sys.exit(main(["demo", "--json", "--seconds", "1", "--out", sys.argv[1]]))
"""


def test_a_program_the_emulator_and_the_demo_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-OO", "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=8 * PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, demo = map(json.loads, done.stdout.splitlines())
    assert told == [False, True, [[64, 512, 3]], True, True, "completed", "not_found"]
    summary = dict(demo)
    assert summary["frames"] > 1  # a busy machine paints few in a second
    assert summary["unstamped"] == 0


def test_help_is_shown_of_everything_public() -> None:
    code = (
        "import pydoc, odyssey_proto, odyssey_proto.core, odyssey_models\n"
        "for package in (odyssey_proto, odyssey_proto.core, odyssey_models):\n"
        "    for name in package.__all__:\n"
        "        if callable(getattr(package, name)):\n"
        "            pydoc.render_doc(getattr(package, name))\n"
    )
    subprocess.run([sys.executable, "-OO", "-c", code], timeout=6 * PATIENCE_S, check=True)


HARMLESS_CALLS: Final = {"isinstance", "len", "all", "any"}


@pytest.mark.parametrize("folder", ["odyssey_proto", "generated/python/odyssey_models"])
def test_no_assertion_does_anything(folder: str) -> None:
    acting = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / folder).rglob("*.py")
        if "assert" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assert)
        for part in ast.walk(node.test)
        if isinstance(part, ast.NamedExpr | ast.Await | ast.Yield)
        or (isinstance(part, ast.Call) and ast.unparse(part.func) not in HARMLESS_CALLS)
    ]
    assert acting == []
