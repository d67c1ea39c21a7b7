"""Code that tests share is in ``tests/support``; test files are run, and never imported.

The SDKs in ``tests/sdk`` are programs that are tested, beside their tests.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.support.leaks import unfinished_tasks
from tests.support.order import mixed
from tests.support.sloppy import LEFT_OUT, reason_to_leave_out

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted((ROOT / "tests").rglob("*.py"))
IMPORT: Final = re.compile(r"^\s*(?:from|import)\b(?! aiohttp)[^#\n]*?\btest_\w+", re.MULTILINE)
"""Also matches in programs that tests start, but skips aiohttp, which has a module named like a test file."""
MARK: Final = re.compile(r"^ *(?:pytestmark = \[?|@)?pytest\.mark\.measures\b", re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_imported_from_a_test_file(path: Path) -> None:
    assert [line.strip() for line in IMPORT.findall(path.read_text("utf-8"))] == []


def test_every_file_beside_the_helpers_is_a_test_or_a_conftest() -> None:
    beside = [path for path in FILES if not {"support", "typing", "sdk", "programs"} & set(path.parent.parts)]
    assert [path for path in beside if path.name != "conftest.py" and not path.name.startswith("test_")] == []


def test_what_is_measured_is_in_its_folder_and_nothing_else_is() -> None:
    marked = [path for path in FILES if MARK.search(path.read_text("utf-8"))]
    assert marked == [path for path in FILES if path.parent.name == "measured"]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_while_emulators_are_sloppy_exists_and_has_a_reason(name: str) -> None:
    file, _, test = name.partition("::")
    assert (f"def {test}(" if test else "def test_") in (ROOT / file).read_text("utf-8")
    assert reason_to_leave_out(f"{name}[case]@group") == LEFT_OUT[name] != ""


def test_nothing_else_is_left_out() -> None:
    assert reason_to_leave_out("tests/live/test_stream.py::test_any") is None


def test_tests_that_compute_run_among_those_that_wait() -> None:
    def tests(folder: str, files: int, of_each: int) -> list[Any]:
        return [
            SimpleNamespace(path=Path(folder, str(file)), nodeid=f"tests/{folder}/{file}::{number}")
            for file in range(files)
            for number in range(of_each)
        ]

    waiting, computing = tests("live", 10, 4), tests("unit", 20, 6)
    order: list[Any] = mixed([*waiting, *computing])
    assert [item for item in order if item in waiting] == waiting, "each kind keeps its order"
    assert [item for item in order if item in computing] == computing
    files = [file for file, _ in itertools.groupby(order, lambda item: item.path.parent.name)]
    assert files == ["live", "unit"] * 10
    assert mixed(waiting) == waiting
    assert mixed(computing) == computing
    assert mixed([]) == []


def test_a_task_is_found_until_it_ends() -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)  # it waits
        assert task in unfinished_tasks()
        task.cancel()
        await asyncio.wait([task])
        assert task not in unfinished_tasks()

    asyncio.run(main())
