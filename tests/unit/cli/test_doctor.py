"""``odyssey-proto doctor``: what it prints, and its exit status. The checks have tests of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import OdysseyAuthError
from odyssey_proto._doctor.finding import CheckResult
from odyssey_proto.cli import _doctor, main

if TYPE_CHECKING:
    from collections.abc import Iterator

FINE: Final = CheckResult(name="API", outcome="ok", text="answers", took_ms=5)
ODD: Final = CheckResult(name="regions", outcome="warning", text="none", advice="try again")
REFUSED: Final = CheckResult(
    name="key", outcome="failed", text="No API key", advice="set it", error=OdysseyAuthError("No API key")
)
BLOCKED: Final = CheckResult(name="UDP", outcome="failed", text="does not get through")
BROKEN: Final = CheckResult(name="codecs", outcome="failed", text="none")


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that sets the findings of the checks."""

    def set_findings(*findings: CheckResult) -> None:
        def found(*_: object, **__: object) -> Iterator[CheckResult]:
            yield from findings

        monkeypatch.setattr(_doctor, "_findings", found)

    return set_findings


def test_each_finding_is_a_line_and_its_advice_another(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(FINE, ODD, REFUSED)
    assert main(["doctor"]) == 3
    first, packages, environment, _, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("odyssey-proto ")
    assert packages.startswith("packages: ")
    assert environment.startswith("environment: ")
    assert lines == [
        "ok       API          answers",
        "warning  regions      none",
        "                      -> try again",
        "FAILED   key          No API key",
        "                      -> set it",
        "",
        "failed: key; not as it should be: regions",
    ]


def test_json_has_everything_in_one_object(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(FINE, ODD)
    assert main(["doctor", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    report = json.loads(printed.out)
    assert report["ok"] is True
    assert report["checks"] == [FINE.to_dict(), ODD.to_dict()]
    assert {"python", "system", "packages", "environment"} <= report["surroundings"].keys()


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ((FINE, ODD), 0),
        ((FINE, REFUSED, BLOCKED), 3),
        ((FINE, BLOCKED, REFUSED), 5),
        ((FINE, BROKEN), 1),
    ],
)
def test_the_exit_status_is_that_of_the_first_failure(
    findings: tuple[CheckResult, ...], status: int, finds: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(*findings)
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["ok"] == (status == 0)


def test_when_all_is_well_it_says_so(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(FINE)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nEverything that was checked works.\n")


class _Terminal:
    """The part of a terminal that the report uses."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("no_colour", "kind", "begins"),
    [
        ("", "xterm", "\x1b[31mFAILED  \x1b[0m UDP"),
        ("1", "xterm", "FAILED   UDP"),
        ("", "dumb", "FAILED   UDP"),
    ],
)
def test_a_terminal_gets_colours_unless_it_wants_none(
    no_colour: str, kind: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", kind)
    _doctor._print(BLOCKED)
    assert terminal.text.startswith(begins)
