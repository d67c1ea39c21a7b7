"""How large modules and classes may be, and that a name stands for one thing."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("names")  # in one worker, which reads the code only once

ROOT = Path(__file__).parents[2]
MOST_LINES = 500
MOST_METHODS = 40
WITNESSES = ("emulator", "conformance")  # they share little with the client: a constant may have one name in both
WITH_UNIT = re.compile(r"[A-Z0-9_]+_(S|MS|HZ|BPS|BYTES|CHARS|PX)")


@functools.cache
def modules(*folders: str) -> list[tuple[str, str]]:
    """Return the path and the text of each module."""
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


parsed = functools.cache(ast.parse)
"""The syntax tree of a text, cached because parsing takes longer than the checks."""


def classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    """Yield the classes among statements, at any depth; expressions, which have none, are not searched."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from classes(getattr(node, name, []))


def part_of(path: str) -> str:
    """Return the part of the project in which a constant has one meaning."""
    folder = path.split("/")[1]
    return folder if folder in WITNESSES else "the client"


def constants(text: str) -> Iterator[str]:
    """Yield the names that a module assigns at its top level."""
    for node in parsed(text).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_module_is_too_long() -> None:
    lengths = {path: len(text.splitlines()) for path, text in modules("odyssey_proto", "tools")}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_class_has_too_many_methods() -> None:
    counts = {
        f"{path}: {cls.name}": sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in cls.body)
        for path, text in modules("odyssey_proto", "tools")
        for cls in classes(parsed(text).body)
    }
    assert {name: methods for name, methods in counts.items() if methods > MOST_METHODS} == {}


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path, text in modules("odyssey_proto"):
        for node in parsed(text).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_number_with_a_unit_has_one_name_in_one_place() -> None:
    places = defaultdict(list)
    for path, text in modules("odyssey_proto"):
        for name in constants(text):
            if WITH_UNIT.fullmatch(name):
                places[part_of(path), name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
