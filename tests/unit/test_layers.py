"""The layer table of ARCHITECTURE.md against the imports in the code, and what importing the packages gives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import odyssey_models
import pytest

import odyssey_proto

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "odyssey_proto"


@cache
def table() -> dict[str, set[str] | None]:
    """Read the table: module → what it may import; None where it may import everything above its row."""
    rows: dict[str, set[str] | None] = {}
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name, may in re.findall(r"^\| `([\w/]+)` \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE):
        if may == "all above":
            rows[name.rstrip("/")] = set(rows)
        else:
            rows[name.rstrip("/")] = set() if may == "–" else {part.strip().rstrip("/") for part in may.split(",")}
    return rows


def layer_of(module: str) -> str:
    """Return the row that a dotted module of the package belongs to: the emulator is one layer."""
    return "emulator" if module.startswith("emulator") else module.replace(".", "/")


@cache
def modules() -> list[str]:
    found = (
        path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")
    )
    return sorted(
        name.removesuffix(".__init__") for name in found if name not in ("__init__", "transport.__init__")
    )


def imports(module: str) -> set[str]:
    """Return the layers that a module imports when it runs, inside functions too; not for types only."""
    folder = PACKAGE / module.replace(".", "/")
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    parents = (
        ["odyssey_proto", *module.split(".")] if folder.is_dir() else ["odyssey_proto", *module.split(".")[:-1]]
    )
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                for target in (f"{base}.{alias.name}", base):
                    name = target.removeprefix("odyssey_proto.")
                    if target.startswith("odyssey_proto.") and name in modules():
                        found.add(layer_of(name))
                        break
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found - {layer_of(module)}


def test_the_table_names_every_module_and_no_other() -> None:
    assert {layer_of(module) for module in modules()} == set(table())


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_row_allows(module: str) -> None:
    allowed = table()[layer_of(module)]
    assert allowed is not None
    assert imports(module) <= allowed


def test_no_layer_is_allowed_to_import_one_that_is_allowed_to_import_it() -> None:
    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        seen.add(start)
        below = table()[start] or set()
        return goal in below or any(reaches(name, goal, seen) for name in below - seen)

    assert [name for name in table() if reaches(name, name, set())] == []


@pytest.mark.parametrize("module", ["protocol", "steps", "codec", "types", "errors"])
def test_the_core_imports_nothing_that_does_io_or_reads_time(module: str) -> None:
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    forbidden = {"time", "socket", "threading", "asyncio", "random", "os", "requests", "websocket", "aiortc"}
    names = {
        alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for alias in node.names
    }
    assert names.isdisjoint(forbidden)


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        ("odyssey_proto", {"aiortc", "aioice", "av", "numpy", "PIL", "aiohttp", "rich", "websocket"}),
        ("odyssey_proto", {"odyssey_proto.types", "odyssey_models.channel", "odyssey_models.sessions"}),
        ("odyssey_models", {"attrs", "cattrs", "requests", "websocket", "aiortc", "av", "numpy"}),
        ("odyssey_models.channel", {"cattrs", "requests", "websocket", "aiortc", "odyssey_models.simulations"}),
    ],
)
def test_importing_a_package_loads_nothing_heavy(package: str, heavy: set[str]) -> None:
    code = f"import sys, {package}; print(*sorted(set(sys.modules) & {heavy!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


@pytest.mark.parametrize("module", ["session", "spectator", "transport.peer"])
def test_it_can_be_imported_on_a_system_that_does_not_fork(module: str) -> None:
    code = f"import os; del os.fork, os.register_at_fork; import odyssey_proto.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", [odyssey_proto, odyssey_models])
def test_what_is_public_is_listed_once_loaded_or_not(package: ModuleType) -> None:
    before = dir(package)
    assert set(package.__all__) <= set(before)
    for name in package.__all__:
        getattr(package, name)
    assert sorted(set(dir(package))) == dir(package)


def test_a_name_that_a_package_does_not_have_is_an_error() -> None:
    for package in (odyssey_proto, odyssey_models):
        with pytest.raises(AttributeError, match="has no attribute 'Sesion'"):
            package.Sesion  # noqa: B018 - it is looked up
