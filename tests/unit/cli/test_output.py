"""The output of commands: tables, JSON and notes; plain in a pipe, with drawn tables on a terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest

from odyssey_proto.cli import _output
from odyssey_proto.cli._output import note, print_json, print_table, progress, progress_rows


class _Terminal(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "60")


ROWS = (("id", "prompt"), [("1", "A cat [red]\tx"), (2, "Füße")])


def test_a_pipe_gets_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(*ROWS)
    assert capsys.readouterr().out == "id\tprompt\n1\tA cat [red] x\n2\tFüße\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_gets_a_table(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal(encoding))
    print_table(("id",), [("[red]cat",)])
    shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert "[red]cat" in shown
    assert shown.isascii() == (encoding == "ascii")


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_colours_are_left_out_if_the_user_wants_none(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(sys, "stderr", _Terminal("utf-8"))
    with progress() as show:
        show("streaming", 0.5)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "streaming" in shown
    assert ("\x1b[3" in shown.replace("\x1b[38", "\x1b[3")) == (variable is None)


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"prompt": "Füße\n"})
    assert capsys.readouterr().out == '{"prompt": "Füße\\n"}\n'


def test_what_a_service_sends_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[2J\x9b2J\u202eb\nc\U000e0001"
    print_json({"prompt": evil})
    note(evil)
    print_table(("prompt",), [(evil,)])
    printed = capsys.readouterr()
    json_line, *table = printed.out.splitlines()
    assert json.loads(json_line) == {"prompt": evil}
    assert (json_line.isprintable(), table, printed.err) == (True, ["prompt", "a[2J2Jb c"], "a[2J2Jb c\n")


def test_a_note_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    note("somewhere")
    with progress() as show:  # not shown: stderr is no terminal here
        show("streaming", None)
        note("else")
    assert capsys.readouterr() == ("", "somewhere\nelse\n")


def test_a_long_note_beside_a_bar_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal("utf-8"))
    address = "http://127.0.0.1:8000/" + "x" * 200
    with progress() as show:
        show("streaming", None)
        note(address)
    assert address in sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert _output._displays == []


def test_a_note_that_nobody_can_read_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    note("somewhere")


def test_each_name_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal("utf-8"))
    with progress_rows() as show:
        show("a", "first\x1b[2J", None)
        show("b", "second", 0.25)
        show("a", "first again", 1.0)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in shown
    assert len({row for row in shown.split("\n") if row.startswith(("first again", "second"))}) >= 2


@pytest.mark.parametrize("name", ["id", "prompt"])
def test_an_id_is_never_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal("ascii"))
    print_table((name, "problem"), [("job-" + 36 * "x", 80 * "y")])
    shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert ("job-" + 36 * "x" in shown) == (name == "id")
    assert shown.count("y") == 80


def test_where_an_id_leaves_no_room_each_row_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("job-" + 36 * "x", "completed", "2026-01-31 15:45:00", "-")
    for width, is_line in ((40, True), (74, True), (75, False)):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys, "stdout", _Terminal("ascii"))
        print_table(("id", "status", "created", "problem"), [row])
        shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
        assert row[0] in shown
        assert (shown == "id\tstatus\tcreated\tproblem\n" + "\t".join(row) + "\n") == is_line


def test_a_date_is_broken_only_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal("ascii"))
    print_table(("id", "created", "problem"), [("job-" + 24 * "x", "2026-01-31 15:45:00", 80 * "y")])
    shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert "2026-01-31" in shown
    assert "15:45:00" in shown
    assert shown.count("y") == 80
