"""The limits that guard against an untrusted server: SECURITY.md has the same numbers, and each limit is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from odyssey_proto._base import limits

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "odyssey_proto" / "_base" / "limits.py"
UNITS = {"": 1, "s": 1, "px": 1, "characters": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UNIT_OF_NAME = {
    "BYTES": ("KiB", "MiB", "GiB"),
    "CHARS": ("characters",),
    "PX": ("px",),
    "S": ("s",),
}


def table() -> dict[str, str]:
    """Return the limit that SECURITY.md states for each constant."""
    section = (ROOT / "SECURITY.md").read_text("utf-8").split("\n## Limits\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| .+ \| (.+?) \| `(\w+)` \|$", section, re.MULTILINE)
    assert len(rows) == section.count("\n| ") - 1  # all rows but the header
    return {name: limit for limit, name in rows}


def test_the_table_has_every_limit_once() -> None:
    assert sorted(table()) == sorted(limits.__all__)


@pytest.mark.parametrize("name", limits.__all__)
def test_a_limit_of_the_table_is_that_of_the_code(name: str) -> None:
    number, _, unit = table()[name].partition(" ")
    assert float(number) * UNITS[unit] == getattr(limits, name)
    rate = name.endswith("_PER_S")
    assert unit in (("",) if rate else UNIT_OF_NAME.get(name.rpartition("_")[2], ("",)))


@pytest.mark.parametrize("name", limits.__all__)
def test_a_limit_has_a_reason_and_is_used(name: str) -> None:
    assert re.search(rf'^{name}: Final = .+\n"""\w', MODULE.read_text("utf-8"), re.MULTILINE), name
    sources = (path for path in (ROOT / "odyssey_proto").rglob("*.py") if path != MODULE)
    assert any(re.search(rf"\b{name}\b", path.read_text("utf-8")) for path in sources), name
