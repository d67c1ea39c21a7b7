"""Every citation of the specification leads somewhere, and its table of timers has the numbers of the code."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from odyssey_proto.core import deadlines
from tools import yaml_text
from tools.codegen.docs.markdown import slug

ROOT = Path(__file__).parents[2]
BEHAVIOUR = ROOT / "spec" / "behaviour.md"
READERS = ("odyssey_proto", "tools", "tests")

# A file or a folder of spec/, perhaps with an anchor or a JSON Pointer.
CITATION = re.compile(r"(?<![\w./-])spec/(?P<path>[\w./-]*\w)(?:#(?P<place>[\w/$~{}-]*[\w}]))?")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
UNITS = {"": 1, "s": 1, "ms": 1, "px": 1, "KiB": 2**10, "MiB": 2**20}


def cited() -> list[tuple[str, str, str]]:
    """Return every citation in Python code: where it stands, the path in spec/, and the place there."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", match["path"], match["place"] or "")
        for folder in READERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != Path(__file__) and "small_spec" not in path.read_text("utf-8")  # which has schemas of its own
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "spec/" in line  # faster than the pattern
        for match in CITATION.finditer(line)
    ]


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of the headings of a Markdown file."""
    return frozenset(map(slug, re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)))


def leads_somewhere(path: str, place: str) -> bool:
    target = ROOT / "spec" / path
    if not place:
        return target.exists()
    if not target.is_file():
        return False
    if target.suffix == ".md":
        return place in anchors(target)
    found: Any = yaml_text.parsed(target.read_text("utf-8"))
    for key in place.removeprefix("/").split("/"):
        found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found is not None


def test_every_citation_leads_to_a_section_that_exists() -> None:
    found = cited()
    assert len(found) > 40
    assert [where for where, path, place in found if not leads_somewhere(path, place)] == []


@pytest.mark.parametrize(
    ("path", "place"), [("behaviour.md", "rejoining"), ("README.md", ""), ("asyncapi.yaml", "/channels/signaling")]
)
def test_a_right_citation_is_accepted(path: str, place: str) -> None:
    assert leads_somewhere(path, place)


@pytest.mark.parametrize(
    ("path", "place"),
    [("behaviour.md", "rejoinin"), ("behavior.md", ""), ("asyncapi.yaml", "/channels/signalling")],
)
def test_a_wrong_citation_is_noticed(path: str, place: str) -> None:
    assert not leads_somewhere(path, place)


def test_the_code_cites_behaviour_by_its_section() -> None:
    assert [where for where, path, place in cited() if path == "behaviour.md" and not place] == []


@pytest.mark.parametrize("name", ["behaviour.md", "README.md", "tolerance.md"])
def test_the_links_of_the_specification_lead_somewhere(name: str) -> None:
    document = ROOT / "spec" / name
    for match in LINK.finditer(document.read_text("utf-8")):
        path, _, place = match["target"].partition("#")
        if "://" not in path:
            target = (document.parent / path).resolve() if path else document
            assert target.exists(), match["target"]
            assert not place or place in anchors(target), match["target"]


# --- facts and numbers


def facts() -> list[str]:
    """Return the list items of the page about behaviour."""
    items: list[str] = []
    for line in BEHAVIOUR.read_text("utf-8").splitlines():
        if line.startswith("- "):
            items.append(line[2:])
        elif line.startswith("  ") and items:
            items[-1] += line[1:]
    return items


def test_each_fact_says_where_it_comes_from() -> None:
    assert len(facts()) > 80
    assert [fact for fact in facts() if not re.match(r"\*\*(Seen|Page|Assumed|Ours)\.\*\* [A-Z0-9`]", fact)] == []


def timers() -> list[tuple[str, str, str]]:
    """Return the rows of the table of timers: what, value, constants."""
    table = BEHAVIOUR.read_text("utf-8").split("\n## Timers and limits\n")[1]
    return [
        (what, value, names)
        for what, value, source, names in re.findall(
            r"^\| (.+?) \| (.+?) \| (\w+) \| (`.+`) \|$", table, re.MULTILINE
        )
        if source in ("Seen", "Page", "Assumed", "Ours")
    ]


def in_code(name: str) -> Any:
    """Return a constant of the package, or the default of a field of a class in it."""
    module, _, attribute = name.rpartition(".")
    if module.rpartition(".")[2][0].isupper():
        module, _, owner = module.rpartition(".")
        fields = attrs.fields_dict(getattr(importlib.import_module(f"odyssey_proto.{module}"), owner))
        return fields[attribute].default
    return getattr(importlib.import_module(f"odyssey_proto.{module}"), attribute)


def seconds_or_count(text: str, name: str) -> float:
    """Return a value of the table in the unit with which the name of the constant ends."""
    number, _, unit = text.partition(" ")
    value = float(number) * UNITS[unit]
    if unit == "ms" and name.lower().endswith("_s"):
        return value / 1000
    assert unit != "s" or not name.lower().endswith("_ms")
    return value


def value_of(text: str, name: str) -> Any:
    if "×" in text:
        return tuple(int(edge) for edge in text.removesuffix(" px").split("×"))
    values = tuple(seconds_or_count(part, name) for part in text.split(", "))
    return values if len(values) > 1 else values[0]


@pytest.mark.parametrize(("what", "value", "names"), timers(), ids=[what for what, _, _ in timers()])
def test_a_number_of_the_table_is_that_of_the_code(what: str, value: str, names: str) -> None:
    for name in re.findall(r"`([\w.]+)`", names):
        assert in_code(name) == value_of(value, name), name


def test_the_table_has_every_row_and_every_deadline_of_the_core() -> None:
    table = BEHAVIOUR.read_text("utf-8").split("\n## Timers and limits\n")[1]
    assert len(timers()) == table.count("\n| ") - 1  # all but the head
    assert [name for name in deadlines.__all__ if f"`core.deadlines.{name}`" not in table] == []
