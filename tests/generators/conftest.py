"""The places of the tools. Tests whose tools are missing are skipped.

The tools of npm are in `node_modules` beside this file. Those of Python are in an environment of their own,
because they pin other releases than the project does. `make generators` installs both.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import node

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
_PYTHON_TOOLS = HERE.parents[1] / ".venvs" / "generators" / "bin"


@pytest.fixture(autouse=True)
def _all_tools(request: pytest.FixtureRequest) -> None:
    """CI installs only what its tests need."""
    if request.node.get_closest_marker("generators") and not (HERE / "node_modules" / "ajv").is_dir():
        pytest.skip("not all packages of npm are installed: make generators")


@pytest.fixture
def npm() -> Path:
    """The folder with the tools of npm."""
    if reason := node.missing(HERE):
        pytest.skip(reason)
    return HERE


@pytest.fixture
def javascript(npm: Path, tmp_path: Path) -> Path:
    """A folder for programs that use packages of npm."""
    (tmp_path / "node_modules").symlink_to(npm / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}\n', "utf-8")
    for program in PROGRAMS.glob("*.mjs"):
        shutil.copy(program, tmp_path)
    return tmp_path


@pytest.fixture
def python_tool() -> Callable[[str], Path]:
    """Find a Python tool in its environment, by name."""

    def find(name: str) -> Path:
        if not (_PYTHON_TOOLS / name).exists():
            pytest.skip(f"{name} is not installed: make generators")
        return _PYTHON_TOOLS / name

    return find


@pytest.fixture
def system_tool() -> Callable[[str], str]:
    """Find a tool of the system, by name."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find
