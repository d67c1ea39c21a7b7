"""The frame of the command: the list of subcommands, what help loads, typos, completion, the exit status."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    MissingExtraError,
    NotCancellableError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    OdysseyNotFoundError,
    OdysseyRequestError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    OdysseyUnauthorizedError,
    RateLimitError,
    SpectatorTokenError,
)
from odyssey_proto.cli import _app, _exit_status, main
from tests.support.systems import NEEDS_DEV_FULL

ROOT: Final = Path(__file__).parents[3]
HEAVY: Final = {
    "PIL", "aiohttp", "aiortc", "asyncio", "av", "cattrs", "numpy", "requests", "rich", "ssl", "websocket",
}  # fmt: skip


def commands() -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every subcommand, also those of groups, by its words."""
    context = click.Context(_app.app, info_name=_app.NAME)
    found: list[tuple[tuple[str, ...], click.Command]] = []
    waiting = [((name,), _app.app.get_command(context, name)) for name in _app.app.list_commands(context)]
    while waiting:
        words, command = waiting.pop(0)
        assert command is not None
        found.append((words, command))
        if isinstance(command, click.Group):
            waiting.extend(((*words, name), command.commands[name]) for name in command.commands)
    return found


COMMANDS: Final = commands()
NAMES: Final = [" ".join(words) for words, _ in COMMANDS]


@pytest.mark.parametrize("name", _app.COMMANDS)
def test_the_list_of_commands_says_what_the_command_itself_says(name: str) -> None:
    command = dict(COMMANDS)[name,]
    assert command.help is not None
    assert command.help.split("\n\n")[0] == _app.COMMANDS[name][1]


def test_whatever_packs_programs_finds_every_command() -> None:
    tree = ast.parse(Path(_app.__file__).read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {module for module, _ in _app.COMMANDS.values()} <= imported


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=NAMES)
def test_every_option_has_a_help(words: tuple[str, ...], command: click.Command) -> None:
    context = click.Context(command, info_name=words[-1])
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    assert [option.opts for option in options if not option.help] == []
    assert [option.opts for option in options if option.help and "None" in option.help] == []


@pytest.mark.parametrize("words", [(), *(words for words, _ in COMMANDS)], ids=["", *NAMES])
def test_help_is_shown_for_every_command(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith(f"Usage: odyssey-proto {' '.join(words)}".rstrip())
    assert printed.out.isascii()


def test_no_help_loads_anything_heavy() -> None:
    code = f"""
import sys
from odyssey_proto.cli import main
for words in {[list(words) for words, _ in [((), None), *COMMANDS]]!r}:
    main([*words, "--help"])
    found = sorted(set(sys.modules) & {HEAVY!r})
    assert not found, (words, found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bare_call_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Commands:" in printed.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["stram"], "Did you mean 'stream'?"),
        (["emulater"], "'emulator'"),
        (["demo", "--second", "3"], "--seconds"),
        (["emulator", "--alow-host", "a"], "--allow-host"),
        (["stream", "x", "--brodcast"], "--broadcast"),
    ],
)
def test_a_typo_suggests_what_was_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert meant in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("stream",), ("jobs", "list"), ("emulator",)], ids=" ".join)
def test_help_is_a_command_too(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert main(["help", *words]) == 0
    assert capsys.readouterr() == (shown, "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stram"], "No such command 'stram'. Did you mean 'stream'?"),
        (["jobs", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["stream", "x"], "odyssey-proto stream has no commands of its own, such as 'x'."),
    ],
)
def test_there_is_no_help_for_what_is_no_command(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["stream", "-cat"], "odyssey-proto stream -- PROMPT"),
        (["capture", "--a cat"], "odyssey-proto capture -- PROMPT"),
        (["jobs", "show", "-x"], "odyssey-proto jobs show -- ID..."),
        (["stream", "x", "--brodcast"], None),
        (["emulator", "-x"], None),
        (["completion", "-x"], None),
        (["-x"], None),
    ],
)
def test_a_text_that_looks_like_an_option_has_a_place(
    arguments: list[str], where: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    *_, error, last = capsys.readouterr().err.splitlines()
    if where is None:
        assert last.startswith("Error: No such option ")
    else:
        assert error.startswith("Error: No such option ")
        assert last == f"A text that begins with - comes after --: {where}"


@pytest.mark.parametrize("name", ["stream", "capture"])
def test_a_prompt_without_quotes_is_shown_with_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "A", "cat", "on", "a", "hill"]) == 2
    assert 'A prompt of several words needs quotes: "A cat on a hill".' in capsys.readouterr().err


@NEEDS_DEV_FULL
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--nope"], 2), (["jobs", "show", "x"], 3), (["simulate", "none.json"], 2)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_that_nobody_can_read_has_its_status_all_the_same(arguments: list[str], status: int) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "odyssey_proto", *arguments], stderr=full, env={}, cwd=ROOT, check=False
        )
    assert ended.returncode == status


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_for(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_ODYSSEY_PROTO_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("odyssey-proto st", ["stream"]),
        ("odyssey-proto emulator --allow", ["--allow-host", "--allow-origin"]),
        ("odyssey-proto emulator --codec v", ["vp8"]),
        ("odyssey-proto stream --frame-format j", ["jpeg"]),
        ("odyssey-proto recordings d", ["download"]),
        ("odyssey-proto jobs list --status pe", ["pending"]),
        ("odyssey-proto help ca", ["capture"]),
        ("odyssey-proto help jobs c", ["cancel"]),
    ],
)
def test_what_is_typed_is_completed(
    line: str, completed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_ODYSSEY_PROTO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert [row.split(",")[1] for row in capsys.readouterr().out.splitlines()] == completed


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OdysseyConfigError("x"), 2),
        (OdysseyUnauthorizedError("x"), 3),
        (SpectatorTokenError("x"), 3),
        (ConcurrentLimitReachedError("x"), 4),
        (RateLimitError("x"), 4),
        (OdysseyConnectionError("x"), 5),
        (OdysseyConnectionTimeoutError("x"), 5),
        (OdysseyStreamTimeoutError("x"), 5),
        (OdysseyStreamError("x"), 6),
        (OdysseyRequestError("x"), 6),
        (NotCancellableError("x"), 6),
        (OdysseyNotFoundError("x"), 7),
        (OdysseyConnectionError("x", code="stream_not_found"), 7),
        (OdysseyConnectionError("x", code="duration_limit_reached"), 4),
        (OdysseyConnectionError("x", code="cannot_listen"), 1),
        (MissingExtraError("x"), 1),
        (OdysseyError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_status_is_by_the_kind_of_error(error: OdysseyError, status: int) -> None:
    assert _exit_status.of(error) == status
    assert status in dict(_exit_status.KINDS)


def test_the_page_of_the_command_has_every_exit_status() -> None:
    page = (ROOT / "tools" / "docs" / "command.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|$", page, re.MULTILINE)
    assert [(int(status), what) for status, what in rows] == list(_exit_status.KINDS)


def test_an_error_of_the_system_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> None:
        (tmp_path / "nowhere" / "file").write_text("x")

    monkeypatch.setitem(_app.COMMANDS, "completion", ("_completion", ""))  # type: ignore[misc]
    monkeypatch.setattr("odyssey_proto.cli._completion.command", click.command(command))
    assert main(["completion"]) == 1
    assert capsys.readouterr().err == f"odyssey-proto: {tmp_path}/nowhere/file: No such file or directory\n"


def test_an_interruption_while_the_command_is_loaded_is_no_traceback() -> None:
    program = """
import sys
from odyssey_proto.cli import main

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "odyssey_proto.cli._app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
sys.exit(main(["stream", "A cat"]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "odyssey-proto: interrupted\n")
