"""Test runs in separate environments: the summary of their outcomes, and the packages that the tests need."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools import resolve
from tools.resolve import Outcome, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
OURS = ("odyssey_proto", "odyssey_models", "tests", "tools")


def test_the_end_names_each_environment_and_the_tests_that_failed_last() -> None:
    failing = "F.\n= short test summary info =\nFAILED tests/a.py::b - no\nERROR tests/c.py\n1 failed, 1 error"
    outcomes = [Outcome("3.12, newest", 1, failing), Outcome("3.13, newest", 0, "..\n2 passed in 1s\n")]
    assert summary(outcomes).splitlines() == [
        "",
        "3.13, newest: 2 passed in 1s",
        "3.12, newest: failed, status 1: 1 failed, 1 error",
        "FAILED tests/a.py::b - no",
        "ERROR tests/c.py",
    ]


@pytest.mark.parametrize("output", ["", "collecting\nKilled\n"])
def test_without_a_test_that_failed_the_last_lines_are_repeated(output: str) -> None:
    first, *others = summary([Outcome("3.11, lowest", -9, output)]).splitlines()[1:]
    lines = output.splitlines() or ["no output"]
    assert first == f"3.11, lowest: failed, status -9: {lines[-1]}"
    assert others == lines


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that importing a file imports: not those inside functions or for types only."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def all_imported(paths: list[Path]) -> dict[str, Path]:
    """Return the third-party packages that files import, also through `tests` and `tools`, each with one file."""
    found: dict[str, Path] = {}
    seen: set[Path] = set()
    while paths:
        path = paths.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for module in imported(path):
            package = module.partition(".")[0]
            if package in ("tests", "tools"):
                place = ROOT.joinpath(*module.split("."))
                paths += [place.with_suffix(".py"), place / "__init__.py"]
            elif package not in (*OURS, *sys.stdlib_module_names):
                found.setdefault(package, path)
    return found


def test_the_inner_loop_needs_no_package_that_only_developers_have() -> None:
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *document["project"]["dependencies"],
        *(one for extra in document["project"]["optional-dependencies"].values() for one in extra),
        *document["dependency-groups"]["test"],
    ]
    names = {re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    arguments = resolve._OF_MORE_PYTHONS[0]  # the inner loop, without what needs other packages
    left_out = {ROOT / path.partition("=")[2] for path in arguments if path.startswith("--ignore=")}
    files = [path for path in arguments if not path.startswith("--")]
    paths = [path for folder in files for path in (ROOT / folder).rglob("*.py") if path not in left_out]
    installed = packages_distributions()
    lacking = {
        package: str(path.relative_to(ROOT))
        for package, path in all_imported([*paths, ROOT / "tests/conftest.py"]).items()
        if not any(name.lower().replace("_", "-") in names for name in installed.get(package, [package]))
    }
    assert lacking == {}
