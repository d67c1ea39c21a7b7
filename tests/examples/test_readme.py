"""The scripts in the README run unchanged, except for the address of the emulator."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from odyssey_proto.emulator._server import Emulator

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_first_lines_run_with_the_settings_in_the_environment(tmp_path: Path) -> None:
    seen = "import sys\ndef show(data):\n    assert data.shape == (704, 1280, 3)\n    sys.exit(7)\n"
    with Emulator() as emulator:
        done = run(seen + SCRIPTS[0], tmp_path, ODYSSEY_API_KEY="ody_readme", ODYSSEY_API_URL=emulator.api_url)
    assert (done.returncode, done.stderr) == (7, "")


def test_the_first_script_streams_and_writes_its_picture(tmp_path: Path) -> None:
    script = next(script for script in SCRIPTS if "night.png" in script)
    with Emulator() as emulator:
        done = run(script.replace("http://127.0.0.1:8000", emulator.api_url), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "night" in done.stdout.lower()
    assert (tmp_path / "night.png").read_bytes().startswith(b"\x89PNG")


def test_the_script_without_a_connection_films_and_downloads(tmp_path: Path) -> None:
    script = next(script for script in SCRIPTS if "simulate_and_wait" in script)
    with Emulator() as emulator:
        done = run(script.replace("http://127.0.0.1:8000", emulator.api_url), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name.rpartition("_")[2] for path in tmp_path.glob("*_*")) == [
        "events.jsonl",
        "preview.mp4",
        "thumb.jpg",
    ]


def test_handlers_and_events_tell_the_same_session(tmp_path: Path) -> None:
    handlers = next(script for script in SCRIPTS if "on_video_frame" in script)
    events = next(script for script in SCRIPTS if "match event" in script)
    before = "from odyssey_proto import *\nclient = Odyssey()\n"
    between = "session = client._session\nimport threading\nthreading.Timer(3, client.close).start()\n"
    with Emulator() as emulator:
        script = before + handlers + between + events
        done = run(script, tmp_path, ODYSSEY_API_KEY="ody_readme", ODYSSEY_API_URL=emulator.api_url)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "over " in lines
    assert any(line.isdecimal() for line in lines), "frames came to the handler"


def test_the_emulator_example_makes_the_failure_that_it_shows(tmp_path: Path) -> None:
    script = next(script for script in SCRIPTS if "faults.add" in script)
    script = "from odyssey_proto import Odyssey\n" + script + "    with client, client.connect() as session:\n"
    done = run(script + "        print(session.status)\n", tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "connected\n")


def test_the_witness_names_what_a_client_does_wrong(tmp_path: Path) -> None:
    script = next(script for script in SCRIPTS if "Witness" in script)
    assert run(script, tmp_path).returncode == 0
    url = 'f"{emulator.api_url}/auth/token"'
    use = f'requests.post({url}, json={{"api_key": 5}}, headers={{"User-Agent": "my-client/2"}}, timeout=30)'
    script = script.replace("...", use).replace(
        "assert witness.violations() == []", "print(*witness.violations())"
    )
    done = run("import requests\n" + script, tmp_path)
    assert done.stdout.startswith(
        "POST /auth/token: request: /api_key: it is an integer, not a string (spec/schemas/"
    )


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:Odyssey|Malformed)\w+Error)`", README))))
def test_every_error_in_the_table_exists(name: str) -> None:
    import odyssey_proto

    assert name in odyssey_proto.__all__
