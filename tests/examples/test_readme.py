"""Each script in the README, and in the pages that it links to, runs by itself and does what the text says."""

from __future__ import annotations

import builtins
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import pytest
from PIL import Image

import odyssey_proto
from odyssey_proto.cli import _app
from odyssey_proto.emulator._server import Emulator
from tests.support.preloaded import preloaded
from tests.support.processes import PATIENCE_S
from tools.codegen.docs.markdown import headings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "tools" / "docs"
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES: Final = ("live", "command", "errors", "processes", "emulator", "porting", "checking", "performance")
TEXTS: Final = {"README.md": README} | {
    f"tools/docs/{name}.md": (DOCS / f"{name}.md").read_text("utf-8") for name in PAGES
}
SCRIPTS: Final = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(WITNESS,) = re.findall(r"```python\n(.*?)```", "".join(list(TEXTS.values())[1:]), re.DOTALL)
FPS: Final = 40  # scripts count frames; twice as many a second take half the time
SIZE: Final = (640, 352)  # a quarter of the pixels
TOGETHER: Final = pytest.mark.xdist_group("readme")  # one emulator for all

EXPECTED: Final[dict[str, str]] = {
    "night.png": r"(?i).*night.*\n",
    "orange": r"640 × 352\n",
    "record(": r"([4-9]\d|1\d\d) frames, \d+\.\d+ fps, \d+ freezes\n",
    "on_video_frame": r"(\d+\n)+",
    "match event": r"started \S+\n((the link is|back after|the streamer pauses).*\n)*over \n",
    "simulate(": r"(?s).*video (\d+) of \1 bytes\n.*'thumbnail': .*'preview': .*\n\S+ 2\.\d+\n\S+ 2\.\d+\n",
    "connect_to_stream": r"640 × 352\n",
    "create_client_credentials": r"\d+\n",
    "AdvancedConfig": r"connected\n",
    "OdysseyStreamError as error": r"wrong_stream_state .*\n",
    "Fault(": r"connected\n",
}
"""A text in one of the scripts -> the pattern of that script's output."""


class Run(Protocol):
    """Runs a script in an empty folder, with the environment variables that the README names."""

    def __call__(self, script: str, key: str = ..., /) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(fps=FPS, size=SIZE) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def command() -> Iterator[tuple[str, ...]]:
    with preloaded("tests.support.script") as command:
        yield command


@pytest.fixture
def run(command: tuple[str, ...], service: Emulator, tmp_path: Path) -> Run:
    def run(script: str, key: str = "ody_readme", /) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=script.replace("timeout=5", f"timeout={PATIENCE_S}"),  # on a busy machine, frames take longer
            env={"ODYSSEY_API_KEY": key, "ODYSSEY_API_URL": service.api_url, "SCRIPT_FOLDER": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )

    return run


@TOGETHER
@pytest.mark.parametrize("name", EXPECTED)
def test_a_script_runs_by_itself_and_prints_what_it_should(name: str, run: Run, tmp_path: Path) -> None:
    (script,) = [script for script in SCRIPTS if name in script]
    done = run(script, f"ody_{name.encode().hex()}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(EXPECTED[name], done.stdout), done.stdout
    made = {path.name: path for path in tmp_path.iterdir()}
    match name:
        case "night.png":
            with Image.open(made["night.png"]) as picture:
                assert picture.size == SIZE
        case "record(":
            assert made["cat.mp4"].stat().st_size > 10_000
        case "simulate(":
            assert len(list(made["films"].glob("*.jsonl"))) == 2
        case _:
            assert not made


def test_every_script_is_run() -> None:
    assert len(SCRIPTS) == len(EXPECTED)
    assert all(any(name in script for name in EXPECTED) for script in SCRIPTS)


@TOGETHER
def test_the_witness_names_what_a_client_does_wrong(run: Run) -> None:
    assert run(WITNESS).returncode == 0
    url = 'f"{emulator.api_url}/auth/token"'
    use = f'requests.post({url}, json={{"api_key": 5}}, headers={{"User-Agent": "my-client/2"}}, timeout=30)'
    script = WITNESS.replace("...", use).replace(
        "assert witness.violations() == []", "print(*witness.violations())"
    )
    done = run("import requests\n" + script)
    assert done.stdout.startswith(
        "POST /auth/token: request: /api_key: it is an integer, not a string (spec/schemas/"
    )


# --- names


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Error)`", "".join(TEXTS.values())))))
def test_every_error_exists(name: str) -> None:
    assert name in odyssey_proto.__all__ or hasattr(builtins, name)


def codes() -> set[str]:
    table = README.partition("| error, `code` | remedy |\n")[2].partition("\n\n")[0]
    left = [line.split(" | ")[0] for line in table.splitlines()]
    return {code for cell in left for code in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", cell)}


@pytest.mark.parametrize("code", sorted(codes()))
def test_the_client_or_the_service_has_every_code_of_the_table_of_remedies(code: str) -> None:
    sources = [*(ROOT / "odyssey_proto").rglob("*.py"), *(ROOT / "spec" / "schemas").glob("*.yaml")]
    assert any(re.search(rf"\b{code}\b", path.read_text("utf-8")) for path in sources)


# --- the command


def test_the_table_of_commands_has_every_command() -> None:
    table = README.partition("| command | what it does |\n")[2].partition("\n\n")[0]
    listed = {word for row in table.splitlines() for word in re.findall(r"`([a-z]+)", row.split(" | ")[0])}
    assert listed >= set(_app.COMMANDS)


# --- links and pictures


def links(name: str, text: str) -> list[tuple[str, str]]:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [(name, target) for target in re.findall(r"\]\(([^)]+)\)", text) if not urlsplit(target).scheme]


@pytest.mark.parametrize(("document", "target"), [link for text in TEXTS.items() for link in links(*text)])
def test_every_link_leads_somewhere(document: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    page = (ROOT / document).parent / path if path else ROOT / document
    assert page.exists()
    if anchor:
        assert anchor in {found for _, found, _ in headings(page.read_text("utf-8"))}


def test_the_contents_have_every_section() -> None:
    sections = [(anchor, title) for level, anchor, title in headings(README) if level == 2]
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", README, re.MULTILINE)
    assert [(anchor, title) for title, anchor in listed] == [it for it in sections if it[0] != "contents"]


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in (DOCS / "pictures").iterdir()) < 300_000
