"""The code's imports follow the layer rule of ARCHITECTURE.md, and importing a package loads nothing heavy."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import odyssey_models
import pytest

import odyssey_proto
from odyssey_proto import conformance, core, emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytestmark = pytest.mark.xdist_group("layers")  # in one worker, which reads the code only once

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "odyssey_proto"
EXEMPT = {"", "_version"}  # the package itself, which loads names on demand; the version, which any room may read


@cache
def files() -> dict[str, Path]:
    """Return the file of every module, by its dotted name without the name of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        found[name.removesuffix(".__init__") if name != "__init__" else ""] = path
    return found


@cache
def rule(heading: str) -> dict[str, set[str]]:
    """Read a table: room → the rooms and single modules that it may import."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows: dict[str, set[str]] = {}
    for names, may in re.findall(r"^\| (`[^|]*`) \|[^|]*\| ([^|]*) \|$", section, re.MULTILINE):
        allowed = set() if may == "–" else set(re.findall(r"`([\w/]+)`", may))
        rows[" ".join(re.findall(r"`([\w/]+)`", names))] = allowed
    return rows


def imported_from(tree: ast.Module, module: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports: anywhere in it, even for types only, or by name."""
    is_package = files()[module].name == "__init__.py"
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                if name.startswith("odyssey_proto."):
                    yield name.removeprefix("odyssey_proto.")
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("odyssey_proto.")
                for alias in node.names
                if alias.name.startswith("odyssey_proto.")
            )
        if not isinstance(node, ast.ImportFrom):
            continue
        base = node.module or ""
        if node.level:
            parts = [part for part in module.split(".") if part]
            parents = parts[: len(parts) - node.level + is_package]
            base = ".".join([*parents, *([node.module] if node.module else [])])
        elif base == "odyssey_proto" or base.startswith("odyssey_proto."):
            base = base.removeprefix("odyssey_proto").removeprefix(".")
        else:
            continue
        for alias in node.names:
            name = f"{base}.{alias.name}".removeprefix(".")
            yield name if name in files() else base


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return the modules of the package that each of them imports."""
    found = {}
    for module, path in files().items():
        if module not in EXEMPT:
            names = set(imported_from(ast.parse(path.read_text(encoding="utf-8")), module))
            found[module] = frozenset(names - EXEMPT - {module})
    return found


FACES = "client rest_calls session spectator raw_response"


def room_of(module: str) -> str:
    """Return the row that a module belongs to: its folder, or the row of the public classes."""
    room = module.split(".")[0]
    return FACES if room in FACES.split() else room


def place_of(module: str) -> str:
    """Return the row of the emulator's table for one of its modules."""
    return module.split(".")[1] if "." in module else "__init__"


def used(rooms: dict[str, set[str]], within: str, place: object) -> dict[str, set[str]]:
    """Return the permissions that the code uses, and the imports without a permission, by room."""
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module, targets in imports().items():
        if not module.startswith(within):
            continue
        room = place(module)  # type: ignore[operator]
        for target in targets:
            if target.startswith(within) and (other := place(target)) != room:  # type: ignore[operator]
                single = target.removeprefix(within).replace(".", "/")
                found.setdefault(room, set()).add(single if single in rooms.get(room, ()) else other)
    return found


def test_the_rule_names_every_room_and_no_other() -> None:
    assert set(rule("Rooms")) == {room_of(module) for module in imports()}
    assert set(rule("The emulator")) == {place_of(module) for module in imports() if room_of(module) == "emulator"}


@pytest.mark.parametrize("room", rule("Rooms"))
def test_a_room_imports_exactly_what_its_row_says(room: str) -> None:
    assert used(rule("Rooms"), "", room_of)[room] == rule("Rooms")[room]


@pytest.mark.parametrize("place", rule("The emulator"))
def test_a_part_of_the_emulator_imports_exactly_what_its_row_says(place: str) -> None:
    assert used(rule("The emulator"), "emulator", place_of)[place] == rule("The emulator")[place]


PUBLIC = {
    *FACES.split(),
    "__main__",
    "cli",
    "conformance",
    "core",
    "emulator",
    "emulator.__main__",
    "pytest_plugin",
}


def test_what_is_not_public_has_an_underscore() -> None:
    named_as_public = {
        name
        for name in files()
        if not any(part.startswith("_") and part != "__main__" for part in name.split("."))
        and not name.startswith("core.")
    }
    assert named_as_public - {""} == PUBLIC


def test_only_the_command_and_the_checks_import_the_faces() -> None:
    faces = set(FACES.split())
    importers = {room_of(module) for module, targets in imports().items() if targets & faces}
    assert importers <= {FACES, "_doctor", "cli", "conformance", "pytest_plugin"}


@pytest.mark.parametrize(
    "source",
    [
        "from .._net import hls",
        "if TYPE_CHECKING:\n    from .._net.hls import HlsReader",
        "def late() -> None:\n    from odyssey_proto._net import hls",
        "import odyssey_proto._net.hls",
        'importlib.import_module("odyssey_proto._net.hls")',
    ],
)
def test_an_import_is_seen_wherever_it_stands(source: str) -> None:
    assert set(imported_from(ast.parse(source), "core.silence")) == {"_net.hls"}


@pytest.mark.parametrize("graph", ["modules", "rooms", "the emulator's parts"])
def test_there_is_no_circle(graph: str) -> None:
    edges = {
        "modules": {module: set(targets) for module, targets in imports().items()},
        "rooms": {room: {name.split("/")[0] for name in may} for room, may in rule("Rooms").items()},
        "the emulator's parts": {
            place: {name.split("/")[0] for name in may} for place, may in rule("The emulator").items()
        },
    }[graph]
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' → '.join(error.args[1])}")


FORBIDDEN = {
    "aiortc", "asyncio", "av", "concurrent", "datetime", "numpy", "os", "queue", "random", "requests", "select",
    "socket", "ssl", "subprocess", "threading", "time", "websocket",
}  # fmt: skip


def packages_of(module: str) -> set[str]:
    """Return the other packages that a module imports."""
    tree = ast.parse(files()[module].read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("source", ["from time import monotonic", "import time", "from .._base import clock"])
def test_what_reads_the_time_would_be_seen(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = tmp_path / "silence.py"
    written.write_text(source, "utf-8")
    monkeypatch.setitem(files(), "core.silence", written)
    found = packages_of("core.silence")
    for target in imported_from(ast.parse(source), "core.silence"):
        found |= packages_of(target)
    assert "time" in found


@pytest.mark.parametrize(
    "module", [module for module in files() if room_of(module) == "core" and module not in EXEMPT]
)
def test_the_core_imports_nothing_that_does_io_or_reads_time(module: str) -> None:
    assert packages_of(module).isdisjoint(FORBIDDEN)
    of_base = {target for target in imports()[module] if room_of(target) == "_base"}
    assert [target for target in of_base if not packages_of(target).isdisjoint(FORBIDDEN)] == []


def test_the_models_know_nothing_of_the_client() -> None:
    folder = Path(odyssey_models.__file__).parent
    assert [
        path.name
        for path in folder.glob("*.py")
        if re.search(r"^\s*(from|import) odyssey_proto", path.read_text("utf-8"), re.MULTILINE)
    ] == []


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        (
            "odyssey_proto",
            {
                *("aiortc", "aioice", "av", "numpy", "PIL", "aiohttp", "rich", "websocket", "requests"),
                *("odyssey_proto.client", "odyssey_proto._base.errors", "odyssey_models", "attrs", "cattrs"),
            },
        ),
        ("odyssey_proto.conformance", {"aiohttp", "aiortc", "av", "odyssey_proto.client"}),
        ("odyssey_proto.emulator", {"aiohttp", "aiortc", "av", "numpy", "PIL", "attrs", "asyncio"}),
        ("odyssey_models", {"attrs", "cattrs", "requests", "websocket", "aiortc", "av", "numpy"}),
        ("odyssey_models.channel", {"cattrs", "requests", "websocket", "aiortc", "odyssey_models.simulations"}),
    ],
)
def test_importing_a_package_loads_nothing_heavy(package: str, heavy: set[str]) -> None:
    code = f"import sys, {package}; print(*sorted(set(sys.modules) & {heavy!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


@pytest.mark.parametrize(
    ("name", "heavy"),
    [
        (
            "Odyssey",
            {
                *("aiortc", "aioice", "av", "numpy", "PIL", "aiohttp", "rich", "websocket", "asyncio"),
                *("odyssey_proto._model.events", "odyssey_models.channel", "odyssey_models.sessions"),
            },
        ),
    ],
)
def test_a_public_name_loads_no_more_than_it_needs(name: str, heavy: set[str]) -> None:
    code = f"import sys; from odyssey_proto import {name}; print(*sorted(set(sys.modules) & {heavy!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


HEAVY = {
    "aiortc", "asyncio", "av", "cattrs", "concurrent.futures", "http.client", "numpy", "queue", "requests",
    "socket", "ssl", "subprocess", "urllib3", "websocket",
}  # fmt: skip


@pytest.mark.parametrize(
    "what", ["", "Protocol, Connect, OpenLink, StatusChanged, Queueing, SessionState, StreamState"]
)
def test_the_core_loads_attrs_and_models_and_no_other_package(what: str) -> None:
    load = f"from odyssey_proto.core import {what}" if what else "import odyssey_proto.core"
    code = f"import sys; before = set(sys.modules); {load}; print(*set(sys.modules) - before)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    packages = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert packages <= {"attr", "attrs", "odyssey_models", "odyssey_proto"}
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", sorted(set(core.__all__) - set(odyssey_proto.__all__)))
def test_what_the_core_exports_says_that_it_is_from_there(name: str) -> None:
    thing = getattr(core, name)
    if isinstance(thing, type) and name != "UnknownMessage":
        assert thing.__module__ == "odyssey_proto.core"
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_it_can_be_imported_on_a_system_that_does_not_fork() -> None:
    modules = "odyssey_proto._net.webrtc.peer, odyssey_proto.session, odyssey_proto.spectator"
    code = f"import os; del os.fork, os.register_at_fork; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", [odyssey_proto, core, conformance, emulator, odyssey_models])
def test_public_names_are_listed_once_whether_loaded_or_not(package: ModuleType) -> None:
    before = dir(package)
    assert set(package.__all__) <= set(before)
    for name in package.__all__:
        getattr(package, name)
    assert sorted(set(dir(package))) == dir(package)


@pytest.mark.parametrize("package", [odyssey_proto, core, conformance, emulator])
def test_the_names_for_type_checkers_are_those_at_run_time(package: ModuleType) -> None:
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    checked = {
        alias.asname: "." * node.level + (node.module or "")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert checked == package._MODULE_OF


def test_a_name_that_a_package_does_not_have_is_an_error() -> None:
    for package in (odyssey_proto, core, conformance, emulator, odyssey_models):
        with pytest.raises(AttributeError, match="has no attribute 'Sesion'"):
            package.Sesion  # noqa: B018 - it is looked up
