"""The page about testing: its program and its test run unchanged, and so do the faults that it names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from odyssey_proto.emulator import Emulator, Fault

PAGE = (Path(__file__).parents[2] / "tools" / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAM, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FAULTS = re.findall(r"`(Fault\([^`…]*\))`", PAGE)


def run(folder: Path, test: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run a test beside a program, with a pytest that has nothing but the plugin."""
    (folder / "cats.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "test_cats.py").write_text(test, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_with_the_plugin()],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _with_the_plugin() -> list[str]:
    """Return the options that load the plugin if this package was installed before it had one."""
    from importlib.metadata import entry_points

    installed = [found.value for found in entry_points(group="pytest11")]
    return [] if "odyssey_proto.pytest_plugin" in installed else ["-p", "odyssey_proto.pytest_plugin"]


def test_the_test_of_the_page_passes_and_is_short(tmp_path: Path) -> None:
    done = run(tmp_path, TEST)
    assert "2 passed" in done.stdout, done.stdout
    assert len([line for line in TEST.splitlines() if line.strip()]) <= 15


def test_a_wrong_marker_is_explained(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
import pytest

pytestmark = pytest.mark.odyssey(seed=1)

@pytest.mark.odyssey(replay="missing.cast")
def test_i(odyssey_emulator): ...

@pytest.mark.odyssey(strimers=3)
def test_a(odyssey_emulator): ...

@pytest.mark.odyssey(fps=0)
def test_b(odyssey_emulator): ...

@pytest.mark.odyssey(3)
def test_c(odyssey_emulator): ...

@pytest.mark.odyssey(faults=[{"step": "nonsense", "action": "stop"}])
def test_d(odyssey_emulator): ...

@pytest.mark.odyssey(faults="media")
def test_e(odyssey_emulator): ...

@pytest.mark.odyssey(client={"tiemout": 3})
def test_f(odyssey_client): ...

@pytest.mark.odyssey(streamers=0)
def test_g(odyssey_emulator, odyssey_client):
    assert (odyssey_emulator.config.seed, odyssey_emulator.config.streamers) == (1, 0)
    with pytest.raises(TimeoutError):
        odyssey_client.connect()

def test_h(odyssey_session):
    assert odyssey_session.is_connected
""",
    )
    assert done.stdout.count("\n@pytest.mark.odyssey of test_") == 7, done.stdout
    assert "there is no setting 'strimers'; did you mean streamers?" in done.stdout
    assert "of test_i: replay 'missing.cast' cannot be read: No such file or directory" in done.stdout
    assert "During handling" not in done.stdout, "what is behind a refusal says the same"
    assert "fps must be a whole number from 1 to 60, not 0" in done.stdout
    assert "arguments have names, such as streamers=0, unlike 3" in done.stdout
    assert "step must be one of" in done.stdout
    assert "faults must be a list, not 'media'" in done.stdout
    assert "tiemout" in done.stdout
    assert "2 passed, 7 errors" in done.stdout


def test_the_plugin_loads_nothing_until_it_is_used() -> None:
    script = "import sys, odyssey_proto.pytest_plugin; print([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(eval(done.stdout))
    assert loaded & {"aiohttp", "aiortc", "asyncio", "attrs", "av", "numpy", "requests", "websocket"} <= {"attrs"}
    assert "odyssey_proto.client" not in loaded
    assert "odyssey_proto.emulator" not in loaded


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_of_the_page_exists(text: str) -> None:
    names: dict[str, Any] = {"Fault": Fault}
    assert isinstance(eval(" ".join(text.split()), names), Fault)


def test_the_programs_about_cassettes_run(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "tools" / "docs" / "cassettes.md").read_text(encoding="utf-8")
    capture, replay = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    def run_alone(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    with Emulator(record=False, size=(512, 64)) as emulator:
        printed = run_alone(capture, ODYSSEY_API_KEY="ody_page", ODYSSEY_API_URL=emulator.api_url)
    assert re.fullmatch(r"\d+ pictures, 0 dropped\n", printed)
    assert run_alone(replay).startswith("It rains")
