"""The table of `spec/tolerance.md`: it is complete, and the tests that it names exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
ROW: Final = re.compile(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)
ROWS: Final = [
    (number, columns) for number, *columns in ROW.findall((ROOT / "spec" / "tolerance.md").read_text("utf-8"))
]


def test_each_of_the_fifteen_facts_has_a_row() -> None:
    assert [number for number, _ in ROWS] == [str(number) for number in range(1, 16)]


@pytest.mark.parametrize(("number", "columns"), ROWS, ids=[number for number, _ in ROWS])
def test_each_row_says_what_both_do_and_names_tests_that_exist(number: str, columns: list[str]) -> None:
    official, ours, shown = (column.strip() for column in columns)
    assert official
    assert ours
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", shown)
    assert named
    missing = [name for file, name in named if f"def {name}(" not in (ROOT / "tests" / file).read_text("utf-8")]
    assert missing == []
