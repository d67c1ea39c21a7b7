"""The page about testing: its program and its test run unchanged, and the faults that it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from odyssey_proto.emulator import Emulator, Fault
from tests.support.processes import loaded_python

PAGE = (Path(__file__).parents[2] / "tools" / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAM, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FAULTS = re.findall(r"`(Fault\([^`…]*\))`", PAGE)


WRONG_MARKERS = """
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
"""
TOGETHER = pytest.mark.xdist_group("testing page")  # one run of pytest


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of pytest, outside this project, about the test of the page and about wrong markers."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "cats.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "test_cats.py").write_text(TEST, encoding="utf-8")
    (folder / "test_wrong_markers.py").write_text(WRONG_MARKERS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *_with_the_plugin()],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    ).stdout


def outcomes(printed: str, file: str) -> Counter[str]:
    """Return the number of tests of a file by outcome."""
    return Counter(re.findall(rf"^{file}::\w+ (\w+)", printed, re.MULTILINE))


def _with_the_plugin() -> list[str]:
    """Return the options that load the plugin if this package was installed before it had one."""
    from importlib.metadata import entry_points

    installed = [found.value for found in entry_points(group="pytest11")]
    return [] if "odyssey_proto.pytest_plugin" in installed else ["-p", "odyssey_proto.pytest_plugin"]


@TOGETHER
def test_the_test_of_the_page_passes_and_is_short(printed: str) -> None:
    assert outcomes(printed, "test_cats.py") == {"PASSED": 2}, printed
    assert len([line for line in TEST.splitlines() if line.strip()]) <= 15


@TOGETHER
def test_a_wrong_marker_is_explained(printed: str) -> None:
    assert printed.count("\n@pytest.mark.odyssey of test_") == 7, printed
    assert "there is no setting 'strimers'; did you mean streamers?" in printed
    assert "of test_i: replay 'missing.cast' cannot be read: No such file or directory" in printed
    assert "During handling" not in printed, "what is behind a refusal says the same"
    assert "fps must be a whole number from 1 to 60, not 0" in printed
    assert "arguments must be given by name, such as streamers=0, not 3" in printed
    assert "step must be one of" in printed
    assert "faults must be a list, not 'media'" in printed
    assert "tiemout" in printed
    assert outcomes(printed, "test_wrong_markers.py") == {"PASSED": 2, "ERROR": 7}, printed


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


def test_the_programs_about_cassettes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "tools" / "docs" / "cassettes.md").read_text(encoding="utf-8")
    capture, replay = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)

    def run_alone(code: str) -> list[str]:
        with loaded_python(f"import warnings\nwarnings.simplefilter('error')\n{code}") as process:
            lines = process.rest()
            assert (process.ended(), process.stderr) == (0, "")
        return lines

    with Emulator(record=False, size=(512, 64)) as emulator, monkeypatch.context() as surroundings:
        surroundings.setenv("ODYSSEY_API_KEY", "ody_page")
        surroundings.setenv("ODYSSEY_API_URL", emulator.api_url)
        (printed,) = run_alone(capture)
    assert re.fullmatch(r"\d+ pictures, 0 dropped", printed)
    assert run_alone(replay)[0].startswith("It rains")
