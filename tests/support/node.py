"""Runs node and other tools in tests: whether they are installed, and programs that exchange lines of JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["answers", "missing", "run"]

_TIMEOUT_S = 500
_SHOWN = 2000
"""Number of characters to show from the end of a failed command's output; its beginning reports successes."""


def missing(folder: Path) -> str:
    """Return why the packages of `folder` cannot run; empty if they can."""
    if not shutil.which("node"):
        return "node is not installed"
    if not (folder / "node_modules").is_dir():
        return f"its packages are not installed: npm ci --prefix {'/'.join(folder.parts[-3:])}"
    return ""


def run(*command: str | Path, cwd: Path, given: str = "", environment: dict[str, str] | None = None) -> str:
    """Run a command and return its output. Raises `AssertionError` with the end of the output if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=given,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **(environment or {})},
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{[*map(str, command)]} failed:\n{done.stdout[-_SHOWN:]}\n{done.stderr[-_SHOWN:]}")
    return done.stdout


def answers(questions: Iterable[Any], *command: str | Path, cwd: Path) -> list[Any]:
    """Send each question as a line of JSON to a program, and return its answers, one line each."""
    lines = [json.dumps(question) for question in questions]
    output = run(*command, cwd=cwd, given="".join(f"{line}\n" for line in lines))
    found = [json.loads(line) for line in output.splitlines()]
    assert len(found) == len(lines)
    return found
