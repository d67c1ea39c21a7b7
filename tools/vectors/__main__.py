"""The command `python -m tools.vectors`, which writes the vectors that follow from the schemas, and the manifest.

With ``--check`` it only reports differences. The folders ``valid``, ``invalid`` and ``transcripts`` are written by
hand.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.codegen.outputs import differences, replace
from tools.vectors.made import answers, requests, schema_of
from tools.vectors.manifest import manifest
from tools.vectors.mutations import SPEC, served

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["main", "write"]

_FOLDER: Final = SPEC / "vectors"
_MADE: Final = ("tolerant", "requests")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.vectors", description="Make vectors from spec/schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything differs")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "vectors"
        write(_FOLDER, fresh)
        if not options.check:
            replace(_FOLDER, fresh)
            return 0
        found = differences(_FOLDER, fresh)
    print("\n".join(found) or "spec/vectors is up to date")
    return 1 if found else 0


def write(by_hand: Path, folder: Path) -> None:
    """Write everything into the new folder ``folder``: vectors written by hand are copied, and the rest is
    generated."""
    shutil.copytree(by_hand, folder, ignore=shutil.ignore_patterns(*_MADE))
    for name in served():
        _write(folder / "tolerant" / f"{name}.json", name, answers(name))
    for name, cases in requests().items():
        _write(folder / "requests" / f"{name}.json", name, cases)
    (folder / "manifest.json").write_text(manifest(folder), "utf-8", newline="\n")


def _write(path: Path, name: str, cases: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = ",\n    ".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{\n  "schema": {json.dumps(schema_of(name))},\n  "cases": [\n    {lines}\n  ]\n}}\n'
    path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
