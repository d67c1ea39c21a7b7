"""Programs without the usual terminal: streams that are closed, missing, or know only ASCII.

A service may close them, a program with a GUI has none, and a Docker image often has no locale.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import Odyssey
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENCE_S, script, unread_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND: Final = [sys.executable, "-m", "odyssey_proto"]
ASCII: Final = {
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
    "a locale without letters": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def demo(folder: Path) -> list[str]:
    return [*COMMAND, "demo", "--seconds", "1", "--out", str(folder)]


def failing(folder: Path) -> list[str]:
    """Return a command that fails at once, because ``folder`` is a file."""
    folder.write_text("in the way")
    return [*COMMAND, "spec", "openapi.yaml", "--out", str(folder / "spec.yaml")]


def is_complete(folder: Path) -> bool:
    return {path.name for path in folder.iterdir() if path.stat().st_size > 10_000} == {
        "demo.mp4",
        "contact-sheet.png",
    }


# --- ASCII


def test_the_demo_runs_where_only_ascii_can_be_shown(tmp_path: Path) -> None:
    environment = os.environ | ASCII["strict"]
    folder = tmp_path / "füße"
    done = subprocess.run(demo(folder), capture_output=True, env=environment, timeout=6 * PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    first, *_, sheet = done.stdout.decode("ascii").splitlines()
    assert "frames of 1280x704 in" in first
    assert sheet.endswith("/contact-sheet.png")
    assert is_complete(folder)


def test_the_demo_shows_its_progress_on_an_ascii_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "füße"
    child, terminal = pty.fork()
    if not child:
        environment = os.environ | ASCII["a locale without letters"] | {"TERM": "xterm", "COLUMNS": "100"}
        os.execve(sys.executable, demo(folder), environment)
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # Linux reports the end of a terminal in this way
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert shown.isascii()
    assert b"streaming" in shown
    assert b"frames of 1280x704 in" in shown
    assert shown.endswith(b"/contact-sheet.png\r\n")
    assert is_complete(folder)


@pytest.mark.parametrize("name", ASCII)
def test_an_error_is_shown_in_the_letters_there_are(name: str, tmp_path: Path) -> None:
    arguments = failing(tmp_path / "süß")
    done = subprocess.run(
        arguments, capture_output=True, env=os.environ | ASCII[name], timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"odyssey-proto: ")
    assert done.stderr.endswith(b"its folder does not exist\n")
    assert done.stderr.isascii()


# --- closed


CLOSED: Final = {
    "stdout": ">&-",
    "stderr": "2>&-",
    "all": "<&- >&- 2>&-",
}


def closing(which: str, arguments: list[str]) -> list[str]:
    """Return a command that runs ``arguments`` without these streams."""
    return ["sh", "-c", f'exec "$@" {CLOSED[which]}', "sh", *arguments]


@pytest.mark.parametrize("which", ["stderr", "all"])
def test_the_demo_runs_without(which: str, tmp_path: Path) -> None:
    done = subprocess.run(closing(which, demo(tmp_path)), capture_output=True, timeout=6 * PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert bool(done.stdout) == (which == "stderr")
    assert is_complete(tmp_path)


def test_a_result_does_not_go_to_stderr_where_there_is_no_stdout() -> None:
    arguments = closing("stdout", [*COMMAND, "spec", "openapi.yaml"])
    done = subprocess.run(arguments, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_error_does_not_go_to_stdout_where_there_is_no_stderr(tmp_path: Path) -> None:
    arguments = closing("stderr", failing(tmp_path / "file"))
    done = subprocess.run(arguments, capture_output=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


@pytest.mark.parametrize("module", ["odyssey_proto", "odyssey_proto.emulator"])
def test_the_log_of_an_emulator_does_not_go_to_stdout_where_there_is_no_stderr(module: str) -> None:
    arguments = [sys.executable, "-m", module, *(["emulator"] if module == "odyssey_proto" else []), "--log"]
    with subprocess.Popen(closing("stderr", arguments), stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        with Odyssey(**json.loads(emulator.stdout.readline())) as client:
            client.connect(timeout=PATIENCE_S)
        emulator.terminate()
        assert emulator.stdout.read() == ""
    assert emulator.returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]])
def test_output_that_nobody_reads_is_no_traceback(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
    )
    os.close(write)
    assert done.returncode in (0, 1)
    assert done.stderr == b""


def test_a_demo_whose_reader_has_left_is_no_traceback(tmp_path: Path) -> None:
    with unread_command("demo", "--seconds", "1", "--out", str(tmp_path)) as process:
        assert (process.ended(6 * PATIENCE_S), process.stderr) == (1, "")
    assert is_complete(tmp_path)


# --- a program that has no streams of Python, or has closed them


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Emulator(record=False, size=(512, 64)) as emulator:
        yield emulator.api_url


GONE: Final = {
    "missing": "sys.stdin = sys.stderr = sys.stdout = None",
    "closed": "sys.stdin.close(); sys.stderr.close(); sys.stdout.close()",
    "ASCII": 'sys.stderr.reconfigure(encoding="ascii", errors="strict")',
}


@pytest.mark.parametrize("how", GONE)
def test_a_session_with_a_log_and_a_handler_that_fails_runs_to_its_end(how: str, url: str) -> None:
    code = f"""
import os
told = os.fdopen(os.dup(1), "w")
session = client.connect()
{GONE[how]}
failed = []
def fail(*_):
    failed.append(1)
    raise ValueError("ü")
client.disconnect()
session = client.connect(on_video_frame=fail, on_stream_started=fail, on_stream_ended=lambda: failed.append("end"))
session.start_stream("Füße ☃", portrait=False)
first_frames(session)
while len(failed) < 5:
    time.sleep(0.01)
session.end_stream()
client.close()
print(json.dumps([failed[-1], not session.is_connected]), file=told, flush=True)
"""
    with script(code, url, key=f"ody_{how}", debug=True) as process:
        assert process.said() == ["end", True]
        assert process.ended() == 0
        if how == "ASCII":
            assert "on_video_frame raised ValueError" in process.stderr
            assert "Logging error" not in process.stderr
