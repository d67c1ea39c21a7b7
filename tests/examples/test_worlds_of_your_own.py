"""The example in ``tools/docs/worlds.md`` runs as it is printed: the script, and the command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Final

import pytest

from odyssey_proto import Odyssey
from odyssey_proto.cli import main
from tests.support.processes import PATIENCE_S, Process

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "tools" / "docs" / "worlds.md").read_text(encoding="utf-8")
WORLD, SCRIPT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gradient.py").write_text(WORLD)
    return tmp_path


def test_the_script_streams_and_simulates_the_world(folder: Path) -> None:
    (folder / "use.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "use.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["More, with blue", "It is bluer: 1280 × 704", "completed"]


def test_the_command_serves_the_world_of_the_folder_that_it_is_called_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (words,) = re.findall(r"^odyssey-proto (emulator .*)$", PAGE, re.MULTILINE)
    code = "import sys; from odyssey_proto.cli import main; sys.exit(main())"  # -P: as an installed command
    monkeypatch.chdir(folder)
    arguments = [word.replace("8000", "0") for word in words.split()]
    with Process([sys.executable, "-P", "-c", code, *arguments]) as emulator:
        service = json.loads(emulator.line())
        with Odyssey(service["api_key"], api_url=service["api_url"]) as client:
            session = client.connect(timeout=PATIENCE_S)
            session.start_stream("A gradient", portrait=False, timeout=PATIENCE_S)
            picture = next(session.frames(timeout=PATIENCE_S)).data
    assert picture.shape == (704, 1280, 3)
    assert picture[-20:, :, 1].mean() > picture[:20, :, 1].mean() + 200


def test_a_wrong_name_is_refused_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])  # as for an installed command
    try:
        assert main(["emulator", "--world", "gradient:Gradiant"]) != 0
    finally:
        sys.modules.pop("gradient", None)
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("world 'gradient:Gradiant': 'gradient' has no 'Gradiant': did you mean 'Gradient'?")
    )


def test_the_page_prints_the_code_that_is_tested() -> None:
    page = (ROOT / "generated" / "docs" / "worlds.html").read_text(encoding="utf-8")
    printed = re.findall(r'<code class="language-python">(.*?)</code>', page, re.DOTALL)
    assert [unescape(code) for code in printed] == [WORLD, SCRIPT]
