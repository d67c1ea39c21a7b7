"""The command: arguments, output and exit status."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from odyssey_proto import __version__
from odyssey_proto.cli import main
from tests.support.processes import Process, command, loaded_command, loaded_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def status(*arguments: str) -> int:
    """Return the exit status of the command in this process."""
    return main(arguments)


def code_without(*modules: str) -> str:
    """Return a script that runs the command as in a Python without these modules."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))"
    return f"{blocked}; from odyssey_proto.cli import main; sys.exit(main(sys.argv[1:]))"


def without(*modules: str) -> list[str]:
    """Return the start of a command line for a Python without these modules."""
    return [sys.executable, "-c", code_without(*modules)]


def with_the_extra_of_the_emulator_alone(*arguments: str) -> Process:
    """Start the command as in a Python without Click and Rich."""
    return loaded_python(code_without("click", "rich"), *arguments)


# --- arguments


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--version") == 0
    assert capsys.readouterr().out == f"odyssey-proto {__version__}\n"


def test_the_package_is_a_command_too() -> None:
    with command("--version") as process:
        assert process.rest() == [f"odyssey-proto {__version__}"]
        assert process.ended() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--help",), ("demo", "emulator", "conformance", "--version")),
        (("conformance", "--help"), ("--server URL", "--refused-prompt", "--json FILE", "Exit status: 0")),
        (("demo", "--help"), ("--out", "--seconds", "--codec", "--seed", "--json")),
        (
            ("emulator", "--help"),
            (
                "--host",
                "--port",
                "--seed",
                "--sloppy SEED",
                "--codec",
                "--no-stamp",
                "--log",
                "--faults FILE",
                "--allow-host TEXT",
                "--allow-origin TEXT",
            ),
        ),
    ],
)
def test_help_names_everything(
    arguments: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*arguments) == 0
    printed = capsys.readouterr().out
    assert not [word for word in words if word not in printed]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Commands:"),
        (("sing",), "No such command 'sing'"),
        (("demo", "--seconds", "ten"), "from 1 to 3600, not 'ten'"),
        (("demo", "--seconds", "0"), "from 1 to 3600, not '0'"),
        (("demo", "--seconds", "nan"), "from 1 to 3600, not 'nan'"),
        (("demo", "--codec", "av1"), "'av1' is not one of 'h264', 'vp8', 'both'"),
        (("emulator", "--port", "http"), "must be a whole number, not 'http'"),
        (("emulator", "--port", "99999"), "port must be a whole number from 0 to 65535, not 99999"),
        (("emulator", "--seed", "-1"), "seed must be a whole number at least 0, not -1"),
        (("emulator", "--sloppy", "-1"), "sloppy must be a whole number at least 0, not -1"),
        (("conformance",), "say what to check"),
        (("--loud",), "No such option '--loud'"),
    ],
)
def test_wrong_arguments_are_reported_with_status_2(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Usage: odyssey-proto")
    assert says in printed.err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not JSON"),
        ('{"step": "media"}', ': a fault is an object with at least "step" and "action"'),
        ('[{"step": "media", "action": "sing"}]', ": action of 'media' must be one of"),
    ],
)
def test_an_unusable_file_of_faults_is_reported_in_one_line(
    content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "faults.json"
    if content is not None:
        file.write_text(content)
    assert status("emulator", "--faults", str(file)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"odyssey-proto: {file}")
    assert why in printed.err
    assert printed.err.count("\n") == 1


# --- emulator


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("start", [loaded_command, with_the_extra_of_the_emulator_alone])
def test_the_emulator_prints_one_line_and_serves_until_a_signal(
    start: Callable[..., Process], number: signal.Signals, tmp_path: Path
) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('{"step": "POST /auth/token", "action": "answer", "status": 418}')
    with start("emulator", "--port", "0", "--faults", str(faults), "--json") as process:
        told = json.loads(process.line())
        assert told.keys() == {"api_url", "api_key"}
        answers = [
            requests.post(f"{told['api_url']}/auth/token", json={"api_key": told["api_key"]}, timeout=30)
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [418, 200]
        process.signal(number)
        assert process.ended() == 0
        assert process.rest() == []
        assert process.stderr == ""


def test_a_port_that_is_taken_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with loaded_command("emulator", "--port", str(port)) as process:
            assert process.ended() == 1
            assert process.rest() == []
            assert process.stderr == (
                f"odyssey-proto: Cannot listen on 127.0.0.1:{port}: Address already in use\n"
            )


# --- demo


def test_the_demo_says_what_it_measured_and_shows_no_progress_where_that_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("demo", "--seconds", "1", "--codec", "vp8", "--out", str(tmp_path / "new" / "folder")) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    first, second, *_, video, sheet = printed.out.splitlines()
    assert re.fullmatch(r"\d+ frames of 1280x704 in \d+\.\d s: \d+\.\d fps, \d+ lost, \d+ dropped", first)
    assert second.startswith("latency ")
    assert video.endswith("new/folder/demo.mp4")
    assert sheet.endswith("new/folder/contact-sheet.png")


def test_the_demo_shows_its_progress_on_a_terminal_and_leaves_nothing_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal, end = os.openpty()
    shown = b""

    def look() -> None:
        nonlocal shown
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal in this way
            while chunk := os.read(terminal, 65536):
                shown += chunk

    looking = threading.Thread(target=look)
    looking.start()
    with os.fdopen(end, "w", encoding="utf-8") as stderr, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stderr)
        ended = status("demo", "--seconds", "1", "--out", str(tmp_path))
    looking.join()
    os.close(terminal)
    assert ended == 0
    output = capsys.readouterr().out
    assert not [step for step in (b"connecting", b"streaming", b"writing") if step not in shown]
    assert shown.endswith(b"\x1b[1A\x1b[2K")
    assert "\x1b" not in output
    assert "frames of 1280x704" in output


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_output_that_cannot_be_written_is_reported(
    tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert status("demo", "--seconds", "1", "--out", str(tmp_path / "file" / "demo"), *options) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"odyssey-proto: cannot write to {tmp_path}/file/demo: Not a directory\n"


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("rich", ("demo",), "odyssey-proto[cli]"),
        ("click", ("demo", "--json"), "odyssey-proto[cli]"),
        ("click", ("conformance", "--server", "http://x"), "odyssey-proto[cli]"),
        ("click", ("no-such-command",), "odyssey-proto[cli]"),
        ("aiohttp", ("demo", "--json"), "odyssey-proto[emulator]"),
        ("PIL", ("demo", "--json"), "odyssey-proto[emulator]"),
        ("aiohttp", ("emulator",), "odyssey-proto[emulator]"),
        ("jsonschema", ("conformance", "--server", "http://x"), "odyssey-proto[conformance]"),
        ("yaml", ("conformance", "--server", "http://x"), "odyssey-proto[conformance]"),
        ("jsonschema", ("conformance", "--", "true"), "odyssey-proto[conformance]"),
    ],
)
def test_an_extra_that_is_missing_is_named(
    module: str, arguments: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path)) if arguments[0] == "demo" else ()
    # A forked process has loaded all modules but these two already.
    start = loaded_python(code_without(module), *arguments, *out) if module in ("click", "rich") else None
    with start or Process([*without(module), *arguments, *out]) as process:
        assert process.ended() == (2 if arguments[0] == "conformance" and module != "click" else 1)
        assert process.rest() == []
        assert process.stderr.startswith("odyssey-proto: ")
        assert process.stderr.endswith(f'pip install "{extra}"\n')
        assert process.stderr.count("\n") == 1


def test_without_any_extra_there_is_help_and_a_version() -> None:
    for arguments, says in (
        (["--help"], 'pip install "odyssey-proto[cli]"'),
        (["help"], 'pip install "odyssey-proto[cli]"'),
        (["help", "emulator"], "usage: odyssey-proto emulator"),
        (["--version"], __version__),
    ):
        with Process([*without("click", "rich", "aiohttp", "PIL"), *arguments]) as process:
            assert process.ended() == 0
            assert says in "".join(process.rest())


def test_without_any_extra_a_bare_call_prints_the_help_and_the_emulator_names_its_extra() -> None:
    for arguments, code, says in (
        ([], 2, "emulator   serves the whole service"),
        (["emulator"], 1, 'pip install "odyssey-proto[emulator]"'),
        (["emulator", "--port", "x"], 2, "must be a whole number, not 'x'"),
        (["emulator", "--port", "99999"], 2, "port must be a whole number"),
    ):
        with Process([*without("click", "rich", "aiohttp", "PIL"), *arguments]) as process:
            assert process.ended() == code
            assert says in process.stderr
