"""Each shell line in the README and in `tools/docs` runs as it is printed, and does its job.

A shell runs it in a folder of its own, with a key of its own, the files that the text mentions, and an emulator in
place of the real service. All lines start at the same time, because most stream for ten seconds with little to do.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import av
import click
import pytest
from PIL import Image

from odyssey_proto import Odyssey
from odyssey_proto.cli import _app
from odyssey_proto.emulator._server import Emulator
from tests.support.preloaded import preloaded
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "tools" / "docs").glob("*.md")))
TEXTS: Final = {path.name: path.read_text("utf-8") for path in PAGES}
SIZE: Final = (512, 64)
MANY_S: Final = 4 * PATIENCE_S

NOT_RUN: Final = {
    "make demo": "installs into .venv; `test_demo.py` runs the command that it calls",
    "make test": "runs all tests",
    "pip install .": "installs into this environment; `make wheel-check` does so in another",
    'pip install ".[cli]"': "installs into this environment; `make wheel-check` does so in another",
    "odyssey-proto conformance -- COMMAND…": "COMMAND… stands for a client; `test_scorecards.py` has some",
    "odyssey-proto conformance --server https://api.odyssey.ml --json report.json": (
        "takes a minute; `test_conformance_service.py` runs it with an emulator"
    ),
    "ODYSSEY_API_KEY=ody_… odyssey-proto conformance --server https://api.odyssey.ml --json report.json": (
        "takes a minute; `test_conformance_service.py` runs it with an emulator"
    ),
}
"""The lines that are not run, and why."""


@attrs.frozen(kw_only=True)
class Does:
    """The expected effects of a line."""

    out: str = ""
    """The pattern of all of its output."""
    says: str = ""
    """A text in its stderr."""
    makes: str = ""
    """A glob pattern for the files that it makes."""
    before: Callable[[Odyssey], object] | None = None
    """Prepares the service for the line."""
    then: str = ""
    """A second line for the same shell, which shows the effect of the first."""
    statuses: tuple[int, ...] = (0,)
    """The exit statuses that it may have."""
    until: str = ""
    """The text after which the line is interrupted; if empty, the line ends by itself."""


def film(client: Odyssey) -> None:
    """Have the service film a script."""
    client.simulate_and_wait(script=script(200), portrait=False, poll=0.05)


def begin_to_film(client: Odyssey) -> None:
    """Have the service begin to film a script."""
    client.simulate(script=script(30_000), portrait=False)


def script(ms: int) -> Any:
    return [{"timestamp_ms": 0, "start": {"prompt": "A lake"}}, {"timestamp_ms": ms, "end": {}}]


DOES: Final = {
    '.venv/bin/odyssey-proto stream "A fox in the snow" --seconds 5 --emulator': Does(
        out=r"a-fox-in-the-snow\.mp4: \d+ frames of 1280x704 in \d+\.\d s\n", makes="a-fox-in-the-snow.mp4"
    ),
    "export ODYSSEY_API_URL=http://127.0.0.1:8000 ODYSSEY_API_KEY=ody_any_key": Does(
        then='echo "$ODYSSEY_API_URL $ODYSSEY_API_KEY"', out=r"http://127.0.0.1:8000 ody_any_key\n"
    ),
    "export ODYSSEY_API_KEY=ody_…": Does(then='echo "$ODYSSEY_API_KEY"', out="ody_…\n"),
    'odyssey-proto stream "A cat on a hill" --at 3s "It rains" --seconds 10': Does(
        out=r"a-cat-on-a-hill\.mp4: \d+ frames of 512x64 in \d+\.\d s\n",
        says=" s: It rains",
        makes="a-cat-on-a-hill.mp4",
    ),
    'odyssey-proto stream "A cat" --show': Does(
        until="live picture: http://127.0.0.1:",
        says="stream id: ",
        out=r"(\d+ frames of 512x64 in .* s|no picture arrived)\n",
    ),
    'odyssey-proto stream "A cat" --raw - | ffplay -f rawvideo -pixel_format rgb24 -video_size 1280x704 -': Does(
        out=r"-f rawvideo -pixel_format rgb24 -video_size 1280x704 -: [1-9]\d* pictures\n",
        says="-video_size 512x64",
    ),
    'odyssey-proto stream "A cat" --image cat.png --frames pictures': Does(
        out=r"\d+ frames of 512x64 in \d+\.\d s\n", makes="pictures/frame-000010.png"
    ),
    'odyssey-proto stream "A cat" --broadcast': Does(
        out=r"a-cat\.mp4: .*\n", says="watch it: ODYSSEY_SPECTATOR_TOKEN=", makes="a-cat.mp4"
    ),
    'odyssey-proto capture "A cat"': Does(out=r"a-cat\.cast: [1-9]\d* pictures, \d\.\d MB\n", makes="a-cat.cast"),
    "odyssey-proto simulate prompts.csv --check": Does(
        out=r"script\ttime\taction\tprompt\timage\n(\d\t\d:\d\d\t(start|interact|end)\t.*\t\n){5}",
        says="2 scripts, 0:24 of video; nothing was sent",
    ),
    "odyssey-proto simulate prompts.csv --download films": Does(
        out=r"films/a-cat-on-a-hill_\S+\.mp4\nfilms/a-dog-at-sea_\S+\.mp4\n",
        says=": completed",
        makes="films/a-cat-on-a-hill_*.mp4",
    ),
    "odyssey-proto jobs list --active --ids | odyssey-proto jobs wait -": Does(
        before=begin_to_film, out=r"id\tstatus\tcreated\tproblem\n(job-\S+\tcompleted\t.*\n)?"
    ),
    "odyssey-proto recordings list --since 2h | odyssey-proto recordings download - --to films": Does(
        before=film, out=r"films/a-lake_\S+\.mp4\n", makes="films/a-lake_*.mp4"
    ),
    "odyssey-proto doctor": Does(  # a busy machine is a finding; `test_command_doctor.py` checks the rest
        out=r"(?s)odyssey-proto \d.*\nok +API .*\n\S+ +emulator .*\n\n"
        r"(Everything that was checked works\.|(failed|not as it should be): .*)\n",
        statuses=(0, 1, 5),
    ),
    "odyssey-proto credentials": Does(
        out=r'\{"signaling_url": .*"session_token": .*\}\n', says="whoever has them can use the session"
    ),
    "odyssey-proto spec SimulationJobDetail": Does(out=r'(?s)\{\n  "\$schema": .*"SimulationStream": .*\}\n'),
    "odyssey-proto emulator --port 8000": Does(until='{"api_url": "http://127.0.0.1:', out=r"\{.*\}\n"),
    "odyssey-proto emulator --port 8000 --world gradient:Gradient": Does(
        until='{"api_url": "http://127.0.0.1:', out=r"\{.*\}\n"
    ),
    'eval "$(odyssey-proto completion bash)"': Does(
        then="complete -p odyssey-proto", out=r"complete .*_odyssey_proto_completion odyssey-proto\n"
    ),
}
"""The lines that are run."""


def lines() -> list[str]:
    """Return each line once, without its comment."""
    blocks = [block for text in TEXTS.values() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    found = (re.split(r" +# ", line)[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in dict.fromkeys(found) if line]


LINES: Final = lines()


def test_each_line_is_run_or_has_a_reason_not_to_be() -> None:
    kinds = set(re.findall(r"^```(\w+)$", "\n".join(TEXTS.values()), re.MULTILINE))
    assert kinds <= {"python", "sh", "text"}, "a block of another kind may have lines of a shell, too"
    assert sorted([*DOES, *NOT_RUN]) == sorted(LINES)


# --- running them


@attrs.frozen
class Ran:
    """The outcome of a line."""

    status: int
    out: str
    err: str
    folder: Path


PLAYER: Final = f"""#!{sys.executable} -IS
import sys
size = {SIZE[0] * SIZE[1] * 3}
count, rest = divmod(len(sys.stdin.buffer.read()), size)
assert not rest
print(*sys.argv[1:], end=f": {{count}} pictures\\n")
"""
"""Stands in for ffplay, which has no screen here: it counts the pictures that it gets."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the programs that the lines call."""
    if not hasattr(os, "fork") or shutil.which("bash") is None:
        pytest.skip("bash, or os.fork, is not there")
    folder = tmp_path_factory.mktemp("bin")
    with preloaded("tests.support.command") as command:
        for name, text in {
            "odyssey-proto": f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n',
            "ffplay": PLAYER,
        }.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def ran(
    request: pytest.FixtureRequest, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, concurrent.futures.Future[Ran]]]:
    """The outcome of each line whose test has been selected."""
    chosen = [
        item.callspec.params.get("line")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    with (
        Emulator(size=SIZE, fps=5, streamers=len(LINES)) as service,
        concurrent.futures.ThreadPoolExecutor(len(LINES)) as executor,
    ):
        yield {
            line: executor.submit(
                run, line, f"ody_line_{number}", service, programs, tmp_path_factory.mktemp("line")
            )
            for number, line in enumerate(line for line in LINES if line in chosen)
        }


def run(line: str, key: str, service: Emulator, programs: Path, folder: Path) -> Ran:
    does = DOES[line]
    (folder / "prompts.csv").write_text(re.findall(r"```text\n(prompt,.*?)```", TEXTS["command.md"], re.DOTALL)[0])
    (folder / "gradient.py").write_text(re.findall(r"```python\n(.*?)```", TEXTS["worlds.md"], re.DOTALL)[0])
    Image.new("RGB", (1280, 704), "orange").save(folder / "cat.png")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(programs)
    if does.before is not None:
        with Odyssey(key, api_url=service.api_url) as client:
            does.before(client)
    surroundings = {
        "HOME": str(folder),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ODYSSEY_API_URL": service.api_url,
        "ODYSSEY_API_KEY": key,
    }
    given = line.replace("--port 8000", "--port 0")  # as port 8000 may be taken here
    out, err = folder.parent / f"{folder.name}.out", folder.parent / f"{folder.name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", f"{given}\n{does.then}"],
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            if does.until:
                wait_for(lambda: does.until in out.read_text("utf-8") + err.read_text("utf-8"), process)
                wait_for(lambda: does.says in err.read_text("utf-8"), process)
                with contextlib.suppress(ProcessLookupError):  # it has ended too early, as its status says
                    os.killpg(process.pid, signal.SIGINT)
            status = process.wait(MANY_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Ran(status, out.read_text("utf-8"), err.read_text("utf-8"), folder)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(int(MANY_S / 0.05)):
        if condition():
            return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        return
    raise AssertionError("it has not written what it should")


@pytest.mark.xdist_group("shell-lines")
@pytest.mark.parametrize("line", DOES)
def test_a_line_does_what_the_text_says(line: str, ran: dict[str, concurrent.futures.Future[Ran]]) -> None:
    does, done = DOES[line], ran[line].result()
    assert done.status in does.statuses, done.err
    assert re.fullmatch(does.out, done.out), (done.out, done.err)
    assert does.says in done.err
    assert "Traceback" not in done.err
    made = {path for path in done.folder.glob(does.makes or "*.mp4") if path.stat().st_size}
    assert bool(made) == bool(does.makes)
    for path in made:
        if path.suffix == ".mp4":
            with av.open(str(path)) as container:
                assert next(container.decode(video=0)).width >= SIZE[0]


# --- reading them, and those within the text


def calls() -> list[list[str]]:
    """Return the words of each call of the command that has no placeholders."""
    prose = re.sub(r"```.*?```", "", "\n\n".join(TEXTS.values()), flags=re.DOTALL)
    found = re.findall(
        r"(?<![\w./])odyssey-proto (\w[^\n|)]*)", "\n".join([*LINES, *re.findall(r"`([^`]+)`", prose)])
    )
    words = [shlex.split(call) for call in dict.fromkeys(found)]
    return [call for call in words if not any(re.fullmatch(r"[A-Z]{2,}…?", word) for word in call)]


@pytest.mark.parametrize("words", calls(), ids=" ".join)
def test_the_command_takes_every_call(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in words:
        if word.endswith((".cast", ".csv", ".png")):
            (tmp_path / word).touch()
    group = _app.app
    context = click.Context(group, info_name="odyssey-proto")
    name, command, arguments = group.resolve_command(context, words)
    assert command is not None
    command.make_context(name, arguments, parent=context)
