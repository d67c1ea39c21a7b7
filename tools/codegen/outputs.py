"""Compares a folder with a freshly generated one, and updates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["differences", "replace"]


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return how `committed` differs from `fresh`: one line for each file that is missing, stale or extra."""
    old, new = _files(committed), _files(fresh)
    lines = [f"missing: {name}" for name in new.keys() - old.keys()]
    lines += [f"extra: {name}" for name in old.keys() - new.keys()]
    lines += [f"stale: {name}" for name in old.keys() & new.keys() if old[name] != new[name]]
    return sorted(lines)


def replace(committed: Path, fresh: Path) -> None:
    """Make `committed` equal to `fresh`; files that are equal already are not written."""
    old, new = _files(committed), _files(fresh)
    for name in old.keys() - new.keys():
        (committed / name).unlink()
    for name, content in new.items():
        if old.get(name) != content:
            (committed / name).parent.mkdir(parents=True, exist_ok=True)
            (committed / name).write_bytes(content)


def _files(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder`, except those that Python leaves when it imports from there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
